"""The store of a location: a disk, or the bucket behind one endpoint.

Whoever moves bytes asks `store_for(location)` and does not care which one it gets.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

from manifests.locations import is_remote
from tasks.file_store import FileStore
from tasks.locations import S3Location
from tasks.patience import Patience, insist
from tasks.settings import Settings

if TYPE_CHECKING:
    from tasks.store import Store


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
