"""By which manifest an output was painted last; every run notes it, for repairing and pruning."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from manifests.locations import is_remote
from tasks.durable import OutputError, explained, write_atomic

if TYPE_CHECKING:
    from pathlib import Path

_FILE = ".work/plan.json"


@dataclass(frozen=True)
class LastRun:
    """What was run.

    Args:
        manifest: Its location, absolute.
        output: Where its pictures go: an absolute folder or ``s3://bucket/prefix``.
        overrides: ``recipe.NAME.field=value``, in place of the manifest's.
    """

    manifest: str
    output: str
    overrides: tuple[str, ...]

    def remember(self, root: Path) -> None:
        """Note it in an output's folder.

        Raises:
            OutputError: It cannot be written.
        """
        write_atomic(root / _FILE, json.dumps(asdict(self)).encode())

    @classmethod
    def of(cls, root: Path, *, remedy: str) -> Self:
        """Return what an output's folder remembers.

        Args:
            root: The folder.
            remedy: What to do if it remembers nothing.

        Raises:
            OutputError: It remembers nothing.
        """
        place = root / _FILE
        try:
            with explained(place):
                told = json.loads(place.read_bytes())
            # A folder may have been moved since.
            output = told["output"] if is_remote(told["output"]) else str(root.resolve())
            return cls(told["manifest"], output, tuple(map(str, told["overrides"])))
        except (OutputError, ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"{place} does not tell by which manifest {root} was painted", remedy=remedy
            ) from error
