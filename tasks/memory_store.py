"""A bucket that lives in memory, for tests and benchmarks."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING

from tasks.locations import S3Location
from tasks.storage_errors import InputError
from tasks.store import ObjectInfo, find_in_bucket, require_condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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

    def names(self, folder: str) -> Iterator[str]:
        """See `Store.names`."""
        inside = (at[len(folder) :] for at in sorted(self._objects) if at.startswith(folder))
        yield from dict.fromkeys(name.partition("/")[0] for name in inside)

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
            require_condition(location, self.head(location), create_only=create_only, etag=etag)
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
