"""Inputs at hand: a picture, a manifest or weights from anywhere, as a file with a known SHA-256.

A file on this machine is used where it lies; an object of a bucket is kept once, under the hash of
its content, however many names it has. What counts is the hash taken here: whoever uses the input
later reads it through `Fetched.read`, which gives those very bytes or says that they have changed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from manifests.locations import is_remote
from tasks.durable import write_atomic
from tasks.file_store import FileStore
from tasks.patience import Patience, insist
from tasks.recalling import leave, note_of
from tasks.settings import Settings
from tasks.storage import store_for
from tasks.storage_errors import InputError

if TYPE_CHECKING:
    import builtins

    from tasks.store import Store


@dataclass(frozen=True)
class Fetched:
    """An input on this machine.

    Args:
        path: Where its bytes lie now.
        sha256: Of its bytes, 64 hex digits.
        bytes: Their number.
    """

    path: Path
    sha256: str
    bytes: int

    def read(self) -> builtins.bytes:
        """Return the very bytes that were fetched.

        Raises:
            InputError: E-INPUT-CHANGED, if the file holds others by now.
        """
        try:
            data = FileStore(limit=self.bytes).read(str(self.path))
        except InputError as error:
            if error.code != "E-INPUT-TOOBIG":
                raise
            data = None  # larger than it was
        if data is None or hashlib.sha256(data).hexdigest() != self.sha256:
            raise InputError(
                f"{str(self.path)!r} has changed since this run began",
                code="E-INPUT-CHANGED",
                remedy="run the same command again to paint the new picture",
            )
        return data


def fetch(
    location: str,
    cache: Path,
    *,
    settings: Settings | None = None,
    patience: Patience | None = None,
) -> Fetched:
    """Bring an input to this machine and hash it.

    Args:
        location: An absolute path or ``s3://bucket/key``.
        cache: Folder for what comes from buckets; several runs may share it.
        settings: The machine's facts; by default, those of the environment.
        patience: How long to wait for a bucket that does not answer; by default ten minutes.

    Raises:
        InputError: If there is no such input, or it is no plain file, too big, or out of bounds.
        StorageError: If the bucket refuses, or does not answer as long as patience lasts.
    """
    settings = settings or Settings.from_environment()
    store = store_for(location, settings)
    if is_remote(location):
        patience = patience or Patience.lasting(600.0)
        return insist(partial(_download, location, cache, store), store, patience)
    data = store.read(location)
    return Fetched(Path(location).resolve(), hashlib.sha256(data).hexdigest(), len(data))


def _download(location: str, cache: Path, store: Store) -> Fetched:
    """Return a bucket's object from the cache, where the last download left it or this one does."""
    info = store.head(location)
    if info is None:
        store.find(location)
        raise InputError(f"{location!r} is a folder, not a file", code="E-INPUT-NOTFILE")
    version = f"{location}\n{info.etag}\n{info.bytes}"
    note = cache / "versions" / hashlib.sha256(version.encode()).hexdigest()
    known = _cached(cache, note)
    if known is None:
        data = store.read(location, etag=info.etag)
        sha256 = hashlib.sha256(data).hexdigest()
        known = Fetched(cache / sha256, sha256, write_atomic(cache / sha256, data).bytes)
        write_atomic(note, sha256.encode())
    leave(_latest(location, cache), known.sha256.encode())
    return known


def recalled(location: str, cache: Path) -> Fetched | None:
    """Return a bucket's object as it was when it was last fetched; None if it never was.

    Args:
        location: ``s3://bucket/key``.
        cache: See `fetch`.
    """
    return _cached(cache, _latest(location, cache))


def _latest(location: str, cache: Path) -> Path:
    return note_of(cache / "latest", location)


def _cached(cache: Path, note: Path) -> Fetched | None:
    """Return what a note of the cache points to, if that is still whole."""
    try:
        sha256 = note.read_text("ascii")
        known = Fetched(cache / sha256, sha256, (cache / sha256).stat().st_size)
        known.read()
    except (OSError, ValueError, InputError):
        return None
    return known
