"""A night: what is to be painted, and what becomes of it.

Everything that happens to a pair is here and knows nothing of Prefect: the flow calls these
methods from its tasks, and if Prefect is gone the pairs are painted all the same.
"""

from __future__ import annotations

import math
import shutil
import time
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from flows.briefs import Briefs
from flows.inputs import Inputs, locations
from flows.observing import Audience, Outcome
from flows.order import unfinished_first
from flows.turns import Turns
from manifests.comparing import identify
from nst_core.errors import NSTError
from tasks.attempts import CircuitBreaker, patiently
from tasks.background import in_background
from tasks.durable import explained
from tasks.finished import Finished
from tasks.jobs import Stopped
from tasks.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
        self._guard = Lock()
        self._audience = Audience(self.observers)
        many = len(self.locations)
        self.inputs = Inputs(
            self.settings,
            self._patience(_SECONDS_FOR_PICTURES),
            lambda count: self._audience.prepares(f"picture {count} of {many}"),
            recalls=True,
        )
        self._briefs = Briefs(
            self.manifest.collection, self.inputs, self.output.work, self.settings.max_pixels
        )
        self._results: dict[str, PaintResult] = {}
        self._drafts: dict[str, Finished] = {}
        self._turns = Turns(
            lambda: self.left, self._drafts, lambda: self.is_over, self.renderer, draft=self.draft
        )
        self._planned: dict[str, Planned] = {}
        # Of pairs whose pictures are in a bucket that is away, why they cannot be painted yet.
        self._stranded: dict[str, Failure] = {}
        self._missing: tuple[str, ...] | None = None  # at the latest plan
        self._has_waited = False
        self._beginning: Future[None] | None = None
        self._outcomes: dict[str, Outcome] = {}

    @property
    def places(self) -> int:
        """Pairs that may be under way at once."""
        return self._turns.places

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
        self._audience.opened(self)
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
        for planned in self._turns.first():
            self.renderer.begin(*self._brief(planned))

    def queue(self) -> Iterator[Planned]:
        """Yield the pairs to paint, each when it is its turn; see :meth:`flows.turns.Turns.all`.

        Raises:
            NSTError: See :meth:`plan`.
        """
        if self._beginning:
            wait([self._beginning])  # what went wrong there goes wrong here again, and is told
        if self._missing != self.inputs.away:
            if self.renderer.is_stopping:  # perhaps not all pictures were read
                return
            self.plan()
        yield from self._turns.all()

    def awaits_pictures(self) -> bool:
        """Begin to wait, once, for pictures that did not come; False if there is no need to."""
        if self._has_waited or self.is_over or not self.inputs.away:
            return False
        self._has_waited = True
        self.inputs.patience = self._patience(_LONGEST_WAIT)
        self._audience.prepares("missing pictures")
        return True

    def _patience(self, seconds: float) -> Patience:
        ends = min(self.deadline, time.monotonic() + seconds)
        return Patience(deadline=ends, called_off=self.renderer.stopping)

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
            self._turns.give_back()
            raise
        except Exception as error:
            try:
                self._fail(planned, "render", error)
            finally:  # not before: who has no end yet is given another turn
                self._turns.give_back()
            raise

    def _brief(self, planned: Planned) -> tuple[PaintJob, OnEvent]:
        """Return what the renderer is told of a pair, and who listens to it."""
        job = self._briefs.job(planned, draft=self._turns.are_drafts)
        return job, partial(self._audience.event, planned)

    def publish(self, pair_id: str) -> None:
        """Put a painted pair into the output.

        Raises:
            NSTError: It could not be written, and that is recorded.
        """
        planned, result = self._planned[pair_id], self._results.pop(pair_id)
        try:
            publish = partial(
                self.output.publish,
                self._briefs.painting(planned, result, draft=self._turns.are_drafts),
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
                self._audience.event(planned, {"kind": "draft"})
            else:
                self._end(Outcome(planned, "complete", finished=finished, seconds=finished.seconds))
            self._clear(planned, keep_checkpoints=finished.draft)
        finally:
            self._turns.give_back()

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
        self._audience.stopping()
        self.renderer.stop()

    def _end(self, outcome: Outcome) -> None:
        with self._guard:
            self._outcomes[outcome.planned.pair_id] = outcome
        self._audience.ended(outcome)

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
