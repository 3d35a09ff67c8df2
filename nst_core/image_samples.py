"""Pillow's picture → colours and transparency, at the precision the file has.

Pillow keeps 8 bits of colour, and as much as there is of grey. More of colour is coaxed out of
it here, so that a 16-bit scan stays one.
"""

from __future__ import annotations

import functools
import io
import sys
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import numpy as np
from PIL import Image, ImageChops, TiffImagePlugin

from nst_core import heic
from nst_core.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile
    from PIL.TiffImagePlugin import TiffImageFile

    Floats: TypeAlias = NDArray[np.float32]


class Samples(NamedTuple):
    """What a file holds: colours not yet sRGB, not yet upright.

    Args:
        color: 8 bits per channel as a Pillow picture (L, RGB, CMYK or LAB), or finer ones as
            (H, W, 1 or 3) float32 in [0, 1], grey or RGB.
        alpha: (H, W) float32 in [0, 1], 1 where the picture is opaque; None if it is everywhere.
        warnings: What was lost or guessed.
    """

    color: Image.Image | Floats
    alpha: Floats | None = None
    warnings: tuple[str, ...] = ()


def samples(image: ImageFile, data: bytes) -> Samples:
    """Return the samples of a picture that Pillow has opened and not yet loaded.

    Args:
        image: The picture, at its first frame.
        data: The bytes it was opened from.

    Raises:
        ImageError: A float picture without a single finite number.
        Exception: Whatever Pillow raises on damaged bytes.
    """
    if order := _byte_order(image):
        return _sixteen_bit_color(image, data, order)
    if image.mode in ("RGB", "RGBA") and (bits := heic.bits_of(image)) > 8:  # noqa: PLR2004
        return _deep_heic(image, data, bits)
    if image.mode[0] in "IF":
        return _deep_grey(image)
    return _eight_bit(image)


def _deep_heic(image: ImageFile, data: bytes, bits: int) -> Samples:
    """Return the 10 or 12 bits of a telephone's or camera's photo."""
    values, notes = heic.deep_color(data, bits), heic.notes_on(image)
    if image.mode == "RGB":
        return Samples(values, None, notes)
    return Samples(values[:, :, :3], values[:, :, 3], notes)


def _eight_bit(image: ImageFile) -> Samples:
    """Return what Pillow gives with 8 bits per channel."""
    # What `_byte_order` leaves: CMYK, and compressed TIFFs that keep each channel apart.
    deep = max(tiff_tag(image, TiffImagePlugin.BITSPERSAMPLE), default=8) > 8  # noqa: PLR2004
    notes = ("finer samples were read with 8 bits",) if deep else ()
    plain = _plain_mode(image)
    if plain.mode not in ("LA", "RGBA"):
        return Samples(plain, None, notes)
    color, mask = plain.convert(plain.mode[:-1]), plain.getchannel("A")
    if mask.getextrema() == (255, 255):
        return Samples(color, None, notes)
    return Samples(color, np.asarray(mask, np.float32) / np.float32(255), notes)


def _plain_mode(image: ImageFile) -> Image.Image:
    """Return the picture in L, LA, RGB, RGBA, CMYK or LAB."""
    if image.format == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info:
        return ImageChops.invert(image)  # Pillow takes all of them for Adobe's, stored inverted
    # The transparent grey of a PNG counts in the file's few bits, its pixels in Pillow's eight.
    scale = {"L;2": 85, "L;4": 17}.get(_rawmode(image), 1)
    image.load()
    if image.mode in ("P", "PA") or "transparency" in image.info:
        if scale > 1:
            image.info["transparency"] *= scale
        return image.convert("RGBA")
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK", "LAB"):
        return image
    return image.convert({"1": "L", "La": "LA"}.get(image.mode, "RGB"))


def _deep_grey(image: ImageFile) -> Samples:
    """Return grey of more than 8 bits.

    Unsigned 12 and 16 bits have a scale of their own. Other numbers have none: they are taken as
    they are if they lie in [0, 1], else their own range becomes [0, 1].
    """
    values = np.asarray(image)
    alpha: Floats | None = None
    notes: tuple[str, ...] = ()
    if image.mode.startswith("I;16"):
        if "transparency" in image.info:
            alpha = (values != image.info["transparency"]).astype(np.float32)
        bits = max(tiff_tag(image, TiffImagePlugin.BITSPERSAMPLE), default=16)
        if (finer := heic.bits_of(image)) > 8:  # noqa: PLR2004
            values, bits = values >> (16 - finer), finer  # they come as the high bits
        grey = values.astype(np.float32) / np.float32(2**bits - 1)
    else:
        if image.mode == "I" and tiff_tag(image, TiffImagePlugin.SAMPLEFORMAT) in ((), (1,)):
            values = values.view(np.uint32)
        grey, notes = _own_range(values)
    if tiff_tag(image, TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == (0,):
        grey = 1 - grey  # white is zero, which Pillow minds with 8 bits only
    return Samples(grey[:, :, None], alpha, notes)


def _own_range(values: NDArray[np.generic]) -> tuple[Floats, tuple[str, ...]]:
    exact = values.astype(np.float64)
    finite = np.isfinite(exact)
    if not finite.any():
        raise ImageError("no pixel holds a finite number", code="E-IMG-DECODE")
    low, high = float(exact[finite].min()), float(exact[finite].max())
    notes: tuple[str, ...] = ()
    if low < 0 or high > 1:
        notes = (f"values from {low:.4g} to {high:.4g} were scaled to 0…1",)
        exact = (exact - low) / ((high - low) or 1.0)
    if not finite.all():
        notes += ("pixels that hold no finite number became 0",)
        exact[~finite] = 0
    return exact.astype(np.float32), notes


def _byte_order(image: ImageFile) -> str | None:
    """Return which byte of 16-bit colour samples comes first, "B" for the high one.

    None stands for samples of 8 bits, and for those of which Pillow cannot give more.
    """
    if image.mode not in ("RGB", "RGBA"):
        return None
    rawmode = _rawmode(image)
    if len(rawmode) == 1 and 16 in tiff_tag(image, TiffImagePlugin.BITSPERSAMPLE):  # noqa: PLR2004
        # An uncompressed TIFF that keeps each channel apart.
        return "L" if cast("TiffImageFile", image).tag_v2.prefix == b"II" else "B"
    _, deep, order = rawmode.partition(";16")
    return (order if order != "N" else sys.byteorder[0].upper()) if deep else None


def _sixteen_bit_color(image: ImageFile, data: bytes, order: str) -> Samples:
    """Return 16-bit colour whole; Pillow by itself keeps the high bytes only.

    The file is unpacked twice: once as it is, once with its byte order told wrong, which makes
    Pillow keep the low bytes.
    """
    letters = _rawmode(image).partition(";")[0]
    if letters == "LA":
        quads = _unpacked(data, lambda _: "RGBA")  # the four bytes of a pixel, one by one
        high, low = quads[:, :, ::2], quads[:, :, 1::2]
    else:
        high = _unpacked(data, functools.partial(_retold, order=order))
        low = _unpacked(data, functools.partial(_retold, order="L" if order == "B" else "B"))
    words = high.astype(np.uint16) << 8 | low
    values = words.astype(np.float32) / np.float32(65535)
    if image.mode == "RGB":
        key = image.info.get("transparency")
        return Samples(values, None if key is None else (words != key).any(2).astype(np.float32))
    color, alpha = values[:, :, :-1], values[:, :, -1]
    if letters == "RGBa":
        color = color / np.maximum(alpha[:, :, None], np.float32(1 / 65535))
    return Samples(color, alpha)


def _retold(rawmode: str, order: str) -> str:
    # Premultiplied "RGBa" is unpacked as it lies too; dividing is left to floats.
    return f"{rawmode.partition(';')[0].upper()};16{order}"


def _unpacked(data: bytes, rename: Callable[[str], str]) -> NDArray[np.uint8]:
    """Return the pixels as Pillow unpacks them from samples whose kind we rename."""
    with Image.open(io.BytesIO(data), formats=("PNG", "TIFF")) as image:
        image.tile = [
            tile._replace(
                args=(rename(tile.args[0]), *tile.args[1:])
                if isinstance(tile.args, tuple)
                else rename(str(tile.args))
            )
            for tile in image.tile
        ]
        return np.asarray(image)


def _rawmode(image: ImageFile) -> str:
    """Return Pillow's name for how the samples of a picture not yet loaded lie in the file."""
    args = image.tile[0].args if image.tile else ""
    return str(args[0] if isinstance(args, tuple) else args)


def tiff_tag(image: ImageFile, tag: int) -> tuple[int, ...]:
    """Return the values of a TIFF's tag; nothing if it has none, or for other formats."""
    value = getattr(image, "tag_v2", {}).get(tag, ())
    return value if isinstance(value, tuple) else (value,)
