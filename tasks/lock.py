"""One run at a time: the kernel's own lock on an output, and who holds it.

The kernel frees the lock in the instant its holder dies, however it dies, so nobody ever has to
remove one by hand. Where a file system cannot lock (some network ones), the run goes on without:
no picture depends on the lock, it only saves two runs from doing the same work.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from filelock import FileLock, Timeout
from pydantic import BaseModel, PositiveInt

from tasks.durable import DISK, Disk, OutputError, explained, make_folder, remove, write_atomic
from tasks.sealed import now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# How long a refused run waits for a holder that has locked but not yet said who it is.
PATIENCE_SECONDS = 1.0
_CANNOT_LOCK = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}

_log = logging.getLogger(__name__)


class Holder(BaseModel, frozen=True):
    """The run that holds an output.

    Args:
        host: Name of its machine.
        pid: Its process there.
        started: When, UTC, ISO 8601.
        manifest: What it paints.
    """

    host: str
    pid: PositiveInt
    started: str
    manifest: str

    def __str__(self) -> str:
        """Return it as messages name it."""
        return f"{self.manifest}: process {self.pid} on {self.host}, since {self.started}"


class OutputLockedError(OutputError):
    """Another run holds the output; the message names it."""

    code = "E-OUT-LOCKED"
    kind = "environment"

    @classmethod
    def by(cls, holder: Holder | None, output: object, *, remedy: str) -> Self:
        """Return the error that names the run.

        Args:
            holder: The run; None if it holds the lock and has not written yet who it is.
            output: What it holds.
            remedy: What a person can do.
        """
        who = holder or "it has not said which"
        return cls(f"another run is painting into {output} ({who})", remedy=remedy)


@contextmanager
def hold(work: Path, *, manifest: str, disk: Disk = DISK) -> Iterator[Holder]:
    """Hold an output while the body runs.

    Args:
        work: The output's ``.work`` folder; it is created where missing.
        manifest: What is being painted, for whoever meets the lock.
        disk: The steps to write with.

    Raises:
        OutputLockedError: Another run holds it; raised within `PATIENCE_SECONDS`.
        OutputError: The folder cannot be written.
    """
    make_folder(work, disk=disk)
    info = work / "run.info"
    lock = FileLock(work / "run.lock", timeout=0, thread_local=False)
    with explained(work):
        try:
            lock.acquire()
        except Timeout:
            raise _locked(work.parent, info) from None
        except OSError as error:
            if error.errno not in _CANNOT_LOCK:
                raise
            _log.warning("%s cannot be locked: do not start a second run on it", work.parent)
    holder = Holder(host=socket.gethostname(), pid=os.getpid(), started=now(), manifest=manifest)
    try:
        write_atomic(info, holder.model_dump_json().encode(), disk=disk)
        yield holder
    finally:
        with suppress(OutputError):  # a stale note misleads nobody: the lock itself is what counts
            remove(info, disk=disk)
        lock.release()


def _locked(output: Path, info: Path) -> OutputLockedError:
    """Return the error that names the holder, waiting a moment for it to have signed."""
    patience = time.monotonic() + PATIENCE_SECONDS
    while not (holder := _read(info)) and time.monotonic() < patience:
        time.sleep(0.02)
    remedy = "wait for it, stop it, or choose another output"
    return OutputLockedError.by(holder, output, remedy=remedy)


def _read(info: Path) -> Holder | None:
    """Return who signed, unless that run is plainly dead and its note stale."""
    try:
        holder = Holder.model_validate_json(info.read_bytes())
    except (OSError, ValueError):
        return None
    here = holder.host == socket.gethostname()
    return None if here and not _is_running(holder.pid) else holder


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another person's
    return True
