"""What to do about a pair that failed, and when to give up the whole night.

| failure | what is done |
|---|---|
| input, bug | nothing: it would fail again |
| environment | nothing for this pair; the next run tries it, and five in a row end this run |
| diverged | once more from the last checkpoint, with gentler steps |
| resource | one rung further down the memory ladder; the picture never shrinks |
| crash, stall | twice more from the last checkpoint |
| io | again after a growing pause, until the deadline |
"""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from nst_core.errors import NSTError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nst_core.errors import FailureKind

_log = logging.getLogger(__name__)

Done = TypeVar("Done")
Action = Literal["resume", "gentler", "frugal", "give up"]

# What is done without, in this order and each on top of the last, to need less memory. The names
# stand in the record of a picture painted so.
MEMORY_LADDER = ("short history", "tiles", "adam")

_DIVERGED_TRIES = 2
_CRASH_TRIES = 3
_LONGEST_PAUSE = 60.0
# Without a deadline: pauses of 1, 2, 4, ... 60, 60 s, half an hour in all.
_IO_TRIES = 36


@dataclass(frozen=True)
class Decision:
    """What to do with a pair after a failure.

    Args:
        action: ``resume`` from the last checkpoint; the same with ``gentler`` steps, or with more
            ``frugal`` use of memory; or ``give up``.
        rung: How many rungs of `MEMORY_LADDER` the next attempt is to take.
        pause: Seconds to wait before it.
    """

    action: Action
    rung: int = 0
    pause: float = 0.0


def decide(
    failures: Sequence[FailureKind], *, rung: int = 0, seconds_left: float = math.inf
) -> Decision:
    """Return what to do with a pair.

    Args:
        failures: How its attempts in this run ended, the latest last; one at least.
        rung: How far down the memory ladder the latest attempt was.
        seconds_left: Until the run's deadline.
    """
    latest = failures[-1]
    match latest:
        case "diverged" if failures.count("diverged") < _DIVERGED_TRIES:
            return Decision("gentler", rung)
        case "resource" if rung < len(MEMORY_LADDER):
            return Decision("frugal", rung + 1)
        case "crash" | "stall":
            if failures.count("crash") + failures.count("stall") < _CRASH_TRIES:
                return Decision("resume", rung)
        case "io":
            tries = failures.count("io")
            pause = min(_LONGEST_PAUSE, 2.0 ** min(tries - 1, 10))
            patient = tries < _IO_TRIES or seconds_left < math.inf
            if patient and pause < seconds_left:
                return Decision("resume", rung, pause)
    return Decision("give up", rung)


def patiently(
    act: Callable[[], Done], *, deadline: float = math.inf, stopping: threading.Event
) -> Done:
    """Do something with a disk, again and again while it fails in a way that may pass.

    Args:
        act: What to do; must bear repeating.
        deadline: Moment of ``time.monotonic()`` from which nothing is tried again.
        stopping: Set, it ends every pause, and the trying.

    Returns:
        What the action returned.

    Raises:
        NSTError: The last one.
    """
    failures: list[FailureKind] = []
    while True:
        try:
            return act()
        except NSTError as error:
            failures.append(error.kind)
            decision = decide(failures, seconds_left=deadline - time.monotonic())
            if error.kind != "io" or decision.action == "give up":
                raise
            _log.warning("%s; trying again in %.0f s", error, decision.pause)
            if stopping.wait(decision.pause):
                raise


class CircuitBreaker:
    """Ends a run in which the machine, not the pairs, is at fault.

    Failures of other kinds say nothing about the machine and do not interrupt a row.

    Args:
        limit: Environment failures without a success between them that are one too many.
    """

    def __init__(self, limit: int = 5) -> None:
        self._limit = limit
        self._row = 0
        self._reason: NSTError | None = None
        self._guard = threading.Lock()

    @property
    def reason(self) -> NSTError | None:
        """The failure that ended the run, or None while it may go on."""
        return self._reason

    def succeeded(self) -> None:
        """Note a finished pair."""
        with self._guard:
            self._row = 0

    def failed(self, error: NSTError) -> None:
        """Note a failed pair."""
        if error.kind != "environment":
            return
        with self._guard:
            self._row += 1
            if self._row >= self._limit and self._reason is None:
                self._reason = error
