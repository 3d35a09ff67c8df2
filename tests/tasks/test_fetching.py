from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tasks.fetching import _download, fetch
from tasks.s3_store import S3Store
from tasks.settings import Settings
from tasks.storage import store_for
from tasks.storage_errors import BusyError, InputError, RefusedError
from tests.tasks.fault_proxy import ALWAYS, Fault, FaultProxy

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.patience import Patience

LILIES = os.urandom(5000)
SHA256 = hashlib.sha256(LILIES).hexdigest()

WHAT_PASSES = [
    (method, fault)
    for method in ("HEAD", "GET")
    for fault in (
        Fault.SLOW_DOWN,
        Fault.UNAVAILABLE,
        Fault.INTERNAL_ERROR,
        Fault.EXPIRED_TOKEN,
        Fault.SKEWED_CLOCK,
        Fault.BLACK_HOLE,
        Fault.RESET,
        Fault.LOST_REPLY,
        Fault.CUT,
        Fault.SLOW,
        Fault.FLIP_DOWN,
    )
    # An answer without a body can neither be cut nor flipped, nor say what is wrong with a clock.
    if method == "GET" or fault not in {Fault.CUT, Fault.FLIP_DOWN, Fault.SKEWED_CLOCK}
]


@pytest.fixture
def picture(bucket: str) -> str:
    """The location of a picture in a bucket."""
    store_for(bucket).write(f"{bucket}/monet/lilies.png", LILIES)
    return f"{bucket}/monet/lilies.png"


def gets(line: FaultProxy) -> int:
    """Return how many downloads went over the line."""
    return sum(request.method == "GET" for request in line.seen)


class TestFromTheDisk:
    def test_a_file_is_used_where_it_lies(self, tmp_path: Path):
        """A local picture is hashed, not copied."""
        (tmp_path / "a.png").write_bytes(LILIES)

        fetched = fetch(str(tmp_path / "a.png"), tmp_path / "cache")

        assert (fetched.path, fetched.sha256, fetched.bytes) == (tmp_path / "a.png", SHA256, 5000)
        assert fetched.read() == LILIES
        assert not (tmp_path / "cache").exists()

    def test_an_edit_with_the_same_size_and_time_is_noticed(self, tmp_path: Path):
        """What is read later are the bytes that were hashed, or it is an error."""
        path = tmp_path / "a.png"
        path.write_bytes(LILIES)
        before = path.stat()
        fetched = fetch(str(path), tmp_path / "cache")

        path.write_bytes(bytes(reversed(LILIES)))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

        with pytest.raises(InputError, match="run the same command again") as caught:
            fetched.read()
        assert caught.value.code == "E-INPUT-CHANGED"

    def test_a_file_that_grew_is_noticed(self, tmp_path: Path):
        """More bytes are other bytes."""
        path = tmp_path / "a.png"
        path.write_bytes(b"")
        fetched = fetch(str(path), tmp_path / "cache")

        path.write_bytes(LILIES)

        with pytest.raises(InputError) as caught:
            fetched.read()
        assert caught.value.code == "E-INPUT-CHANGED"

    @pytest.mark.timeout(5)
    def test_a_file_that_became_a_pipe_never_hangs(self, tmp_path: Path):
        """The second reading is as careful as the first."""
        path = tmp_path / "a.png"
        path.write_bytes(LILIES)
        fetched = fetch(str(path), tmp_path / "cache")

        path.unlink()
        os.mkfifo(path)

        with pytest.raises(InputError, match="is a pipe"):
            fetched.read()

    def test_the_machine_says_what_may_be_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """Roots and size limit of the environment hold for every input."""
        (tmp_path / "a.png").write_bytes(LILIES)
        monkeypatch.setenv("NST_MAX_INPUT", "4999")
        with pytest.raises(InputError, match="larger than 4999 bytes"):
            fetch(str(tmp_path / "a.png"), tmp_path / "cache")

        monkeypatch.setenv("NST_INPUT_ROOTS", str(tmp_path / "elsewhere"))
        with pytest.raises(InputError, match="lies outside"):
            fetch(str(tmp_path / "a.png"), tmp_path / "cache")

    def test_a_missing_file_names_its_neighbour(self, tmp_path: Path):
        """A mistyped path is answered with the one that was meant."""
        (tmp_path / "lilies.png").write_bytes(LILIES)

        with pytest.raises(InputError, match=r"did you mean 'lilies\.png'"):
            fetch(str(tmp_path / "lilie.png"), tmp_path / "cache")


class TestFromABucket:
    def test_an_object_is_kept_under_its_hash(self, picture: str, tmp_path: Path):
        """The cache knows content, not names."""
        fetched = fetch(picture, tmp_path)

        assert (fetched.path, fetched.sha256, fetched.bytes) == (tmp_path / SHA256, SHA256, 5000)
        assert fetched.read() == LILIES

    def test_an_object_is_downloaded_once(self, picture: str, line: FaultProxy, tmp_path: Path):
        """The second time, a look suffices."""
        first = fetch(picture, tmp_path)
        second = fetch(picture, tmp_path)

        assert first == second
        assert gets(line) == 1

    def test_a_changed_object_is_fetched_anew(self, picture: str, tmp_path: Path):
        """What the bucket holds today counts, not what it held yesterday."""
        fetch(picture, tmp_path)
        store_for(picture).write(picture, b"irises")

        assert fetch(picture, tmp_path).read() == b"irises"

    @pytest.mark.parametrize("damage", [b"", LILIES[:100], bytes(reversed(LILIES))])
    def test_a_damaged_cache_is_mended(
        self, picture: str, line: FaultProxy, tmp_path: Path, damage: bytes
    ):
        """A cut or flipped file of the cache is never believed."""
        fetch(picture, tmp_path).path.write_bytes(damage)

        assert fetch(picture, tmp_path).read() == LILIES
        assert gets(line) == 2

    def test_a_large_object_is_not_downloaded(
        self, picture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """The limit holds for buckets too."""
        monkeypatch.setenv("NST_MAX_INPUT", "4999")

        with pytest.raises(InputError) as caught:
            fetch(picture, tmp_path)

        assert caught.value.code == "E-INPUT-TOOBIG"

    def test_a_missing_object_names_its_neighbour(self, picture: str, tmp_path: Path):
        """A mistyped key is answered with the one that was meant."""
        with pytest.raises(InputError, match=r"did you mean 'lilies\.png'"):
            fetch(picture.replace("lilies", "lilie"), tmp_path)

    def test_a_folder_is_no_picture(self, picture: str, tmp_path: Path):
        """A prefix that holds pictures is not a picture itself."""
        with pytest.raises(InputError) as caught:
            fetch(picture.removesuffix("/lilies.png"), tmp_path)

        assert caught.value.code == "E-INPUT-NOTFILE"

    def test_a_missing_bucket_is_named(self, s3: str, tmp_path: Path):
        """A bucket that does not exist is not looked for again and again."""
        with pytest.raises(RefusedError, match="NoSuchBucket") as caught:
            fetch("s3://no-such-bucket/a.png", tmp_path)

        assert caught.value.code == "E-S3-BUCKET"

    def test_a_change_between_look_and_download_is_noticed(self, picture: str, tmp_path: Path):
        """Hash, size and bytes are always of one version."""

        class BusyPlace(S3Store):
            def read(self, location: str, *, etag: str | None = None) -> bytes:
                self.write(location, b"irises")
                return super().read(location, etag=etag)

        with pytest.raises(InputError) as caught:
            _download(picture, tmp_path, BusyPlace(Settings.from_environment()))

        assert caught.value.code == "E-INPUT-CHANGED"


class TestOverABadLine:
    @pytest.mark.parametrize("trouble", WHAT_PASSES, ids=str)
    def test_the_right_bytes_arrive_in_the_end(
        self,
        picture: str,
        line: FaultProxy,
        patience: Patience,
        tmp_path: Path,
        *,
        trouble: tuple[str, Fault],
    ):
        """Whatever passes is waited for, and nothing damaged is ever taken for the picture."""
        method, fault = trouble
        line.inject(fault, method=method, times=2)

        assert fetch(picture, tmp_path, patience=patience).read() == LILIES

    def test_a_flip_is_seen_without_any_checksum(
        self, bucket: str, s3_client: Any, line: FaultProxy, patience: Patience, tmp_path: Path
    ):
        """An object that its uploader gave no checksum is held against its etag."""
        s3_client.put_object(Bucket=bucket.removeprefix("s3://"), Key="a.png", Body=LILIES)
        line.inject(Fault.FLIP_DOWN, method="GET", times=3)

        assert fetch(f"{bucket}/a.png", tmp_path, patience=patience).read() == LILIES
        assert gets(line) == 4

    def test_a_new_login_is_noticed(
        self,
        picture: str,
        line: FaultProxy,
        *,
        patience: Patience,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """After expired credentials, those that are there by then are used."""
        line.inject(Fault.EXPIRED_TOKEN, method="GET")

        def log_in(_: float) -> None:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SECOND")

        fetch(picture, tmp_path, patience=replace(patience, sleep=log_in))

        assert "Credential=SECOND" in line.seen[-1].headers["authorization"]

    def test_patience_ends(
        self, picture: str, line: FaultProxy, patience: Patience, tmp_path: Path
    ):
        """A store that stays away is given up at the deadline, not before."""
        line.inject(Fault.SLOW_DOWN, times=ALWAYS)

        with pytest.raises(BusyError):
            fetch(picture, tmp_path, patience=replace(patience, deadline=600.0))

        assert 540 < patience.clock() < 600

    def test_a_refusal_is_not_argued_with(
        self, picture: str, line: FaultProxy, patience: Patience, tmp_path: Path
    ):
        """Access denied will be denied again; the message says to whom."""
        line.inject(Fault.ACCESS_DENIED, times=ALWAYS)

        with pytest.raises(RefusedError, match="profile 'default'") as caught:
            fetch(picture, tmp_path, patience=patience)

        assert caught.value.code == "E-S3-ACCESS"
        assert len(line.seen) == 1
