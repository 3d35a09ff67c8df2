"""The inside of a slot: a process that runs one job after the other.

It is told what to do through a pipe, and answers, in tuples whose first word says what they are:

    ("job", bytes)                  a job, pickled
    ("threads", number)             how many torch may use from the next sign of life on

    ("ready",)                      the entry is imported, jobs may come
    ("event", seconds, event)       progress, and the seconds since the sign of life before it
    ("log", name, level, text)      a warning that the person at the terminal should see
    ("done", result)                }
    ("stopped", text)               } the end of a job
    ("failed", JobError)            }

The process belongs to its parent: it ignores the terminal's signals, takes SIGTERM as the wish
that it save its work and leave, and does not outlive a parent that was killed.
"""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import pickle
import pkgutil
import queue
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.jobs import StopFlag, Stopped, explain
from tasks.log_relay import LogRelay
from tasks.redaction import RedactingFilter

if TYPE_CHECKING:
    from tasks.jobs import Entry

# Whoever starts a worker blocks these, and the worker lets them in once it can treat them right.
HELD_SIGNALS = {signal.SIGINT, signal.SIGHUP, signal.SIGTERM}
DUMP_SIGNAL = signal.SIGUSR1

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Assignment:
    """What a new worker is told first.

    Args:
        entry: The job function, ``module:function``.
        paths: Folders to import it from, besides the usual ones.
        device: As the job is to name it: ``cpu``, ``cuda:0`` or ``mps``.
        threads: For torch, until it is told otherwise.
        parent: Process id of whoever started the worker.
    """

    entry: str
    paths: tuple[str, ...]
    device: str
    threads: int
    parent: int


def main() -> None:
    """Serve the pipe whose descriptor is this process's only argument, until it closes."""
    faulthandler.enable()
    faulthandler.register(DUMP_SIGNAL, all_threads=True)
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only
    connection: Connection[Any, Any] = Connection(descriptor)
    assignment: Assignment = connection.recv()
    _die_with(assignment.parent)
    _volunteer_for_the_oom_killer()
    Worker(connection, assignment).serve()
    # Not a return: tearing down torch and a driver takes long and sometimes hangs.
    sys.stderr.flush()
    os._exit(0)


class Worker:
    """The process's side of the pipe.

    Args:
        connection: To the parent.
        assignment: What to run, and on what.
    """

    def __init__(self, connection: Connection[Any, Any], assignment: Assignment) -> None:
        self._connection = connection
        self._assignment = assignment
        self._sending = threading.Lock()
        self._stop = StopFlag()
        # A pickled job, or None for the wish to leave. The signal handler may put: this queue is
        # reentrant.
        self._jobs: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._threads = assignment.threads

    def serve(self) -> None:
        """Run jobs until asked to stop."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_SIGNALS)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
        for handler in logging.getLogger().handlers:
            handler.addFilter(RedactingFilter())
        logging.getLogger().addHandler(LogRelay(partial(self.send, "log")))

        sys.path.extend(self._assignment.paths)
        entry: Entry = pkgutil.resolve_name(self._assignment.entry)
        threading.Thread(target=self._read_jobs, name="slot-reader", daemon=True).start()
        self.send("ready")
        while not self._stop.is_set() and (job := self._jobs.get()) is not None:
            self._limit_threads()
            self._run(entry, job)

    def send(self, *message: object) -> None:
        """Send a message; any thread may."""
        with self._sending:
            self._connection.send(message)

    def _run(self, entry: Entry, pickled: bytes) -> None:
        last = time.monotonic()

        def emit(event: dict[str, Any]) -> None:
            nonlocal last
            now = time.monotonic()
            self.send("event", now - last, event)
            last = now
            self._limit_threads()

        try:
            # Unpacked and sent in here: what cannot travel, either way, is the job's mistake.
            job = pickle.loads(pickled) | {"device": self._assignment.device}  # noqa: S301 - ours
            self.send("done", entry(job, emit, self._stop))
        except Stopped as stopped:
            self.send("stopped", str(stopped))
        except Exception as error:  # noqa: BLE001 - whatever it is, only this job fails
            self.send("failed", explain(error))

    def _read_jobs(self) -> None:
        while True:
            try:
                match self._connection.recv():
                    case ("job", job):
                        self._jobs.put(job)
                    case ("threads", threads):
                        self._threads = threads
            except (EOFError, OSError):
                # The parent is gone or has let go of us. Whoever comes next may already be at
                # work on the same pair, so nothing more is saved.
                os._exit(0)

    def _on_sigterm(self, *_: object) -> None:
        self._stop.set()
        self._jobs.put(None)

    def _limit_threads(self) -> None:
        # The environment has said so at first, but not every build of torch listens to it.
        torch = sys.modules.get("torch")
        if torch and torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)


def _die_with(parent: int) -> None:
    """Have the kernel end this process with its parent, even in the middle of a long C call."""
    if sys.platform != "linux":
        return  # There, the reader sees the pipe close.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _volunteer_for_the_oom_killer() -> None:
    """Have a kernel that is short of memory take a worker, and not the parent of all."""
    score = Path("/proc/self/oom_score_adj")
    # Absent outside Linux; refused where a container has set a higher one.
    with suppress(OSError):
        score.write_text("500")
