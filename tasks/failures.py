"""What failed in an output and has not been finished since: a file for each pair.

A failure is kept under its pair's identity, so that the next night leaves alone what would only
fail again, and tries again what has changed: other bytes or another recipe are another pair.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from tasks.durable import DISK, Disk, remove, write_atomic
from tasks.records import PRODUCT_VERSION, Failure, RecordError

if TYPE_CHECKING:
    from pathlib import Path

    from nst_core.errors import FailureKind
    from tasks.records import Record

# The pair's own fault, as far as this program can tell. The other kinds, ``io`` and
# ``environment``, are the machine's: the next night may well succeed.
QUARANTINED: frozenset[FailureKind] = frozenset(
    {"input", "diverged", "resource", "crash", "stall", "bug"}
)


class Failures:
    """The failures of one output, read once; the threads of one process may share them.

    Args:
        folder: Where their files lie; it is created with the first.
        disk: The steps to write with.
    """

    def __init__(self, folder: Path, *, disk: Disk = DISK) -> None:
        self._folder = folder
        self._disk = disk
        self._guard = Lock()
        self._known: dict[Path, Failure] | None = None

    def all(self) -> list[Failure]:
        """Return every failure, by file name.

        Raises:
            NewerRecordError: A later version of this product wrote one.
        """
        with self._guard:
            return [failure for _, failure in sorted(self._read().items())]

    def quarantined(self, pair_id: str) -> Failure | None:
        """Return why this version of the program need not try a pair again, or None."""
        with self._guard:
            for failure in self._read().values():
                if (failure.pair_id, failure.product_version) == (pair_id, PRODUCT_VERSION):
                    return failure if failure.kind in QUARANTINED else None
        return None

    def add(self, failure: Failure) -> None:
        """Keep a failure, in the place of an older one of the same pair.

        Raises:
            OutputError: It may not be kept.
        """
        path = self._folder / f"{failure.stem}.json"
        with self._guard:
            known = self._read()
            write_atomic(path, failure.encode(), disk=self._disk)
            known[path] = failure

    def forget(self, record: Record) -> None:
        """Remove what was said of a pair that is now finished, with these inputs or older ones.

        A draft removes nothing: its painting may still fail as before.

        Raises:
            OutputError: Some of it may still be there.
        """
        if record.draft:
            return
        with self._guard:
            known = self._read()
            for path in [path for path, failure in known.items() if _is_about(failure, record)]:
                remove(path, disk=self._disk)
                del known[path]

    def _read(self) -> dict[Path, Failure]:
        if self._known is None:
            known = {}
            for path in self._folder.glob("*.json"):
                try:
                    known[path] = Failure.decode(path.read_bytes(), name=str(path))
                except (OSError, RecordError):
                    continue  # Only advice is lost: should the pair fail again, it is written anew.
            self._known = known
        return self._known


def _is_about(failure: Failure, record: Record) -> bool:
    if failure.pair_id == record.pair_id:
        return True
    # The same pictures by name: their bytes were mended since, or never seen.
    return (failure.collection, failure.recipe_name, failure.locations) == (
        record.collection,
        record.recipe_name,
        record.locations,
    )
