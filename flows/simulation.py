"""What a night would be on machines that one does not have: makespan, stragglers, traffic.

Pairs are handed out in order, each to the worker that is free first, as the slots of a night are.
Every worker needs a moment to start, then the inputs of its first pair; a picture that it has
fetched before costs nothing again. Nothing is random: the same plan gives the same night.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# A worker's process, torch and the weights, from nothing; measured, see benchmarks/RESULTS.md.
START_SECONDS = 20.0
# Requests for a published pair: look, write and confirm for picture, losses and record.
_REQUESTS_PER_PAIR = 9
# A worker that ends so much later than the middle one keeps the others waiting.
_STRAGGLES = 1.1


@dataclass(frozen=True)
class Job:
    """One pair, as far as a simulation needs it.

    Args:
        seconds: That painting takes in one slot.
        inputs: What it reads, each with its size in bytes.
        output_bytes: That it writes.
    """

    seconds: float
    inputs: tuple[tuple[str, int], ...] = ()
    output_bytes: float = 0.0


@dataclass(frozen=True)
class Simulated:
    """A night of several workers.

    Args:
        workers: How many there were.
        makespan: Seconds until the last has ended.
        ideal: Seconds if the work could be divided at will.
        ends: When each worker ended.
        read_bytes: Fetched from the store, by all of them.
        written_bytes: Published.
        requests: To the store.
    """

    workers: int
    makespan: float
    ideal: float
    ends: tuple[float, ...]
    read_bytes: int
    written_bytes: float
    requests: int

    @property
    def stragglers(self) -> int:
        """How many workers ended a tenth later than the middle one."""
        return sum(end > _STRAGGLES * median(self.ends) for end in self.ends)

    @property
    def busy(self) -> float:
        """The share of their time that the workers paint."""
        whole = self.makespan * self.workers
        return self.ideal * self.workers / whole if whole else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "workers": self.workers,
            "makespan_seconds": self.makespan,
            "ideal_seconds": self.ideal,
            "busy": self.busy,
            "stragglers": self.stragglers,
            "first_idle_seconds": min(self.ends, default=0.0),
            "read_bytes": self.read_bytes,
            "written_bytes": self.written_bytes,
            "requests": self.requests,
        }


def simulate(
    jobs: Sequence[Job], workers: int, *, start: float = START_SECONDS, rate: float = 50e6
) -> Simulated:
    """Return how a night of some workers would go.

    Args:
        jobs: In the order of painting.
        workers: Slots, each in a process of its own.
        start: Seconds until a worker can paint.
        rate: Bytes per second that a worker fetches from the store.
    """
    workers = max(1, workers)
    free = [(start, number) for number in range(workers)]
    caches: list[set[str]] = [set() for _ in range(workers)]
    ends = [0.0] * workers
    read = requests = 0
    for job in jobs:
        now, worker = heapq.heappop(free)
        fetched = sum(size for place, size in job.inputs if place not in caches[worker])
        requests += sum(place not in caches[worker] for place, _ in job.inputs)
        caches[worker].update(place for place, _ in job.inputs)
        read += fetched
        ends[worker] = now + fetched / rate + job.seconds
        heapq.heappush(free, (ends[worker], worker))
    return Simulated(
        workers=workers,
        makespan=max(ends, default=0.0),
        ideal=sum(job.seconds for job in jobs) / workers,
        ends=tuple(ends),
        read_bytes=read,
        written_bytes=sum(job.output_bytes for job in jobs),
        requests=requests + _REQUESTS_PER_PAIR * len(jobs),
    )
