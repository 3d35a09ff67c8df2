"""Every kind of pixel that the five formats know is read as a viewer shows it."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, TiffImagePlugin

from nst_core.errors import ImageError
from nst_core.images import decode, encode
from tests.nst_core.picture_files import chunk, file_of, flat, values

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def png_file(samples, kind, bits=16, before=(), after=()):
    """Return a PNG without filters, of (H, W, C) samples, or of (H, W) bytes of packed bits."""
    height, width = samples.shape[:2]
    width = width * 8 // bits if bits < 8 else width
    raw = samples.astype(">u2" if bits == 16 else "u1").reshape(height, -1).view(np.uint8)
    rows = np.pad(raw, ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), *before, (b"IDAT", zlib.compress(rows)), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*parts) for parts in chunks)


def tiff_file(samples, *, order="<", apart=False, photometric=2, extra=(), numbers=1):
    """Return an uncompressed TIFF of (H, W, C) samples."""
    height, width, channels = samples.shape
    tags = TiffImagePlugin.ImageFileDirectory_v2(
        b"II*\0\0\0\0\0" if order == "<" else b"MM\0*\0\0\0\0"
    )
    tags[TiffImagePlugin.IMAGEWIDTH] = width
    tags[TiffImagePlugin.IMAGELENGTH] = height
    tags[TiffImagePlugin.BITSPERSAMPLE] = (8 * samples.itemsize,) * channels
    tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = photometric
    tags[TiffImagePlugin.SAMPLESPERPIXEL] = channels
    tags[TiffImagePlugin.SAMPLEFORMAT] = (numbers,) * channels
    tags[TiffImagePlugin.PLANAR_CONFIGURATION] = 2 if apart else 1
    tags[TiffImagePlugin.ROWSPERSTRIP] = height
    if extra:
        tags[TiffImagePlugin.EXTRASAMPLES] = extra
    body = samples.astype(samples.dtype.newbyteorder(order))
    strips = [body[:, :, c].tobytes() for c in range(channels)] if apart else [body.tobytes()]
    tags[TiffImagePlugin.STRIPBYTECOUNTS] = tuple(len(strip) for strip in strips)
    tags[TiffImagePlugin.STRIPOFFSETS] = tuple(len(strips[0]) * i for i in range(len(strips)))
    file = io.BytesIO()
    tags.save(file)
    return file.getvalue() + b"".join(strips)


def words(channels, seed=0):
    """Return (5, 4, C) 16-bit samples that use all their bits."""
    return np.random.default_rng(seed).integers(0, 65536, (5, 4, channels), dtype=np.uint16)


PALETTE = Image.new("P", (3, 2), 1)
PALETTE.putpalette([*RED, *BLUE, *GREEN])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(file_of(flat("1", 1), "PNG"), WHITE, id="1-bit PNG"),
        pytest.param(file_of(flat("1", 1), "TIFF"), WHITE, id="1-bit TIFF"),
        pytest.param(file_of(flat("1", 1), "BMP"), WHITE, id="1-bit BMP"),
        pytest.param(file_of(flat("L", 100), "PNG"), (100,) * 3, id="grey PNG"),
        pytest.param(file_of(flat("L", 100), "JPEG"), (100,) * 3, id="grey JPEG"),
        pytest.param(file_of(flat("L", 100), "TIFF"), (100,) * 3, id="grey TIFF"),
        pytest.param(file_of(flat("L", 100), "BMP"), (100,) * 3, id="grey BMP"),
        pytest.param(file_of(flat("RGB", RED), "PNG"), RED, id="PNG"),
        pytest.param(file_of(flat("RGB", RED), "TIFF"), RED, id="TIFF"),
        pytest.param(file_of(flat("RGB", RED), "BMP"), RED, id="BMP"),
        pytest.param(file_of(flat("RGB", RED), "WEBP", lossless=True), RED, id="WebP"),
        pytest.param(file_of(PALETTE, "PNG"), BLUE, id="palette PNG"),
        pytest.param(file_of(PALETTE, "TIFF"), BLUE, id="palette TIFF"),
        pytest.param(file_of(PALETTE, "BMP"), BLUE, id="palette BMP"),
        pytest.param(file_of(flat("CMYK", (0, 255, 255, 0)), "TIFF"), RED, id="CMYK TIFF"),
        pytest.param(
            file_of(flat("YCbCr", (76, 85, 255)), "TIFF", compression="packbits"),
            (254, 0, 0),
            id="YCbCr TIFF",
        ),
        pytest.param(file_of(flat("LAB", (255, 128, 128)), "TIFF"), (254, 255, 254), id="LAB TIFF"),
    ],
)
def test_every_kind_of_pixel_becomes_rgb(data, expected):
    """Whatever channels a file has, its colour comes out as RGB."""
    found = values(data)

    assert found.shape == (2, 3, 3)
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=1e-4)


def test_cmyk_jpegs_of_adobe_are_stored_inverted():
    """An Adobe CMYK JPEG shows its colour, not the negative."""
    data = file_of(flat("CMYK", (0, 255, 255, 0), (16, 16)), "JPEG", quality=100)

    np.testing.assert_allclose(values(data)[0, 0], RED, atol=3)


def test_cmyk_jpegs_without_adobes_mark_are_not_inverted():
    """A CMYK JPEG that names no Adobe stores plain ink values."""
    data = file_of(flat("CMYK", (255, 0, 0, 255), (16, 16)), "JPEG", quality=100)
    mark = data.index(b"\xff\xee\x00\x0eAdobe")
    plain = data[:mark] + data[mark + 16 :]

    np.testing.assert_allclose(values(plain)[0, 0], RED, atol=3)


HALF_RED = (255, 0, 0, 51)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(file_of(flat("RGBA", HALF_RED), "PNG"), id="PNG"),
        pytest.param(file_of(flat("RGBA", HALF_RED), "TIFF"), id="TIFF"),
        pytest.param(file_of(flat("RGBA", HALF_RED), "WEBP", lossless=True), id="WebP"),
        pytest.param(png_file(np.full((2, 3, 4), 257, np.uint16) * HALF_RED, 6), id="16-bit PNG"),
        pytest.param(
            tiff_file((np.full((2, 3, 4), 257) * HALF_RED).astype(np.uint16), extra=(2,)),
            id="16-bit TIFF",
        ),
        pytest.param(
            tiff_file((np.full((2, 3, 4), 257) * (51, 0, 0, 51)).astype(np.uint16), extra=(1,)),
            id="premultiplied 16-bit TIFF",
        ),
    ],
)
def test_transparency_lies_over_the_background(data):
    """A fifth of red over blue is a fifth of red and four fifths of blue."""
    found = values(data, background="blue")

    np.testing.assert_allclose(found, np.broadcast_to((51, 0, 204), found.shape), atol=1e-2)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(file_of(flat("LA", (7, 0)), "PNG"), id="grey and alpha"),
        pytest.param(file_of(PALETTE, "PNG", transparency=1), id="palette index"),
        pytest.param(file_of(PALETTE, "PNG", transparency=b"\xff\0\xff"), id="palette alphas"),
        pytest.param(file_of(flat("RGB", RED), "PNG", transparency=RED), id="transparent colour"),
        pytest.param(file_of(flat("L", 9), "PNG", transparency=9), id="transparent grey"),
        pytest.param(
            png_file(np.full((1, 1), 0xAA), 0, 2, before=[(b"tRNS", b"\0\2")]), id="2-bit grey"
        ),
        pytest.param(
            png_file(np.full((1, 2), 0x77), 0, 4, before=[(b"tRNS", b"\0\7")]), id="4-bit grey"
        ),
        pytest.param(
            png_file(np.full((2, 3, 1), 700), 0, before=[(b"tRNS", struct.pack(">H", 700))]),
            id="16-bit grey",
        ),
        pytest.param(
            png_file(
                np.full((2, 3, 3), 700), 2, before=[(b"tRNS", struct.pack(">3H", *[700] * 3))]
            ),
            id="16-bit colour",
        ),
        pytest.param(png_file(np.full((2, 3, 2), 0), 4), id="16-bit grey and alpha"),
    ],
)
def test_transparent_pixels_show_the_background(data):
    """Every way a file can call a pixel transparent is understood; white is the default."""
    assert (values(data) == 255).all()


def test_a_near_miss_of_the_transparent_color_is_opaque():
    """A 16-bit colour that differs in its low byte only is not the transparent one."""
    key = struct.pack(">3H", 700, 700, 701)

    found = values(png_file(np.full((2, 3, 3), 700), 2, before=[(b"tRNS", key)]))

    np.testing.assert_allclose(found, 700 / 257, atol=1e-4)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(png_file(words(1), 0), words(1), id="grey PNG"),
        pytest.param(png_file(words(3), 2), words(3), id="PNG"),
        pytest.param(tiff_file(words(1), photometric=1), words(1), id="grey TIFF"),
        pytest.param(tiff_file(words(1), order=">", photometric=1), words(1), id="big-endian grey"),
        pytest.param(tiff_file(words(1), photometric=0), 65535 - words(1), id="white is zero"),
        pytest.param(tiff_file(words(3)), words(3), id="TIFF"),
        pytest.param(tiff_file(words(3), order=">"), words(3), id="big-endian TIFF"),
        pytest.param(tiff_file(words(3), apart=True), words(3), id="TIFF, channels apart"),
        pytest.param(
            tiff_file(words(3), apart=True, order=">"), words(3), id="big-endian, channels apart"
        ),
        pytest.param(
            tiff_file(words(4), extra=(0,)), words(4)[:, :, :3], id="TIFF, unused channel"
        ),
    ],
)
def test_sixteen_bits_are_kept_whole(data, expected):
    """Every one of 65536 levels survives, for which Pillow alone keeps 256 in colour."""
    found = decode(data)

    exact = found.pixels[0].permute(1, 2, 0).double().numpy() * 65535
    np.testing.assert_allclose(exact, np.broadcast_to(expected, exact.shape), atol=0.01)
    assert found.warnings == ()


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_compressed_sixteen_bits_are_kept_whole(kind):
    """Filters, predictors and strips do not cost a bit."""
    pixels = torch.rand(1, 3, 150, 9, generator=torch.Generator().manual_seed(0))

    found = decode(encode(pixels, format=kind, bits=16)).pixels

    assert (found - pixels).abs().max() <= 0.5001 / 65535


def test_twelve_bits_have_a_scale_of_their_own():
    """The largest 12-bit number is white."""
    tags = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    for tag, value in {256: 2, 257: 1, 258: 12, 262: 1, 277: 1, 278: 1, 279: 3, 273: 0}.items():
        tags[tag] = value
    file = io.BytesIO()
    tags.save(file)

    found = values(file.getvalue() + bytes([0xFF, 0xF8, 0x00]))  # 4095 and 2048

    np.testing.assert_allclose(found[0, :, 0], [255, 2048 / 4095 * 255], atol=1e-3)


def test_sixteen_bit_cmyk_says_that_it_loses_precision():
    """What Pillow cannot give whole is read with 8 bits and a warning."""
    samples = np.broadcast_to(np.array([0, 65535, 65535, 0], np.uint16), (2, 3, 4))

    found = decode(tiff_file(samples, photometric=5))

    assert found.warnings == ("finer samples were read with 8 bits",)
    assert (found.pixels[0, :, 0, 0] == torch.tensor([1.0, 0, 0])).all()


def test_floats_within_zero_and_one_are_taken_as_they_are():
    """A float picture in [0, 1] is not stretched."""
    samples = np.array([[[0.25], [0.5]]], np.float32)

    found = decode(tiff_file(samples, photometric=1, numbers=3))

    assert found.pixels[0, 0, 0].tolist() == [0.25, 0.5]
    assert found.warnings == ()


def test_floats_beyond_zero_and_one_are_scaled_by_their_range():
    """Nothing is clipped: the least becomes black, the greatest white, and a warning says so."""
    samples = np.array([[[-2.0], [0.0], [6.0]]], np.float32)

    found = decode(tiff_file(samples, photometric=1, numbers=3))

    assert found.pixels[0, 0, 0].tolist() == [0, 0.25, 1]
    assert found.warnings == ("values from -2 to 6 were scaled to 0…1",)


@pytest.mark.parametrize(
    ("samples", "numbers"),
    [
        (np.array([[[-1000], [0], [3000]]], np.int16), 2),
        (np.array([[[-1000], [0], [3000]]], np.int32), 2),
        (np.array([[[0], [2**30], [2**32 - 1]]], np.uint32), 1),
    ],
    ids=["int16", "int32", "uint32"],
)
def test_whole_numbers_without_a_scale_are_scaled_by_their_range(samples, numbers):
    """Signed and 32-bit numbers become 0, a quarter and 1."""
    found = decode(tiff_file(samples, photometric=1, numbers=numbers)).pixels[0, 0, 0]

    np.testing.assert_allclose(found, [0, 0.25, 1], atol=1e-6)


def test_pixels_that_are_no_number_become_black():
    """A hole in a float picture is zero, and a warning says so."""
    samples = np.array([[[np.nan], [0.5], [np.inf]]], np.float32)

    found = decode(tiff_file(samples, photometric=1, numbers=3))

    assert found.pixels[0, 0, 0].tolist() == [0, 0.5, 0]
    assert found.warnings == ("pixels that hold no finite number became 0",)


def test_a_picture_without_any_number_is_refused():
    """A float picture of holes only is an error."""
    with pytest.raises(ImageError, match="no pixel holds a finite number"):
        decode(tiff_file(np.full((2, 2, 1), np.nan, np.float32), photometric=1, numbers=3))


def test_sixteen_bits_stand_upright():
    """Rotation and full precision go together."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = png_file(words(3), 2, before=[(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))])

    np.testing.assert_allclose(values(data) * 257, np.rot90(words(3), -1), atol=0.01)
