"""From the output folder to the bucket: the spool.

A night paints into a local folder; the bucket gets its copy pair by pair, as it can take it. What
still has to go is never written down: it is every local record without a marker that says it has
gone. So a kill, a reboot or an outage changes nothing but the time, and losing a marker costs a few
requests.

In the bucket, as in the folder, a record is the last object of its pair. It is put there when its
files have just been seen there byte for byte, so whoever finds a record finds a finished picture.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import deque
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from tasks.durable import OutputError, explained, write_atomic
from tasks.locations import join
from tasks.lock import OutputLockedError
from tasks.patience import Patience, insist
from tasks.records import Record
from tasks.sealed import RecordError
from tasks.storage_errors import (
    BusyError,
    ConflictError,
    ExpiredError,
    InputError,
    StorageError,
    TakenError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tasks.durable import FileEntry
    from tasks.output import Output
    from tasks.store import Store

_log = logging.getLogger(__name__)

#: Seconds after which an object without a record belongs to nobody any more.
ABANDONED_AFTER = 300.0
#: Seconds to go on uploading once the last picture is painted, if no deadline says otherwise.
GRACE = 3600.0

_REPORTS = ("summary.json", "summary.md", "collection.csv", "ledger.jsonl")
_FOLDERS = ("assets", "sheets")
_FAILED = "failed"
_PAGE = "index.html"

# Seconds after which `follow` looks for new pairs even if nobody told it of one.
_LOOK_AROUND = 60.0


@dataclass(frozen=True)
class Drained:
    """What came of an attempt to empty the spool.

    Args:
        uploaded: Stems that are in the bucket now and were not known to be before.
        waiting: Stems that still have to go.
        failed: Why a stem cannot go, though others can.
        stopped: What ended the attempt early.
    """

    uploaded: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    failed: dict[str, OutputError | ConflictError] = field(default_factory=dict)
    stopped: StorageError | OutputLockedError | None = None


class Spool:
    """The way of one output folder to one bucket.

    Args:
        output: The folder.
        store: Where to.
        target: ``s3://bucket/prefix``, the output's place there.
        patience: How long to try.
        guard: Called before each pair and page; raises `OutputLockedError` if we must not write.
    """

    def __init__(
        self,
        output: Output,
        store: Store,
        target: str,
        *,
        patience: Patience | None = None,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        self._output = output
        self._store = store
        self._target = target.rstrip("/")
        self._patience = patience or Patience()
        self._guard = guard
        self._painted = threading.Event()
        self._news = threading.Event()
        self._gone: dict[str, tuple[int, int] | None] = {}
        place = hashlib.sha256(self._target.encode()).hexdigest()[:16]
        self._markers = output.work / "uploaded" / place

    @property
    def is_acquainted(self) -> bool:
        """Whether what is in the bucket was once brought here; see :meth:`acquaint`."""
        return self._markers.is_dir()

    def acquaint(self) -> None:
        """Note that all that is finished in the bucket is here, too."""
        with explained(self._markers):
            self._markers.mkdir(parents=True, exist_ok=True)

    def waiting(self) -> list[Record]:
        """Return the records that are not known to be in the bucket as they are here."""
        found = []
        for path in self._output.record_files():
            name, state = f"{path.parent.name}/{path.name}", _state(path)
            # Asked after every picture; what has gone, as it lies here, is not read each time.
            if state is not None and self._gone.get(name) == state:
                continue
            record = self._output.finished_in(path)
            if record and self._is_marked(record):
                self._gone[name] = state
            elif record:
                found.append(record)
        return found

    def follow(self) -> Drained:
        """Upload beside the painting, until `finish` was called and nothing more can be done.

        Ends earlier when patience does.
        """
        uploaded: tuple[str, ...] = ()
        while True:
            last_round = self._painted.is_set()
            drained = self.drain()
            uploaded += drained.uploaded
            if last_round or self._patience.over:
                # Not those of the last round alone: meanwhile, further pairs were finished.
                waiting = tuple(record.stem for record in self.waiting())
                return replace(drained, uploaded=uploaded, waiting=waiting)
            # A store that refused is asked again: somebody may have mended it.
            self._news.wait(timeout=_LOOK_AROUND)
            self._news.clear()

    def wake(self) -> None:
        """Tell `follow` that another pair is finished."""
        self._news.set()

    def finish(self, grace: float = GRACE) -> None:
        """Tell `follow` that no more pairs will come, and how many seconds it may still take."""
        until = self._patience.clock() + grace
        self._patience = replace(self._patience, deadline=min(self._patience.deadline, until))
        self._painted.set()
        self._news.set()

    def stop(self) -> None:
        """Tell `follow` and `drain` to end within the present request; what waits, waits."""
        self._patience.called_off.set()
        self._news.set()

    def drain(self) -> Drained:
        """Upload what waits, until nothing does, patience ends, or the store refuses for good."""
        queue = deque(self.waiting())
        uploaded: list[str] = []
        failed: dict[str, OutputError | ConflictError] = {}
        stopped: StorageError | OutputLockedError | None = None
        failures = 0
        while queue and not self._patience.over:
            record = queue[0]
            try:
                self._guard()
                self._upload(record)
                self._mark(record)
            except OutputLockedError as error:
                stopped = error
                break
            except (ConflictError, OutputError) as error:
                failed[queue.popleft().stem] = error
                _log.info("%s stays here: %s", record.stem, error)
            except StorageError as error:
                stopped = error
                failures += 1
                _log.info("%d uploads wait: %s", len(queue), error)
                if not self._patience.wait(error, failures):
                    break
                if isinstance(error, ExpiredError):
                    self._store.renew()
                # The next pair has its turn, should it be this one that the store has trouble with.
                queue.rotate(-1)
            else:
                uploaded.append(queue.popleft().stem)
                stopped, failures = None, 0
        left = (*(record.stem for record in queue), *failed)
        return Drained(tuple(uploaded), left, failed, stopped)

    def publish_pages(self, *, reports: bool = True) -> None:
        """Upload what changes from run to run: the reports, and the gallery page with its assets.

        Files of records are `drain`'s matter.

        Args:
            reports: Whether the reports and the notes of failures go, too. What failed once and is
                painted now is then removed there.

        Raises:
            OutputLockedError: Another run holds the prefix.
            StorageError: When patience ends.
        """
        root = self._output.root
        names = [name for name in _REPORTS if reports and (root / name).is_file()]
        for folder in (*_FOLDERS, *([_FAILED] if reports else ())):
            names += sorted(f"{folder}/{path.name}" for path in (root / folder).glob("*.*"))
        # The page comes last: it names the assets.
        names += [_PAGE] if (root / _PAGE).is_file() else []
        for name in names:
            insist(partial(self._refresh, name), self._store, self._patience)
        if reports:
            insist(partial(self._withdraw, _FAILED), self._store, self._patience)

    def _withdraw(self, folder: str) -> None:
        """Remove there what was uploaded from a folder of the output and is here no more."""
        self._guard()
        there = join(self._target, folder) + "/"
        for info in list(self._store.listing(there, deep=False)):
            if not (self._output.root / folder / info.location.removeprefix(there)).exists():
                self._store.delete(info.location)

    def _refresh(self, name: str) -> None:
        self._guard()
        data = (self._output.root / name).read_bytes()
        location = join(self._target, name)
        if not self._store.holds(location, data):
            self._store.write(location, data)
            self._confirm(location, data)

    def _upload(self, record: Record) -> None:
        try:
            self._bring(record)
        except (TakenError, InputError) as error:
            # Something changed there between a look and an act: another run, or our own write
            # whose reply was lost. The next look will tell.
            raise BusyError(error.message, code=error.code) from error

    def _bring(self, record: Record) -> None:
        """Bring one pair to the bucket; any step may have been done before, and bears repeating."""
        theirs = self._published(record)
        if theirs is not None and theirs != record:
            if theirs.pair_id != record.pair_id:
                raise ConflictError(
                    f"{join(self._target, record.file)!r} is the record of another pair",
                    remedy="choose another prefix",
                )
            if theirs.draft <= record.draft and self._is_whole(theirs):
                _log.info("%s was published before, by another run; that one stays", record.stem)
                return
            # Without its record the pair is unfinished, which is what it is while its files change.
            self._store.delete(join(self._target, record.file))
        for entry in record.in_order:
            # Beside a record nobody writes: what is not as it says is damaged, or superseded.
            self._place(entry.file, self._local(entry), supersede=theirs is not None)
        # Not the file's bytes: it may hold a newer record by now, which names other files.
        self._place(record.file, record.encode())

    def _published(self, record: Record) -> Record | None:
        """Return the record that the bucket holds under a record's name."""
        location = join(self._target, record.file)
        there = self._store.head(location)
        if there is None:
            return None
        try:
            return Record.decode(self._store.read(location, etag=there.etag), name=location)
        except RecordError as error:
            raise ConflictError(
                f"{location!r} is there and cannot be read: {error.message}",
                remedy="delete it if it is of no use; the pair is then uploaded",
            ) from error

    def _is_whole(self, theirs: Record) -> bool:
        """Tell whether the bucket holds the files of its own record, byte for byte."""
        files = theirs.files.values()
        there = [self._store.head(join(self._target, file.file)) for file in files]
        if [file.bytes for file in files] != [info.bytes if info else None for info in there]:
            return False
        return all(
            file.holds(self._store.read(info.location, etag=info.etag))
            for file, info in zip(files, there, strict=True)
            if info
        )

    def _local(self, entry: FileEntry) -> bytes:
        path = self._output.root / entry.file
        with explained(path):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                data = b""
        if not entry.holds(data):
            raise OutputError(
                f"{entry.file} is not what its record says",
                code="E-OUT-DAMAGED",
                remedy="'nst verify --repair' paints it again",
            )
        return data

    def _place(self, name: str, data: bytes, *, supersede: bool = False) -> None:
        """Put one object of a pair in place, unless it is there."""
        location = join(self._target, name)
        there = self._store.head(location)
        if there and self._store.holds(location, data):
            return
        if there and not supersede and there.age < ABANDONED_AFTER:
            raise BusyError(f"{location!r} is being written by another run", code="E-S3-TAKEN")
        self._store.write(
            location, data, create_only=there is None, etag=there.etag if there else None
        )
        self._confirm(location, data)

    def _confirm(self, location: str, data: bytes) -> None:
        """Look whether what we have just written has arrived as it was sent."""
        if not self._store.holds(location, data):
            self._store.delete(location)
            raise BusyError(f"{location!r} arrived damaged", code="E-S3-DAMAGED")

    def _mark(self, record: Record) -> None:
        write_atomic(self._markers / record.file, _fingerprint(record))
        self._output.ledger.note("upload_done", pair_id=record.pair_id, target=self._target)

    def _is_marked(self, record: Record) -> bool:
        try:
            return (self._markers / record.file).read_bytes() == _fingerprint(record)
        except OSError:  # most often there is none; one that cannot be read costs a few requests
            return False


def _state(path: Path) -> tuple[int, int] | None:
    """Return what changes whenever a file is written anew, as its writer always does."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _fingerprint(record: Record) -> bytes:
    return hashlib.sha256(record.encode()).hexdigest().encode()
