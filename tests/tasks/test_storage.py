from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_pictures_as_browsers_save_them_are_found(tmp_path: Path):
    """Some call a JPEG .jfif."""
    (tmp_path / "wave.jfif").write_bytes(b"x")

    assert FileStore().find(str(tmp_path)) == [str(tmp_path / "wave.jfif")]


def test_an_empty_folder_is_called_so(tmp_path: Path):
    """It is there, after all."""
    with pytest.raises(InputError, match="is an empty folder"):
        FileStore().find(f"{tmp_path}/")


def test_a_folder_that_may_be_entered_but_not_read_is_told():
    """There is no looking around in it for what a name may have meant."""
    user = os.geteuid()
    with TemporaryDirectory() as folder:  # where others may go, too
        os.chmod(folder, 0o311)  # noqa: PTH101
        os.seteuid(user or 65534)  # root may read everything
        try:
            with pytest.raises(InputError, match="cannot be read: Permission denied"):
                FileStore().find(f"{folder}/a.png")
        finally:
            os.seteuid(user)
        os.chmod(folder, 0o711)  # noqa: PTH101


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


@pytest.fixture(scope="module")
def fenced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a picture inside, one outside, and a link that leads out."""
    folder = tmp_path_factory.mktemp("fenced")
    (folder / "a.png").write_bytes(b"outside")
    (folder / "root" / "in").mkdir(parents=True)
    (folder / "root" / "in" / "a.png").write_bytes(b"inside")
    (folder / "root" / "out").symlink_to(folder)
    return folder / "root"


class TestFilesThatBite:
    @pytest.mark.timeout(5)
    def test_a_fifo_never_hangs(self, tmp_path: Path):
        """A pipe that nobody writes to is refused at once, by name and in a folder's midst."""
        os.mkfifo(tmp_path / "a.png")

        for action in (FileStore().read, FileStore().find):
            with pytest.raises(InputError, match="is a pipe, not a file") as caught:
                action(str(tmp_path / "a.png"))
            assert caught.value.code == "E-INPUT-NOTFILE"
        assert FileStore().find(str(tmp_path)) == [str(tmp_path / "a.png")]

    @pytest.mark.timeout(5)
    def test_a_file_that_turns_into_a_fifo_never_hangs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """A name that changes hands between the look and the opening is looked at once more."""
        path = tmp_path / "a.png"
        path.write_bytes(b"x")
        real_open = os.open

        def swap_and_open(name: str, flags: int) -> int:
            path.unlink()
            os.mkfifo(path)
            return real_open(name, flags)

        monkeypatch.setattr(os, "open", swap_and_open)

        with pytest.raises(InputError, match="is a pipe"):
            FileStore().read(str(path))

    @pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
    def test_a_device_is_never_opened(self, device: str):
        """Devices are refused before they are opened."""
        with pytest.raises(InputError, match="is a device, not a file"):
            FileStore().read(device)

    def test_a_socket_is_no_input(self, tmp_path: Path):
        """Sockets are refused."""
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "a.png"))

            with pytest.raises(InputError, match="is a socket, not a file"):
                FileStore().read(str(tmp_path / "a.png"))

    def test_a_folder_is_no_input(self, tmp_path: Path):
        """Folders are refused."""
        with pytest.raises(InputError, match="is a folder, not a file"):
            FileStore().read(str(tmp_path))

    def test_a_link_may_stay_in_its_folder(self, tmp_path: Path):
        """A link to a file beside it is another name for it."""
        (tmp_path / "a.png").write_bytes(b"x")
        (tmp_path / "b.png").symlink_to("a.png")

        assert FileStore().read(str(tmp_path / "b.png")) == b"x"

    def test_a_linked_folder_may_be_named(self, tmp_path: Path):
        """Who names a linked folder means what is in it."""
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "a.png").write_bytes(b"x")
        (tmp_path / "link").symlink_to("real")

        assert FileStore().read(str(tmp_path / "link" / "a.png")) == b"x"

    def test_a_link_may_not_leave_its_folder(self, tmp_path: Path):
        """A link to somewhere private is refused."""
        (tmp_path / "private.png").write_bytes(b"x")
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.png").symlink_to("../private.png")

        with pytest.raises(InputError, match="leads to") as caught:
            FileStore().read(str(tmp_path / "in" / "a.png"))

        assert caught.value.code == "E-INPUT-OUTSIDE"

    def test_a_root_allows_what_links_lead_to(self, tmp_path: Path):
        """A link may lead wherever the machine's owner allows."""
        (tmp_path / "pool").mkdir()
        (tmp_path / "pool" / "a.png").write_bytes(b"x")
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.png").symlink_to("../pool/a.png")

        assert FileStore(roots=[tmp_path / "pool"]).read(str(tmp_path / "in" / "a.png")) == b"x"

    @pytest.mark.parametrize("name", ["../a.png", "in/../../a.png", "in/../../{here}/../a.png"])
    def test_nothing_outside_the_roots_is_read(self, tmp_path: Path, name: str):
        """With roots, no spelling of a path leads out of them."""
        (tmp_path / "root" / "in").mkdir(parents=True)
        (tmp_path / "a.png").write_bytes(b"x")

        with pytest.raises(InputError) as caught:
            FileStore(roots=[tmp_path / "root"]).read(f"{tmp_path}/root/{name.format(here='root')}")

        assert caught.value.code == "E-INPUT-OUTSIDE"

    @settings(max_examples=500)
    @given(st.lists(st.sampled_from(["..", ".", "in", "out", "~", "", "*", "C:\\"]) | st.text()))
    def test_no_name_whatsoever_leads_out(self, fenced: Path, parts: list[str]):
        """Reading any name below a root gives what lies inside, or an input error."""
        store = FileStore(roots=[fenced])

        for action in (store.read, store.find):
            with suppress(InputError):
                given = action(f"{fenced}/{'/'.join(parts)}")
                found = given if isinstance(given, bytes) else [*map(os.path.normpath, given)]
                assert found in (b"inside", [f"{fenced}/in/a.png"])

    def test_a_pattern_does_not_follow_a_folder_out(self, tmp_path: Path):
        """A linked folder that a pattern happens upon does not open the way out."""
        (tmp_path / "private").mkdir()
        (tmp_path / "private" / "a.png").write_bytes(b"x")
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "out").symlink_to(tmp_path / "private")

        with pytest.raises(InputError) as caught:
            FileStore().find(f"{tmp_path}/in/*/a.png")

        assert caught.value.code == "E-INPUT-OUTSIDE"

    @pytest.mark.timeout(5)
    def test_links_in_circles_end(self, tmp_path: Path):
        """A folder that links to itself is walked once; a link to itself is refused."""
        (tmp_path / "a.png").write_bytes(b"x")
        for name in ("round", "and-round"):
            (tmp_path / name).symlink_to(".")
        (tmp_path / "self.png").symlink_to("self.png")

        assert FileStore().find(f"{tmp_path}/**/a.png") == [str(tmp_path / "a.png")]
        with pytest.raises(InputError):
            FileStore().read(str(tmp_path / "self.png"))

    def test_a_dangling_link_is_missing(self, tmp_path: Path):
        """A link to nothing is an input that does not exist."""
        (tmp_path / "a.png").symlink_to("b.png")

        with pytest.raises(InputError) as caught:
            FileStore().read(str(tmp_path / "a.png"))

        assert caught.value.code == "E-INPUT-MISSING"
        assert "is a link to 'b.png', which does not exist; remove or mend" in str(caught.value)

    def test_a_closed_folder_is_named(self, tmp_path: Path):
        """The one of many below a pattern that cannot be looked into."""
        (tmp_path / "a.png").write_bytes(b"x")
        (tmp_path / "closed").mkdir(mode=0)
        if os.access(tmp_path / "closed", os.R_OK):
            pytest.skip("nothing is closed to root")

        with pytest.raises(InputError, match="closed' cannot be read: Permission denied"):
            FileStore().find(f"{tmp_path}/**/*.png")

    @pytest.mark.parametrize("name", ["a\0.png", "a" * 300])
    def test_an_impossible_name_is_an_input_error(self, tmp_path: Path, name: str):
        """Names that no file can have are told so, without a traceback of the system's."""
        for action in (FileStore().read, FileStore().find):
            with pytest.raises(InputError):
                action(f"{tmp_path}/{name}")

    def test_a_large_file_is_refused(self, tmp_path: Path):
        """A sparse terabyte is refused by its size; it is never read."""
        with (tmp_path / "a.png").open("wb") as file:
            file.truncate(1 << 40)

        with pytest.raises(InputError) as caught:
            FileStore(limit=1000).read(str(tmp_path / "a.png"))

        assert caught.value.code == "E-INPUT-TOOBIG"

    def test_a_file_that_grows_meanwhile_is_refused(self, tmp_path: Path):
        """A file that is being written is no input yet: hash and picture would be of two states."""
        path = tmp_path / "a.png"
        path.write_bytes(b"x" * (32 << 20))
        growing = threading.Event()

        def grow() -> None:
            while not growing.is_set():
                with path.open("ab") as file:
                    file.write(b"x")

        writer = threading.Thread(target=grow)
        writer.start()
        try:
            with pytest.raises(InputError) as caught:
                FileStore().read(str(path))
        finally:
            growing.set()
            writer.join()

        assert caught.value.code == "E-INPUT-CHANGED"

    def test_the_first_wrong_folder_is_named(self, tmp_path: Path):
        """Of a path that is wrong in the middle, the middle is corrected."""
        (tmp_path / "impressionists").mkdir()

        with pytest.raises(InputError, match="did you mean 'impressionists'"):
            FileStore().find(f"{tmp_path}/impresionists/monet/a.png")
