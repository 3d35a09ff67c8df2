"""Whatever the bytes, only an `ImageError` comes back, quickly, and it says what to do."""

import io
import json
import struct
import subprocess
import sys
import textwrap
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from nst_core import heic
from nst_core.errors import ImageError
from nst_core.image_reading import Header
from nst_core.images import decode, inspect, read_provenance
from tests.nst_core.picture_files import chunk

NOISE = np.random.default_rng(0).integers(0, 256, (24, 17, 4), np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def file_of(mode, kind, **options):
    """Return noise in this mode, as Pillow writes it."""
    image = Image.fromarray(NOISE[:, :, :3]).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(NOISE[:, :, 3]))
    if options.get("save_all"):
        options["append_images"] = [image.rotate(90)]
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def orientation(value):
    """Return EXIF data that ask for a rotation."""
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def deep_heic(mode, **options):
    """Return a ramp of 256 columns and 10 bits per sample, as a telephone saves it."""
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None, :, None]
    values = np.tile(ramp, (16, 1, {"RGB;16": 3, "RGBA;16": 4, "I;16": 1}[mode]))
    file = io.BytesIO()
    photo = pillow_heif.from_bytes(mode=mode, size=(256, 16), data=values.tobytes())
    photo.save(file, quality=-1, **options)  # without loss
    return file.getvalue()


heic.let_in()
HEIC10 = deep_heic("RGB;16")
HEIC = file_of("RGB", "HEIF", exif=orientation(6), icc_profile=SRGB)

SEEDS = {
    "png": file_of("RGB", "PNG", exif=orientation(6)),
    "png palette": file_of("P", "PNG", transparency=3),
    "png grey 16": file_of("I;16", "PNG", icc_profile=SRGB),
    "apng": file_of("RGB", "PNG", save_all=True),
    "jpeg": file_of("RGB", "JPEG", exif=orientation(8), icc_profile=SRGB),
    "jpeg progressive": file_of("RGB", "JPEG", progressive=True),
    "jpeg cmyk": file_of("CMYK", "JPEG"),
    "mpo": file_of("RGB", "MPO", save_all=True),
    "webp": file_of("RGBA", "WEBP", exif=orientation(3), icc_profile=SRGB),
    "webp lossless": file_of("RGB", "WEBP", lossless=True),
    "webp animated": file_of("RGB", "WEBP", save_all=True),
    "tiff": file_of("RGB", "TIFF", icc_profile=SRGB),
    "tiff float": file_of("F", "TIFF"),
    "tiff lzw": file_of("RGBA", "TIFF", compression="tiff_lzw"),
    "tiff jpeg": file_of("RGB", "TIFF", compression="jpeg"),
    "tiff fax": file_of("1", "TIFF", compression="group4"),
    "tiff pages": file_of("RGB", "TIFF", save_all=True),
    "bmp": file_of("RGB", "BMP"),
    "heic": HEIC,
    "heic, 10 bits": HEIC10,
    "bmp palette": file_of("P", "BMP"),
}

EDITS = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "delete", "cut"]),
        st.integers(0, 4000) | st.integers(0, 200),
        st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff"]),
    ),
    min_size=1,
    max_size=8,
)


def edited(data, edits):
    """Return the data after all edits."""
    for edit, place, content in edits:
        at = place % max(len(data), 1)
        rest = {"set": at + len(content), "insert": at, "delete": at + len(content)}.get(edit)
        middle = content if edit in ("set", "insert") else b""
        data = data[:at] + middle + (b"" if rest is None else data[rest:])
    return data


@pytest.mark.parametrize("seed", SEEDS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(edits=EDITS)
def test_damaged_bytes_raise_nothing_but_image_errors(seed, edits):
    """Mutated files of every kind are decoded or refused, in one way only."""
    data = edited(SEEDS[seed], edits)

    for read in (inspect, decode, read_provenance):
        try:
            read(data)
        except ImageError as error:
            assert error.code.startswith("E-IMG-")  # noqa: PT017  either outcome is right


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200))
@example(b"\x89PNG\r\n\x1a\n")
@example(b"BM")
def test_any_bytes_are_refused(data):
    """What is no picture is never taken for one."""
    with pytest.raises(ImageError):
        decode(data)


def test_photos_of_telephones_are_read():
    """Upright, with their profile; as far as the codec keeps it, what was saved."""
    file = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(file, "HEIF", quality=95, icc_profile=SRGB)
    data = file.getvalue()

    assert inspect(data) == Header("HEIF", 256, 256, 1)
    assert decode(data).pixels[0, :, 200, 100] == pytest.approx([200 / 255] * 3, abs=0.02)


@pytest.mark.parametrize("mode", ["RGB;16", "I;16"])
def test_fine_photos_of_telephones_keep_their_depth(mode):
    """10 bits: a ramp from black to white keeps steps that are finer than those of 8 bits."""
    row = decode(deep_heic(mode)).pixels[0, 1, 8]

    words = np.linspace(0, 65535, 256).astype(np.uint16) >> 6
    assert row.numpy() == pytest.approx(words / 1023, abs=1.5 / 1023)
    assert row[0] == 0
    assert row[-1] == 1
    assert (row * 255).frac().count_nonzero() > 128


def test_fine_photos_of_telephones_keep_their_transparency():
    """Black that is see-through is the background."""
    pixels = decode(deep_heic("RGBA;16")).pixels[0, :, 8]

    assert pixels[:, 0].tolist() == pytest.approx([1.0] * 3)
    assert pixels[:, -1].tolist() == pytest.approx([1.0] * 3, abs=0.01)
    assert pixels[:, 128].tolist() == pytest.approx([1 - 0.5 + 0.5**2] * 3, abs=0.01)


def test_photos_for_bright_screens_are_told_of():
    """A camera's PQ looks pale when it is taken for sRGB."""
    plain, bright = deep_heic("RGB;16"), deep_heic("RGB;16", transfer_characteristics=16)

    assert decode(plain).warnings == ()
    assert [note[:18] for note in decode(bright).warnings] == ["an HDR photo (PQ) "]


def test_photos_of_telephones_name_what_reads_them(monkeypatch):
    """Without the extra."""
    monkeypatch.setattr(heic, "IS_READ", False)

    with pytest.raises(ImageError, match="but a HEIC photo") as caught:
        decode(HEIC)

    assert caught.value.code == "E-IMG-FORMAT"
    assert "pip install 'nst-gallery[heic]'" in caught.value.remedy


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "HEIF"])
def test_no_truncated_file_is_accepted(kind):
    """Cut anywhere, at 400 places and at each of the last twenty bytes, it is refused."""
    file = io.BytesIO()
    Image.fromarray(NOISE[:, :16, :3]).save(file, kind)  # rows of a BMP without padding
    data = file.getvalue()
    places = {*range(1, len(data), max(1, len(data) // 400)), *range(len(data) - 20, len(data))}

    for place in sorted(places):
        with pytest.raises(ImageError):
            decode(data[:place])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(file_of("RGB", "PNG"), id="PNG"),
        pytest.param(file_of("RGB", "JPEG"), id="JPEG"),
        pytest.param(file_of("RGB", "WEBP"), id="WebP"),
        pytest.param(file_of("RGB", "BMP"), id="BMP"),
        pytest.param(file_of("RGB", "TIFF"), id="TIFF"),
        pytest.param(HEIC, id="HEIC"),
        pytest.param(file_of("RGB", "TIFF", compression="tiff_lzw"), id="TIFF, tags at the end"),
    ],
)
def test_half_a_file_is_called_truncated(data):
    """The reader learns that the end is missing, and to copy the file again."""
    half = data[: len(data) // 2]

    with pytest.raises(ImageError, match=f"only its first {len(half)} bytes are here; copy") as e:
        decode(half)

    assert e.value.code == "E-IMG-TRUNCATED"


def test_a_cut_photo_is_found_by_its_header_alone():
    """Before the night, and though the preview in front of it is whole."""
    preview = file_of("RGB", "JPEG")
    exif = b"\xff\xe1" + (2 + len(preview)).to_bytes(2, "big") + preview
    data = file_of("RGB", "JPEG")
    photo = data[:2] + exif + data[2:]

    assert inspect(photo).format == "JPEG"
    with pytest.raises(ImageError) as caught:
        inspect(photo[:-20])

    assert caught.value.code == "E-IMG-TRUNCATED"


def test_an_empty_file_is_called_empty():
    """No bytes are their own problem."""
    with pytest.raises(ImageError, match="the file is empty") as caught:
        inspect(b"")

    assert caught.value.code == "E-IMG-EMPTY"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"<!DOCTYPE html><html></html>", " but a text or web page"),
        (b"GIF89a" + bytes(20), " but a GIF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", " but PostScript"),
        (b"%PDF-1.7\n", " but a PDF"),
        (b"8BPS\0\1" + bytes(20), " but a Photoshop document"),
        (b"\0\0\0\x18ftypavif" + bytes(12), " but an AVIF picture"),
        (b"P6 1 1 255\n\0\0\0", ";"),
        (b"SIMPLE  =                    T", ";"),
    ],
)
def test_other_formats_are_named(data, name):
    """What is not on the list is not opened, whatever Pillow could do with it."""
    with pytest.raises(ImageError, match=f"not a PNG, JPEG, WebP, TIFF or BMP{name}") as caught:
        decode(data)

    assert caught.value.code == "E-IMG-FORMAT"


def test_real_gifs_are_not_opened():
    """A sound GIF is refused all the same."""
    with pytest.raises(ImageError, match="but a GIF"):
        inspect(file_of("P", "GIF"))


def test_damage_in_the_middle_is_called_damage():
    """A file whose end is there, but whose pixels make no sense, is not truncated."""
    data = bytearray(file_of("RGB", "PNG"))
    start = data.index(b"IDAT") + 4
    data[start : start + 40] = bytes(40)

    with pytest.raises(ImageError, match="the PNG file cannot be decoded") as caught:
        decode(bytes(data))

    assert caught.value.code == "E-IMG-DECODE"


def test_unknown_kinds_of_pixel_are_refused_with_a_way_out():
    """A TIFF of three 32-bit numbers per pixel, which Pillow lacks, is told how to be saved."""
    data = file_of("RGB", "TIFF").replace(
        struct.pack("<3H", 8, 8, 8), struct.pack("<3H", *[32] * 3)
    )

    with pytest.raises(ImageError, match="save it again as an ordinary RGB picture"):
        decode(data)


def bomb(kind, side):
    """Return a few bytes that claim to be a square picture with this side."""
    if kind == "PNG":
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    data = file_of("RGB", kind, **({"lossless": True} if kind == "WEBP" else {}))
    if kind == "JPEG":
        return data.replace(struct.pack(">HH", 24, 17), struct.pack(">HH", side, side))
    if kind == "BMP":
        return data.replace(struct.pack("<II", 17, 24), struct.pack("<II", side, side))
    if kind == "WEBP":
        bits = struct.unpack_from("<I", data, 21)[0] & ~0xFFFFFFF | side - 1 | side - 1 << 14
        return data[:21] + struct.pack("<I", bits) + data[25:]
    for tag in (256, 257):
        at = data.index(struct.pack("<HHI", tag, 4, 1)) + 8
        data = data[:at] + struct.pack("<I", side) + data[at + 4 :]
    return data


KINDS = ["PNG", "JPEG", "WEBP", "TIFF", "BMP"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [8_367, 10_000, 16_000])
def test_huge_pictures_are_refused(kind, side):
    """Just above the limit, above Pillow's warning, above Pillow's error: one answer."""
    with pytest.raises(ImageError, match="is more than 70,000,000 pixels") as caught:
        decode(bomb(kind, side))

    assert caught.value.code == "E-IMG-HUGE"


def test_the_limit_is_the_callers():
    """What is too much for one is allowed by another."""
    data = file_of("RGB", "PNG")

    assert inspect(data, max_pixels=17 * 24).width == 17
    with pytest.raises(ImageError, match="17×24 px is more than 407 pixels"):
        inspect(data, max_pixels=17 * 24 - 1)


def test_bombs_cost_neither_time_nor_memory():
    """Every bomb is refused before it is unpacked, in 30 MB, by a process without torch."""
    program = """
        import json, resource, sys, time
        from nst_core.errors import ImageError
        from nst_core.image_reading import inspect, read

        bombs = [bytes.fromhex(line) for line in sys.stdin]
        read(bombs.pop(0))  # loads Pillow's plugins
        before, slowest, codes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0, []
        for bomb in bombs:
            for look in (inspect, read):
                start = time.process_time()
                try:
                    look(bomb)
                except ImageError as error:
                    codes.append(error.code)
                slowest = max(slowest, time.process_time() - start)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(json.dumps([sorted(set(codes)), slowest, grown, "torch" in sys.modules]))
    """
    files = [file_of("RGB", "PNG")]
    files += [bomb(kind, side) for kind in KINDS for side in (10_000, 16_000)]
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        input="\n".join(data.hex() for data in files),
        capture_output=True,
        text=True,
        check=True,
    )

    codes, slowest, grown_mb, has_torch = json.loads(run.stdout)

    assert codes == ["E-IMG-HUGE"]
    assert slowest < 2  # unpacking one takes many times that, whatever the machine does besides
    assert grown_mb < 30
    assert not has_torch


def test_a_chain_of_empty_pages_is_not_counted_for_hours():
    """A TIFF of a hundred thousand pages without content is looked at in no time."""
    data = file_of("RGB", "TIFF")
    (tags,) = struct.unpack_from("<I", data, 4)
    end = tags + 2 + 12 * struct.unpack_from("<H", data, tags)[0]
    chain = b"".join(struct.pack("<HI", 0, len(data) + 6 * (page + 1)) for page in range(100_000))
    data = data[:end] + struct.pack("<I", len(data)) + data[end + 4 :] + chain

    assert inspect(data).frames <= 1000


def test_the_header_is_all_that_is_inspected():
    """A picture whose pixels are garbage has a sound header."""
    data = bytearray(file_of("RGB", "PNG", exif=orientation(6)))
    start = data.index(b"IDAT") + 4
    data[start : start + 40] = bytes(40)

    header = inspect(bytes(data))

    assert (header.format, header.width, header.height, header.frames) == ("PNG", 24, 17, 1)


def test_warnings_stay_in_and_filters_stay_as_they_were():
    """Many threads look at odd files at once: no warning leaks, no filter is lost."""
    before = list(warnings.filters)
    files = [bomb("PNG", 10_000), *SEEDS.values()] * 20

    def look(data):
        try:
            inspect(data)
        except ImageError as error:
            return error.code
        return None

    with ThreadPoolExecutor(8) as pool, warnings.catch_warnings(record=True) as leaked:
        codes = set(pool.map(look, files))

    assert codes == {None, "E-IMG-HUGE"}
    assert leaked == []
    assert list(warnings.filters) == before
