"""What observers of a night are told: how pairs get on, and what became of each."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flows.night import Night
    from manifests.comparing import Planned
    from tasks.failures import Failure
    from tasks.finished import Finished
    from tasks.report import State

_log = logging.getLogger(__name__)


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


class Audience(Observer):
    """Observers who are all told; one that cannot listen ends nothing and is logged.

    Args:
        members: More may join meanwhile.
    """

    def __init__(self, members: Iterable[Observer]) -> None:
        self._members = members

    def prepares(self, what: str) -> None:
        """Tell what is done before the pairs are known."""
        self._tell(lambda member: member.prepares(what))

    def opened(self, night: Night) -> None:
        """Tell that the pairs are known."""
        self._tell(lambda member: member.opened(night))

    def event(self, planned: Planned, event: dict[str, Any]) -> None:
        """Tell what a pair under way reported."""
        self._tell(lambda member: member.event(planned, event))

    def stopping(self) -> None:
        """Tell that the night was asked to end."""
        self._tell(lambda member: member.stopping())

    def ended(self, outcome: Outcome) -> None:
        """Tell what became of a pair."""
        self._tell(lambda member: member.ended(outcome))

    def _tell(self, tell: Callable[[Observer], None]) -> None:
        for member in self._members:
            try:
                tell(member)
            except Exception as error:  # noqa: BLE001 # a closed terminal must not end the painting
                _log.debug("%s does not listen: %s", type(member).__name__, error)
