"""A night begins before Prefect does: what takes the night comes before what shows it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.night import Night

# Where slots take longer than that, or pictures do that lie in a bucket, Prefect starts beside.
SECONDS = 5.0
_LOOK_SECONDS = 0.05


def begin(night: Night, seconds: float = SECONDS) -> bool:
    """Begin a night; return when a slot is at work, or there is nothing for it to do.

    Prefect and its server take twice the processor time of a slot to start. On two cores slots
    start in half the time without them, and they are there no later.

    Args:
        night: Opened; see :meth:`flows.night.Night.begin`.
        seconds: How long slots may take.

    Returns:
        False if every pair is known to have its end: kept, failed before, or not to be read.
    """
    beginning = night.begin()
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (night.renderer.is_at_work or night.renderer.is_stopping):
        if beginning.done() and not night.renderer.begun:
            break
        time.sleep(_LOOK_SECONDS)
    outcomes = night.outcomes
    return not outcomes or any(outcome.state == "left" for outcome in outcomes)
