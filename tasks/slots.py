"""Slots: supervised processes that paint, each one job at a time, and are replaced when they fail.

The flow's threads call `SlotPool.run`, which leases a free slot, hands the job to its worker and
blocks until that job's end. A dead, stuck or spoilt worker costs only its job; a fresh one takes
its place. Nothing here knows what a job is: `tasks.jobs` says what one looks like, `tasks.worker`
runs it, `tasks.supervision` watches one worker, `tasks.devices` says which slots a machine has.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tasks.devices import SlotSpec
from tasks.jobs import SlotUnusable, Stopped
from tasks.supervision import WorkerProcess
from tasks.worker import HELD_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

__all__ = ["SlotPool", "SlotSpec"]

_LOGGER = logging.getLogger(__name__)


@dataclass(eq=False)
class _Slot:
    """A place, and the worker that holds it now or is about to."""

    spec: SlotSpec
    worker: Future[WorkerProcess]


class SlotPool:
    """Long-lived worker processes behind one blocking call.

    All workers start at creation, side by side; a context manager that stops them at its end.
    Should this process be killed, they end with it.

    Args:
        specs: The slots.
        entry: The job function, ``module:function``, a `tasks.jobs.Entry`. The job it receives
            carries, as ``device``, the device to name to torch.
        logs: Folder for one log per slot; what an earlier pool left there is overwritten.
        paths: Folders to import the entry from, besides the usual ones.
        stall_seconds: Silence that is never taken for a stall. A job is stuck after that and after
            ten times the usual gap between its events.
        start_seconds: Time a worker has until it can take a job.
        grace: Seconds between the wish that a job stop and its worker's end.
    """

    def __init__(
        self,
        specs: Sequence[SlotSpec],
        entry: str = "tasks.painter:main",
        *,
        logs: Path,
        paths: Sequence[Path] = (),
        stall_seconds: float = 120.0,
        start_seconds: float = 120.0,
        grace: float = 8.0,
    ) -> None:
        self._entry = entry
        self._logs = logs
        self._paths = tuple(paths)
        self._stall_seconds = stall_seconds
        self._start_seconds = start_seconds
        self._grace = grace
        self._is_stopping = False
        self._has_stopped = threading.Event()
        # One thread starts all workers and lives until they are gone; see WorkerProcess.
        self._nursery = ThreadPoolExecutor(
            1, "slot-nursery", signal.pthread_sigmask, (signal.SIG_BLOCK, HELD_SIGNALS)
        )
        self._changed = threading.Condition()
        for spec in specs:
            # Where the folder is not to be written to, the start of a worker says so.
            with suppress(OSError):
                self._log(spec).unlink()
        self._slots = [_Slot(spec, self._hatch(spec)) for spec in specs]
        self._idle = deque(self._slots)

    def __enter__(self) -> Self:
        """Return the pool."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the pool, or wait for whoever is stopping it."""
        if self._is_stopping:
            self._has_stopped.wait()
        else:
            self.stop()

    @property
    def specs(self) -> list[SlotSpec]:
        """The slots."""
        return [slot.spec for slot in self._slots]

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers there are at this moment."""
        return [worker.pid for worker in self._workers() if worker.is_alive]

    def warm(self) -> None:
        """Wait until every worker can take a job.

        Raises:
            SlotUnusable: One of them cannot.
            Stopped: The pool was stopped.
        """
        for slot in self._slots:
            with self._leased(slot) as leased:
                self._ready_worker(leased)

    def run(
        self,
        job: dict[str, Any],
        on_event: Callable[[dict[str, Any]], None] = lambda _: None,
        *,
        deadline: float = math.inf,
        begin_by: float = math.inf,
        stall_seconds: float | None = None,
    ) -> dict[str, Any]:
        """Run a job in a free slot and return what it returns; blocks, also while no slot is free.

        Args:
            job: Plain values; paths travel, tensors do not.
            on_event: Receives every event in this thread, in order. What it raises ends the job.
            deadline: Moment of ``time.monotonic()`` at which the job is asked to stop; it then has
                the pool's grace.
            begin_by: Moment after which no slot takes the job any more.
            stall_seconds: For this job, in place of the pool's.

        Raises:
            JobError: The job raised.
            SlotDied: Its worker died.
            SlotStalled: It gave no sign of life.
            SlotUnusable: No worker came up to run it.
            Stopped: It was asked to stop, by the deadline or by `stop`, and left unfinished.
        """
        with self._leased(deadline=min(deadline, begin_by)) as slot:
            worker = self._ready_worker(slot)
            try:
                return worker.run(
                    job,
                    on_event,
                    deadline=deadline,
                    grace=self._grace,
                    stall_seconds=self._stall_seconds if stall_seconds is None else stall_seconds,
                )
            finally:
                if not worker.is_fit:
                    self._replace(slot, worker)

    def stop(self, grace: float | None = None) -> None:
        """Ask every job to save and leave, wait for them, and end all workers.

        Calling it again while it waits ends them at once; a signal handler may do that. Once it
        has returned there is nothing left to stop, and every later `run` raises `Stopped`.

        Args:
            grace: Seconds the jobs have; by default the pool's.
        """
        if self._is_stopping:
            self._kill_all()
            return
        self._is_stopping = True
        try:
            with self._changed:
                self._changed.notify_all()
            # The nursery works in order: after this, no worker is on its way into the world.
            self._nursery.submit(lambda: None).result()
            for worker in self._workers():
                worker.dismiss()
            end = time.monotonic() + (self._grace if grace is None else grace)
            for worker in self._workers():
                worker.wait(end - time.monotonic())
        finally:
            self._kill_all()
            self._await_threads()
            self._nursery.shutdown()
            self._has_stopped.set()

    @contextmanager
    def _leased(
        self, wanted: _Slot | None = None, *, deadline: float = math.inf
    ) -> Iterator[_Slot]:
        """Hold a slot, the wanted one or the one that has been free for longest."""

        def is_free() -> bool:
            return wanted in self._idle if wanted else bool(self._idle)

        with self._changed:
            while not (self._is_stopping or is_free()):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, threading.TIMEOUT_MAX))
            if self._is_stopping or time.monotonic() >= deadline:
                raise Stopped("the run ended before a slot took the job")
            slot = wanted or self._idle[0]
            self._idle.remove(slot)
        try:
            yield slot
        finally:
            with self._changed:
                self._idle.append(slot)
                self._changed.notify_all()

    def _ready_worker(self, slot: _Slot) -> WorkerProcess:
        """Return the worker of a leased slot, able to take a job."""
        worker = self._worker(slot)
        if worker.is_fit and not worker.is_alive:
            _LOGGER.warning("the idle worker of slot %s died and is replaced", slot.spec.name)
            self._replace(slot, worker)
            worker = self._worker(slot)
        try:
            worker.await_ready(self._start_seconds)
        finally:
            if not worker.is_fit:
                self._replace(slot, worker)
        return worker

    def _worker(self, slot: _Slot) -> WorkerProcess:
        try:
            return slot.worker.result()
        except OSError as error:
            slot.worker = self._hatch(slot.spec)
            raise SlotUnusable(f"no process for slot {slot.spec.name}: {error}") from error

    def _replace(self, slot: _Slot, worker: WorkerProcess) -> None:
        worker.discard()
        slot.worker = self._hatch(slot.spec)

    def _hatch(self, spec: SlotSpec) -> Future[WorkerProcess]:
        return self._nursery.submit(self._start, spec)

    def _start(self, spec: SlotSpec) -> WorkerProcess:
        if self._is_stopping:
            raise Stopped(f"slot {spec.name} was stopped before it was ready")
        self._logs.mkdir(parents=True, exist_ok=True)
        return WorkerProcess(spec, self._entry, self._paths, self._log(spec))

    def _log(self, spec: SlotSpec) -> Path:
        return self._logs / f"slot-{spec.name}.log"

    def _workers(self) -> list[WorkerProcess]:
        """Return the workers there are, without waiting for those to come."""
        futures = [slot.worker for slot in self._slots]
        return [f.result() for f in futures if f.done() and f.exception() is None]

    def _kill_all(self) -> None:
        for worker in self._workers():
            worker.kill()

    def _await_threads(self) -> None:
        """Let the threads in `run` see the end of their workers, then close what is left open."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._idle) == len(self._slots), timeout=5.0)
        for worker in self._workers():
            worker.discard()
