from __future__ import annotations

import hashlib

import pytest
from PIL import Image

from tasks.fetching import fetch
from tasks.settings import Settings
from tasks.storage import store_for
from tasks.thumbnails import WIDTHS, Thumbnails
from tests.tasks.toy_gallery import gradient


@pytest.fixture
def picture(tmp_path):
    """A picture of 900 × 600 pixels: its path and its hash."""
    path = tmp_path / "picture.png"
    path.write_bytes(gradient(3, size=(900, 600)))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_copies_are_no_wider_than_the_picture(tmp_path, picture):
    """A picture of 900 pixels has copies of 320, 640 and 900."""
    path, sha256 = picture
    found = Thumbnails(tmp_path / "out").of(sha256, [path])

    assert (found.widths, found.width, found.height) == ((320, 640, 900), 900, 600)


def test_a_copy_looks_like_its_picture(tmp_path, picture):
    """Reduced to the same size, copy and picture hardly differ."""
    path, sha256 = picture
    found = Thumbnails(tmp_path / "out").of(sha256, [path])

    with Image.open(path) as whole, Image.open(tmp_path / "out" / found.file(320)) as copy:
        pairs = zip(
            whole.convert("RGB").resize((16, 12)).tobytes(),
            copy.convert("RGB").resize((16, 12)).tobytes(),
            strict=True,
        )
        assert max(abs(a - b) for a, b in pairs) < 12


def test_a_tiny_picture_has_one_copy(tmp_path):
    """What is narrower than the smallest width is enlarged to it."""
    path = tmp_path / "tiny.png"
    path.write_bytes(gradient(1, size=(40, 30)))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()

    assert Thumbnails(tmp_path / "out").of(sha256, [path]).widths == WIDTHS[:1]


def test_copies_serve_when_the_picture_is_gone(tmp_path, picture):
    """A second look needs the picture no more."""
    path, sha256 = picture
    first = Thumbnails(tmp_path / "out").of(sha256, [path])
    path.unlink()

    assert Thumbnails(tmp_path / "out").of(sha256, [path]) == first


def test_copies_cut_short_are_made_again(tmp_path, picture):
    """Without the smallest copy, which is written last, all are made anew."""
    path, sha256 = picture
    first = Thumbnails(tmp_path / "out").of(sha256, [path])
    (tmp_path / "out" / first.file(320)).unlink()

    assert Thumbnails(tmp_path / "out").of(sha256, [path]) == first
    assert (tmp_path / "out" / first.file(320)).is_file()


def test_other_bytes_are_not_taken_for_the_picture(tmp_path, picture):
    """A file that changed since is passed over, and the next place tried."""
    path, sha256 = picture
    other = tmp_path / "other.png"
    other.write_bytes(gradient(4))

    assert Thumbnails(tmp_path / "a").of(sha256, [other]) is None
    assert Thumbnails(tmp_path / "b").of(sha256, [other, path]) is not None


@pytest.mark.parametrize("place", ["s3://bucket/key.png", "/nowhere/a.png", "/", "nul\x00.png"])
def test_a_picture_that_is_nowhere_has_no_copies(tmp_path, place):
    """Buckets are not asked, and whatever cannot be read is no error."""
    assert Thumbnails(tmp_path / "out").of("0" * 64, [place]) is None


def test_a_picture_of_a_bucket_is_taken_from_the_downloads(tmp_path, bucket):
    """Where a bucket holds a picture, what was fetched of it is copied: no request is made."""
    store_for(bucket).write(f"{bucket}/dog.png", gradient(3))
    settings = Settings(scratch=tmp_path)
    fetched = fetch(f"{bucket}/dog.png", settings.downloads, settings=settings)

    thumbnails = Thumbnails(tmp_path / "out", downloads=settings.downloads)

    assert thumbnails.of(fetched.sha256, [f"{bucket}/dog.png"]) is not None


def test_what_is_no_picture_has_no_copies(tmp_path):
    """A file of the right hash that cannot be decoded is no error either."""
    path = tmp_path / "a.png"
    path.write_bytes(b"no picture")

    assert Thumbnails(tmp_path).of(hashlib.sha256(b"no picture").hexdigest(), [path]) is None


@pytest.mark.parametrize("width", [320, 900])
def test_a_damaged_copy_is_made_again(tmp_path, picture, width):
    """It must not keep the page from being written, night after night."""
    path, sha256 = picture
    first = Thumbnails(tmp_path / "out").of(sha256, [path])
    (tmp_path / "out" / first.file(width)).write_bytes(b"")

    assert Thumbnails(tmp_path / "out").of(sha256, [path]) == first
