"""Whoever watches a night does not disturb it."""

from __future__ import annotations

from flows.observing import Observer
from tests.flows.toy_collection import states


class Deaf(Observer):
    """An observer whose terminal was closed."""

    def opened(self, night):
        """Fail to tell."""
        raise BrokenPipeError

    def event(self, planned, event):
        """Fail to tell."""
        raise BrokenPipeError

    def ended(self, outcome):
        """Fail to tell."""
        raise BrokenPipeError


def test_a_closed_terminal_does_not_end_the_painting(toy):
    """Whatever a display runs into, the pictures are painted."""
    outcomes = toy().paint(guest=Deaf())

    assert states(outcomes) == {"cat": "complete", "dog": "complete"}
