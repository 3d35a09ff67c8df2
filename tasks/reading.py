"""What a painter reads of a pair: encoded pictures and masks, as the core takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nst_core.errors import ImageError
from nst_core.images import decode
from nst_core.masks import BACKGROUND, mask_of, require_fit
from nst_core.octaves import size_of
from nst_core.pictures import Pictures, Style

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.images import Picture
    from tasks.fetching import Fetched
    from tasks.render import FetchedMask, FetchedStyle, PaintJob


class Reading:
    """Reads the pictures of one pair.

    Args:
        job: Names them.

    Attributes:
        warnings: What a person should know about how they were read.
    """

    def __init__(self, job: PaintJob) -> None:
        self.warnings: list[str] = []
        self._job = job

    def pictures(self) -> Pictures:
        """Return all of them.

        Raises:
            ImageError: One cannot be read, or is no mask of its picture.
            InputError: One has changed since it was fetched.
        """
        job = self._job
        content = self._picture(job.content) if job.content else None
        start = self._picture(job.start) if job.start else None
        return Pictures(
            content=content.pixels if content else None,
            styles=[self._style(style) for style in job.styles],
            start=start.pixels if start else None,
            regions={name: self._mask(mask, content) for name, mask in job.regions if content},
        )

    def _style(self, style: FetchedStyle) -> Style:
        picture, mask = self._picture(style.source), style.mask
        # Under one key lies what is measured of these places of this picture.
        places = f" {mask.source.sha256} {mask.color} {mask.feather}" if mask else ""
        return Style(
            picture.pixels,
            key=picture.sha256 + places,
            weight=style.weight,
            region=style.region,
            mask=self._mask(mask, picture) if mask else None,
        )

    def _mask(self, mask: FetchedMask, picture: Picture) -> Tensor:
        """Return the places of a picture that a mask selects, (1, 1, H, W) in [0, 1]."""
        pixels = self._picture(mask.source, background=BACKGROUND).pixels
        try:
            require_fit(size_of(pixels), size_of(picture.pixels))
            return mask_of(pixels, color=mask.color, feather=mask.feather)
        except ImageError as error:
            raise error.about(mask.source.path.name) from error

    def _picture(self, source: Fetched, *, background: str | None = None) -> Picture:
        job = self._job
        try:
            picture = decode(
                source.read(),
                background=background or job.output.background,
                max_pixels=job.max_pixels,
            )
        except ImageError as error:
            raise error.about(source.path.name) from error
        self.warnings += [f"{source.path.name}: {warning}" for warning in picture.warnings]
        return picture
