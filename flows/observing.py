"""What observers of a night are told: how pairs get on, and what became of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.night import Night
    from manifests.comparing import Planned
    from tasks.failures import Failure
    from tasks.finished import Finished
    from tasks.report import State


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a pair.

    Args:
        planned: The pair.
        state: ``complete``: painted in this run; ``kept``: it was finished already; ``failed``;
            ``left`` for the next run.
        finished: What is remembered of a pair that has a picture, be it a draft.
        failure: Why it failed, or could not be painted yet.
        seconds: Painted in this run.
    """

    planned: Planned
    state: State
    finished: Finished | None = None
    failure: Failure | None = None
    seconds: float = 0.0


class Observer:
    """Is told what happens in a night and ignores it; a subclass listens to what it needs."""

    def prepares(self, what: str) -> None:
        """The night does this before it knows its pairs; called from several threads."""

    def opened(self, night: Night) -> None:
        """The night knows its pairs; painting begins."""

    def event(self, planned: Planned, event: dict[str, Any]) -> None:
        """A pair under way reported something; called from several threads."""

    def stopping(self) -> None:
        """The night was asked to end before its time; what is under way saves itself."""

    def ended(self, outcome: Outcome) -> None:
        """A pair came to its end; called from several threads."""
