"""What happens in a night, for those who look on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from manifests import naming

if TYPE_CHECKING:
    from flows.night import Night
    from manifests.comparing import Planned
    from manifests.pairs import Pair
    from tasks.finished import Finished
    from tasks.records import Failure
    from tasks.report import State


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a pair.

    Args:
        planned: The pair.
        state: ``complete``: painted in this run; ``kept``: it was finished already; ``failed``;
            ``left`` for the next run.
        finished: What is remembered of a pair that has a picture, be it a draft.
        failure: Of a failed one.
        seconds: Painted in this run.
    """

    planned: Planned
    state: State
    finished: Finished | None = None
    failure: Failure | None = None
    seconds: float = 0.0


def title(planned: Planned) -> str:
    """Return what people call a planned pair: content × style."""
    return called(planned.pair)


def called(pair: Pair) -> str:
    """Return what people call a pair: content × style."""
    return naming.title(pair.content_name, pair.style_name, pair.recipe_name)


class Watcher:
    """Sees what happens; the display and the ledgers of tests are watchers."""

    def opened(self, night: Night) -> None:
        """The night knows its pairs; painting begins."""

    def event(self, planned: Planned, event: dict[str, Any]) -> None:
        """A pair under way reported something; called from several threads."""

    def ended(self, outcome: Outcome) -> None:
        """A pair came to its end; called from several threads."""
