"""When a night ends: ``--stop-at``, ``--max-hours`` and a manifest's ``finish_by``."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from manifests.fields import time_of_day
from nst_core.errors import NSTError

if TYPE_CHECKING:
    from collections.abc import Iterable


class DeadlineError(NSTError):
    """A time of day that cannot be read."""

    code = "E-DEADLINE"
    kind = "input"


def seconds_until(text: str, *, now: datetime | None = None) -> float:
    """Return the seconds until a time of day comes round next.

    Args:
        text: ``07:00`` in this machine's time zone, or ``07:00 Europe/Berlin``.
        now: The present moment, with a time zone, whichever that is.

    Raises:
        DeadlineError: That is no time of day, or no time zone.
    """
    try:
        wanted = time_of_day(text)
    except ValueError as error:
        raise DeadlineError(str(error)) from error
    now = now or datetime.now(UTC)
    # By the clock on the wall there, so that a night in which clocks change ends at the right hour;
    # without a zone, times are naive: only these know when this machine's own clock changes.
    wall = now.astimezone(wanted.tzinfo).replace(tzinfo=wanted.tzinfo, fold=0)
    then = wall.replace(hour=wanted.hour, minute=wanted.minute, second=0, microsecond=0)
    again = then.replace(fold=1)  # later only in the hour that comes twice when clocks go back
    if then.timestamp() <= now.timestamp() < again.timestamp():
        return again.timestamp() - now.timestamp()
    then += timedelta(days=then <= wall)
    return then.timestamp() - now.timestamp()


def deadline(
    times: Iterable[str | None], max_hours: float | None = None, *, since: datetime | None = None
) -> float:
    """Return the earliest end as a moment of ``time.monotonic()``; infinity without one.

    Wall clocks are set and jump; from here on only the monotonic clock counts.

    Args:
        times: Times of day.
        max_hours: From the beginning on.
        since: When the run began, or should have, with a time zone; by default now. The times of
            day are those that come round after it, so that one that begins too late ends no later.

    Raises:
        DeadlineError: A time cannot be read.
    """
    late = 0.0 if since is None else time.time() - since.timestamp()
    ends = [seconds_until(text, now=since) for text in times if text]
    if max_hours is not None:
        ends.append(max_hours * 3600)
    return time.monotonic() + min(ends) - late if ends else math.inf
