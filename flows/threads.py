"""Painting a night in plain threads, where Prefect is not available."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.night import Night

_log = logging.getLogger(__name__)


def paint(night: Night) -> None:
    """Paint what is left of an open night.

    Args:
        night: Opened by :func:`flows.opening.open_night`.

    Raises:
        NSTError: The night could not be planned.
    """
    _round(night)
    if night.awaits_pictures():
        _round(night)


def _round(night: Night) -> None:
    """Paint what can be painted now."""
    night.inputs.fetch_all(night.locations)

    def pair(pair_id: str) -> None:
        if _attempt(night.render, pair_id):
            _attempt(night.publish, pair_id)

    with ThreadPoolExecutor(night.places, "pair") as threads:
        for planned in night.queue():
            threads.submit(pair, planned.pair_id)


def _attempt(step: Callable[[str], object], key: str) -> bool:
    """Take a step of the night, which notes by itself what goes wrong; return whether it went."""
    try:
        step(key)
    except Exception as error:  # noqa: BLE001 # failed or stopped: the night goes on
        _log.debug("%s: %s", key, error)
        return False
    return True
