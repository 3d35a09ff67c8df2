"""A night: what is to be painted, and what becomes of it.

Everything that happens to a pair is here and knows nothing of Prefect: the flow calls these
methods from its tasks, and if Prefect is gone the pairs are painted all the same.
"""

from __future__ import annotations

import hashlib
import logging
import math
import shutil
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nst_core.errors import NSTError
from nst_core.recipe import ALGORITHM_VERSION
from tasks.attempts import CircuitBreaker
from tasks.devices import detect_slots
from tasks.fetching import Fetched, fetch
from tasks.jobs import SlotError, Stopped
from tasks.lock import hold
from tasks.output import Output
from tasks.records import Failure, Painting, Record, StyleSource
from tasks.render import PaintJob, Renderer, RenderError
from tasks.slots import SlotPool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from manifests.planning import Pair
    from manifests.schema import Manifest

    from tasks.records import Stage
    from tasks.render import Rendered
    from tasks.settings import Settings

_log = logging.getLogger(__name__)

# Pairs under way beyond those that are painted: one is being published, one waits for a slot.
_AHEAD = 2

State = Literal["complete", "kept", "failed", "left"]


@dataclass(frozen=True)
class Ticket:
    """A pair with its identity.

    Args:
        pair: What and how.
        pair_id: 64 hex digits over everything that shapes the picture.
    """

    pair: Pair
    pair_id: str

    @property
    def stem(self) -> str:
        """File name of everything about the pair, without ending."""
        return self.pair.stem(self.pair_id)

    @property
    def name(self) -> str:
        """For people: content × style."""
        return " × ".join(filter(None, (self.pair.content_name, self.pair.style_name)))


@dataclass(frozen=True)
class Outcome:
    """What became of a pair.

    Args:
        ticket: The pair.
        state: ``complete``: painted in this run; ``kept``: it was finished already; ``failed``;
            ``left`` for the next run.
        record: Of a finished pair.
        failure: Of a failed one.
        seconds: Painted in this run.
    """

    ticket: Ticket
    state: State
    record: Record | None = None
    failure: Failure | None = None
    seconds: float = 0.0


class Watcher:
    """Sees what happens; the display and the ledgers of tests are watchers."""

    def opened(self, night: Night) -> None:
        """The night knows its pairs; painting begins."""

    def event(self, ticket: Ticket, event: dict[str, Any]) -> None:
        """A pair under way reported something; called from several threads."""

    def ended(self, outcome: Outcome) -> None:
        """A pair came to its end; called from several threads."""


@dataclass
class Night:
    """One run of one manifest.

    Args:
        manifest: What was asked for.
        pairs: Expanded from it, in the order in which they are to be painted.
        output: Where finished pairs go.
        settings: The machine's facts.
        renderer: Paints.
        watcher: Is told what happens.
        deadline: Moment of ``time.monotonic()`` at which everything must be saved.
        retry_failed: Whether pairs that failed in an earlier night are tried again.

    Attributes:
        breaker: Ends the night when the machine is at fault.
        began: Moment of ``time.monotonic()`` at which the night was opened.
        places: Pairs that may be under way at once.
    """

    manifest: Manifest
    pairs: Sequence[Pair]
    output: Output
    settings: Settings
    renderer: Renderer
    watcher: Watcher
    deadline: float = math.inf
    retry_failed: bool = False

    def __post_init__(self) -> None:
        self.breaker = CircuitBreaker()
        self.began = time.monotonic()
        self.places = self.renderer.slots + _AHEAD
        self._room = threading.Semaphore(self.places)
        self._guard = threading.Lock()
        self._begun: set[str] = set()
        self._rendered: dict[str, Rendered] = {}
        self._inputs: dict[str, Fetched | NSTError] = {}
        self._tickets: dict[str, Ticket] = {}
        self._outcomes: dict[str, Outcome] = {}

    @property
    def locations(self) -> list[str]:
        """Every picture that some pair reads, once, in order of need."""
        return list(dict.fromkeys(where for pair in self.pairs for where in pair.locations))

    @property
    def tickets(self) -> list[Ticket]:
        """All pairs, known after :meth:`plan`."""
        return list(self._tickets.values())

    @property
    def outcomes(self) -> list[Outcome]:
        """What became of every pair so far; pairs without an end are ``left``."""
        with self._guard:
            return [
                self._outcomes.get(ticket.pair_id, Outcome(ticket, "left"))
                for ticket in self._tickets.values()
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
    def left(self) -> list[Ticket]:
        """The pairs that still have no end."""
        with self._guard:
            return [ticket for key, ticket in self._tickets.items() if key not in self._outcomes]

    def fetch(self, location: str) -> None:
        """Bring one picture to this machine; what goes wrong is held against the pairs it is for.

        Raises:
            NSTError: It cannot be read.
        """
        try:
            found: Fetched | NSTError = fetch(
                location, self.settings.scratch / "inputs", settings=self.settings
            )
        except NSTError as error:
            found = error
        with self._guard:
            self._inputs[location] = found
        if isinstance(found, NSTError):
            raise found

    def has(self, location: str) -> bool:
        """Whether a picture was fetched, or found impossible to."""
        with self._guard:
            return location in self._inputs

    def plan(self) -> list[Ticket]:
        """Give every pair its identity, settle those that need no painting, return all."""
        digests = {
            location: found.sha256 if isinstance(found, Fetched) else _unreadable(location)
            for location, found in self._inputs.items()
        }
        tickets = [Ticket(pair, pair.pair_id(digests)) for pair in self.pairs]
        self._tickets = {ticket.pair_id: ticket for ticket in tickets}
        for ticket in self.tickets:
            self._settle(ticket)
        self.watcher.opened(self)
        return self.tickets

    def queue(self) -> Iterator[Ticket]:
        """Yield the pairs to paint, each as soon as there is room for it; ends with the night."""
        if not self._tickets:
            self.plan()
        for ticket in self.left:
            if ticket.pair_id in self._begun:
                continue
            while not self._room.acquire(timeout=0.5):
                if self.is_over:
                    return
            if self.is_over:
                self._room.release()
                return
            self._begun.add(ticket.pair_id)
            yield ticket

    def render(self, pair_id: str) -> None:
        """Paint a pair that the queue gave.

        Raises:
            NSTError: It failed, and that is recorded.
            Stopped: The run ends; what was painted of it is saved.
        """
        ticket = self._tickets[pair_id]
        try:
            self._rendered[pair_id] = self.renderer.render(
                self._job(ticket), lambda event: self.watcher.event(ticket, event)
            )
        except Stopped:
            self._room.release()
            raise
        except NSTError as error:
            self._room.release()
            self._fail(ticket, "render", error)
            raise

    def publish(self, pair_id: str) -> None:
        """Put a painted pair into the output.

        Raises:
            NSTError: It could not be written, and that is recorded.
        """
        ticket, rendered = self._tickets[pair_id], self._rendered.pop(pair_id)
        result = rendered.result
        try:
            record = self.output.publish(
                self._painting(ticket, rendered),
                picture=result["picture"].read_bytes(),
                losses=result["losses"].read_bytes(),
                extras={name: path.read_bytes() for name, path in result["extras"].items()},
            )
        except NSTError as error:
            self._fail(ticket, "publish", error)
            raise
        else:
            self.breaker.succeeded()
            self._end(Outcome(ticket, "complete", record=record, seconds=record.seconds))
            self._clear(ticket)
        finally:
            self._room.release()

    def _painting(self, ticket: Ticket, rendered: Rendered) -> Painting:
        pair, result = ticket.pair, rendered.result
        return Painting(
            **self._names(ticket),
            content_sha256=self._sha256(pair.content),
            styles=tuple(
                StyleSource(
                    location=style.location,
                    weight=style.weight,
                    sha256=self._require(style.location).sha256,
                )
                for style in pair.styles
            ),
            recipe=pair.recipe.parameters(),
            network=pair.recipe.network,
            weights_sha256=result["weights_sha256"],
            algorithm_version=ALGORITHM_VERSION,
            output=pair.output.parameters(),
            labels=pair.labels,
            credits=pair.credits,
            objective=result["objective"],
            steps=result["steps"],
            attempts=rendered.attempts,
            resumed_at=tuple(result["resumed_at"]),
            degraded=rendered.degraded,
            warnings=tuple(result["warnings"]),
            seconds=round(result["seconds"], 3),
            environment=result["environment"],
        )

    def _settle(self, ticket: Ticket) -> None:
        """End a pair that is finished, quarantined, or cannot be read."""
        collection = self.manifest.collection
        record = self.output.record_of(ticket.pair_id, collection=collection)
        elsewhere = record or self.output.record_of(ticket.pair_id)
        if record is None and elsewhere is not None:
            record = self.output.copy(elsewhere, **self._names(ticket))
        if record is not None:
            self._end(Outcome(ticket, "kept", record=record))
            return
        failure = self.output.quarantined(ticket.pair_id)
        if failure is not None and not self.retry_failed:
            self._end(Outcome(ticket, "failed", failure=failure))
            return
        for location in ticket.pair.locations:
            found = self._inputs[location]
            if isinstance(found, NSTError):
                self._fail(ticket, "fetch", found)
                return

    def _job(self, ticket: Ticket) -> PaintJob:
        pair = ticket.pair
        folder = self.output.work / "painting" / ticket.pair_id
        return PaintJob(
            pair_id=ticket.pair_id,
            recipe=pair.recipe,
            content=self._fetched(pair.content),
            styles=tuple((self._require(s.location), s.weight) for s in pair.styles),
            start=self._fetched(pair.start),
            background=self.manifest.background,
            max_pixels=self.settings.max_pixels,
            format=pair.output.format,
            bits=pair.output.bits,
            quality=pair.output.quality,
            provenance=self._provenance(ticket) if pair.output.provenance else None,
            frames_every=pair.output.frames,
            folder=folder,
            checkpoints=self.output.work / "checkpoints",
        )

    def _provenance(self, ticket: Ticket) -> dict[str, Any]:
        """Return what is embedded in the picture: how it came to be, without paths."""
        pair = ticket.pair
        return {
            "pair_id": ticket.pair_id,
            "collection": self.manifest.collection,
            "content": pair.content_name,
            "content_sha256": self._sha256(pair.content),
            "style": pair.style_name,
            "style_sha256": [self._sha256(style.location) for style in pair.styles],
            "recipe_name": pair.recipe_name,
            "recipe": pair.recipe.parameters(),
            "algorithm_version": ALGORITHM_VERSION,
            "credits": list(pair.credits),
        }

    def _fail(self, ticket: Ticket, stage: Stage, error: NSTError) -> None:
        """Record a failure; one of the machine leaves the pair for the next run instead."""
        self.breaker.failed(error)
        told: dict[str, Any] = {"attempts": getattr(error, "attempts", 1)}
        if isinstance(error, SlotError) and error.kind in {"bug", "crash", "stall"}:
            told["traceback"] = error.details
        failure = Failure.of(
            error,
            **self._names(ticket),
            styles=tuple(style.location for style in ticket.pair.styles),
            stage=stage,
            **told,
        )
        if error.kind == "environment":
            _log.warning("%s is left: %s", ticket.name, error)
            self._end(Outcome(ticket, "left", failure=failure))
            return
        self.output.fail(failure)
        self._end(Outcome(ticket, "failed", failure=failure))

    def _end(self, outcome: Outcome) -> None:
        with self._guard:
            self._outcomes[outcome.ticket.pair_id] = outcome
        self.watcher.ended(outcome)

    def _clear(self, ticket: Ticket) -> None:
        """Remove what helped to paint a pair that is published."""
        for folder in ("painting", "checkpoints"):
            shutil.rmtree(self.output.work / folder / ticket.pair_id, ignore_errors=True)

    def _names(self, ticket: Ticket) -> dict[str, Any]:
        pair = ticket.pair
        return {
            "collection": self.manifest.collection,
            "stem": ticket.stem,
            "pair_id": ticket.pair_id,
            "content_name": pair.content_name,
            "style_name": pair.style_name,
            "recipe_name": pair.recipe_name,
            "content": pair.content,
        }

    def _fetched(self, location: str | None) -> Fetched | None:
        return None if location is None else self._require(location)

    def _require(self, location: str) -> Fetched:
        found = self._inputs[location]
        if isinstance(found, NSTError):
            raise found
        return found

    def _sha256(self, location: str | None) -> str | None:
        return None if location is None else self._require(location).sha256


@contextmanager
def opened(
    manifest: Manifest,
    pairs: Sequence[Pair],
    *,
    root: Path,
    settings: Settings,
    watcher: Watcher,
    source: str,
    deadline: float = math.inf,
    retry_failed: bool = False,
) -> Iterator[Night]:
    """Hold the output, start the slots, and give the night; stop and let go at the end.

    Args:
        manifest: What was asked for.
        pairs: Expanded from it.
        root: The output's folder on this machine.
        settings: The machine's facts.
        watcher: Is told what happens.
        source: The manifest's name, for whoever meets the lock.
        deadline: Moment of ``time.monotonic()`` at which everything must be saved.
        retry_failed: Whether pairs that failed in an earlier night are tried again.

    Raises:
        OutputLockedError: Another run holds the output.
        OutputError: It cannot be written.
        DeviceError: There is no such device here.
    """
    output = Output(root)
    with ExitStack() as stack:
        stack.enter_context(hold(output.work, manifest=source))
        output.recover()
        specs = detect_slots(settings.device, slots=settings.slots, threads=settings.torch_threads)
        pool = stack.enter_context(
            SlotPool(specs[: max(1, len(pairs))], logs=output.work / "slots")
        )
        renderer = Renderer(pool, deadline=deadline)
        yield Night(
            manifest=manifest,
            pairs=pairs,
            output=output,
            settings=settings,
            renderer=renderer,
            watcher=watcher,
            deadline=deadline,
            retry_failed=retry_failed,
        )


def _unreadable(location: str) -> str:
    """Return a stand-in for the hash of a picture that cannot be read."""
    return hashlib.sha256(f"unreadable: {location}".encode()).hexdigest()


__all__ = ["Night", "Outcome", "RenderError", "State", "Ticket", "Watcher", "opened"]
