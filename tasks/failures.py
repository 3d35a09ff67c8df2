"""What failed in an output and has not been finished since: a file for each pair.

A failure is kept under its pair's identity, so that the next night leaves alone what would only
fail again, and tries again what has changed: other bytes or another recipe are another pair.
"""

from __future__ import annotations

from threading import Lock
from traceback import format_exception
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field

from manifests.picture_sources import Text
from nst_core.errors import FailureKind, NSTError
from tasks.durable import DISK, Disk, remove, write_atomic
from tasks.records import NamedPair
from tasks.redaction import redact
from tasks.sealed import PRODUCT_VERSION, RecordError, now

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.records import Record

Stage = Literal["fetch", "render", "publish"]

# The pair's own fault, as far as this program can tell. The other kinds, ``io`` and
# ``environment``, are the machine's: the next night may well succeed.
QUARANTINED: frozenset[FailureKind] = frozenset(
    {"input", "diverged", "resource", "crash", "stall", "bug"}
)


class Failure(NamedPair):
    """Why a pair could not be finished, and what to do about it.

    Args:
        collection: Of the pair, like all that names it; see :class:`tasks.records.Painting`.
        styles: Locations of the style pictures, in order.
        stage: Where it failed.
        kind: What the night does about it.
        code: Stable word for scripts.
        message: What was wrong.
        remedy: What a person can do.
        attempts: How many times it was tried.
        traceback: Of an error that this product does not understand.
        when: UTC, ISO 8601.
    """

    styles: tuple[Text, ...]
    stage: Stage
    kind: FailureKind
    code: str
    message: Text
    remedy: Text | None = None
    attempts: int = 1
    traceback: Text | None = None
    when: str = Field(default_factory=now)

    @classmethod
    def of(cls, error: BaseException, **pair: Any) -> Self:
        """Return the failure that an error means.

        Args:
            error: What ended the pair.
            pair: The remaining fields: the pair's names, stage, attempts.
        """
        told: dict[str, Any]
        if isinstance(error, NSTError):
            told = {
                "kind": error.kind,
                "code": error.code,
                "message": error.message,
                "remedy": error.remedy,
            }
        else:
            told = {
                "kind": "bug",
                "code": "E-BUG",
                "message": f"{type(error).__name__}: {error}",
                "remedy": "this is a fault of nst-gallery: please report it with this file",
                "traceback": "".join(format_exception(error)),
            }
        fields = told | pair
        # An error of a library may quote anything, an address with its password for one.
        for name in ("message", "remedy", "traceback"):
            if fields.get(name):
                fields[name] = redact(fields[name])
        return cls(**fields)

    @property
    def locations(self) -> tuple[str | None, ...]:
        """Where the pair's pictures came from, the content first."""
        return self.content, *self.styles


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
        # Thousands may have failed, and every pair asks: by identity, and by pictures and recipe.
        self._about: dict[object, set[Path]] = {}

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
            known = self._read()
            for failure in (known[path] for path in sorted(self._about.get(pair_id, ()))):
                if failure.product_version == PRODUCT_VERSION:
                    return failure if failure.kind in QUARANTINED else None
        return None

    def add(self, failure: Failure) -> None:
        """Keep a failure, in the place of an older one of the same pair.

        Raises:
            OutputError: It may not be kept.
        """
        path = self._folder / f"{failure.stem}.json"
        with self._guard:
            self._read()
            write_atomic(path, failure.encode(), disk=self._disk)
            self._forget(path)
            self._remember(path, failure)

    def forget(self, record: Record) -> None:
        """Remove what was said of a pair that is now finished, with these inputs or older ones.

        A draft removes nothing: its painting may still fail as before.

        Raises:
            OutputError: Some of it may still be there.
        """
        if record.draft:
            return
        with self._guard:
            self._read()
            found = {path for key in _keys(record) for path in self._about.get(key, ())}
            for path in sorted(found):
                remove(path, disk=self._disk)
                self._forget(path)

    def _read(self) -> dict[Path, Failure]:
        if self._known is None:
            found = {}
            for path in self._folder.glob("*.json"):
                try:
                    found[path] = Failure.decode(path.read_bytes(), name=str(path))
                except (OSError, RecordError):
                    continue  # Only advice is lost: should the pair fail again, it is written anew.
            self._known = {}
            for path, failure in found.items():
                self._remember(path, failure)
        return self._known

    def _remember(self, path: Path, failure: Failure) -> None:
        assert self._known is not None
        self._known[path] = failure
        for key in _keys(failure):
            self._about.setdefault(key, set()).add(path)

    def _forget(self, path: Path) -> None:
        assert self._known is not None
        if (failure := self._known.pop(path, None)) is not None:
            for key in _keys(failure):
                self._about[key].discard(path)


def _keys(told: Failure | Record) -> tuple[object, object]:
    """Return a pair's identity, and the same pictures by name: their bytes may be mended since."""
    return told.pair_id, (told.collection, told.recipe_name, told.locations)
