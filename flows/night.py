"""A night: what is to be painted, and what becomes of it.

Everything that happens to a pair is here and knows nothing of Prefect: the flow calls these
methods from its tasks, and if Prefect is gone the pairs are painted all the same.
"""

from __future__ import annotations

import logging
import math
import shutil
import threading
import time
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from flows.briefs import Briefs
from flows.inputs import Inputs, locations
from flows.observing import Outcome
from flows.order import most_promising_first, undrafted, unfinished_first
from manifests.comparing import identify
from nst_core.errors import NSTError
from tasks.attempts import CircuitBreaker, patiently
from tasks.background import in_background
from tasks.durable import explained
from tasks.finished import Finished
from tasks.jobs import Stopped
from tasks.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from flows.observing import Observer
    from manifests.comparing import Planned
    from manifests.pairs import Pair
    from manifests.schema import Manifest
    from tasks.failures import Failure, Stage
    from tasks.output import Output
    from tasks.render import OnEvent, PaintJob, PaintResult, Renderer
    from tasks.settings import Settings

_log = logging.getLogger(__name__)

# Pairs under way beyond those that are painted: one is being published, one waits for a slot.
_AHEAD = 2
# How long pictures of a bucket that is away are waited for: before others are painted, and after.
_SECONDS_FOR_PICTURES = 60.0
_LONGEST_WAIT = 1800.0


@dataclass
class Night:
    """One run of one manifest.

    Args:
        manifest: What was asked for.
        pairs: Expanded from it, in the order in which they are to be painted.
        output: Where finished pairs go.
        settings: The machine's facts.
        renderer: Paints.
        observers: Are told what happens.
        deadline: Moment of ``time.monotonic()`` at which everything must be saved.
        retry_failed: Whether pairs that failed in an earlier night are tried again.
        rehash: Whether finished files are read again before they count.
        draft: Whether every pair is painted small first, so that all have something.

    Attributes:
        breaker: Ends the night when the machine is at fault.
        began: Moment of ``time.monotonic()`` at which the night was opened.
        places: Pairs that may be under way at once.
        inputs: The pictures that the pairs read.
    """

    manifest: Manifest
    pairs: Sequence[Pair]
    output: Output
    settings: Settings
    renderer: Renderer
    observers: list[Observer]
    deadline: float = math.inf
    retry_failed: bool = False
    rehash: bool = False
    draft: bool = False

    def __post_init__(self) -> None:
        self.breaker = CircuitBreaker()
        self.began = time.monotonic()
        self.places = self.renderer.slots + _AHEAD
        self._room = threading.Semaphore(self.places)
        self._guard = threading.Lock()
        many = len(self.locations)
        self.inputs = Inputs(
            self.settings,
            self._patience(_SECONDS_FOR_PICTURES),
            lambda count: self.prepares(f"picture {count} of {many}"),
            recalls=True,
        )
        self._briefs = Briefs(
            self.manifest.collection, self.inputs, self.output.work, self.settings.max_pixels
        )
        self._results: dict[str, PaintResult] = {}
        self._drafts: dict[str, Finished] = {}
        self._drafting = False
        self._planned: dict[str, Planned] = {}
        # Of pairs whose pictures are in a bucket that is away, why they cannot be painted yet.
        self._stranded: dict[str, Failure] = {}
        self._missing: tuple[str, ...] | None = None  # at the latest plan
        self._has_waited = False
        self._beginning: Future[None] | None = None
        self._outcomes: dict[str, Outcome] = {}

    @property
    def locations(self) -> list[str]:
        """Every picture that some pair reads, once, in order of need."""
        return locations(self.pairs)

    @property
    def planned(self) -> list[Planned]:
        """All pairs, known after :meth:`plan`."""
        return list(self._planned.values())

    @property
    def outcomes(self) -> list[Outcome]:
        """What became of every pair so far; pairs without an end are ``left``."""
        with self._guard:
            return [
                self._outcomes.get(
                    planned.pair_id,
                    Outcome(
                        planned,
                        "left",
                        finished=self._drafts.get(planned.pair_id),
                        failure=self._stranded.get(planned.pair_id),
                    ),
                )
                for planned in self._planned.values()
            ]

    @property
    def is_over(self) -> bool:
        """Whether no further pair should be begun."""
        return (
            self.renderer.is_stopping
            or self.breaker.reason is not None
            or time.monotonic() >= self.deadline
        )

    @property
    def left(self) -> list[Planned]:
        """The pairs to be painted that still have no end."""
        with self._guard:
            done = self._outcomes.keys() | self._stranded.keys()
            return [planned for key, planned in self._planned.items() if key not in done]

    @property
    def stranded(self) -> int:
        """How many pairs wait for pictures that did not come."""
        return len(self._stranded)

    def plan(self) -> list[Planned]:
        """Give every pair its identity, settle those that need no painting, return all.

        Raises:
            NSTError: What was painted before cannot be read or copied.
        """
        missing = self.inputs.away
        identified = unfinished_first(identify(self.pairs, self.inputs.digests()), self.output)
        self._planned = by_id = {one.pair_id: one for one in identified}
        with self._guard:  # planned again, when more pictures have come
            self._stranded.clear()
            self._outcomes = {key: self._outcomes[key] for key in self._outcomes if key in by_id}
        for planned in self.planned:
            if planned.pair_id not in self._outcomes:
                self._settle(planned)
        self._missing = missing
        self._announce(lambda observer: observer.opened(self))
        return self.planned

    def begin(self) -> Future[None]:
        """Fetch, plan and begin the first pairs before anybody asks for them, in the background.

        Whoever goes through the night then finds what is done, and joins what is under way.
        """
        self._beginning = in_background(self._begin)
        return self._beginning

    def _begin(self) -> None:
        self.inputs.fetch_all(self.locations)
        if self.is_over:
            return
        self.plan()
        self._drafting = self.draft
        for planned in islice(self._waiting(), self.places):
            if not self._may_begin(planned):
                return
            self.renderer.begin(*self._brief(planned))

    def queue(self) -> Iterator[Planned]:
        """Yield the pairs to paint, each as soon as there is room for it; ends with the night.

        With drafts, every pair comes twice: all small ones first, then the promising ones first.
        Asked again, when nothing is under way any more, it gives what has no end yet.

        Raises:
            NSTError: See :meth:`plan`.
        """
        if self._beginning:
            wait([self._beginning])  # what went wrong there goes wrong here again, and is told
        if self._missing != self.inputs.away:
            if self.renderer.is_stopping:  # perhaps not all pictures were read
                return
            self.plan()
        self._room = threading.Semaphore(self.places)
        if self.draft:
            self._drafting = True
            yield from self._turns(self._waiting())
            self._drafting = not self._all_ended()
        if not self._drafting:
            yield from self._turns(self._waiting())

    def _waiting(self) -> list[Planned]:
        """Return the pairs of this round, first of all drafts, then of all pictures."""
        ordered = undrafted if self._drafting else most_promising_first
        return ordered(self.left, self._drafts)

    def awaits_pictures(self) -> bool:
        """Begin to wait, once, for pictures that did not come; False if there is no need to."""
        if self._has_waited or self.is_over or not self.inputs.away:
            return False
        self._has_waited = True
        self.inputs.patience = self._patience(_LONGEST_WAIT)
        self.prepares("missing pictures")
        return True

    def _patience(self, seconds: float) -> Patience:
        ends = min(self.deadline, time.monotonic() + seconds)
        return Patience(deadline=ends, called_off=self.renderer.stopping)

    def _turns(self, waiting: Iterable[Planned]) -> Iterator[Planned]:
        for planned in waiting:
            while not self._room.acquire(timeout=0.5):
                if self.is_over:
                    return
            if planned.pair_id in self.renderer.begun or self._may_begin(planned):
                yield planned
            else:
                self._room.release()

    def _may_begin(self, planned: Planned) -> bool:
        return not self.is_over and self.renderer.has_time_for(planned.pair.recipe)

    def _all_ended(self) -> bool:
        """Wait until no pair is under way; False if the night ends first."""
        taken = 0
        while taken < self.places and not self.is_over:
            taken += self._room.acquire(timeout=0.5)
        for _ in range(taken):
            self._room.release()
        return taken == self.places

    def render(self, pair_id: str) -> None:
        """Paint a pair that the queue gave.

        Raises:
            NSTError: It failed, and that is recorded.
            Stopped: The run ends; what was painted of it is saved.
        """
        planned = self._planned[pair_id]
        try:
            self._results[pair_id] = self.renderer.render(*self._brief(planned))
        except Stopped:
            self._room.release()
            raise
        except Exception as error:
            self._room.release()
            self._fail(planned, "render", error)
            raise

    def _brief(self, planned: Planned) -> tuple[PaintJob, OnEvent]:
        """Return what the renderer is told of a pair, and who listens to it."""
        job = self._briefs.job(planned, draft=self._drafting)
        return job, lambda event: self._tell(planned, event)

    def publish(self, pair_id: str) -> None:
        """Put a painted pair into the output.

        Raises:
            NSTError: It could not be written, and that is recorded.
        """
        planned, result = self._planned[pair_id], self._results.pop(pair_id)
        try:
            publish = partial(
                self.output.publish,
                self._briefs.painting(planned, result, draft=self._drafting),
                picture=_bytes(result.picture),
                losses=_bytes(result.losses),
                extras={name: _bytes(path) for name, path in result.extras.items()},
            )
            stopping = self.renderer.stopping
            finished = Finished.of(patiently(publish, deadline=self.deadline, stopping=stopping))
        except Exception as error:
            self._fail(planned, "publish", error)
            raise
        else:
            self.breaker.succeeded()
            if finished.draft:
                self._drafts[pair_id] = finished
                self._tell(planned, {"kind": "draft"})
            else:
                self._end(Outcome(planned, "complete", finished=finished, seconds=finished.seconds))
            self._clear(planned, keep_checkpoints=finished.draft)
        finally:
            self._room.release()

    def _settle(self, planned: Planned) -> None:
        """End a pair that is finished, quarantined, or cannot be read."""
        collection = self.manifest.collection
        record = self.output.record_of(planned.pair_id, collection=collection, rehash=self.rehash)
        if record is None and (twin := self.output.record_of(planned.pair_id, rehash=True)):
            record = self.output.copy(
                twin, **self._briefs.names(planned), labels=dict(planned.pair.labels)
            )
        if record is not None and record.draft:
            self._drafts[planned.pair_id] = Finished.of(record)
        elif record is not None:
            # A run that was killed between publishing and tidying up has left something.
            self._clear(planned, keep_checkpoints=False)
            self._end(Outcome(planned, "kept", finished=Finished.of(record)))
            return
        failure = self.output.quarantined(planned.pair_id)
        if failure is not None and not self.retry_failed:
            self._end(Outcome(planned, "failed", failure=failure))
            return
        for location in planned.pair.locations:
            expected = planned.pair.expected.get(location)
            if (reason := self.inputs.reason_against(location, expected=expected)) is not None:
                if reason.kind == "io":
                    self._stranded[planned.pair_id] = self._briefs.failure(planned, "fetch", reason)
                else:
                    self._fail(planned, "fetch", reason)
                return

    def _fail(self, planned: Planned, stage: Stage, error: Exception) -> None:
        """Record a failure; one of the machine leaves the pair for the next run instead."""
        # Pictures of one bucket say nothing about those of others.
        if isinstance(error, NSTError) and stage != "fetch":
            self.breaker.failed(error)
        failure = self._briefs.failure(planned, stage, error)
        if failure.kind == "environment":
            self._end(Outcome(planned, "left", failure=failure))
            return
        try:
            self.output.fail(failure)
        finally:  # also where that could not be written
            self._end(Outcome(planned, "failed", failure=failure))

    def leave(self) -> None:
        """End before the time: what is under way saves itself, and nothing more is begun."""
        self._announce(lambda observer: observer.stopping())
        self.renderer.stop()

    def prepares(self, what: str) -> None:
        """Tell what is done before the pairs are known."""
        self._announce(lambda observer: observer.prepares(what))

    def _tell(self, planned: Planned, event: dict[str, Any]) -> None:
        self._announce(lambda observer: observer.event(planned, event))

    def _end(self, outcome: Outcome) -> None:
        with self._guard:
            self._outcomes[outcome.planned.pair_id] = outcome
        self._announce(lambda observer: observer.ended(outcome))

    def _announce(self, tell: Callable[[Observer], None]) -> None:
        for observer in self.observers:
            try:
                tell(observer)
            except Exception as error:  # noqa: BLE001 # a closed terminal must not end the painting
                _log.debug("%s does not listen: %s", type(observer).__name__, error)

    def _clear(self, planned: Planned, *, keep_checkpoints: bool) -> None:
        """Remove what helped to paint a pair that is published."""
        for folder in ("painting",) if keep_checkpoints else ("painting", "checkpoints"):
            shutil.rmtree(self.output.work / folder / planned.pair_id, ignore_errors=True)


def _bytes(path: Path) -> bytes:
    """Return what a painter wrote.

    Raises:
        OutputError: It cannot be read.
    """
    with explained(path):
        return path.read_bytes()
