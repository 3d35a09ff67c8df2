"""What a disk may hold after the power went, worked out from the steps that led there.

The model is the meanest that POSIX allows: what was written and not synced may be there, in part,
as zeros or not at all; names given, changed or taken away and not synced may each have happened
or not, in any combination.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tasks.durable import Disk

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = -1


class Step(NamedTuple):
    """One recorded step; what of it matters depends on its name."""

    name: str
    path: Path | None = None
    target: Path | None = None
    inode: int | None = None
    data: bytes = b""


class Recorder(Disk):
    """A disk that notes every step it takes; syncing is noted only, to be quick."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._inodes: dict[int, int] = {}
        self._names: dict[Path, int] = {}

    def mkdir(self, folder):
        """Create one folder."""
        super().mkdir(folder)
        self.steps.append(Step("mkdir", folder))

    def create(self, path):
        """Create a file."""
        return self._opened(super().create(path), path, new=True)

    def append(self, path):
        """Open a file for appending."""
        return self._opened(super().append(path), path, new=path not in self._names)

    def write(self, descriptor, data):
        """Write, in two pieces, so that a crash can fall between them."""
        written = super().write(descriptor, data[: len(data) // 2 + 1])
        self.steps.append(Step("write", inode=self._inodes[descriptor], data=bytes(data[:written])))
        return written

    def fsync(self, descriptor):
        """Note that the content is durable."""
        self.steps.append(Step("fsync", inode=self._inodes[descriptor]))

    def rename(self, source, target):
        """Give a file another name."""
        super().rename(source, target)
        inode = self._names[target] = self._names.pop(source)
        self.steps.append(Step("rename", source, target, inode))

    def unlink(self, path):
        """Take a name away."""
        super().unlink(path)
        self.steps.append(Step("unlink", path, inode=self._names.pop(path)))

    def fsync_dir(self, folder):
        """Note that the folder's names are durable."""
        self.steps.append(Step("fsync_dir", folder))

    def _opened(self, descriptor, path, *, new):
        if new:
            self._names[path] = len(self.steps)
            self.steps.append(Step("create", path, inode=self._names[path]))
        self._inodes[descriptor] = self._names[path]
        return descriptor


def crashes(steps: list[Step], chance: random.Random, outcomes: int) -> Iterator[dict[Path, bytes]]:
    """Yield what the disk may hold if the power goes after the steps.

    Args:
        steps: What had been done.
        chance: Decides what of the unsynced survives.
        outcomes: How many to yield; in the first nothing unsynced survives, in the second all.
    """
    durable_names: dict[Path, int] = {}
    pending: list[Step] = []
    durable: dict[int, bytes] = {}
    unsynced: dict[int, bytes] = {}
    for step in steps:
        if step.name == "write":
            unsynced[step.inode] += step.data
        elif step.name == "fsync":
            durable[step.inode] += unsynced[step.inode]
            unsynced[step.inode] = b""
        elif step.name == "fsync_dir":
            for change in [change for change in pending if change.path.parent == step.path]:
                _apply(change, durable_names)
                pending.remove(change)
        else:
            pending.append(step)
            if step.name == "create":
                durable[step.inode] = unsynced[step.inode] = b""

    for outcome in range(outcomes):
        keep = [lambda: False, lambda: True, lambda: chance.random() < 0.5][min(outcome, 2)]
        names = dict(durable_names)
        for change in pending:
            if keep():
                _apply(change, names)
        files = {path: inode for path, inode in names.items() if inode != FOLDER}
        yield {
            path: durable[inode] + _survivors(unsynced[inode], keep, chance)
            for path, inode in files.items()
            if _is_reachable(path, names, steps)
        }


def _apply(change: Step, names: dict[Path, int]) -> None:
    if change.name == "mkdir":
        names[change.path] = FOLDER
    elif change.name == "create":
        names[change.path] = change.inode
    elif change.name == "rename":
        names[change.target] = change.inode
        if names.get(change.path) == change.inode:
            del names[change.path]
    elif names.get(change.path) == change.inode:
        del names[change.path]


def _survivors(data: bytes, keep, chance: random.Random) -> bytes:
    """Return what is left of unsynced data: all, nothing, the beginning, or its length in zeros."""
    if keep():
        return data
    length = chance.randrange(len(data) + 1) if keep() else 0
    return data[:length] if keep() else bytes(length)


def _is_reachable(path: Path, names: dict[Path, int], steps: list[Step]) -> bool:
    """Return whether every folder made on the way to a file is still there."""
    made = {step.path for step in steps if step.name == "mkdir"}
    return all(names.get(folder) == FOLDER for folder in path.parents if folder in made)
