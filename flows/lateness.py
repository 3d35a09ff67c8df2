"""Nights that could not begin on time: the latest may still begin, the others are skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta


class Slot(Protocol):
    """A moment for which a night was scheduled."""

    @property
    def expected_start_time(self) -> datetime | None:
        """When it should begin."""


AnySlot = TypeVar("AnySlot", bound=Slot)


def is_missed(scheduled: datetime, *, now: datetime, grace: timedelta) -> bool:
    """Tell whether a night that begins now begins too late to count as the scheduled one.

    Args:
        scheduled: When it should have begun.
        now: The present moment.
        grace: How late is not too late.
    """
    return now - scheduled > grace


def missed(slots: Iterable[AnySlot], *, now: datetime, grace: timedelta) -> Sequence[AnySlot]:
    """Return those of the slots that nobody should catch up with, in their order.

    After an outage, every slot it covered waits to be run. All paint the same collection, so the
    latest that is still within its grace does for all.

    Args:
        slots: Scheduled and not begun.
        now: The present moment.
        grace: How late is not too late.
    """
    due = [
        (slot.expected_start_time, slot)
        for slot in slots
        if slot.expected_start_time is not None and slot.expected_start_time <= now
    ]
    due.sort(key=lambda pair: pair[0])
    latest = due[-1:]
    if latest and not is_missed(latest[0][0], now=now, grace=grace):
        due.pop()
    return [slot for _, slot in due]
