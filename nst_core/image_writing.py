"""Pixels → encoded pictures, in sRGB and with their provenance.

The provenance is a JSON object with the single key `nst-gallery`. It lies where each format keeps
such things: PNG, the iTXt chunk `nst-gallery`; JPEG and WebP, the EXIF UserComment; TIFF, the
ImageDescription. `read_provenance` finds it in all of them.
"""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import ExifTags, Image

from nst_core import image_containers
from nst_core.color_profiles import srgb_profile
from nst_core.errors import ImageError, did_you_mean
from nst_core.image_reading import opened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

Format = Literal["png", "jpeg", "webp", "tiff"]

PROVENANCE_KEY = "nst-gallery"

# EXIF says first in which character set a UserComment is.
_ASCII = b"ASCII\0\0\0"

_DEEPEST = {"png": 16, "jpeg": 8, "webp": 8, "tiff": 16}


def encode(
    pixels: Tensor,
    *,
    format: Format = "png",  # noqa: A002  the manifest's word
    bits: Literal[8, 16] = 8,
    quality: int = 95,
    provenance: Mapping[str, object] | None = None,
    dpi: int | None = None,
) -> bytes:
    """Return a picture file; the same arguments always give the same bytes.

    Args:
        pixels: (1, 3, H, W), sRGB RGB, clamped to [0, 1]; a half is rounded up.
        format: PNG and TIFF are lossless.
        bits: Per channel; 16 for PNG and TIFF only.
        quality: Of JPEG (which keeps full colour resolution) and WebP, 1 to 100.
        provenance: JSON values to embed; None embeds nothing.
        dpi: Pixels per inch that the file claims.

    Raises:
        ImageError: The pixels are no finite RGB picture, or the format cannot hold what is asked.
    """
    if format not in _DEEPEST:
        known = ", ".join(_DEEPEST)
        raise _refused(f"no format '{format}'{did_you_mean(format, _DEEPEST)}", f"take {known}")
    if bits not in (8, 16) or bits > _DEEPEST[format]:
        raise _refused(f"{format} with {bits} bits per channel", "take 8, or 16 for png and tiff")
    if not 1 <= quality <= 100:  # noqa: PLR2004
        raise _refused(f"with quality {quality}", "take 1 to 100")
    values = _quantized(pixels, bits)
    text = None
    if provenance is not None:
        text = json.dumps({PROVENANCE_KEY: provenance}, sort_keys=True, allow_nan=False)
    profile = srgb_profile()
    if format == "png":
        named = None if text is None else (PROVENANCE_KEY, text)
        return image_containers.png(values, profile=profile, text=named, dpi=dpi)
    if format == "tiff":
        return image_containers.tiff(values, profile=profile, text=text, dpi=dpi)
    options: dict[str, object] = {"exif": _exif(text, dpi), "quality": quality}
    if format == "webp":
        return _saved([values], format, method=6, **options)
    options["dpi"] = (dpi or 0, dpi or 0)
    return _saved([values], format, subsampling="4:4:4", optimize=True, **options)


def animate(frames: Sequence[Tensor], *, milliseconds: int = 120) -> bytes:
    """Return an animated WebP of quality 90 that plays for ever.

    Args:
        frames: Pictures of one size as for `encode`, at least one.
        milliseconds: How long each is shown.

    Raises:
        ImageError: No frames, frames of several sizes, or pixels that are no finite RGB picture.
    """
    sizes = {tuple(frame.shape) for frame in frames}
    if len(sizes) != 1:
        raise _refused(f"an animation of frames of {len(sizes)} sizes", "give frames of one size")
    values = [_quantized(frame, 8) for frame in frames]
    return _saved(values, "webp", quality=90, method=4, duration=milliseconds, loop=0)


def read_provenance(data: bytes) -> dict[str, object] | None:
    """Return what `encode` embedded, or None if the picture holds nothing of the kind.

    Args:
        data: An encoded picture, of any size.

    Raises:
        ImageError: Not a picture.
    """
    with opened(data, max_pixels=sys.maxsize) as image:
        if image.format == "PNG":
            text = image.info.get(PROVENANCE_KEY)
        elif image.format == "TIFF":
            text = image.getexif().get(ExifTags.Base.ImageDescription)
        else:
            comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
            text = comment.removeprefix(_ASCII) if isinstance(comment, bytes) else comment
    try:
        found = json.loads(text or "null")
    except ValueError:
        return None
    provenance = found.get(PROVENANCE_KEY) if isinstance(found, dict) else None
    return provenance if isinstance(provenance, dict) else None


def _quantized(pixels: Tensor, bits: int) -> NDArray[np.generic]:
    """Return (H, W, 3) whole numbers, a half rounded up."""
    if pixels.ndim != 4 or pixels.shape[:2] != (1, 3) or not pixels.numel():  # noqa: PLR2004
        raise _refused(f"pixels of shape {tuple(pixels.shape)}", "give (1, 3, height, width)")
    values: NDArray[np.float32] = pixels.detach()[0].permute(1, 2, 0).float().cpu().numpy()
    if not np.isfinite(values).all():
        raise _refused("pixels that are no finite numbers", "look where they came from")
    kind = np.dtype(f"u{bits // 8}")
    return (np.clip(values, 0, 1) * np.iinfo(kind).max + np.float32(0.5)).astype(kind)


def _exif(text: str | None, dpi: int | None) -> bytes:
    if text is None and dpi is None:
        return b""
    exif = Image.Exif()
    if text is not None:
        exif[ExifTags.IFD.Exif] = {ExifTags.Base.UserComment: _ASCII + text.encode()}
    if dpi is not None:
        exif[ExifTags.Base.XResolution] = exif[ExifTags.Base.YResolution] = dpi
        exif[ExifTags.Base.ResolutionUnit] = 2  # inch
    return exif.tobytes()


def _saved(frames: Sequence[NDArray[np.generic]], format: str, **options: object) -> bytes:  # noqa: A002
    first, *rest = (Image.fromarray(values) for values in frames)
    if rest:
        options |= {"save_all": True, "append_images": rest}
    file = io.BytesIO()
    try:
        first.save(file, format, icc_profile=srgb_profile(), **options)
    except (OSError, ValueError) as error:
        limits = "65535 px, 64 kB of provenance" if format == "jpeg" else "16383 px"
        raise _refused(f"no {format} ({error})", f"it holds up to {limits}; take png") from error
    return file.getvalue()


def _refused(what: str, remedy: str) -> ImageError:
    return ImageError(f"cannot encode {what}", code="E-IMG-ENCODE", remedy=remedy)
