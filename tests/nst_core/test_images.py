"""Pictures come out of `decode` upright, opaque and known; `resize` is Pillow's."""

import hashlib
import io

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageOps

from nst_core.errors import ImageError
from nst_core.images import decode, inspect, resize
from tests.nst_core.picture_files import file_of, flat, values

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def test_jpeg_colors_are_those_of_the_decoder():
    """A JPEG's pixels are exactly libjpeg's, on the scale 0 to 1."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8))
    data = file_of(image, "JPEG", quality=90)

    found = values(data)

    np.testing.assert_allclose(found, np.asarray(Image.open(io.BytesIO(data))), atol=1e-4)


def test_the_digest_is_that_of_the_file():
    """A picture knows the SHA-256 of the bytes it came from."""
    data = file_of(flat("RGB", RED), "PNG")

    assert decode(data).sha256 == hashlib.sha256(data).hexdigest()


def test_pixels_are_plain_floats():
    """Decoded pixels are contiguous float32 of shape (1, 3, H, W)."""
    pixels = decode(file_of(flat("RGB", RED), "PNG")).pixels

    assert (pixels.shape, pixels.dtype) == ((1, 3, 2, 3), torch.float32)
    assert pixels.is_contiguous()


def test_a_background_may_be_a_hex_color():
    """`#0000ff` is blue."""
    assert tuple(values(file_of(flat("LA", (7, 0)), "PNG"), background="#0000ff")[0, 0]) == BLUE


def test_a_background_that_is_no_color_is_refused():
    """An unknown colour is named, whether it would show or not, with what to give instead."""
    with pytest.raises(ImageError, match="background 'wite' is no colour; give a name") as caught:
        decode(file_of(flat("RGB", RED), "PNG"), background="wite")

    assert caught.value.code == "E-IMG-BACKGROUND"


ARROW = Image.fromarray(np.random.default_rng(1).integers(0, 256, (4, 6, 3), np.uint8))


def turned(orientation, kind, **options):
    """Return the arrow in a file that asks for this rotation."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return file_of(ARROW, kind, exif=exif, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("JPEG", {"quality": 95}), ("WEBP", {"lossless": True}), ("TIFF", {})],
)
def test_pictures_stand_upright(kind, options, orientation):
    """Each of the eight EXIF orientations is applied, as by Pillow's own transpose."""
    data = turned(orientation, kind, **options)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))

    np.testing.assert_allclose(values(data), expected, atol=1e-4)
    assert (inspect(data).height, inspect(data).width) == expected.shape[:2]


def test_exif_behind_the_pixels_counts():
    """A PNG may tell its rotation at its end."""
    plain, told = file_of(ARROW, "PNG"), turned(6, "PNG")
    start = told.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(told[start : start + 4], "big")
    data = plain[:-12] + told[start:end] + plain[-12:]  # the last chunk, IEND, has 12 bytes

    assert (inspect(data).width, inspect(data).height) == (4, 6)
    assert decode(data).pixels.shape == (1, 3, 6, 4)


def test_broken_exif_is_a_warning():
    """A photo whose EXIF is damaged is shown as it lies."""
    data = file_of(ARROW, "PNG", exif=b"Exif\0\0MM\0*\xff")

    found = decode(data)

    assert found.pixels.shape == (1, 3, 4, 6)
    assert found.warnings == ("EXIF is damaged: a rotation it may ask for is not applied",)


@pytest.mark.parametrize(
    ("kind", "warning"),
    [
        ("PNG", "animated: first of 3 used"),
        ("WEBP", "animated: first of 3 used"),
        ("TIFF", "several pages: first of 3 used"),
    ],
)
def test_the_first_frame_is_used_with_a_warning(kind, warning):
    """Of an animation or several pages the first is taken, and it is said."""
    frames = [flat("RGB", color) for color in (RED, GREEN, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = file_of(frames[0], kind, save_all=True, append_images=frames[1:], **options)

    found = decode(data)

    np.testing.assert_allclose(values(data), np.broadcast_to(RED, (2, 3, 3)), atol=1e-4)
    assert found.warnings == (warning,)
    assert inspect(data).frames == 3


def test_extra_pictures_behind_a_jpeg_are_no_pages():
    """Phones append previews and gain maps to a JPEG: that is not worth a warning."""
    data = file_of(flat("RGB", RED), "MPO", save_all=True, append_images=[flat("RGB", BLUE)])

    assert inspect(data).format == "JPEG"
    assert decode(data).warnings == ()


PHOTO = torch.nn.functional.interpolate(
    torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(3)), (45, 60), mode="bicubic"
).clamp(0, 1)


@pytest.mark.parametrize("size", [(17, 23), (45, 31), (90, 130), (1, 1)])
@pytest.mark.parametrize("how", ["bicubic", "bilinear", "lanczos"])
def test_resizing_equals_pillows(how, size):
    """Enlarged or shrunk, values are those of Pillow's float resampling, clamped."""
    resampling = Image.Resampling[how.upper()]
    height, width = size
    expected = np.stack(
        [Image.fromarray(plane).resize((width, height), resampling) for plane in PHOTO[0].numpy()]
    ).clip(0, 1)

    found = resize(PHOTO, size, how)

    np.testing.assert_allclose(found[0], expected, atol=1e-4)


@pytest.mark.parametrize("how", ["bicubic", "bilinear", "lanczos"])
def test_the_same_size_is_the_same_picture(how):
    """Nothing is blurred when there is nothing to resize."""
    assert torch.equal(resize(PHOTO, (45, 60), how), PHOTO)


@pytest.mark.parametrize("how", ["bicubic", "lanczos"])
def test_resizing_stays_in_gamut(how):
    """Resamplers that overshoot at edges are clamped."""
    edge = torch.zeros(2, 3, 8, 8)
    edge[:, :, :, 4:] = 1

    found = resize(edge, (20, 20), how)

    assert found.shape == (2, 3, 20, 20)
    assert (found.min(), found.max()) == (0, 1)
