"""The one door through which anything is written to an output.

A file appears under its final name whole or not at all, and once a function here has returned,
neither a kill nor a power cut can take back what it wrote. Every write is made of the few steps
of a `Disk`; tests hand in a disk that records them, fails at one, or dies at one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from manifests.wording import room
from nst_core.errors import NSTError

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable, Iterator, Sequence

    from nst_core.errors import FailureKind


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR}
_TEMPORARY = re.compile(r"\..+\.\d+\.[0-9a-f]{8}\.tmp")


class OutputError(NSTError):
    """The output could not be written or read; trying again may help."""

    code = "E-IO"
    kind: FailureKind = "io"


class NoOutputError(OutputError):
    """Nothing was painted where an output was named: a slip in its name, most of the time."""

    code = "E-OUT-MISSING"
    kind = "input"


class DiskFullError(OutputError):
    """The output's file system has no room; only a person can help."""

    code = "E-DISK-FULL"
    kind = "environment"


class NotWritableError(OutputError):
    """The output refuses writing: read-only, someone else's, or a file in a folder's place."""

    code = "E-OUT-NOTWRITABLE"
    kind = "environment"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A published file, as its writer and its record know it.

    Args:
        file: Name relative to the output's root, with forward slashes.
        sha256: Of all its bytes, 64 hex digits.
        bytes: Its size.
        width: Of a picture, in pixels.
        height: Of a picture, in pixels.
    """

    file: str
    sha256: str
    bytes: int
    width: int | None = None
    height: int | None = None

    @classmethod
    def of(cls, file: str, data: builtins.bytes) -> Self:
        """Return the entry of a file with these bytes."""
        return cls(file, hashlib.sha256(data).hexdigest(), len(data))

    def holds(self, data: builtins.bytes) -> bool:
        """Tell whether these are the file's bytes."""
        return hashlib.sha256(data).hexdigest() == self.sha256


class Disk:
    """The steps durable writes are made of, each a system call that can fail on its own."""

    def mkdir(self, folder: Path) -> None:
        """Create one folder."""
        folder.mkdir(mode=0o755)

    def create(self, path: Path) -> int:
        """Create a file that is not there yet, for writing."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)

    def append(self, path: Path) -> int:
        """Open a file for appending (and for reading its end), creating it where missing."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write some of the data and return how many bytes that was."""
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        """Make the file's content durable."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close the file."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Put a file under another name, replacing what has that name, in one instant."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Take a file's name away."""
        path.unlink()

    def fsync_dir(self, folder: Path) -> None:
        """Make the folder's names durable."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            # Some network file systems have no such call and order their names themselves.
            if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
                raise
        finally:
            os.close(descriptor)


DISK = Disk()


def write_atomic(
    path: Path, data: bytes | Sequence[bytes | memoryview], *, disk: Disk = DISK
) -> FileEntry:
    """Write a whole file durably, replacing what has its name; readers see the old or the new one.

    Missing folders are created.

    Args:
        path: Its name.
        data: Its bytes, or pieces of bytes one after the other.
        disk: The steps to write with.

    Returns:
        The entry, its ``file`` being the bare name.

    Raises:
        DiskFullError: No room.
        NotWritableError: The folder does not let us.
        OutputError: Any other failure. The old file, if any, is then whole and in place; or the new
            one is whole and in place but might not survive a power cut.
    """
    parts = [data] if isinstance(data, bytes) else data
    size = sum(map(len, parts))
    with explained(path, needed=size):
        make_folder(path.parent, disk=disk)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
        descriptor = disk.create(temporary)
        try:
            try:
                for part in parts:
                    _write_all(descriptor, part, disk)
                # A failed fsync may have dropped the data, and a second one on the same descriptor
                # would then report success: whoever tries again must start with a new file.
                disk.fsync(descriptor)
            finally:
                disk.close(descriptor)
            disk.rename(temporary, path)
        except BaseException:
            with suppress(OSError):
                disk.unlink(temporary)
            raise
        disk.fsync_dir(path.parent)
    return FileEntry(path.name, sha256_of(parts), size)


def sha256_of(parts: Iterable[bytes | memoryview]) -> str:
    """Return the SHA-256 of pieces of bytes one after the other, as 64 hex digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def append_line(path: Path, line: str, *, disk: Disk = DISK) -> None:
    """Append one line durably; a last line that a crash left torn is closed first.

    Args:
        path: The file; it and its folders are created where missing.
        line: Text without a line break.
        disk: The steps to use.

    Raises:
        OutputError: As for `write_atomic`; the file then ends in all, some or none of the line.
    """
    data = f"{line}\n".encode()
    with explained(path, needed=len(data)):
        make_folder(path.parent, disk=disk)
        descriptor = disk.append(path)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                data = b"\n" + data
            _write_all(descriptor, data, disk)
            disk.fsync(descriptor)
        finally:
            disk.close(descriptor)
        if not size:
            disk.fsync_dir(path.parent)


def remove(path: Path, *, disk: Disk = DISK) -> None:
    """Remove a file durably; a file that is not there is removed already.

    Raises:
        OutputError: The file may still be there.
    """
    with explained(path):
        try:
            disk.unlink(path)
        except FileNotFoundError:
            return
        disk.fsync_dir(path.parent)


def set_aside(path: Path, *, disk: Disk = DISK) -> Path:
    """Rename a file that is in the way to ``<name>.conflict-<n>``, durably, and return that path.

    Raises:
        OutputError: The file may still be there.
    """
    n = 1
    while (aside := path.with_name(f"{path.name}.conflict-{n}")).exists():
        n += 1
    with explained(path):
        disk.rename(path, aside)
        disk.fsync_dir(path.parent)
    return aside


def make_folder(folder: Path, *, disk: Disk = DISK) -> None:
    """Create a folder and its missing parents, durably.

    Raises:
        OutputError: A folder could not be created, or a file is in its place.
    """
    with explained(folder):
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            try:
                disk.mkdir(new)
            except FileExistsError:
                # Someone else has just made the folder, or a file is in its place.
                if not new.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, f"{new} is a file") from None
            disk.fsync_dir(new.parent)


def recover(root: Path, *, disk: Disk = DISK) -> int:
    """Finish what killed processes left under a folder, and return how many files that removed.

    Their temporary files go, and names they gave without syncing become durable. To be called
    while no one else writes there.

    Raises:
        OutputError: A leftover could not be removed, or a folder not synced.
    """
    if not root.is_dir():
        return 0
    removed = 0
    for name, _, files in os.walk(root):
        folder = Path(name)
        with explained(folder):
            for leftover in filter(_TEMPORARY.fullmatch, files):
                # A worker that outlives its killed parent for a moment may be quicker.
                with suppress(FileNotFoundError):
                    disk.unlink(folder / leftover)
                    removed += 1
            disk.fsync_dir(folder)
    with explained(root), suppress(PermissionError):  # the folder above may be another person's
        disk.fsync_dir(root.parent)
    return removed


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def explained(path: Path, *, needed: int | None = None) -> Iterator[None]:
    """Turn an operating system's error about a path into one that says what to do.

    Args:
        path: What was being written.
        needed: How many bytes it takes, where known.

    Raises:
        DiskFullError: The file system has no room.
        NotWritableError: The file system does not let us.
        OutputError: Any other ``OSError``.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            raise DiskFullError(
                f"{path.parent} is full: {path.name}{_figures(path, needed)} ({reason})",
                remedy="make room, then run the same command again; what is finished is kept",
            ) from error
        if error.errno in _REFUSED:
            raise NotWritableError(
                f"{path} refuses writing: {reason}",
                remedy="choose another output or mend its permissions, then run it again",
            ) from error
        raise OutputError(f"{path}: {reason}") from error


def _figures(path: Path, needed: int | None) -> str:
    if needed is None:
        return ""
    try:
        free = f", {room(shutil.disk_usage(path.parent).free)} are free"
    except OSError:
        free = ""
    return f" needs {room(needed)}{free}"


def _write_all(descriptor: int, data: bytes | memoryview, disk: Disk) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[disk.write(descriptor, rest) :]
