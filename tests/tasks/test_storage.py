"""What every kind of store does alike, and which one a location belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nst_core import heic
from tasks import storage
from tasks.file_store import FileStore
from tasks.memory_store import MemoryStore
from tasks.storage import store_for
from tasks.storage_errors import InputError, RefusedError, TakenError
from tests.tasks.fault_proxy import Fault, FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tasks.store import Store

    Place = Callable[[str], str]


@pytest.fixture(params=["file", "memory", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of store in turn."""
    return request.param


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest) -> Store:
    """A store of that kind."""
    if kind == "s3":
        request.getfixturevalue("s3")
        return store_for("s3://any")
    return FileStore() if kind == "file" else MemoryStore()


@pytest.fixture
def place(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Gives the location of a name, in a folder or a bucket of the test's own."""
    root = {"file": str(tmp_path), "memory": "s3://memory"}.get(kind)
    root = root or request.getfixturevalue("bucket")
    return lambda name: f"{root}/{name}"


class TestEveryStore:
    def test_gives_back_what_was_written(self, store: Store, place: Place):
        """What is read is what was written, whatever the name."""
        store.write(place("a/Seerosen 2 (ü).png"), b"water lilies")

        assert store.read(place("a/Seerosen 2 (ü).png")) == b"water lilies"

    def test_describes_an_object(self, store: Store, place: Place):
        """Size and age are known without reading."""
        store.write(place("a.png"), b"12345")

        info = store.head(place("a.png"))

        assert info
        assert (info.location, info.bytes) == (place("a.png"), 5)
        assert 0 <= info.age < 60

    def test_knows_nothing_of_a_missing_object(self, store: Store, place: Place):
        """A missing object is None to `head`, False to `holds`, and fine to `delete`."""
        store.delete(place("a.png"))

        assert store.head(place("a.png")) is None
        assert not store.holds(place("a.png"), b"")

    def test_does_not_read_a_missing_object(self, store: Store, place: Place):
        """To read what is not there is an input's error."""
        with pytest.raises(InputError, match="does not exist") as caught:
            store.read(place("a.png"))

        assert caught.value.code == "E-INPUT-MISSING"

    def test_changes_the_etag_with_the_content(self, store: Store, place: Place):
        """The etag of a write is that of a look, until the next write."""
        first = store.write(place("a.png"), b"one")
        second = store.write(place("a.png"), b"two")

        assert first != second
        assert store.head(place("a.png")).etag == second

    def test_creates_only_once(self, store: Store, place: Place):
        """`create_only` never replaces anything."""
        store.write(place("a.png"), b"one", create_only=True)

        with pytest.raises(TakenError):
            store.write(place("a.png"), b"two", create_only=True)

        assert store.read(place("a.png")) == b"one"

    def test_replaces_only_the_version_that_was_seen(self, store: Store, place: Place):
        """A write over an older version is refused, one over the present one is not."""
        old = store.write(place("a.png"), b"one")
        new = store.write(place("a.png"), b"two", etag=old)

        with pytest.raises(TakenError):
            store.write(place("a.png"), b"three", etag=old)
        store.write(place("a.png"), b"four", etag=new)

        assert store.read(place("a.png")) == b"four"

    def test_reads_only_the_version_that_was_seen(self, store: Store, place: Place):
        """An object that changed between the look and the read is not handed out."""
        seen = store.write(place("a.png"), b"one")
        store.write(place("a.png"), b"two")

        with pytest.raises(InputError) as caught:
            store.read(place("a.png"), etag=seen)

        assert caught.value.code == "E-INPUT-CHANGED"

    def test_holds_nothing_but_the_same_bytes(self, store: Store, place: Place):
        """One bit's difference is a difference."""
        store.write(place("a.png"), b"abcd")

        assert store.holds(place("a.png"), b"abcd")
        assert not store.holds(place("a.png"), b"abce")

    def test_forgets_what_is_deleted(self, store: Store, place: Place):
        """A deleted object is gone."""
        store.write(place("a.png"), b"one")
        store.delete(place("a.png"))

        assert store.head(place("a.png")) is None

    def test_lists_shallow_and_deep(self, store: Store, place: Place):
        """A listing goes down only when asked."""
        for name in ("x/a.png", "x/y/b.png", "z.png"):
            store.write(place(name), name.encode())

        shallow = [info.location for info in store.listing(place("x/"), deep=False)]
        deep = sorted(info.location for info in store.listing(place("x/")))

        assert shallow == [place("x/a.png")]
        assert deep == [place("x/a.png"), place("x/y/b.png")]

    def test_finds_one_name(self, store: Store, place: Place):
        """A single existing name stands for itself, even with a pattern's signs in it."""
        store.write(place("a/monet [1].png"), b"x")

        assert store.find(place("a/monet [1].png")) == [place("a/monet [1].png")]

    @pytest.mark.parametrize("folder", ["a/", "a"])
    def test_finds_the_pictures_of_a_folder(self, store: Store, place: Place, folder: str):
        """A folder stands for the pictures right in it, as people count, without hidden ones."""
        names = ["m10.jpg", "m2.JPEG", "m1.png", "notes.txt", ".m3.png", "below/m4.png"]
        for name in names:
            store.write(place(f"a/{name}"), b"x")

        expected = [place("a/m1.png"), place("a/m2.JPEG"), place("a/m10.jpg")]
        assert store.find(place(folder)) == expected

    @pytest.mark.parametrize(
        ("pattern", "found"),
        [
            ("*.png", ["r.png"]),
            ("a/*", ["a/1.png", "a/2.jpg"]),
            ("a/?.jpg", ["a/2.jpg"]),
            ("[ab]/[!2].png", ["a/1.png", "b/1.png"]),
            ("*/1.png", ["a/1.png", "b/1.png"]),
            ("**/1.png", ["a/1.png", "b/1.png", "b/c/1.png"]),
            ("b/**", ["b/1.png", "b/c/1.png", "b/c/d/3.png"]),
            ("**/c/**/*.png", ["b/c/1.png", "b/c/d/3.png"]),
        ],
    )
    def test_finds_by_pattern(self, store: Store, place: Place, pattern: str, found: list[str]):
        """A pattern means the same on a disk and in a bucket, and never a hidden name."""
        names = ["r.png", "a/1.png", "a/2.jpg", "a/n.txt", "b/1.png", "b/c/1.png", "b/c/d/3.png"]
        for name in [*names, "a/.h.png", ".hidden/1.png", "b/.c/1.png"]:
            store.write(place(name), b"x")

        assert store.find(place(pattern)) == [place(name) for name in found]

    @pytest.mark.parametrize(
        ("mistyped", "meant"),
        [
            ("monet/lillies.png", "lilies.png"),
            ("monte", "monet"),
            ("monte/", "monet"),
            ("monte/lilies.png", "monet"),
            ("monte/*.png", "monet"),
            ("art/degass/late/*.png", "degas"),
        ],
    )
    def test_names_the_nearest(self, store: Store, place: Place, mistyped: str, meant: str):
        """The first name that is mistyped is answered with the one that was meant."""
        for name in ("monet/lilies.png", "art/degas/late/dancer.png"):
            store.write(place(name), b"x")

        with pytest.raises(InputError, match=f"did you mean '{meant}'") as caught:
            store.find(place(mistyped))

        assert caught.value.code == "E-INPUT-MISSING"

    def test_names_what_is_in_a_folder(self, store: Store, place: Place):
        """Pictures and folders alike, each once."""
        for name in ("a.png", "b/1.png", "b/2.png", "c/d/3.png"):
            store.write(place(f"in/{name}"), b"x")

        assert sorted(store.names(place("in/"))) == ["a.png", "b", "c"]

    @pytest.mark.parametrize("pattern", ["monet/*.jpg", "nowhere/*.png", "monet/*/*.png"])
    def test_says_that_nothing_fits(self, store: Store, place: Place, pattern: str):
        """A pattern that finds nothing is a mistake, not an empty set."""
        store.write(place("monet/lilies.png"), b"x")

        with pytest.raises(InputError, match="nothing fits"):
            store.find(place(pattern))

    def test_says_that_no_picture_is_there(self, store: Store, place: Place):
        """A folder of other things is told from one that does not exist."""
        store.write(place("a/notes.txt"), b"x")

        with pytest.raises(InputError, match="1 file, none of them a picture"):
            store.find(place("a/"))

    def test_warns_of_photos_that_are_left_out(self, store: Store, place: Place, caplog):
        """Telephones take pictures that nobody here can read; that is said, once."""
        for name in ("a.jpg", "b.avif", "c.NEF", "notes.txt"):
            store.write(place(f"photos/{name}"), b"x")

        found = [store.find(place("photos/")) for _ in range(2)]

        assert found == [[place("photos/a.jpg")]] * 2
        (warning,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
        assert "2 such as 'b.avif'; save them as JPEG or PNG" in warning

    def test_tells_what_reads_photos_of_telephones(
        self, store: Store, place: Place, caplog, monkeypatch
    ):
        """Where only these are left out, it is an extra that is missing."""
        monkeypatch.setattr("tasks.store.UNREAD_SUFFIXES", heic.SUFFIXES)
        for name in ("a.jpg", "b.HEIC"):
            store.write(place(f"telephone/{name}"), b"x")

        store.find(place("telephone/"))

        assert "1 such as 'b.HEIC'; pip install 'nst-gallery[heic]'" in caplog.text


def test_who_may_not_look_around_is_told_what_is_missing():
    """Rights may end at one folder of a bucket; its neighbours are no part of the answer."""

    class Guarded(MemoryStore):
        def names(self, folder: str) -> Iterator[str]:
            raise RefusedError(folder)

    with pytest.raises(InputError, match="'s3://memory/monte/' does not exist"):
        Guarded().find("s3://memory/monte/")


class TestStoreFor:
    def test_knows_the_disk(self, tmp_path: Path):
        """A path belongs to the disk."""
        assert isinstance(store_for(str(tmp_path)), FileStore)

    def test_keeps_one_client_for_all_buckets(self, s3: str):
        """Locations of one endpoint share a store, and so connections and credentials."""
        assert store_for("s3://one/a.png") is store_for("s3://two/b.png")

    def test_knows_no_other_address(self):
        """What is neither a path nor S3 is refused, without repeating it."""
        with pytest.raises(InputError) as caught:
            store_for("https://host/a.png?X-Amz-Signature=canary")

        assert caught.value.code == "E-S3-URL"
        assert "canary" not in str(caught.value)

    def test_find_asks_the_right_store(self, bucket: str):
        """`find` takes what a manifest says and asks the store it belongs to."""
        store_for(bucket).write(f"{bucket}/a.png", b"x")

        assert storage.find(f"{bucket}/*.png") == [f"{bucket}/a.png"]

    def test_find_waits_for_a_busy_store(self, bucket: str, line: FaultProxy):
        """A hiccup while the night is planned is no reason not to begin it."""
        store_for(bucket).write(f"{bucket}/a.png", b"x")
        line.inject(Fault.SLOW_DOWN)

        assert storage.find(f"{bucket}/*.png") == [f"{bucket}/a.png"]
