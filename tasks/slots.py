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
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from tasks.jobs import SlotUnusable, Stopped
from tasks.supervision import WorkerProcess
from tasks.worker import HELD_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from tasks.devices import SlotSpec

_log = logging.getLogger(__name__)

# Seconds after which a waiting job looks whether there are slots at all.
_LOOK_AROUND = 1.0


class Worker(Protocol):
    """What holds a slot: `tasks.supervision.WorkerProcess` here, another machine's elsewhere."""

    @property
    def pid(self) -> int:
        """Its process id, on its machine."""

    @property
    def is_alive(self) -> bool:
        """Whether it runs, as far as is known."""

    @property
    def is_fit(self) -> bool:
        """Whether it can take a job."""

    def await_ready(self, seconds: float) -> None:
        """Wait until it can take a job; raises `SlotUnusable` or `Stopped`."""

    def run(
        self,
        job: dict[str, Any],
        on_event: Callable[[dict[str, Any]], None],
        *,
        deadline: float,
        grace: float,
        stall_seconds: float,
    ) -> Any:
        """Run a job to its end; see `SlotPool.run`."""

    def dismiss(self) -> None:
        """Ask its job to save and leave, and itself to end then."""

    def kill(self) -> None:
        """End it at once, as part of a dismissal. Safe in a signal handler."""

    def wait(self, seconds: float) -> bool:
        """Wait for its end, and return whether it came."""

    def discard(self) -> None:
        """End it at once and let go of it; for whoever talks to it."""


@dataclass(eq=False)
class _Slot:
    """A place, and the worker that holds it now or is about to."""

    spec: SlotSpec
    worker: Future[Worker]


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
        hire: Gives a slot its worker, in place of a process of this machine. It may wait for one,
            until its second argument says that the pool is stopping; such slots wait side by side.
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
        hire: Callable[[SlotSpec, Callable[[], bool]], Worker] | None = None,
        stall_seconds: float = 120.0,
        start_seconds: float = 120.0,
        grace: float = 8.0,
    ) -> None:
        self._entry = entry
        self._logs = logs
        self._paths = tuple(paths)
        self._hire = hire
        self._stall_seconds = stall_seconds
        self._start_seconds = start_seconds
        self._grace = grace
        self._is_stopping = False
        self._has_stopped = threading.Event()
        # One thread starts all workers and lives until they are gone; see WorkerProcess.
        self._starters = ThreadPoolExecutor(
            len(specs) if hire else 1,
            "slot-starter",
            signal.pthread_sigmask,
            (signal.SIG_BLOCK, HELD_SIGNALS),
        )
        self._changed = threading.Condition()
        self._asking: list[object] = []  # who waits for any slot, in the order of asking
        for spec in specs:
            # Where the folder is not to be written to, the start of a worker says so.
            with suppress(OSError):
                self._log(spec).unlink()
        self._slots = [_Slot(spec, self._start_soon(spec)) for spec in specs]
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
            worker = None
            while not worker:
                with self._leased(slot) as leased:
                    worker = self._ready_worker(leased)

    def run(
        self,
        job: dict[str, Any],
        on_event: Callable[[dict[str, Any]], None] = lambda _: None,
        *,
        deadline: float = math.inf,
        begin_by: float = math.inf,
        stall_seconds: float | None = None,
    ) -> Any:
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
        while True:
            with self._leased(deadline=min(deadline, begin_by)) as slot:
                if not (worker := self._ready_worker(slot)):
                    continue
                try:
                    return worker.run(
                        job,
                        on_event,
                        deadline=deadline,
                        grace=self._grace,
                        stall_seconds=stall_seconds or self._stall_seconds,
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
            # After this, no worker is on its way into the world.
            wait([slot.worker for slot in self._slots])
            for worker in self._workers():
                worker.dismiss()
            end = time.monotonic() + (self._grace if grace is None else grace)
            for worker in self._workers():
                worker.wait(end - time.monotonic())
        finally:
            self._kill_all()
            self._await_threads()
            self._starters.shutdown()
            self._has_stopped.set()

    @contextmanager
    def _leased(
        self, wanted: _Slot | None = None, *, deadline: float = math.inf
    ) -> Iterator[_Slot]:
        """Hold a slot, the wanted one or the one that has been free for longest.

        Who asked first is served first. A slot that still waits for its worker is not given while
        there may be others.
        """
        turn = object()

        def free() -> _Slot | None:
            if wanted:
                return wanted if wanted in self._idle else None
            if self._asking[0] is not turn:
                return None
            return next((slot for slot in self._idle if slot.worker.done()), None)

        asked = time.monotonic()
        slot = None
        with self._changed:
            self._asking += [] if wanted else [turn]
            try:
                while not (self._is_stopping or (slot := free())):
                    left = deadline - time.monotonic()
                    if left <= 0:
                        break
                    if any(one.worker.done() for one in self._slots):
                        asked = time.monotonic()
                    elif time.monotonic() - asked > self._start_seconds:
                        said = f"no slot had a worker within {self._start_seconds:.0f} s"
                        raise SlotUnusable(said)
                    self._changed.wait(min(left, _LOOK_AROUND))
            finally:
                if not wanted:
                    self._asking.remove(turn)
                    self._changed.notify_all()
            if self._is_stopping or time.monotonic() >= deadline:
                raise Stopped("the run ended before a slot took the job")
            assert slot
            self._idle.remove(slot)
        try:
            yield slot
        finally:
            with self._changed:
                self._idle.append(slot)
                self._changed.notify_all()

    def _ready_worker(self, slot: _Slot) -> Worker | None:
        """Return the worker of a leased slot, able to take a job; None if it died meanwhile.

        Its replacement may take a while, so that another slot is the better choice.
        """
        worker = self._worker(slot)
        if worker.is_fit and not worker.is_alive:
            _log.warning("the idle worker of slot %s died and is replaced", slot.spec.name)
            self._replace(slot, worker)
            return None
        try:
            worker.await_ready(self._start_seconds)
        finally:
            if not worker.is_fit:
                self._replace(slot, worker)
        return worker

    def _worker(self, slot: _Slot) -> Worker:
        try:
            return slot.worker.result()
        except SlotUnusable:
            slot.worker = self._start_soon(slot.spec)
            raise
        except OSError as error:
            slot.worker = self._start_soon(slot.spec)
            raise SlotUnusable(f"no process for slot {slot.spec.name}: {error}") from error

    def _replace(self, slot: _Slot, worker: Worker) -> None:
        worker.discard()
        slot.worker = self._start_soon(slot.spec)

    def _start_soon(self, spec: SlotSpec) -> Future[Worker]:
        worker = self._starters.submit(self._start, spec)
        worker.add_done_callback(self._tell_of)
        return worker

    def _tell_of(self, _: Future[Worker]) -> None:
        with self._changed:
            self._changed.notify_all()

    def _start(self, spec: SlotSpec) -> Worker:
        if self._is_stopping:
            raise Stopped(f"slot {spec.name} was stopped before it was ready")
        if self._hire:
            return self._hire(spec, lambda: self._is_stopping)
        self._logs.mkdir(parents=True, exist_ok=True)
        return WorkerProcess(
            spec, self._entry, self._paths, self._log(spec), painting=self._count_painting
        )

    def _count_painting(self) -> int:
        return len(self._slots) - len(self._idle)

    def _log(self, spec: SlotSpec) -> Path:
        return self._logs / f"slot-{spec.name}.log"

    def _workers(self) -> list[Worker]:
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
