"""What is wrong with a file that cannot be decoded, told so that a person can act.

E-IMG-EMPTY       no bytes at all
E-IMG-FORMAT      not one of the formats we take
E-IMG-TRUNCATED   the end is missing
E-IMG-DECODE      damaged, or an unknown kind of pixel
E-IMG-HUGE        more pixels than allowed, or than fit (found by `image_reading`)
"""

from __future__ import annotations

import io
from typing import Literal

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from nst_core import heic
from nst_core.errors import ImageError
from nst_core.image_samples import tiff_tag

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")

# What files begin with: ours, and those people try most often.
_SIGNATURES = (
    ("PNG", b"\x89PNG\r\n\x1a\n", 0),
    ("JPEG", b"\xff\xd8\xff", 0),
    ("WEBP", b"WEBP", 8),
    ("TIFF", b"II*\0", 0),
    ("TIFF", b"MM\0*", 0),
    ("TIFF", b"II+\0", 0),
    ("TIFF", b"MM\0+", 0),
    ("BMP", b"BM", 0),
    ("a GIF", b"GIF8", 0),
    ("a PDF", b"%PDF", 0),
    ("PostScript", b"%!PS", 0),
    ("a Photoshop document", b"8BPS", 0),
    (heic.FORMAT, b"ftyphei", 4),
    (heic.FORMAT, b"ftyphev", 4),
    (heic.FORMAT, b"ftypmif1", 4),
    ("an AVIF picture", b"ftypavif", 4),
    ("a text or web page", b"<", 0),
)

_PNG_END = b"IEND\xaeB`\x82"

# The tags of where a TIFF's strips and tiles start, and of how many bytes they have.
_TIFF_PARTS = (
    (TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.STRIPBYTECOUNTS),
    (TiffImagePlugin.TILEOFFSETS, TiffImagePlugin.TILEBYTECOUNTS),
)


def kind(data: bytes) -> str | None:
    """Return what a file begins like: one of our formats, or what people call another."""
    return next((name for name, start, at in _SIGNATURES if data.startswith(start, at)), None)


def explained(data: bytes, error: Exception) -> ImageError:
    """Return what is wrong with the bytes on which Pillow raised this error."""
    if not data:
        return ImageError("the file is empty", code="E-IMG-EMPTY", remedy="copy it again")
    name = kind(data)
    if name == heic.FORMAT and not heic.IS_READ:
        return ImageError(
            "not a PNG, JPEG, WebP, TIFF or BMP but a HEIC photo",
            code="E-IMG-FORMAT",
            remedy=heic.REMEDY,
        )
    if name not in (*FORMATS, heic.FORMAT):
        return ImageError(
            f"not a PNG, JPEG, WebP, TIFF or BMP{f' but {name}' if name else ''}",
            code="E-IMG-FORMAT",
            remedy="save the picture in one of these formats",
        )
    if "truncated" in str(error) or is_cut(name, data):
        return ImageError(
            f"the {name} file is truncated: only its first {len(data):,} bytes are here",
            code="E-IMG-TRUNCATED",
            remedy="copy it again",
        )
    if isinstance(error, UnidentifiedImageError):
        reason = "its header is damaged, or its kind of pixel unknown"
    else:
        reason = str(error) or type(error).__name__
    return ImageError(
        f"the {name} file cannot be decoded ({reason})",
        code="E-IMG-DECODE",
        remedy="save it again as an ordinary RGB picture of 8 or 16 bits",
    )


def is_cut(name: str, data: bytes) -> bool:
    """Tell whether the end of a file of one of our formats is missing."""
    match name:
        case "PNG":
            return data.rfind(_PNG_END) < 0
        case "JPEG":
            return data.find(b"\xff\xd9", _first_scan(data)) < 0
        case "WEBP":
            return int.from_bytes(data[4:8], "little") + 8 > len(data)
        case "BMP":
            return int.from_bytes(data[2:6], "little") > len(data)
        case heic.FORMAT:
            return _is_cut_heif(data)
    return _is_cut_tiff(data)


def _first_scan(data: bytes) -> int:
    """Return where a JPEG's pixels begin, behind any preview that ends like a picture."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        # Any number of fill bytes may stand before a marker.
        fill = data[at + 1 : at + 2] == b"\xff"
        at += 1 if fill else 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return at


def _is_cut_heif(data: bytes) -> bool:
    """Tell whether one of the boxes that the file is a row of ends beyond the file's end."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:  # it did not fit into four bytes
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size == 0:  # to the end
            return False
        at += max(size, 8)
    return at > len(data)


def _is_cut_tiff(data: bytes) -> bool:
    """Tell whether the tags, or the pixels they point to, lie beyond the end."""
    try:
        with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
            ends = [
                start + size
                for starts, sizes in _TIFF_PARTS
                for start, size in zip(
                    tiff_tag(image, starts), tiff_tag(image, sizes), strict=False
                )
            ]
    except Exception:  # noqa: BLE001  damaged bytes make Pillow raise nearly anything
        order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"
        ends = [int.from_bytes(data[4:8], order) + 2]
    return max(ends, default=0) > len(data)
