"""What `encode` writes, other readers read; and it carries our provenance, and nothing else."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from nst_core.color_profiles import srgb_profile
from nst_core.errors import ImageError
from nst_core.images import animate, decode, encode, read_provenance

FORMATS = ["png", "jpeg", "webp", "tiff"]
DEPTHS = [("png", 8), ("png", 16), ("jpeg", 8), ("webp", 8), ("tiff", 8), ("tiff", 16)]
PIXELS = torch.rand(1, 3, 70, 40, generator=torch.Generator().manual_seed(0))
PROVENANCE = {"content": "façade.jpg", "styles": ["a", "b"], "recipe": {"steps": 400, "tv": 0.5}}


def opened(data):
    """Return the file as Pillow sees it."""
    return Image.open(io.BytesIO(data))


def png_samples(data):
    """Return a PNG's samples by the specification's own words, without Pillow."""
    chunks, at, packed = {}, 8, b""
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        assert checksum == zlib.crc32(name + body)
        packed += body if name == b"IDAT" else b""
        chunks[name] = body
        at += 12 + length
    width, height, bits, kind, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (kind, rest) == (2, [0, 0, 0])
    pixel = 3 * bits // 8
    lines = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, -1)
    rows = [[0] * (width * pixel)]
    for line in lines.tolist():
        above, row = rows[-1], []
        assert line[0] == 4
        for i, byte in enumerate(line[1:]):
            a, b = (row[i - pixel] if i >= pixel else 0), above[i]
            c = above[i - pixel] if i >= pixel else 0
            guess = a + b - c
            nearest = min((a, b, c), key=lambda neighbour: abs(guess - neighbour))
            row.append((byte + nearest) % 256)
        rows.append(row)
    raw = np.array(rows[1:], np.uint8)
    return raw.view(">u2" if bits == 16 else "u1").reshape(height, width, 3)


def tiff_samples(data):
    """Return the samples of a TIFF as we write it, by TIFF 6.0, without Pillow."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    tags = {}
    for i in range(count):
        tag, kind, number, where = struct.unpack_from("<HHII", data, at + 2 + 12 * i)
        letter = {3: "H", 4: "I"}.get(kind)
        if letter:
            size = struct.calcsize(f"<{number}{letter}")
            start = where if size > 4 else at + 10 + 12 * i
            tags[tag] = struct.unpack_from(f"<{number}{letter}", data, start)
    assert (tags[259], tags[262], tags[277], tags[284], tags[317]) == ((8,), (2,), (3,), (1,), (2,))
    raw = b"".join(
        zlib.decompress(data[start : start + size])
        for start, size in zip(tags[273], tags[279], strict=True)
    )
    differences = np.frombuffer(raw, f"<u{tags[258][0] // 8}").reshape(
        tags[257][0], tags[256][0], 3
    )
    return np.cumsum(differences, axis=1, dtype=differences.dtype)


@pytest.mark.parametrize(
    ("kind", "bits", "samples"),
    [
        ("png", 8, png_samples),
        ("png", 16, png_samples),
        ("tiff", 8, tiff_samples),
        ("tiff", 16, tiff_samples),
    ],
)
def test_lossless_files_hold_the_rounded_pixels(kind, bits, samples):
    """A reader of the test's own finds every pixel times 2^bits - 1, rounded half up."""
    found = samples(encode(PIXELS, format=kind, bits=bits))

    expected = np.floor(PIXELS[0].permute(1, 2, 0).double().numpy() * (2**bits - 1) + 0.5)
    assert np.abs(found.astype(int) - expected).max() <= (bits == 16)  # float32 has 24 bits
    assert (found == expected).mean() > 0.99


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_pillow_reads_the_same_pixels(kind):
    """Pillow agrees with the specification about our files."""
    found = np.asarray(opened(encode(PIXELS, format=kind)))

    assert np.array_equal(found, np.floor(PIXELS[0].permute(1, 2, 0).numpy() * 255 + 0.5))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-0.5, 0),
        (0.0, 0),
        (0.5 / 255, 1),
        (0.499 / 255, 0),
        (127.5 / 255, 128),
        (1.0, 255),
        (7, 255),
    ],
)
def test_values_are_clamped_then_rounded_half_up(value, expected):
    """What the eye gets is the nearest of 256 levels; out of gamut is the nearest in gamut."""
    found = np.asarray(opened(encode(torch.full((1, 3, 1, 1), value))))

    assert found.tolist() == [[[expected] * 3]]


@pytest.mark.parametrize(("kind", "bits"), DEPTHS)
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (64, 3), (65, 1), (130, 2)])
def test_every_size_is_written(kind, bits, size):
    """One pixel, one column, whole and broken strips: decode gives back what was encoded."""
    pixels = torch.full((1, 3, *size), 0.6)

    found = decode(encode(pixels, format=kind, bits=bits))

    assert found.pixels.shape == pixels.shape
    assert (found.pixels - pixels).abs().max() <= 2 / 255
    assert found.warnings == ()


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_lossy_formats_come_close(kind):
    """At the default quality a smooth picture is off by a few levels at most."""
    smooth = torch.nn.functional.interpolate(PIXELS[:, :, :4, :4], (64, 64), mode="bicubic")

    found = decode(encode(smooth, format=kind)).pixels

    assert (found - smooth.clamp(0, 1)).abs().mean() < 3 / 255


def test_jpegs_keep_full_color_resolution():
    """A JPEG of ours is 4:4:4: its colour channels are not halved."""
    image = opened(encode(PIXELS, format="jpeg"))

    assert [part[1:3] for part in image.layer] == [(1, 1)] * 3


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_quality_is_a_dial(kind):
    """Less quality, smaller file."""
    assert len(encode(PIXELS, format=kind, quality=30)) < len(encode(PIXELS, format=kind))


@pytest.mark.parametrize(("kind", "bits"), DEPTHS)
def test_the_same_pixels_give_the_same_bytes(kind, bits):
    """Two encodings are one file, in whatever order the provenance was told."""
    reverse = dict(reversed(PROVENANCE.items()))

    first = encode(PIXELS, format=kind, bits=bits, provenance=PROVENANCE, dpi=300)

    assert encode(PIXELS.clone(), format=kind, bits=bits, provenance=reverse, dpi=300) == first


@pytest.mark.parametrize(("kind", "bits"), DEPTHS)
def test_every_file_says_srgb(kind, bits):
    """The profile is embedded in every format."""
    assert opened(encode(PIXELS, format=kind, bits=bits)).info["icc_profile"] == srgb_profile()


@pytest.mark.parametrize(("kind", "bits"), DEPTHS)
def test_provenance_is_embedded(kind, bits):
    """What was told is found again, letters beyond ASCII included."""
    data = encode(PIXELS, format=kind, bits=bits, provenance=PROVENANCE)

    assert read_provenance(data) == PROVENANCE


def test_pngs_keep_the_provenance_where_png_readers_look():
    """In a PNG it is the text of the key `nst-gallery`."""
    text = opened(encode(PIXELS, provenance={"seed": 7})).text

    assert text == {"nst-gallery": '{"nst-gallery": {"seed": 7}}'}


@pytest.mark.parametrize("kind", FORMATS)
def test_provenance_can_be_left_out(kind):
    """Without it there is no text, no EXIF, and nothing to find."""
    data = encode(PIXELS, format=kind)

    assert read_provenance(data) is None
    assert b"nst-gallery" not in data
    assert b"Exif" not in data


@pytest.mark.parametrize("text", ["a caption", '{"other": 1}', "[1]", '{"nst-gallery": 5}', "\xff"])
def test_other_peoples_descriptions_are_no_provenance(text):
    """A picture of another origin has no provenance of ours."""
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.UserComment: text.encode("latin-1")}
    file = io.BytesIO()
    Image.new("RGB", (2, 2)).save(file, "JPEG", exif=exif)

    assert read_provenance(file.getvalue()) is None


@pytest.mark.parametrize("kind", FORMATS)
def test_the_resolution_is_written(kind):
    """Print shops find the pixels per inch."""
    image = opened(encode(PIXELS, format=kind, dpi=300))

    found = image.info["dpi"][0] if kind != "webp" else image.getexif()[ExifTags.Base.XResolution]
    assert found == pytest.approx(300, abs=0.01)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_metadata_of_inputs_does_not_leak(source, kind):
    """A photo's place, camera and comments are not in what is made of it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "SECRETCAMERA"
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSMapDatum: "SECRETPLACE"}
    exif.load(exif.tobytes())  # Pillow writes a TIFF's places only if they were read
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(file, source, exif=exif)
    assert b"SECRETPLACE" in file.getvalue()

    data = encode(decode(file.getvalue()).pixels, format=kind, provenance=PROVENANCE)

    assert b"SECRET" not in data
    assert not opened(data).getexif().get_ifd(ExifTags.IFD.GPSInfo)


def test_animations_play_for_ever():
    """Frames come in order, each shown as long as told, without an end."""
    colors = torch.eye(3).view(3, 1, 3, 1, 1).expand(3, 1, 3, 8, 8)

    image = opened(animate(list(colors), milliseconds=80))

    assert (image.n_frames, image.info["loop"]) == (3, 0)
    for index in range(3):
        image.seek(index)
        assert image.convert("RGB").getpixel((4, 4))[index] > 200
        assert image.info["duration"] == 80


def test_one_frame_is_a_picture():
    """An animation of one frame is a plain WebP."""
    assert decode(animate([PIXELS])).warnings == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "jpg"}, "no format 'jpg'; did you mean 'jpeg'? Take png, jpeg, webp, tiff"),
        ({"format": "jpeg", "bits": 16}, "jpeg with 16 bits"),
        ({"format": "jpeg", "quality": 0}, "with quality 0; take 1 to 100"),
        ({"format": "webp", "bits": 16}, "webp with 16 bits"),
        ({"bits": 12}, "png with 12 bits per channel; take 8, or 16 for png and tiff"),
        ({"format": "jpeg", "provenance": {"long": "x" * 70_000}}, "64 kB of provenance; take png"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(options, message):
    """The error names the limit and what to take instead."""
    with pytest.raises(ImageError) as caught:
        encode(PIXELS, **options)

    assert message in str(caught.value)
    assert caught.value.code == "E-IMG-ENCODE"


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_sides_too_long_for_a_format_are_refused(kind):
    """JPEG and WebP have no room for very long sides."""
    with pytest.raises(ImageError, match="it holds up to"):
        encode(torch.zeros(1, 3, 1, 65536), format=kind)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (torch.full((1, 3, 2, 2), float("nan")), "no finite numbers"),
        (torch.full((1, 3, 2, 2), float("inf")), "no finite numbers"),
        (torch.zeros(3, 2, 2), "shape (3, 2, 2); give (1, 3, height, width)"),
        (torch.zeros(2, 3, 2, 2), "shape (2, 3, 2, 2)"),
        (torch.zeros(1, 1, 2, 2), "shape (1, 1, 2, 2)"),
        (torch.zeros(1, 3, 0, 2), "shape (1, 3, 0, 2)"),
    ],
)
def test_pixels_that_are_no_picture_are_refused(pixels, message):
    """A diverged or misshapen canvas never becomes a file."""
    with pytest.raises(ImageError) as caught:
        encode(pixels)

    assert message in str(caught.value)


@pytest.mark.parametrize("frames", [[], [PIXELS, PIXELS[:, :, 1:]]])
def test_animations_need_frames_of_one_size(frames):
    """No frames, or frames of several sizes, are refused."""
    with pytest.raises(ImageError, match="give frames of one size"):
        animate(frames)
