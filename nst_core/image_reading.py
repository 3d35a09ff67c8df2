"""Untrusted bytes → samples: which files are let in, and what they say about themselves.

Pillow reads everything, but only five formats are opened, and HEIC where its extra is installed.
Sizes are judged from the header, and whatever Pillow raises on damaged bytes leaves as an
`ImageError`.

This module does not import torch, so that a check of many headers starts at once.
"""

from __future__ import annotations

import io
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from PIL import ExifTags, Image

from nst_core import heic
from nst_core.errors import ImageError
from nst_core.image_faults import FORMATS, explained, is_cut, kind
from nst_core.image_samples import Samples, samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.ImageFile import ImageFile

# Telephones call 8192×6144 px 50 megapixels, and 9248×6936 px 64.
MAX_PIXELS = 70_000_000

# A TIFF of a few megabytes can chain a million empty pages, which take Pillow hours to count.
_MAX_COUNTED_PAGES = 1000

# `warnings.catch_warnings` changes the whole process: one thread at a time.
_QUIET = threading.RLock()

# EXIF orientations from here on lay the picture on its side.
_FIRST_SIDEWAYS = 5


@dataclass(frozen=True)
class Header:
    """What a picture says about itself before any pixel is decoded.

    Args:
        format: PNG, JPEG, WEBP, TIFF or BMP; HEIF where its extra is installed.
        width: In pixels, upright (after the rotation that EXIF asks for).
        height: In pixels, upright.
        frames: Frames of an animation or pages; 1 for a plain picture. Pages are counted to 1000.
    """

    format: str
    width: int
    height: int
    frames: int


class Source(NamedTuple):
    """The first frame as the file holds it.

    Args:
        samples: Its colours and transparency.
        profile: The embedded ICC profile.
        orientation: The EXIF orientation still to be applied, 1 to 8.
        warnings: What a person should know about how the file was read.
    """

    samples: Samples
    profile: bytes | None
    orientation: int
    warnings: tuple[str, ...]


def inspect(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Header:
    """Return a picture's format, upright size and number of frames, from its header alone.

    Args:
        data: The encoded picture.
        max_pixels: Larger pictures are refused; Pillow's own limit of 179 Mpx stands above it.

    Raises:
        ImageError: Not a picture, or larger than allowed.
    """
    with opened(data, max_pixels) as image:
        width, height = image.size
        if _orientation(image, data)[0] >= _FIRST_SIDEWAYS:
            width, height = height, width
        return Header(_format(image), width, height, _frames(image, data))


def read(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Source:
    """Return a picture's first frame at the precision the file has.

    Args:
        data: The encoded picture.
        max_pixels: As for `inspect`.

    Raises:
        ImageError: Not a picture, larger than allowed, or damaged.
    """
    with opened(data, max_pixels) as image:
        profile = image.info.get("icc_profile")
        orientation, notes = _orientation(image, data)
        if (frames := _frames(image, data)) > 1:
            are = "several pages" if image.format in {"TIFF", heic.FORMAT} else "animated"
            notes += (f"{are}: first of {frames} used",)
        found = samples(image, data)
        return Source(found, profile, orientation, notes + found.warnings)


@contextmanager
def opened(data: bytes, max_pixels: int) -> Iterator[ImageFile]:
    """Open a picture without decoding it; Pillow's errors are explained, in the body too.

    Args:
        data: The encoded picture.
        max_pixels: As for `inspect`.

    Raises:
        ImageError: Whatever Pillow raised, here or in the body.
    """
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            formats: tuple[str, ...] = FORMATS
            if heic.IS_READ and kind(data) == heic.FORMAT:
                heic.let_in()
                formats = (heic.FORMAT,)
            with Image.open(io.BytesIO(data), formats=formats) as image:
                _refuse(image, data, max_pixels)
                yield image
        except ImageError:
            raise
        except Image.DecompressionBombError as error:
            raise _huge("the picture", f"{max_pixels:,} pixels") from error
        except MemoryError as error:
            raise _huge("the picture", "the free memory") from error
        except Exception as error:  # damaged bytes make Pillow raise nearly anything
            raise explained(data, error) from error


def _refuse(image: ImageFile, data: bytes, max_pixels: int) -> None:
    """Refuse what Pillow would decode, but we do not take."""
    width, height = image.size
    if width * height > max_pixels:
        raise _huge(f"{width}×{height} px", f"{max_pixels:,} pixels")
    # Pillow finds a cut photo only once it decodes it, and forgives a PNG its last chunk.
    if (name := _format(image)) in {"PNG", "JPEG"} and is_cut(name, data):
        raise EOFError


def _huge(what: str, limit: str) -> ImageError:
    return ImageError(
        f"{what} is more than {limit}",
        code="E-IMG-HUGE",
        remedy="make the picture smaller",
    )


def _format(image: ImageFile) -> str:
    # An MPO is a JPEG with further pictures behind it: previews, depth and gain maps of phones.
    return "JPEG" if image.format == "MPO" else str(image.format)


def _frames(image: ImageFile, data: bytes) -> int:
    if _format(image) == "JPEG":
        return 1
    if image.format != "TIFF":
        return int(getattr(image, "n_frames", 1))
    # On a second handle, because the tags of later pages would stay in the first one's `info`.
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as pages:
        for page in range(1, _MAX_COUNTED_PAGES):
            try:
                pages.seek(page)
            except Exception:  # noqa: BLE001  no further page, or none that can be read
                return page
    return _MAX_COUNTED_PAGES


def _orientation(image: ImageFile, data: bytes) -> tuple[int, tuple[str, ...]]:
    """Return the EXIF orientation that is left to apply, and a warning if EXIF is damaged."""
    if image.format == "TIFF":
        return 1, ()  # Pillow turns these itself
    try:
        if image.format == "PNG" and "exif" not in image.info:
            # Pillow would decode all pixels in search of a chunk behind them.
            exif = Image.Exif()
            if (start := data.rfind(b"eXIf")) >= 0:
                length = int.from_bytes(data[start - 4 : start], "big")
                exif.load(data[start + 4 : start + 4 + length])
        else:
            exif = image.getexif()
        value = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  as in `opened`, but a photo can do without
        return 1, ("EXIF is damaged: a rotation it may ask for is not applied",)
    return (value if value in range(1, 9) else 1), ()
