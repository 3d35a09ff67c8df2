"""Small WebP copies of pictures, beside the page that shows them, made once.

    OUT/assets/<first 16 digits of the picture's SHA-256>-<width in pixels>.webp

The name is the content, so a copy is never out of date, and originals still show on the page when
they lie elsewhere by then. Of a picture's copies the smallest is written last: with it, all are
there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from manifests.locations import is_remote
from nst_core.errors import ImageError
from tasks.durable import write_atomic
from tasks.file_store import FileStore
from tasks.settings import Settings
from tasks.storage_errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FOLDER = "assets"
WIDTHS = (320, 640, 1280)
_QUALITY = 82
_MAX_PIXELS = 300_000_000


@dataclass(frozen=True)
class Thumbnail:
    """The copies of one picture.

    Args:
        stem: Their common beginning relative to the output, ``assets/<16 hex digits>``.
        widths: In pixels, growing; none but the first exceeds the picture's own.
        width: Of the largest copy, in pixels; ``height`` likewise.
    """

    stem: str
    widths: tuple[int, ...]
    width: int
    height: int

    def file(self, width: int) -> str:
        """Return the name of the copy of a width, relative to the output."""
        return f"{self.stem}-{width}.webp"


class Thumbnails:
    """The copies that lie in one output; threads may share it.

    Args:
        root: The output's folder.
        downloads: Where pictures from buckets lie, each under its SHA-256; by default, where this
            machine keeps them.
    """

    def __init__(self, root: Path, *, downloads: Path | None = None) -> None:
        self._root = root
        self._downloads = downloads or Settings.from_environment().downloads
        self._known: dict[str, set[int]] = {}
        for path in (root / FOLDER).glob("*-*.webp"):
            digits, _, width = path.stem.partition("-")
            if width.isdecimal():
                self._known.setdefault(digits, set()).add(int(width))

    def of(self, sha256: str, places: Iterable[str | Path]) -> Thumbnail | None:
        """Return a picture's copies, made now if need be, or None where it cannot be had.

        Args:
            sha256: Of the picture's bytes; others are not taken for it.
            places: Where it may lie; an object of a bucket is taken from what was downloaded.

        Raises:
            OutputError: The copies could not be written.
        """
        digits = sha256[:16]
        if (there := self._there(digits)) is not None:
            return there
        image = _read(sha256, [*places, self._downloads / sha256])
        if image is None:
            return None
        self._known[digits] = self._make(digits, image)
        return self._there(digits)

    def _there(self, digits: str) -> Thumbnail | None:
        """Return the copies that are there, or None where one is missing or damaged."""
        stem, widths = f"{FOLDER}/{digits}", sorted(self._known.get(digits, ()))
        if WIDTHS[0] not in widths:
            return None
        size = 0, 0
        try:
            for width in widths:
                with Image.open(self._root / f"{stem}-{width}.webp") as copy:
                    size = copy.size
        except OSError:
            return None
        return Thumbnail(stem, tuple(widths), *size)

    def _make(self, digits: str, image: Image.Image) -> set[int]:
        widths = {WIDTHS[0], *(min(width, image.width) for width in WIDTHS[1:])}
        widths = {width for width in widths if width >= WIDTHS[0]}
        for width in sorted(widths, reverse=True):
            height = max(1, round(image.height * width / image.width))
            copy = BytesIO()
            image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0).save(
                copy, "WEBP", quality=_QUALITY, method=3
            )
            write_atomic(self._root / FOLDER / f"{digits}-{width}.webp", copy.getvalue())
        return widths


def _read(sha256: str, places: Iterable[str | Path]) -> Image.Image | None:
    """Return the first of the places that holds the picture and can be read."""
    for place in places:
        if is_remote(str(place)):
            continue
        try:
            data = FileStore().read(str(place))
            if hashlib.sha256(data).hexdigest() == sha256:
                return decoded(data)
        except (StorageError, ImageError, OSError):
            continue  # The next place may do; a picture that is nowhere is shown as such.
    return None


def decoded(data: bytes) -> Image.Image:
    """Return a picture as the painter sees it: upright, in sRGB, over white, 8 bits.

    Raises:
        ImageError: It is none, or damaged.
    """
    # Late, because torch takes a second to import and most rebuilds find every copy made.
    from nst_core.images import decode  # noqa: PLC0415

    pixels = decode(data, max_pixels=_MAX_PIXELS).pixels[0].mul(255).round().byte()
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())
