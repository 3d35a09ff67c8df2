"""What buckets held when they were last seen, for nights in which they are away.

The bytes of a picture decide what is painted from it, wherever they are taken from; a picture that
has changed meanwhile is a new one for the night in which its bucket is back.
"""

from __future__ import annotations

import hashlib
import json
import logging
from functools import partial
from typing import TYPE_CHECKING

from manifests.locations import is_pattern, is_remote
from tasks import storage
from tasks.durable import write_atomic
from tasks.locations import is_picture
from tasks.patience import Patience, insist
from tasks.storage_errors import BusyError, ExpiredError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tasks.settings import Settings

_log = logging.getLogger(__name__)

AWAY = (BusyError, ExpiredError)
"""What a bucket that is away is told by; one that refuses is there."""


def remembering(settings: Settings, *, seconds: float = 60.0) -> Callable[[str], list[str]]:
    """Return a :func:`tasks.storage.find` that knows what patterns found when a bucket was there.

    Args:
        settings: The machine's facts; what was found is kept in its scratch folder.
        seconds: How long to wait for buckets, all patterns together.
    """
    patience = Patience.lasting(seconds)

    def find(pattern: str) -> list[str]:
        if not is_remote(pattern):
            return storage.find(pattern)
        store = storage.store_for(pattern, settings)
        note = note_of(settings.scratch / "listings", pattern)
        try:
            found = insist(partial(store.find, pattern), store, patience)
        except AWAY as error:
            known = _listed(note)
            if known is None and not is_pattern(pattern) and is_picture(pattern):
                known = [pattern]  # what it finds is plain
            if known is None:
                raise
            _log.warning("%s; what it held when it was last seen is taken", error)
            return known
        leave(note, json.dumps(found).encode())
        return found

    return find


def note_of(folder: Path, name: str) -> Path:
    """Return where a note on a location or a pattern lies."""
    return folder / hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()


def leave(note: Path, data: bytes) -> None:
    """Write a note, unless it says so already.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        if note.read_bytes() == data:
            return
    except OSError:
        _log.debug("%s is new", note)
    write_atomic(note, data)


def _listed(note: Path) -> list[str] | None:
    try:
        return [str(location) for location in json.loads(note.read_bytes())]
    except (OSError, ValueError):
        return None
