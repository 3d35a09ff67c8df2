from __future__ import annotations

import errno
import os
import stat
from functools import partial
from hashlib import sha256

import pytest

from tasks.durable import (
    Disk,
    DiskFullError,
    FileEntry,
    NotWritableError,
    OutputError,
    append_line,
    make_folder,
    recover,
    remove,
    set_aside,
    sha256_file,
    write_atomic,
)


class Noting(Disk):
    """A real disk that notes the order of its steps."""

    def __init__(self):
        self.steps = []
        for step in vars(Disk):
            if not step.startswith("_"):
                setattr(self, step, partial(self._noted, step))

    def _noted(self, step, *arguments):
        self.steps.append(step)
        return getattr(Disk, step)(self, *arguments)


class Altered(Disk):
    """A real disk with some steps exchanged."""

    def __init__(self, **steps):
        vars(self).update(steps)


def failing(number):
    """Return a step that always fails with that error number."""

    def step(*_):
        raise OSError(number, os.strerror(number))

    return step


def test_the_file_holds_the_data_and_nothing_else_is_left(tmp_path):
    """An atomic write leaves the file and no temporary one."""
    write_atomic(tmp_path / "a.png", b"pixels")

    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a.png": b"pixels"}


def test_the_entry_tells_name_hash_and_size(tmp_path):
    """An atomic write returns what a record says of the file."""
    entry = write_atomic(tmp_path / "a.png", b"pixels")

    assert entry == FileEntry("a.png", sha256(b"pixels").hexdigest(), 6)


def test_an_older_file_is_replaced(tmp_path):
    """The new content takes the old one's place."""
    (tmp_path / "a").write_bytes(b"a longer old content")

    write_atomic(tmp_path / "a", b"new")

    assert (tmp_path / "a").read_bytes() == b"new"


def test_missing_folders_are_created(tmp_path):
    """A write brings its folders into being."""
    write_atomic(tmp_path / "x" / "y" / "a", b"deep")

    assert (tmp_path / "x" / "y" / "a").read_bytes() == b"deep"


def test_steps_come_in_the_order_that_survives_a_power_cut(tmp_path):
    """Content is durable before the name is given, the name before the write returns."""
    disk = Noting()

    write_atomic(tmp_path / "a", b"data", disk=disk)

    assert disk.steps == ["create", "write", "fsync", "close", "rename", "fsync_dir"]


def test_short_writes_are_continued(tmp_path):
    """A disk that takes a few bytes at a time gets them all."""

    def sip(descriptor, data):
        return os.write(descriptor, data[:3])

    write_atomic(tmp_path / "a", b"0123456789", disk=Altered(write=sip))

    assert (tmp_path / "a").read_bytes() == b"0123456789"


@pytest.mark.parametrize("step", ["write", "fsync", "close", "rename"])
def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path, step):
    """Whatever step before the new name fails, the folder is as it was."""
    (tmp_path / "a").write_bytes(b"old")

    with pytest.raises(OutputError):
        write_atomic(tmp_path / "a", b"new", disk=Altered(**{step: failing(errno.EIO)}))

    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"old"}


def test_a_failed_fsync_is_not_tried_again(tmp_path):
    """One failed fsync fails the write: a second one on the same descriptor would lie."""
    calls = []

    def fail_once(descriptor):
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OutputError):
        write_atomic(tmp_path / "a", b"new", disk=Altered(fsync=fail_once))

    assert len(calls) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_says_how_much_is_needed_and_free(tmp_path, number):
    """E-DISK-FULL names the folder, the need and what is free."""
    with pytest.raises(DiskFullError, match=r"a\.png needs 3\.0 MB, [\d.]+ MB are free") as caught:
        write_atomic(tmp_path / "a.png", bytes(3_000_000), disk=Altered(write=failing(number)))

    assert (caught.value.code, caught.value.kind) == ("E-DISK-FULL", "environment")


def test_a_kernel_that_refuses_more_bytes_is_a_full_disk(tmp_path):
    """The real system call's ENOSPC, from /dev/full, becomes E-DISK-FULL."""

    def full(path):
        path.touch()
        return os.open("/dev/full", os.O_WRONLY)

    with pytest.raises(DiskFullError):
        write_atomic(tmp_path / "a", b"data", disk=Altered(create=full))


def test_other_failures_are_io_errors(tmp_path):
    """EIO becomes E-IO, which the night may try again."""
    with pytest.raises(OutputError) as caught:
        write_atomic(tmp_path / "a", b"data", disk=Altered(fsync=failing(errno.EIO)))

    assert (caught.value.code, caught.value.kind) == ("E-IO", "io")


def test_a_read_only_disk_is_named_as_such(tmp_path):
    """A file system that refuses is the environment's fault, not worth trying again."""
    with pytest.raises(NotWritableError, match="Read-only") as caught:
        write_atomic(tmp_path / "a", b"data", disk=Altered(create=failing(errno.EROFS)))

    assert caught.value.kind == "environment"


def test_a_file_in_a_folders_place_is_named(tmp_path):
    """An output folder that is a file gets an explanation."""
    (tmp_path / "out").write_bytes(b"")

    with pytest.raises(NotWritableError, match="out is a file"):
        write_atomic(tmp_path / "out" / "spring" / "a", b"data")


def test_folders_may_be_made_by_someone_else_meanwhile(tmp_path):
    """A folder that appears between look and creation is fine."""

    def too_late(folder):
        folder.mkdir()
        folder.mkdir()

    make_folder(tmp_path / "x", disk=Altered(mkdir=too_late))

    assert (tmp_path / "x").is_dir()


def test_a_file_system_without_folder_sync_is_tolerated(tmp_path, monkeypatch):
    """EINVAL from syncing a folder is no failure of the write."""
    fsync = os.fsync

    def no_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", no_folders)

    write_atomic(tmp_path / "a", b"data")

    assert (tmp_path / "a").read_bytes() == b"data"


def test_lines_are_appended(tmp_path):
    """Each line follows the last."""
    append_line(tmp_path / "log", "one")
    append_line(tmp_path / "log", "zwei")

    assert (tmp_path / "log").read_text() == "one\nzwei\n"


def test_a_torn_last_line_is_closed_first(tmp_path):
    """What a crash left of a line does not swallow the next one."""
    (tmp_path / "log").write_text('one\n{"half')

    append_line(tmp_path / "log", "two")

    assert (tmp_path / "log").read_text() == 'one\n{"half\ntwo\n'


def test_a_line_is_one_write(tmp_path):
    """Healing and appending are a single write, so that lines of two writers do not mix."""
    (tmp_path / "log").write_text("torn")
    disk = Noting()

    append_line(tmp_path / "log", "two", disk=disk)

    assert disk.steps == ["append", "write", "fsync", "close"]


def test_removing_what_is_gone_is_fine(tmp_path):
    """A second removal finds nothing to do."""
    write_atomic(tmp_path / "a", b"data")

    remove(tmp_path / "a")
    remove(tmp_path / "a")

    assert list(tmp_path.iterdir()) == []


def test_set_aside_never_takes_a_taken_name(tmp_path):
    """Conflicts are numbered, none replaces another."""
    for content in (b"first", b"second"):
        (tmp_path / "a").write_bytes(content)
        set_aside(tmp_path / "a")

    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        "a.conflict-1": b"first",
        "a.conflict-2": b"second",
    }


def test_recover_removes_our_temporary_files_only(tmp_path):
    """Leftovers of dead runs go and are counted; similar names of other programs stay."""
    (tmp_path / "spring").mkdir()
    (tmp_path / "spring" / ".a.png.123.0123abcd.tmp").write_bytes(b"half")
    (tmp_path / ".ledger.jsonl.9.ffffffff.tmp").write_bytes(b"half")
    (tmp_path / ".a.png.tmp").write_bytes(b"an editor's")

    assert recover(tmp_path) == 2
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [".a.png.tmp"]


def test_recover_syncs_every_folder(tmp_path):
    """Names a killed run gave without syncing are durable afterwards, the root's own too."""
    (tmp_path / "x" / "y").mkdir(parents=True)
    disk = Noting()

    recover(tmp_path, disk=disk)

    assert disk.steps == ["fsync_dir"] * 4


def test_sha256_of_a_file(tmp_path):
    """A file's hash is that of its bytes."""
    (tmp_path / "a").write_bytes(b"data")

    assert sha256_file(tmp_path / "a") == sha256(b"data").hexdigest()
