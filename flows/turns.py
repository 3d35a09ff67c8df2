"""Whose turn it is in a night: as many pairs at once as there is room for, drafts first."""

from __future__ import annotations

from itertools import islice
from threading import Semaphore
from typing import TYPE_CHECKING

from flows.order import most_promising_first, undrafted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from manifests.comparing import Planned
    from tasks.finished import Finished
    from tasks.render import Renderer

# Pairs under way beyond those that are painted: one is being published, one waits for a slot.
_AHEAD = 2
# A turn that is waited for looks so often whether the night is over.
_LOOK_SECONDS = 0.5


class Turns:
    """Gives the pairs of a night their turns; each gives its place back when it is through.

    Args:
        left: Returns the pairs that have no end yet.
        drafts: What was painted small, by the pairs' identity.
        is_over: Tells whether no further pair should be begun.
        renderer: Knows which pairs it has begun, and whether there is time for another.
        draft: Whether every pair comes twice, small at first.

    Attributes:
        places: Pairs that may be under way at once.
        are_drafts: Whether it is the round of drafts.
    """

    def __init__(
        self,
        left: Callable[[], Sequence[Planned]],
        drafts: Mapping[str, Finished],
        is_over: Callable[[], bool],
        renderer: Renderer,
        *,
        draft: bool,
    ) -> None:
        self.places = renderer.slots + _AHEAD
        self.are_drafts = False
        self._left = left
        self._drafts = drafts
        self._is_over = is_over
        self._renderer = renderer
        self._draft = draft
        self._room = Semaphore(self.places)

    def first(self) -> Iterator[Planned]:
        """Yield the pairs that there is room for at once; the round then gives them again."""
        self.are_drafts = self._draft
        for planned in islice(self._waiting(), self.places):
            if not self._may_begin(planned):
                return
            yield planned

    def all(self) -> Iterator[Planned]:
        """Yield every pair as soon as there is room for it; ends with the night.

        With drafts, every pair comes twice: all small ones first, then the promising ones first.
        Asked again, when nothing is under way any more, it gives what has no end yet.
        """
        self._room = Semaphore(self.places)
        if self._draft:
            self.are_drafts = True
            yield from self._round()
            self.are_drafts = not self._have_all_ended()
        if not self.are_drafts:
            yield from self._round()

    def give_back(self) -> None:
        """Make room: a pair is through, or will not be painted."""
        self._room.release()

    def _waiting(self) -> list[Planned]:
        """Return the pairs of this round in their order."""
        ordered = undrafted if self.are_drafts else most_promising_first
        return ordered(self._left(), self._drafts)

    def _round(self) -> Iterator[Planned]:
        for planned in self._waiting():
            while not self._room.acquire(timeout=_LOOK_SECONDS):
                if self._is_over():
                    return
            if planned.pair_id in self._renderer.begun or self._may_begin(planned):
                yield planned
            else:
                self._room.release()

    def _may_begin(self, planned: Planned) -> bool:
        return not self._is_over() and self._renderer.has_time_for(planned.pair.recipe)

    def _have_all_ended(self) -> bool:
        """Wait until no pair is under way; False if the night ends first."""
        taken = 0
        while taken < self.places and not self._is_over():
            taken += self._room.acquire(timeout=_LOOK_SECONDS)
        for _ in range(taken):
            self._room.release()
        return taken == self.places
