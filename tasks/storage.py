"""Bytes at a location: one narrow protocol, and three stores behind it.

`FileStore` is a disk, `S3Store` a bucket, `MemoryStore` a bucket that lives in a test. Whoever
moves bytes asks `store_for(location)` and does not care which one it gets.
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from manifests.locations import is_pattern
from nst_core.errors import did_you_mean
from tasks.locations import (
    PICTURE_SUFFIXES,
    S3Location,
    fixed_head,
    in_natural_order,
    is_picture,
    is_remote,
    matches,
)
from tasks.patience import Patience, insist
from tasks.settings import Settings
from tasks.storage_errors import InputError, TakenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class ObjectInfo:
    """What a store tells about an object without handing it over.

    Args:
        location: Where it lies.
        bytes: Its size.
        etag: A word that changes whenever the content does.
        age: Seconds since it was written, by the store's own clock.
    """

    location: str
    bytes: int
    etag: str
    age: float


class Store(Protocol):
    """A place that keeps bytes under locations. Every method may raise a `StorageError`."""

    def find(self, pattern: str) -> list[str]:
        """Return the locations a pattern, a folder or a single name stands for, in natural order.

        Raises:
            InputError: If there is nothing, with the nearest name that exists.
        """

    def listing(self, folder: str, *, deep: bool = True) -> Iterator[ObjectInfo]:
        """Yield every object below a folder; not those in folders below it unless ``deep``."""

    def head(self, location: str) -> ObjectInfo | None:
        """Describe an object; None if there is none."""

    def read(self, location: str, *, etag: str | None = None) -> bytes:
        """Return an object's bytes; with ``etag``, those of that very version.

        Raises:
            InputError: If it is missing, too big, not a plain file, or changed since ``etag``.
        """

    def write(
        self, location: str, data: bytes, *, create_only: bool = False, etag: str | None = None
    ) -> str:
        """Put bytes in place, all or nothing, and return the new etag.

        Args:
            location: Where to.
            data: The whole content.
            create_only: Write only if nothing is there.
            etag: Write only over that very version.

        Raises:
            TakenError: If a condition does not hold. A store may be unable to check it and write
                nevertheless: `tasks.probe` finds out.
        """

    def holds(self, location: str, data: bytes) -> bool:
        """Tell, on the store's own evidence, whether exactly these bytes lie there."""

    def delete(self, location: str) -> None:
        """Remove an object; fine if there is none."""

    def renew(self) -> None:
        """Forget connections and credentials, so that the next call starts afresh."""


def store_for(location: str, settings: Settings | None = None) -> Store:
    """Return the store of a location.

    Args:
        location: An absolute path or ``s3://bucket/key``.
        settings: The machine's facts; by default, those of the environment.

    Raises:
        InputError: E-S3-URL, if the location is an address of another kind.
    """
    settings = settings or Settings.from_environment()
    if not is_remote(location):
        from tasks.file_store import FileStore  # noqa: PLC0415  # it imports this module's types

        return FileStore(roots=settings.input_roots, limit=settings.max_input_bytes)
    S3Location.parse(location)
    return _bucket_store(settings)


@lru_cache(maxsize=8)
def _bucket_store(settings: Settings) -> Store:
    """One client per process: connections and credentials are worth keeping."""
    from tasks.s3_store import S3Store  # noqa: PLC0415  # boto3 takes a while; local runs need none

    return S3Store(settings)


def find(pattern: str) -> list[str]:
    """Return the pictures that a path, folder, pattern or ``s3://`` address stands for.

    Raises:
        InputError: If there are none, or they may not be read.
        StorageError: If a bucket refuses, or does not answer for a minute.
    """
    store = store_for(pattern)
    return insist(partial(store.find, pattern), store, Patience.lasting(60.0))


def find_in_bucket(store: Store, pattern: str) -> list[str]:
    """`Store.find` for every store that keeps keys: exact key, then folder, then pattern."""
    place = S3Location.parse(pattern)
    if place.key and not place.key.endswith("/") and store.head(pattern):
        return [pattern]
    if is_pattern(place.key):
        folder = fixed_head(place.key)
        wanted = place.key[len(folder) :]
        deep = "/" in wanted or "**" in wanted
    else:
        folder, deep = place.key.rstrip("/") + "/" if place.key else "", False
    root = f"s3://{place.bucket}/"
    names = [entry.location.removeprefix(root) for entry in store.listing(root + folder, deep=deep)]
    names = [name for name in names if not is_pattern(place.key) or matches(name, place.key)]
    found = [root + name for name in names if is_picture(name)]
    if not found:
        raise nothing_found(pattern, len(names), lambda: _nearest_key(store, place))
    return in_natural_order(found)


def nothing_found(pattern: str, others: int, hint: Callable[[], str]) -> InputError:
    """Return the error that says what is there instead of pictures.

    Args:
        pattern: What was asked for.
        others: How many files fit it that are no pictures.
        hint: Looks around for what a mistyped name may have meant.
    """
    if others:
        return InputError(
            f"{pattern!r} holds {others} files, none of them a picture",
            remedy=f"pictures end in {', '.join(sorted(PICTURE_SUFFIXES))}",
        )
    what = f"nothing fits {pattern!r}" if is_pattern(pattern) else f"{pattern!r} does not exist"
    return InputError(f"{what}{hint()}")


def _nearest_key(store: Store, place: S3Location) -> str:
    """Compare a missing name with those in its folder, or the first thousand of them."""
    folder, _, name = place.key.rstrip("/").rpartition("/")
    around = f"s3://{place.bucket}/{folder}/" if folder else f"s3://{place.bucket}/"
    entries = islice(store.listing(around, deep=False), 1000)
    return did_you_mean(name, [entry.location.removeprefix(around) for entry in entries])


class MemoryStore:
    """A bucket in memory, with conditional writes and a clock of its own.

    Args:
        objects: What it holds at first, by ``s3://`` address.
        clock: Seconds; gives objects their age.
    """

    def __init__(
        self,
        objects: dict[str, bytes] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._objects = {at: (data, clock()) for at, data in (objects or {}).items()}

    def find(self, pattern: str) -> list[str]:
        """See `Store.find`."""
        return find_in_bucket(self, pattern)

    def listing(self, folder: str, *, deep: bool = True) -> Iterator[ObjectInfo]:
        """See `Store.listing`."""
        for location in sorted(self._objects):
            inside = location.startswith(folder) and (deep or "/" not in location[len(folder) :])
            if inside and (info := self.head(location)):
                yield info

    def head(self, location: str) -> ObjectInfo | None:
        """See `Store.head`."""
        if (there := self._objects.get(location)) is None:
            return None
        data, written = there
        return ObjectInfo(location, len(data), _etag(data), self._clock() - written)

    def read(self, location: str, *, etag: str | None = None) -> bytes:
        """See `Store.read`."""
        if (there := self._objects.get(location)) is None:
            raise InputError(f"{location!r} does not exist")
        data, _ = there
        if etag not in (None, _etag(data)):
            raise InputError(f"{location!r} changed while it was read", code="E-INPUT-CHANGED")
        return data

    def write(
        self, location: str, data: bytes, *, create_only: bool = False, etag: str | None = None
    ) -> str:
        """See `Store.write`."""
        S3Location.parse(location)
        with self._guard:
            there = self.head(location)
            if (create_only and there) or (etag and (there is None or there.etag != etag)):
                raise TakenError(f"{location!r} was written by somebody else")
            self._objects[location] = (bytes(data), self._clock())
        return _etag(data)

    def holds(self, location: str, data: bytes) -> bool:
        """See `Store.holds`."""
        there = self._objects.get(location)
        return there is not None and there[0] == data

    def delete(self, location: str) -> None:
        """See `Store.delete`."""
        self._objects.pop(location, None)

    def renew(self) -> None:
        """See `Store.renew`; memory has nothing to renew."""


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
