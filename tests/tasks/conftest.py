from __future__ import annotations

import pytest

from tasks.patience import Patience


class VirtualTime:
    """A clock that only moves when somebody sleeps on it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> VirtualTime:
    """Virtual time, from 0."""
    return VirtualTime()


@pytest.fixture
def patience(clock: VirtualTime) -> Patience:
    """Eight hours of patience in virtual time."""
    return Patience(8 * 3600, clock=clock, sleep=clock.sleep, share=lambda: 0.9)
