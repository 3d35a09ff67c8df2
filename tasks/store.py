"""What a store is: bytes at locations, behind one narrow protocol; and what all buckets share."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

from manifests.locations import is_pattern
from manifests.wording import counted
from nst_core import heic
from nst_core.errors import did_you_mean
from tasks.locations import (
    PICTURE_SUFFIXES,
    UNREAD_SUFFIXES,
    S3Location,
    fixed_head,
    in_natural_order,
    is_picture,
    matches,
)
from tasks.storage_errors import InputError, RefusedError, TakenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_LOGGER = logging.getLogger(__name__)

# What has been warned of: folders are looked at again and again.
_WARNED: set[str] = set()


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

    def names(self, folder: str) -> Iterator[str]:
        """Yield the name of everything directly in a folder, folders included."""

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


def require_condition(
    location: str, there: ObjectInfo | None, *, create_only: bool, etag: str | None
) -> None:
    """Raise unless what lies at a location is as a conditional write wants it; see `Store.write`.

    Raises:
        TakenError: Something is there, or another version.
    """
    if (create_only and there) or (etag and (there is None or there.etag != etag)):
        raise TakenError(f"{location!r} was written by somebody else")


def find_in_bucket(store: Store, pattern: str) -> list[str]:
    """Return what `Store.find` does, for stores that keep keys: a key, a folder, or a pattern.

    Raises:
        InputError: There is nothing, with the nearest name that exists.
    """
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
    found = [root + name for name in pictures(names, pattern)]
    if not found:
        raise nothing_found(pattern, len(names), lambda: _nearest_key(store, place))
    return in_natural_order(found)


def pictures(names: Sequence[str], pattern: str) -> list[str]:
    """Return the names of pictures, and warn of photos that cannot be read; once for a pattern."""
    photos = [name for name in names if PurePosixPath(name).suffix.lower() in UNREAD_SUFFIXES]
    if photos and pattern not in _WARNED:
        _WARNED.add(pattern)
        suffixes = {PurePosixPath(name).suffix.lower() for name in photos}
        _LOGGER.warning(
            "left out of %r: %d such as %r; %s",
            pattern,
            len(photos),
            PurePosixPath(min(photos)).name,
            heic.REMEDY if suffixes <= heic.SUFFIXES else "save them as JPEG or PNG",
        )
    return [name for name in names if is_picture(name)]


def nothing_found(pattern: str, others: int, hint: Callable[[], str]) -> InputError:
    """Return the error that says what is there instead of pictures.

    Args:
        pattern: What was asked for.
        others: How many files fit it that are no pictures.
        hint: Looks around for what a mistyped name may have meant.
    """
    if others:
        return InputError(
            f"{pattern!r} holds {counted(others, 'file')}, none of them a picture",
            remedy=f"pictures end in {', '.join(sorted(PICTURE_SUFFIXES))}",
        )
    what = f"nothing fits {pattern!r}" if is_pattern(pattern) else f"{pattern!r} does not exist"
    return InputError(f"{what}{hint()}")


def _nearest_key(store: Store, place: S3Location) -> str:
    """Compare the first name of a key that does not exist with those that do, or a thousand."""
    folder, _, name = place.key.rstrip("/").rpartition("/")
    while True:
        around = f"s3://{place.bucket}/{folder}/" if folder else f"s3://{place.bucket}/"
        try:
            names = list(islice(store.names(around), 1000))
        except RefusedError:  # whoever may read one folder need not see those beside it
            return ""
        if names or not folder:
            return did_you_mean(name, names)
        folder, _, name = folder.rpartition("/")
