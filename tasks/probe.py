"""What a bucket lets us do, found out by doing it once, before the night.

Some S3 servers take a conditional write and ignore its condition. That is found out as well, and
told: nothing is lost there, but two runs into one prefix are not kept apart for sure.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from tasks.locations import join
from tasks.storage_errors import RefusedError, TakenError

if TYPE_CHECKING:
    from tasks.store import Store


def probe(store: Store, target: str) -> bool:
    """Put, list, read and delete an object of our own under a prefix.

    Args:
        store: The bucket's store.
        target: ``s3://bucket/prefix``.

    Returns:
        Whether it heeds the conditions of a write.

    Raises:
        StorageError: What a run would meet: E-S3-BUCKET, E-S3-ACCESS, E-S3-BUSY.
    """
    location = join(target, f".probe-{uuid.uuid4().hex}")
    written = b"nst check: may be deleted"
    store.write(location, written, create_only=True)
    try:
        conditional = heeds_conditions(store, location, written)
        if not store.holds(location, written):
            raise RefusedError(f"{location!r} does not hold what was written", code="E-S3-DAMAGED")
        if location not in [info.location for info in store.listing(location)]:
            raise RefusedError(f"{location!r} was written but is not listed", code="E-S3-LIST")
    finally:
        store.delete(location)
    return conditional


def heeds_conditions(store: Store, location: str, data: bytes) -> bool:
    """Tell whether a store refuses writes whose condition does not hold.

    Args:
        store: The bucket's store.
        location: An object of ours that exists.
        data: What it holds, and will hold again if the conditions are ignored.
    """
    return _refuses(store, location, data, create_only=True) and _refuses(
        store, location, data, etag='"00000000000000000000000000000000"'
    )


def _refuses(
    store: Store, location: str, data: bytes, *, create_only: bool = False, etag: str | None = None
) -> bool:
    try:
        store.write(location, data, create_only=create_only, etag=etag)
    except TakenError:
        return True
    return False
