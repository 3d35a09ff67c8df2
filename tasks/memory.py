"""How much memory a slot may take; found out without importing torch."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tasks import cgroups
from tasks.devices import count_cards

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.devices import SlotSpec

# Estimates are rough, and other programs want some too.
_SHARED_OUT = 0.8
# Of a card's memory; the rest goes to libraries, once for each process.
_OF_CARD = 0.85


def memory_of_slot(
    specs: Sequence[SlotSpec],
    *,
    limit: int | None = None,
    available: float | None = None,
    of_card: Callable[[], int] | None = None,
) -> int | None:
    """Return how many bytes each slot's process may take, or None to let it ask its card.

    Slots that share a card share its memory out beforehand: each would find it free at first.

    Args:
        specs: The slots; those on the CPU share what is there.
        limit: What a person allows each, which then counts.
        available: Bytes of main memory that may be taken; by default `available_memory`.
        of_card: Gives the bytes of the smallest card; by default torch is asked.
    """
    if limit is not None:
        return limit
    if any(spec.device.startswith("cuda") for spec in specs):
        sharers = max(spec.sharers for spec in specs)
        if sharers == 1:
            return None
        total = of_card() if of_card else count_cards()["bytes"]
        return int(_OF_CARD * total / sharers)
    free = available_memory() if available is None else available
    return None if math.isinf(free) else int(_SHARED_OUT * free / max(1, len(specs)))


def available_memory(mount: Path = cgroups.MOUNT, proc: Path = Path("/proc")) -> float:
    """Return the bytes that new processes may take, by the machine and by this one's cgroups.

    Infinity where the system does not tell.

    Args:
        mount: See :func:`tasks.cgroups.folders`.
        proc: The kernel's facts.
    """
    groups = cgroups.folders("memory", mount, proc / "self" / "cgroup")
    return min([_of_machine(proc), *map(_left, groups)])


def _of_machine(proc: Path) -> float:
    try:
        facts = (proc / "meminfo").read_text().splitlines()
    except OSError:
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
        except (OSError, ValueError, AttributeError):
            return math.inf
    sizes = dict(fact.split(":", 1) for fact in facts if ":" in fact)
    return int(sizes["MemAvailable"].split()[0]) * 1024


def _left(folder: Path) -> float:
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            most, now = ((folder / name).read_text().strip() for name in (limit, used))
            cache = _cache(folder)
        except OSError:
            continue
        if most != "max":
            return max(0, int(most) - int(now) + cache)
    return math.inf


def _cache(folder: Path) -> int:
    """Return what a cgroup holds of files, which gives way when it is needed."""
    for line in (folder / "memory.stat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name in {"inactive_file", "total_inactive_file"}:
            return int(value)
    return 0
