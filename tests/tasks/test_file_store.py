"""What lies on a disk beside pictures: pipes, devices, links that lead out, closed folders."""

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

from tasks.file_store import FileStore
from tasks.storage_errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


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
