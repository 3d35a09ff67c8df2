"""Rendering: one pair goes to a slot, and again if it fails in a way that another try can mend."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from manifests.pairs import OutputFormat
from nst_core.optimizers import LBFGS
from tasks.attempts import MEMORY_LADDER, decide
from tasks.background import in_background
from tasks.jobs import SlotError, Stopped
from tasks.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from nst_core.recipe import Recipe
    from tasks.fetching import Fetched
    from tasks.slots import SlotPool

    OnEvent = Callable[[dict[str, Any]], None]


_STALL_SECONDS = 120.0


@dataclass(frozen=True)
class FetchedMask:
    """A mask on this machine.

    Args:
        source: The picture.
        color: The places of this colour; None takes how light they are.
        feather: How far edges fade, in pixels of the mask.
    """

    source: Fetched
    color: str | None = None
    feather: float = 0.0


@dataclass(frozen=True)
class FetchedStyle:
    """A style picture on this machine.

    Args:
        source: The picture.
        weight: Its share, among the pair's styles or those of its region.
        region: Of the content, the one that it paints; empty for all of it.
        mask: Which of its own places count; None for all.
    """

    source: Fetched
    weight: float = 1.0
    region: str = ""
    mask: FetchedMask | None = None


@dataclass(frozen=True, kw_only=True)
class PaintJob:
    """One pair, as a slot's process is told of it.

    Args:
        pair_id: 64 hex digits; names the checkpoints.
        recipe: How to paint.
        content: The content picture, on this machine.
        styles: The style pictures.
        regions: The content's, by name.
        start: The first canvas, for recipes that read one.
        max_pixels: Larger inputs are refused.
        output: What is written.
        provenance: What to embed in the file, or None for nothing.
        folder: Where the finished files wait to be published.
        checkpoints: The output's folder of checkpoints.
        draft: Stop after the coarse octaves; see :mod:`tasks.painter`.
        gentler: How often the optimiser's steps are to be halved, after a divergence.
        frugal: Rungs down the memory ladder; see :mod:`tasks.attempts`.
        memory: Bytes that the painting process may take, or None for what its device has free.
    """

    pair_id: str
    recipe: Recipe
    content: Fetched | None
    styles: tuple[FetchedStyle, ...]
    regions: tuple[tuple[str, FetchedMask], ...] = ()
    start: Fetched | None = None
    max_pixels: int = 70_000_000
    output: OutputFormat = field(default_factory=OutputFormat)
    provenance: Mapping[str, Any] | None = None
    folder: Path
    checkpoints: Path
    draft: bool = False
    gentler: int = 0
    frugal: int = 0
    memory: int | None = None

    @property
    def degraded(self) -> tuple[str, ...]:
        """What this attempt does otherwise than the recipe says, as the record names it."""
        gentler = (f"steps gentler by {2**self.gentler}",) if self.gentler else ()
        rungs = MEMORY_LADDER[: self.frugal]
        if not isinstance(self.recipe.optimizer, LBFGS):  # no history to shorten or to replace
            rungs = tuple(rung for rung in rungs if rung == "tiles")
        return (*rungs, *gentler)


@dataclass(frozen=True, kw_only=True)
class PaintResult:
    """What became of a job: the finished files, and what the record tells of them.

    Args:
        picture: The encoded picture.
        losses: The loss log, CSV.
        extras: Further files by ending, such as ``frames.webp``.
        objective: ``first`` and ``last`` total, and the ``terms`` of the last.
        legibility: ``content_factor`` and what was ``reached``; None where none was asked for.
        steps: Optimiser steps that led to the picture.
        seconds: Time spent painting, that before an interruption included.
        attempts: How many times it was begun in this run.
        resumed_at: Steps at which a checkpoint was taken up.
        warnings: What a person should know, one sentence each.
        degraded: What was done otherwise than the recipe says.
        weights_sha256: Of the network's weights.
        environment: Versions, device, threads.
    """

    picture: Path
    losses: Path
    extras: Mapping[str, Path] = field(default_factory=dict)
    objective: Mapping[str, Any]
    legibility: Mapping[str, float] | None = None
    steps: int
    seconds: float
    attempts: int = 1
    resumed_at: Sequence[int] = ()
    warnings: Sequence[str] = ()
    degraded: tuple[str, ...] = ()
    weights_sha256: str
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> list[Path]:
        """The finished files."""
        return [self.picture, self.losses, *self.extras.values()]

    def moved(self, folder: Path) -> Self:
        """Return the same with its files in another folder."""
        return replace(
            self,
            picture=folder / self.picture.name,
            losses=folder / self.losses.name,
            extras={ending: folder / path.name for ending, path in self.extras.items()},
        )


class RenderError(SlotError):
    """A pair that could not be painted; carries the last attempt's error.

    Args:
        cause: That error.
        attempts: How many there were.
    """

    def __init__(self, cause: SlotError, attempts: int) -> None:
        super().__init__(
            cause.message,
            code=cause.code,
            remedy=cause.remedy,
            progress=cause.progress,
            details=cause.details,
        )
        self.kind = cause.kind
        self.attempts = attempts


class Renderer:
    """Paints pairs in the slots of one pool; the threads of a flow share it.

    Args:
        pool: The slots.
        deadline: Moment of ``time.monotonic()`` at which everything must be saved.
        memory: Bytes that each slot's process may take, or None for what its device has free.

    Attributes:
        stopping: Set once :meth:`stop` was called.
        begun: The ends of pairs that :meth:`begin` began, until they are asked for.
        is_at_work: Whether a slot has read its first pictures and paints.
        is_short_of_time: Whether a pair was left since it could not have been saved in time.
    """

    def __init__(
        self, pool: SlotPool, *, deadline: float = math.inf, memory: int | None = None
    ) -> None:
        self._pool = pool
        self._memory = memory
        self._deadline = deadline
        self.stopping = threading.Event()
        # What fitted into memory at a size is tried first for the next picture of that size.
        self._rungs: dict[int, int] = {}
        # Seconds from a picture's beginning to its first step, from which on it can be saved: the
        # longest so far at a size.
        self._until_saved: dict[int, float] = {}
        self.begun: dict[str, Future[PaintResult]] = {}
        self.is_at_work = False
        self.is_short_of_time = False

    def stop(self, grace: float | None = None) -> None:
        """Let all painting save itself and end; a second call ends it at once."""
        self.stopping.set()
        self._pool.stop(grace)

    @property
    def slots(self) -> int:
        """How many pairs are painted at once."""
        return len(self._pool.specs)

    @property
    def is_stopping(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self.stopping.is_set()

    def has_time_for(self, recipe: Recipe) -> bool:
        """Tell whether a pair begun now would be saved before the deadline; if not, note it.

        What counts is what pairs of its size took so far; a smaller one may still have the time.
        """
        if time.monotonic() < self._begin_by(recipe.octaves.size):
            return True
        self.is_short_of_time = True
        return False

    def _begin_by(self, size: int) -> float:
        return self._deadline - self._until_saved.get(size, 0.0)

    def _learning(self, size: int, on_event: OnEvent) -> OnEvent:
        """Return a listener that also learns how long a picture takes until it can be saved."""
        began: float | None = time.monotonic()

        def listen(event: dict[str, Any]) -> None:
            nonlocal began
            self.is_at_work |= event["kind"] != "stage"  # which tells what is read
            if event["kind"] == "stage":  # before, it waited for a slot
                began = time.monotonic()
            elif event["kind"] == "progress" and began is not None:
                taken = time.monotonic() - began
                self._until_saved[size] = max(taken, self._until_saved.get(size, 0.0))
                began = None
            on_event(event)

        return listen

    def begin(self, job: PaintJob, on_event: OnEvent = lambda _: None) -> None:
        """Paint a pair before anybody waits for it; :meth:`render` then gives its end."""
        self.begun[job.pair_id] = in_background(self._render, job, on_event)

    def render(self, job: PaintJob, on_event: OnEvent = lambda _: None) -> PaintResult:
        """Paint a pair, or join its painting if it was begun; blocks until it is over.

        Args:
            job: The pair.
            on_event: Receives the painter's events, and ``{"kind": "retry", ...}`` between tries.

        Raises:
            RenderError: It was given up.
            Stopped: The run ends; what was painted so far is saved.
        """
        begun = self.begun.pop(job.pair_id, None)
        return begun.result() if begun else self._render(job, on_event)

    def _render(self, job: PaintJob, on_event: OnEvent) -> PaintResult:
        size = job.recipe.octaves.size
        rung = max(job.frugal, self._rungs.get(size, 0))
        job = replace(job, frugal=rung, memory=self._memory)
        failures: list[SlotError] = []
        while True:
            try:
                result: PaintResult = self._pool.run(
                    {"pair": job},
                    self._learning(size, on_event),
                    deadline=self._deadline,
                    begin_by=self._begin_by(size),
                    # The first step of a large picture gives no sign of life for minutes.
                    stall_seconds=_STALL_SECONDS * max(1.0, (size / 1024) ** 2),
                )
            except Stopped:
                self.has_time_for(job.recipe)
                raise
            except SlotError as error:
                failures.append(error)
                decision = decide(
                    [failure.kind for failure in failures],
                    rung=job.frugal,
                    seconds_left=self._deadline - time.monotonic(),
                )
                if decision.action == "give up":
                    raise RenderError(error, len(failures)) from error
                self._rungs[size] = max(decision.rung, self._rungs.get(size, 0))
                job = replace(
                    job,
                    # Another pair may have learnt meanwhile what fits.
                    frugal=self._rungs[size] if decision.action == "frugal" else decision.rung,
                    gentler=job.gentler + (decision.action == "gentler"),
                )
                on_event({"kind": "retry", "attempt": len(failures) + 1, "why": redact(str(error))})
                if self.stopping.wait(decision.pause):
                    raise Stopped("stopped between two attempts") from error
            else:
                # The painter itself makes do with less where memory is known to be too small.
                degraded = dict.fromkeys((*job.degraded, *result.degraded))
                return replace(result, attempts=len(failures) + 1, degraded=tuple(degraded))
