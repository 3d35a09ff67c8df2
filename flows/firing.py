"""When the next night begins, in words and by the clock on the wall."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from prefect.client.orchestration import get_client
from prefect.server.schemas import schedules

from manifests.wording import span

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

_EVENING = 18


def next_night(deployment: UUID, *, now: datetime) -> datetime | None:
    """Return when a deployment's next night begins, in its schedule's time zone; None if never.

    Args:
        deployment: What the server keeps the schedules of.
        now: The present moment.
    """
    with get_client(sync_client=True) as client:
        known = client.read_deployment(deployment).schedules
    return next_firing((one.schedule for one in known if one.active), now=now)


def next_firing(given: Iterable[Any], *, now: datetime) -> datetime | None:
    """Return the first moment at which one of some schedules fires; None if none ever does.

    Args:
        given: Prefect's cron, interval and RRule schedules.
        now: The present moment.
    """
    found = []
    for one in given:
        # Only the server's twin of a schedule knows its dates.
        twin = getattr(schedules, type(one).__name__).model_validate(one.model_dump())
        found += asyncio.run(twin.get_dates(1, now))
    return min(found, default=None)


def in_words(when: datetime, *, now: datetime) -> str:
    """Return a coming moment for people: ``tonight at 22:00 Europe/Berlin, in 3 h 20``.

    Args:
        when: In the time zone in which it is to be told.
        now: The present moment.
    """
    days = (when.date() - now.astimezone(when.tzinfo).date()).days
    match days:
        case 0:
            day = "tonight" if when.hour >= _EVENING else "today"
        case 1:
            day = "tomorrow"
        case _:
            day = f"on {when:%A}" if days < 7 else f"on {when:%Y-%m-%d}"  # noqa: PLR2004
    left = when - now
    wait = f"{days} days" if left >= timedelta(days=2) else span(left.total_seconds())
    return f"{day} at {when:%H:%M} {getattr(when.tzinfo, 'key', when.tzinfo)}, in {wait}"
