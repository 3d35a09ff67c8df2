"""Colours of other spaces come out as sRGB; the profiles are made here: their colours are known."""

import io
import struct

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from nst_core.color_profiles import srgb_profile
from nst_core.images import decode, encode
from tests.nst_core.picture_files import file_of

# Columns: the XYZ of red, green and blue, relative to D50.
ADOBE = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
ADOBE_GAMMA = 563 / 256
D50 = (0.9642, 1.0, 0.8249)


def icc(space, kind, pcs, tags):
    """Return an ICC profile (version 2) of these tags."""
    start = 128 + 4 + 12 * len(tags)
    table, body = b"", b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"nst ", 0x02400000, kind, space, pcs)
    header += bytes(12) + b"acsp" + bytes(28) + xyz(D50)[8:] + bytes(48)
    return header + struct.pack(">I", len(tags)) + table + body


def xyz(values):
    """Return an XYZ tag."""
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def gamma(exponent):
    """Return a tone curve tag."""
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256))


def adobe_rgb():
    """Return a profile of the Adobe RGB (1998) colours."""
    tags = {b"wtpt": xyz(D50)}
    for name, column in zip("rgb", ADOBE.T, strict=True):
        tags[f"{name}XYZ".encode()] = xyz(column)
        tags[f"{name}TRC".encode()] = gamma(ADOBE_GAMMA)
    return icc(b"RGB ", b"mntr", b"XYZ ", tags)


def linear_grey():
    """Return a profile of grey that is proportional to light."""
    return icc(b"GRAY", b"mntr", b"XYZ ", {b"wtpt": xyz(D50), b"kTRC": gamma(1)})


def black_ink_only():
    """Return a CMYK profile of a press whose coloured inks leave no trace on the paper."""
    ramp = bytes(range(256))
    corners = b"".join(
        bytes([0 if black else 255, 128, 128]) for _colored in range(8) for black in (0, 1)
    )
    unity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + unity + ramp * 4 + corners + ramp * 3
    return icc(b"CMYK", b"prtr", b"Lab ", {b"wtpt": xyz(D50), b"A2B0": table})


def srgb_curve(light):
    """Return the sRGB values of proportions of light."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def from_adobe(values):
    """Return the sRGB values of Adobe RGB values, both (..., 3) in [0, 1]."""
    light = values**ADOBE_GAMMA @ (np.linalg.inv(SRGB) @ ADOBE).T
    return srgb_curve(light.clip(0, 1))


def found(data):
    """Return decoded pixels as (H, W, 3)."""
    return decode(data).pixels[0].permute(1, 2, 0).double().numpy()


COLORS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})]
)
def test_wide_gamuts_become_srgb(kind, options):
    """Adobe RGB colours are the same colours in sRGB, where sRGB has them."""
    data = file_of(Image.fromarray(COLORS), kind, icc_profile=adobe_rgb(), **options)

    np.testing.assert_allclose(found(data), from_adobe(COLORS / 255), atol=2.1 / 255)


def test_profiles_apply_behind_transparency():
    """The colour is converted, the transparency is not."""
    image = Image.new("RGBA", (2, 2), (200, 40, 40, 51))
    over_white = 0.2 * from_adobe(np.array([200, 40, 40]) / 255) + 0.8

    data = file_of(image, "PNG", icc_profile=adobe_rgb())

    np.testing.assert_allclose(found(data)[0, 0], over_white, atol=1 / 255)


def test_fine_samples_are_converted_finely():
    """A 16-bit gradient in Adobe RGB stays smooth: no steps of 1/255, and the right colours."""
    ramp = torch.linspace(0.2, 0.4, 2000)
    gradient = torch.stack([ramp, ramp * 0.7, ramp * 1.3])[None, :, None]
    data = encode(gradient, format="tiff", bits=16).replace(srgb_profile(), profile_like_ours())

    converted = found(data)[0]

    expected = from_adobe(gradient[0, :, 0].T.double().numpy())
    np.testing.assert_allclose(converted, expected, atol=1.1 / 255)
    assert np.diff(converted, axis=0).max() < 0.1 / 255


def profile_like_ours():
    """Return the Adobe RGB profile, as long as the sRGB profile that files of ours carry."""
    return adobe_rgb().ljust(len(srgb_profile()), b"\0")


def test_grey_profiles_apply():
    """Grey that is proportional to light is drawn with the sRGB curve."""
    grey = np.arange(256, dtype=np.uint8)[None]

    data = file_of(Image.fromarray(grey), "PNG", icc_profile=linear_grey())

    expected = srgb_curve(grey[0] / 255)[:, None].repeat(3, axis=1)
    np.testing.assert_allclose(found(data)[0], expected, atol=1.1 / 255)


def test_grey_profiles_apply_to_fine_grey():
    """Dark 16-bit grey keeps its levels through a profile, where 8 bits would leave three."""
    grey = np.arange(0, 512, dtype=np.uint16)[None]

    data = file_of(Image.fromarray(grey), "PNG", icc_profile=linear_grey())

    assert len(np.unique(found(data)[0, :, 0])) > 400


def test_rgb_profiles_apply_to_grey_pictures():
    """A grey picture may carry the profile of the colour space it was made in."""
    grey = Image.fromarray(np.arange(256, dtype=np.uint8)[None])

    data = file_of(grey, "PNG", icc_profile=adobe_rgb())

    neutral = np.arange(256)[:, None].repeat(3, axis=1) / 255
    np.testing.assert_allclose(found(data)[0], from_adobe(neutral), atol=2.1 / 255)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_cmyk_profiles_apply(kind):
    """Inks show the colour that their profile tells, not the naive one."""
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 128))
    half_lightness = ((100 - 100 * 128 / 255 + 16) / 116) ** 3

    data = file_of(image, kind, icc_profile=black_ink_only())

    np.testing.assert_allclose(found(data)[0, 0], srgb_curve(half_lightness), atol=2 / 255)


@pytest.mark.parametrize("bits", [8, 16])
def test_srgb_is_left_untouched(bits):
    """Our own profile costs not even a rounding."""
    pixels = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(0))

    once = decode(encode(pixels, bits=bits)).pixels
    twice = decode(encode(once, bits=bits)).pixels

    assert torch.equal(once, twice)


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", b"no profile at all"),
        ("RGB", adobe_rgb()[:300]),
        ("RGB", linear_grey()),
        ("RGB", black_ink_only()),
        ("L", black_ink_only()),
        ("CMYK", adobe_rgb()),
        ("I;16", b"no profile at all"),
    ],
)
def test_broken_or_foreign_profiles_are_a_warning(mode, profile):
    """A profile that cannot be used leaves the colours as if there were none."""
    kind = "TIFF" if mode == "CMYK" else "PNG"
    image = Image.new(mode, (2, 2))

    with_profile = decode(file_of(image, kind, icc_profile=profile))

    assert torch.equal(with_profile.pixels, decode(file_of(image, kind)).pixels)
    assert with_profile.warnings == (
        "the embedded colour profile is damaged or of another kind: colours as in sRGB",
    )


def test_our_profile_is_srgb():
    """What we embed is an sRGB profile that Little CMS reads."""
    profile = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))

    assert ImageCms.getProfileDescription(profile).strip() == "sRGB built-in"
    assert profile.profile.xcolor_space == "RGB "
