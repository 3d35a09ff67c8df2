"""The disk as a store: it finds pictures in folders, and opens nothing that could bite.

A location may be a FIFO that never answers, a device, or a link to somewhere private. So a path is
first resolved, then held against the folders it may lie in, then opened without waiting and looked
at once more.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from manifests.locations import is_pattern
from nst_core.errors import did_you_mean
from tasks import durable
from tasks.locations import fits, fixed_head, in_natural_order
from tasks.storage_errors import InputError
from tasks.store import ObjectInfo, nothing_found, pictures, require_condition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class FileStore:
    """Files on a disk.

    Args:
        roots: Folders outside which nothing is read. Without any, a file is read wherever it is
            named, but not through a link that leads out of the folder it is named in.
        limit: Largest file that is read, in bytes.
    """

    def __init__(self, *, roots: Sequence[Path] = (), limit: int = 512 << 20) -> None:
        self._roots = tuple(root.resolve() for root in roots)
        self._limit = limit

    def find(self, pattern: str) -> list[str]:
        """See `Store.find`. Patterns follow no link that leads out of their fixed part."""
        with _explained(pattern):
            path = Path(pattern)
            # With roots, not even the names outside of them are looked at.
            self._stay_inside(path, path.resolve(), path)
            if path.is_dir():
                files = [entry.path for entry in _entries(path) if not Path(entry.path).is_dir()]
            elif os.path.lexists(path):
                self._regular(path)
                return [str(path)]
            elif is_pattern(pattern) and (head := Path(fixed_head(pattern))).is_dir():
                parts = pattern[len(fixed_head(pattern)) :].split("/")
                files = list(self._walk(head, parts, head))
            else:
                files = []
            found = pictures(files, pattern)
            if not found and not files and path.is_dir():
                raise InputError(f"{pattern!r} is an empty folder")
            if not found:
                raise nothing_found(pattern, len(files), lambda: _nearest_name(path))
        return in_natural_order(found)

    def listing(self, folder: str, *, deep: bool = True) -> Iterator[ObjectInfo]:
        """See `Store.listing`. Links are passed over."""
        for inside, folders, files in os.walk(folder):
            if not deep:
                folders.clear()
            for name in sorted(files):
                path = Path(inside, name)
                if not path.is_symlink() and (info := self.head(str(path))):
                    yield info

    def names(self, folder: str) -> Iterator[str]:
        """See `Store.names`."""
        return (entry.name for entry in _entries(Path(folder)))

    def head(self, location: str) -> ObjectInfo | None:
        """See `Store.head`. The etag is the SHA-256 of the content."""
        if not os.path.lexists(location):
            return None
        data = self.read(location)
        age = max(0.0, time.time() - Path(location).stat().st_mtime)
        return ObjectInfo(location, len(data), hashlib.sha256(data).hexdigest(), age)

    def read(self, location: str, *, etag: str | None = None) -> bytes:
        """See `Store.read`. The file is opened once and read once."""
        with _explained(location):
            real = self._regular(Path(location))
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
            with os.fdopen(os.open(real, flags), "rb") as file:
                before = os.fstat(file.fileno())
                # The name may have got another file since it was looked at.
                if not stat.S_ISREG(before.st_mode):
                    raise _not_a_file(location, before.st_mode)
                data = file.read(self._limit + 1) if before.st_size <= self._limit else b""
                after = os.fstat(file.fileno())
        if max(before.st_size, len(data)) > self._limit:
            raise InputError(
                f"{location!r} is larger than {self._limit} bytes",
                code="E-INPUT-TOOBIG",
                remedy="raise NST_MAX_INPUT if that is meant",
            )
        written_meanwhile = (before.st_size, before.st_mtime_ns) != (
            after.st_size,
            after.st_mtime_ns,
        )
        if written_meanwhile or etag not in (None, hashlib.sha256(data).hexdigest()):
            raise InputError(f"{location!r} changed while it was read", code="E-INPUT-CHANGED")
        return data

    def write(
        self, location: str, data: bytes, *, create_only: bool = False, etag: str | None = None
    ) -> str:
        """See `Store.write`. Between a condition and the write somebody else may slip in."""
        there = self.head(location) if create_only or etag else None
        require_condition(location, there, create_only=create_only, etag=etag)
        return durable.write_atomic(Path(location), data).sha256

    def holds(self, location: str, data: bytes) -> bool:
        """See `Store.holds`."""
        return os.path.lexists(location) and self.read(location) == data

    def delete(self, location: str) -> None:
        """See `Store.delete`."""
        durable.remove(Path(location))

    def renew(self) -> None:
        """See `Store.renew`; a disk has nothing to renew."""

    def _regular(self, path: Path) -> Path:
        """Return where a path really leads, if that is a plain file within bounds."""
        real = path.resolve()
        self._stay_inside(path, real, path.parent)
        try:
            mode = real.stat().st_mode
        except FileNotFoundError:
            if path.is_symlink():
                said = f"{str(path)!r} is a link to {str(path.readlink())!r}, which does not exist"
                raise InputError(said, remedy="remove or mend the link") from None
            raise nothing_found(str(path), 0, lambda: _nearest_name(path)) from None
        if not stat.S_ISREG(mode):
            raise _not_a_file(str(path), mode)
        return real

    def _stay_inside(self, path: Path, real: Path, home: Path) -> None:
        if not any(real.is_relative_to(root) for root in self._roots or (home.resolve(),)):
            there = "lies outside" if real == path else f"leads to {str(real)!r}, out of"
            raise InputError(
                f"{str(path)!r} {there} {_words(self._roots or (home,))}",
                code="E-INPUT-OUTSIDE",
                remedy="name the real place in the manifest, or allow it in NST_INPUT_ROOTS",
            )

    def _walk(self, folder: Path, wanted: list[str], head: Path) -> Iterator[str]:
        """Yield the files below a folder that fit the parts of a pattern."""
        part, rest = wanted[0], wanted[1:]
        if part == "**" and rest:
            yield from self._walk(folder, rest, head)
        for entry in _entries(folder):
            if not fits(entry.name, part):
                continue
            # Unlike an entry's own, a path's is_dir() takes a link to nowhere for a file.
            if not Path(entry.path).is_dir():
                if not rest:
                    yield entry.path
            elif part == "**":
                # Links to folders are not followed at any depth: they may lead round in circles.
                if not entry.is_symlink():
                    yield from self._walk(Path(entry.path), wanted, head)
            elif rest:
                self._stay_inside(Path(entry.path), Path(entry.path).resolve(), head)
                yield from self._walk(Path(entry.path), rest, head)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with _explained(str(folder)), os.scandir(folder) as entries:
        return list(entries)


def _nearest_name(path: Path) -> str:
    """Compare the first name of a path that does not exist with those that do."""
    existing = next((folder for folder in path.parents if folder.is_dir()), Path("/"))
    names = [entry.name for entry in existing.iterdir()]
    return did_you_mean(path.relative_to(existing).parts[0], names)


def _not_a_file(location: str, mode: int) -> InputError:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    kind = kinds.get(stat.S_IFMT(mode), "something else")
    return InputError(f"{location!r} is {kind}, not a file", code="E-INPUT-NOTFILE")


def _words(folders: Sequence[Path]) -> str:
    return ", ".join(repr(str(folder)) for folder in folders)


@contextmanager
def _explained(location: str) -> Iterator[None]:
    """Turn what the operating system says about a path into an `InputError`."""
    try:
        yield
    # Python says ValueError to NUL in a name, and RuntimeError to links that lead round in circles.
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{location!r} cannot be read: {reason}", code="E-INPUT-ACCESS") from error
