"""Nights that could not begin on time: the latest may still begin, the others are skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from prefect.client.schemas.objects import FlowRun


def is_missed(scheduled: datetime, *, now: datetime, grace: timedelta) -> bool:
    """Tell whether a night that begins now begins too late to count as the scheduled one.

    Args:
        scheduled: When it should have begun.
        now: The present moment.
        grace: How late is not too late.
    """
    return now - scheduled > grace


def missed(runs: Iterable[FlowRun], *, now: datetime, grace: timedelta) -> list[FlowRun]:
    """Return the scheduled runs that are to be skipped, in the order of their times.

    After an outage, every run that it covered still waits to begin. All paint the same collection,
    so the latest that is still within its grace does for all.

    Args:
        runs: Prefect's, scheduled and not begun.
        now: The present moment.
        grace: How late is not too late.
    """
    due = [
        (run.expected_start_time, run)
        for run in runs
        if run.expected_start_time is not None and run.expected_start_time <= now
    ]
    due.sort(key=lambda pair: pair[0])
    latest = due[-1:]
    if latest and not is_missed(latest[0][0], now=now, grace=grace):
        due.pop()
    return [run for _, run in due]
