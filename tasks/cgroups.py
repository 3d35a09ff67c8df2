"""The cgroups of this process: what the kernel grants it of CPU time and memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOUNT = Path("/sys/fs/cgroup")
"""Where the cgroup file systems are mounted, version 1 or 2."""

MEMBERSHIP = Path("/proc/self/cgroup")
"""The kernel's list of this process's cgroups."""


def folders(controller: str, mount: Path = MOUNT, membership: Path = MEMBERSHIP) -> Iterator[Path]:
    """Yield the folders of this process's cgroups, and of those around them; none elsewhere.

    A limit holds for everything below it, so the least of all these counts.

    Args:
        controller: What they grant: ``cpu`` or ``memory``.
        mount: See :data:`MOUNT`.
        membership: See :data:`MEMBERSHIP`.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        # Version 2 has one tree for all controllers, and names none.
        if not controllers:
            root = mount
        elif controller in controllers.split(","):
            root = mount / controller
        else:
            continue
        group = root / path.lstrip("/")
        yield from (group, *group.parents)
