"""One run at a time in a bucket: a lease on a prefix, kept alive by a heartbeat.

A bucket has no lock that dies with its holder. So the holder writes ``_lock.json`` anew every
minute, and a lease that nobody has renewed for five minutes, by the store's clock, may be taken
over; at once by a run that continues in the same local folder, whose own lock proves that the
former one is dead. As with the lock of a folder, no picture depends on it: it saves two runs from
doing the same work.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from typing import TYPE_CHECKING, Self

from pydantic import ValidationError

from tasks.durable import write_atomic
from tasks.locations import join
from tasks.lock import Holder, OutputLockedError
from tasks.patience import Patience, insist
from tasks.probe import heeds_conditions
from tasks.sealed import now
from tasks.storage_errors import BusyError, InputError, StorageError, TakenError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tasks.store import ObjectInfo, Store

_log = logging.getLogger(__name__)

LOCK = "_lock.json"
#: Seconds between heartbeats.
HEARTBEAT = 60.0
#: Seconds without a heartbeat after which a lease is void.
STALE_AFTER = 300.0
#: Seconds after which to look again where a store cannot decide who came first.
_SETTLING = 2.0


class Claim(Holder, frozen=True):
    """What the lock object says: the run that holds the prefix.

    Args:
        claim: Identity of the local folder it paints into.
        beat: Counts heartbeats, so that every write changes the object.
    """

    claim: str
    beat: int


class Lease:
    """The right to publish below a prefix. As a context, it is held and kept alive.

    Args:
        store: The bucket's store.
        target: ``s3://bucket/prefix``.
        work: The local output's ``.work`` folder, whose lock the caller holds.
        manifest: What is being painted, for whoever meets the lease.
        patience: How long to ask a store that does not answer; by default a minute.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        store: Store,
        target: str,
        *,
        work: Path,
        manifest: str,
        patience: Patience | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._store = store
        self._target = target
        self._location = join(target, LOCK)
        self._patience = patience
        self._sleep = sleep
        self._me = Claim(
            host=socket.gethostname(),
            pid=os.getpid(),
            started=now(),
            manifest=manifest,
            claim=_identity(work),
            beat=0,
        )
        self._etag = ""
        self._heeded = True
        self._lost: OutputLockedError | None = None
        self._done = threading.Event()
        self._heart = threading.Thread(target=self._keep, name="lease", daemon=True)

    def take(self, patience: Patience | None = None) -> None:
        """Take the lease, or say who has it.

        Args:
            patience: In place of the lease's own.

        Raises:
            OutputLockedError: Another run holds it; the message names it.
            StorageError: The store does not let us find out.
        """
        insist(self._take, self._store, patience or self._patience or Patience.lasting(60.0))
        self._heeded = heeds_conditions(self._store, self._location, self._text())
        if not self._heeded:
            _log.warning(
                "%s ignores conditional writes: do not start a second run on it", self._target
            )
            self._sleep(_SETTLING)
            self._look()

    def beat(self) -> None:
        """Renew the lease.

        Raises:
            OutputLockedError: Another run has taken it over.
            StorageError: The store does not answer; it may do so next time.
        """
        if not self._heeded:
            self._look()
        try:
            self._write(self._etag)
        except (TakenError, InputError):
            # Somebody else's lease, our own write whose reply was lost, or nothing at all.
            self._take()

    def check(self) -> None:
        """Make sure that the prefix is ours; the spool asks before each pair.

        A lease that could not be had when the run began is taken now.

        Raises:
            OutputLockedError: The lease was lost, or another run holds it.
            StorageError: The store does not let us find out.
        """
        if self._lost:
            raise self._lost
        self.begin(Patience.lasting(0.0))

    def release(self) -> None:
        """Give the lease back, if it is still ours."""
        try:
            there = self._store.head(self._location)
            if there and self._is_mine(there):
                self._store.delete(self._location)
        except StorageError as error:
            _log.warning("the lease on %s ends by itself: %s", self._target, error)

    def begin(self, patience: Patience | None = None) -> None:
        """Take the lease, unless it is held, and keep it alive until :meth:`end`.

        Args:
            patience: How long to ask a store that does not answer; by default the lease's own.

        Raises:
            OutputLockedError: Another run holds it; the message names it.
            StorageError: The store does not let us find out.
        """
        if not self._is_begun:
            self.take(patience)
            self._heart.start()

    def end(self) -> None:
        """Stop the heartbeat and give the lease back, if there was one."""
        self._done.set()
        if self._is_begun:
            self._heart.join()
            self.release()

    def __enter__(self) -> Self:
        """Take the lease and keep it alive."""
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the heartbeat and give the lease back."""
        self.end()

    @property
    def _is_begun(self) -> bool:
        return self._heart.ident is not None

    def _keep(self) -> None:
        while not self._done.wait(HEARTBEAT):
            try:
                self.beat()
            except OutputLockedError as error:
                self._lost = error
                return
            except StorageError as error:
                # While the store is away, nobody else can take the lease either.
                _log.info("no heartbeat: %s", error)

    def _take(self) -> None:
        there = self._store.head(self._location)
        if there and there.age < STALE_AFTER and not self._is_mine(there):
            raise self._held(there)
        try:
            self._write(there.etag if there else None)
        except (TakenError, InputError) as error:
            raise BusyError(f"{self._location!r} changes hands") from error

    def _look(self) -> None:
        """Make sure that the last to write the lock was us."""
        there = self._store.head(self._location)
        if there is None or not self._is_mine(there):
            raise self._held(there)
        self._etag = there.etag

    def _write(self, etag: str | None) -> None:
        self._me = self._me.model_copy(update={"beat": self._me.beat + 1})
        self._etag = self._store.write(
            self._location, self._text(), create_only=etag is None, etag=etag
        )

    def _text(self) -> bytes:
        return self._me.model_dump_json().encode()

    def _read(self, there: ObjectInfo) -> Claim | None:
        try:
            return Claim.model_validate_json(self._store.read(self._location, etag=there.etag))
        except (InputError, ValidationError):
            return None

    def _is_mine(self, there: ObjectInfo) -> bool:
        claim = self._read(there)
        return claim is not None and claim.claim == self._me.claim

    def _held(self, there: ObjectInfo | None) -> OutputLockedError:
        return OutputLockedError.by(
            self._read(there) if there else None,
            self._target,
            remedy="wait for it, stop it, or choose another output;"
            f" if it is dead, its lease ends {STALE_AFTER / 60:.0f} minutes after its last sign",
        )


def _identity(work: Path) -> str:
    """Return the name under which an output folder claims leases, given to it once."""
    path = work / "lease.id"
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        name = uuid.uuid4().hex
        write_atomic(path, name.encode())
        return name
