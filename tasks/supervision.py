"""One worker process as its parent sees it: start, conversation, watch, death."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import statistics
import subprocess
import sys
import time
from collections import deque
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.devices import worker_environment
from tasks.jobs import JobError, SlotDied, SlotError, SlotStalled, SlotUnusable, Stopped
from tasks.worker import DUMP_SIGNAL, Assignment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.connection import Connection

    from nst_core.errors import FailureKind
    from tasks.devices import SlotSpec

_log = logging.getLogger(__name__)

_TICK = 0.25
_LONGEST_DETAILS = 8_000
_SECONDS_FOR_A_DUMP = 1.0
_SECONDS_FOR_A_DEATH = 5.0

# Failures that leave a process in doubt: its memory fragmented, its context on the card lost.
_SPOILING: frozenset[FailureKind] = frozenset({"resource", "crash"})

_BOOT = "import sys; sys.path.append(sys.argv.pop(1)); from tasks.worker import main; main()"


class Silence:
    """How long a job has given no sign of life, and whether that is too long.

    Args:
        floor: Seconds that are never too long.
    """

    def __init__(self, floor: float) -> None:
        self._floor = floor
        self._gaps: deque[float] = deque(maxlen=64)
        self.seconds = 0.0

    @property
    def limit(self) -> float:
        """Seconds from which on a job is stuck: ten times the usual gap, and the floor at least."""
        return max(self._floor, 10 * statistics.median(self._gaps)) if self._gaps else self._floor

    def listened(self, seconds: float) -> None:
        """Count time in which the job could be heard, and was not.

        A listener that was itself held up (Ctrl-Z, a suspended machine) has heard nothing, so of a
        tick that took long, only a tick counts.
        """
        self.seconds += min(seconds, 2 * _TICK)

    def broken(self) -> None:
        """Start again at nought."""
        self.seconds = 0.0

    def learn(self, gap: float) -> None:
        """Note the time between two events."""
        self._gaps.append(gap)


class _Gone(Exception):  # noqa: N818 - a turn of the conversation, never seen outside
    """The worker's end of the pipe is closed."""


class WorkerProcess:
    """A worker process.

    Starts at once; `await_ready` tells when it can take a job. One thread at a time talks to it;
    any thread may dismiss or kill it.

    The thread that creates it must live as long as the worker shall: for Linux, the parent whose
    death ends the worker is that *thread*. It should also block `tasks.worker.HELD_SIGNALS`.

    Args:
        spec: What it runs on.
        entry: The job function, ``module:function``.
        paths: Folders to import it from, besides the usual ones.
        log: File that receives what it prints, and its stacks should it crash.
        painting: Tells during a job how many slots have one; by default all that there are.

    Raises:
        OSError: No process could be started.
    """

    def __init__(
        self,
        spec: SlotSpec,
        entry: str,
        paths: Sequence[Path],
        log: Path,
        *,
        painting: Callable[[], int] | None = None,
    ) -> None:
        self.spec = spec
        self._painting = painting
        self._threads = spec.threads
        # Whether it can take a job: not before it is ready, not while a job's fate is open, and not
        # after a fate that spoils the process.
        self.is_fit = False
        self._is_dismissed = False
        # Held open: a person may clear the folder away while we run.
        self._log = log.open("a+b")
        self._job_began = self._log_size()
        self._connection: Connection[Any, Any]
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
                # -P: a file of the working folder must not stand in for one of our modules.
                [sys.executable, "-P", "-c", _BOOT, *_arguments(spec, theirs.fileno())],
                env=worker_environment(spec, os.environ),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
            )
        device = "cuda:0" if spec.device.startswith("cuda") else spec.device
        self._send(Assignment(entry, tuple(map(str, paths)), device, spec.threads, os.getpid()))

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def await_ready(self, seconds: float) -> None:
        """Wait until it can take a job.

        Raises:
            SlotUnusable: It cannot, or not in so many seconds.
            Stopped: It was dismissed meanwhile.
        """
        deadline = time.monotonic() + seconds
        try:
            while not self.is_fit:
                if time.monotonic() > deadline:
                    raise self._unusable(f"was not ready after {seconds:.0f} s")
                message = self._receive(_TICK)
                self.is_fit = message == ("ready",)
                self._relog(message)
        except _Gone:
            if self._is_dismissed:
                raise Stopped(f"slot {self.spec.name} was stopped before it was ready") from None
            raise self._unusable(f"{self._manner_of_death()} before it was ready") from None

    def run(
        self,
        job: dict[str, Any],
        on_event: Callable[[dict[str, Any]], None],
        *,
        deadline: float,
        grace: float,
        stall_seconds: float,
    ) -> Any:
        """Run a job to its end; see `tasks.slots.SlotPool.run`."""
        self.is_fit = False
        self._job_began = self._log_size()
        silence = Silence(stall_seconds)
        progress: dict[str, Any] | None = None
        try:
            self._share_cores()
            self._send(("job", pickle.dumps(job)))
            while True:
                self._enforce(deadline, grace)
                self._share_cores()
                asked = time.monotonic()
                message = self._receive(_TICK)
                if message is None:
                    silence.listened(time.monotonic() - asked)
                    if silence.seconds > silence.limit:
                        raise self._stalled(silence, progress)
                    continue
                silence.broken()
                match message:
                    case ("event", gap, event):
                        silence.learn(gap)
                        progress = event
                        on_event(event)
                    case ("done", result):
                        self.is_fit = True
                        return result
                    case ("stopped", text):
                        raise Stopped(text)
                    case ("failed", JobError() as error):
                        error.progress = progress
                        self.is_fit = error.kind not in _SPOILING
                        raise error
                    case _:
                        self._relog(message)
        except _Gone:
            raise self._obituary(progress) from None

    def dismiss(self) -> None:
        """Ask its job to save and leave, and the process to end then."""
        self._is_dismissed = True
        self._process.terminate()

    def kill(self) -> None:
        """End the process at once, as part of a dismissal. Safe in a signal handler."""
        self._is_dismissed = True
        self._process.kill()

    def wait(self, seconds: float) -> bool:
        """Wait for the process to end, and return whether it did."""
        try:
            self._process.wait(max(seconds, 0.0))
        except subprocess.TimeoutExpired:
            return False
        return True

    def discard(self) -> None:
        """End the process at once and let go of it; for whoever talks to it."""
        self._connection.close()
        self._log.close()
        self._process.kill()
        if not self.wait(_SECONDS_FOR_A_DEATH):
            _log.warning("slot %s: process %d cannot be killed", self.spec.name, self.pid)

    def _enforce(self, deadline: float, grace: float) -> None:
        late = time.monotonic() - deadline
        if late >= grace:
            self.kill()
        elif late >= 0 and not self._is_dismissed:
            self.dismiss()

    def _share_cores(self) -> None:
        """Tell the worker if it may have more threads than before, or is to have fewer."""
        if self._painting is None:
            return
        threads = self.spec.threads_among(max(1, self._painting()))
        if threads != self._threads:
            self._threads = threads
            self._send(("threads", threads))

    def _send(self, message: object) -> None:
        try:
            self._connection.send(message)
        except ConnectionError:
            # It died. What it said before waits in the pipe, and after that its end.
            return

    def _receive(self, seconds: float) -> tuple[Any, ...] | None:
        try:
            return self._connection.recv() if self._connection.poll(seconds) else None
        except (EOFError, OSError):
            raise _Gone from None

    def _relog(self, message: tuple[Any, ...] | None) -> None:
        match message:
            case ("log", name, level, text):
                logging.getLogger(name).log(level, "slot %s: %s", self.spec.name, text)

    def _stalled(self, silence: Silence, progress: Mapping[str, Any] | None) -> SlotStalled:
        self._dump_stacks()
        return SlotStalled(
            f"no sign of life from slot {self.spec.name} for {silence.seconds:.0f} s"
            f"{_after(progress)}; its worker was killed",
            progress=progress,
            details=self._log_tail(),
        )

    def _obituary(self, progress: Mapping[str, Any] | None) -> SlotError | Stopped:
        if self._is_dismissed:
            return Stopped(f"slot {self.spec.name} was killed{_after(progress)}, past its grace")
        manner = self._manner_of_death()
        return SlotDied(
            f"the worker of slot {self.spec.name} {manner}{_after(progress)}",
            remedy=(
                "perhaps the machine ran out of memory: use fewer slots or a smaller size"
                if manner.endswith("SIGKILL")
                else None
            ),
            progress=progress,
            details=self._log_tail(),
        )

    def _unusable(self, what: str) -> SlotUnusable:
        tail = self._log_tail()
        last_line = tail.strip().rpartition("\n")[2]
        return SlotUnusable(
            f"the worker of slot {self.spec.name} {what}" + (f": {last_line}" if tail else ""),
            remedy=f"see {self._log.name}",
            details=tail,
        )

    def _manner_of_death(self) -> str:
        self.wait(_SECONDS_FOR_A_DEATH)
        status = self._process.returncode
        if status is None:
            return "closed its pipe"
        if status >= 0:
            return f"ended with status {status}"
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"

    def _dump_stacks(self) -> None:
        """Have faulthandler write the stacks of all threads to the log, Python running or not."""
        before = size = self._log_size()
        self._process.send_signal(DUMP_SIGNAL)
        deadline = time.monotonic() + _SECONDS_FOR_A_DUMP
        while time.monotonic() < deadline:
            time.sleep(0.05)
            last, size = size, self._log_size()
            if before < last == size:
                break

    def _log_size(self) -> int:
        return os.fstat(self._log.fileno()).st_size

    def _log_tail(self) -> str:
        """Return the end of what the log has received since the current job began."""
        end = self._log_size()
        begin = max(self._job_began, end - _LONGEST_DETAILS)
        return os.pread(self._log.fileno(), end - begin, begin).decode(errors="replace")


def _after(progress: Mapping[str, Any] | None) -> str:
    """Say how far a job had come."""
    if progress is None:
        return " before its first event"
    counts = [f"{key} {value}" for key, value in progress.items() if isinstance(value, int)]
    return f" ({', '.join(counts)})" if counts else ""


def _arguments(spec: SlotSpec, descriptor: int) -> list[str]:
    # Where this package is not installed, its worker finds it in this folder; the last argument is
    # for people who read process lists.
    folder = Path(__file__).resolve().parent.parent
    return [str(folder), str(descriptor), f"nst-slot-{spec.name}"]
