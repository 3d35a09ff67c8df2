"""PNG and TIFF files of 8 or 16 bits per channel; Pillow writes no 16-bit colour.

Both hold the same things, and the same pixels always give the same bytes: RGB samples, an ICC
profile, a text, the resolution.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import TiffImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# Rows worked on at once: bounds the memory of the filters, and is a TIFF's strip.
_ROWS = 64

_ZLIB_LEVEL = 6
_METRES_PER_INCH = 0.0254


def png(
    values: NDArray[np.generic], *, profile: bytes, text: tuple[str, str] | None, dpi: int | None
) -> bytes:
    """Return a PNG file, every row filtered by Paeth's predictor.

    Args:
        values: (H, W, 3) uint8 or uint16.
        profile: ICC profile.
        text: Keyword (Latin-1, 1 to 79 characters) and text, stored in an iTXt chunk.
        dpi: Pixels per inch; None leaves it out.

    Source: PNG specification, third edition (W3C 2025).
    """
    height, width, channels = values.shape
    bits, rgb = 8 * values.itemsize, 2
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, rgb, 0, 0, 0))]
    chunks.append((b"iCCP", b"sRGB\0\0" + zlib.compress(profile, _ZLIB_LEVEL)))
    if dpi is not None:
        per_metre = round(dpi / _METRES_PER_INCH)
        chunks.append((b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)))
    if text is not None:
        keyword, content = text
        # Not compressed, no language, no translated keyword.
        head = keyword.encode("latin-1") + b"\0\0\0\0\0"
        chunks.append((b"iTXt", head + content.encode()))
    packer = zlib.compressobj(_ZLIB_LEVEL)
    packed = [packer.compress(rows) for rows in _paeth(values, pixel=channels * values.itemsize)]
    chunks.append((b"IDAT", b"".join([*packed, packer.flush()])))
    chunks.append((b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def _paeth(values: NDArray[np.generic], *, pixel: int) -> Iterator[bytes]:
    """Yield blocks of rows: the filter's number, then each byte minus its best neighbour.

    Of the bytes left, above and above left by one `pixel`, that is the one nearest to
    left + above - above left; ties go in this order.
    """
    height = values.shape[0]
    big_endian = np.ascontiguousarray(values, values.dtype.newbyteorder(">"))
    raw = big_endian.reshape(height, -1).view(np.uint8)
    padded = np.pad(raw, ((1, 0), (pixel, 0)))
    for top in range(0, height, _ROWS):
        block = padded[top : top + _ROWS + 1].astype(np.int16)
        here, left = block[1:, pixel:], block[1:, :-pixel]
        above, corner = block[:-1, pixel:], block[:-1, :-pixel]
        to_left, to_above = np.abs(above - corner), np.abs(left - corner)
        to_corner = np.abs(left + above - 2 * corner)
        best = np.where(
            (to_left <= to_above) & (to_left <= to_corner),
            left,
            np.where(to_above <= to_corner, above, corner),
        )
        rows = (here - best).astype(np.uint8)
        yield np.pad(rows, ((0, 0), (1, 0)), constant_values=4).tobytes()


def tiff(
    values: NDArray[np.generic], *, profile: bytes, text: str | None, dpi: int | None
) -> bytes:
    """Return a TIFF file: deflated strips, each row as differences of neighbouring samples.

    Args:
        values: (H, W, 3) uint8 or uint16.
        profile: ICC profile.
        text: ASCII, stored as ImageDescription.
        dpi: Pixels per inch; None leaves it out.

    Source: TIFF 6.0 (Adobe 1992), sections 8 and 14; TIFF Technical Note 3 for deflate.
    """
    height, width, channels = values.shape
    differences = values.astype(values.dtype.newbyteorder("<"))
    differences[:, 1:] -= values[:, :-1]  # wraps around, as it must
    strips = [
        zlib.compress(differences[top : top + _ROWS].tobytes(), _ZLIB_LEVEL)
        for top in range(0, height, _ROWS)
    ]
    sizes = [len(strip) for strip in strips]
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    tags = ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    tags[TiffImagePlugin.IMAGEWIDTH] = width
    tags[TiffImagePlugin.IMAGELENGTH] = height
    tags[TiffImagePlugin.BITSPERSAMPLE] = (8 * values.itemsize,) * channels
    tags[TiffImagePlugin.COMPRESSION] = 8  # deflate
    tags[TiffImagePlugin.PREDICTOR] = 2  # horizontal differences
    tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 2  # RGB
    tags[TiffImagePlugin.SAMPLESPERPIXEL] = channels
    tags[TiffImagePlugin.PLANAR_CONFIGURATION] = 1  # R G B R G B
    tags[TiffImagePlugin.ROWSPERSTRIP] = _ROWS
    tags[TiffImagePlugin.STRIPBYTECOUNTS] = tuple(sizes)
    tags[TiffImagePlugin.STRIPOFFSETS] = tuple(starts)  # `save` adds where the tags end
    tags[TiffImagePlugin.ICCPROFILE] = profile
    if text is not None:
        tags[TiffImagePlugin.IMAGEDESCRIPTION] = text
    if dpi is not None:
        tags[TiffImagePlugin.RESOLUTION_UNIT] = 2  # inch
        tags[TiffImagePlugin.X_RESOLUTION] = dpi
        tags[TiffImagePlugin.Y_RESOLUTION] = dpi
    file = io.BytesIO()
    tags.save(file)
    file.write(b"".join(strips))
    return file.getvalue()
