"""The database of Prefect's servers: what it takes, and an empty one to begin with.

A server that finds none takes a core six seconds to make one, through all that Prefect's databases
have ever been. So the first server of a machine leaves a copy of its own, before a run is in it.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from tasks.durable import OutputError, write_atomic

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

# Of an empty database with its journal, and of a pair that is shown as task runs of its own.
_EMPTY_BYTES, _PAIR_BYTES = 6_000_000, 50_000

ONE_BY_ONE = 500
"""Pairs of one night that are shown so: of thousands nobody looks at one, the server falls behind,
and all pay for it."""


def database_bytes(pairs: int) -> int:
    """Return the forecast of what Prefect keeps of one night of so many pairs, in bytes."""
    return _EMPTY_BYTES + _PAIR_BYTES * min(pairs, ONE_BY_ONE)


@dataclass(frozen=True)
class EmptyDatabase:
    """The empty database of one home; what goes wrong with it costs time and nothing else.

    Args:
        home: The folder of a server's state.
        cache: Where this machine keeps the copy.
    """

    home: Path
    cache: Path

    @property
    def _database(self) -> Path:
        return self.home / "prefect.db"

    @property
    def _copy(self) -> Path:
        return self.cache / f"empty-{version('prefect')}.db"

    def lend(self) -> bool:
        """Put a copy where a home has no database; return whether its server has to make one."""
        if self._database.exists():
            return False
        try:
            write_atomic(self._database, self._copy.read_bytes())
        except (OSError, OutputError) as error:
            _log.debug("no empty database for Prefect: %s", error)
            return True
        return False

    def keep(self) -> None:
        """Copy what a server has made; before anybody tells it of a run."""
        try:
            only_read = f"{self._database.resolve().as_uri()}?mode=ro"
            with (
                closing(sqlite3.connect(only_read, uri=True)) as made,
                closing(sqlite3.connect(":memory:")) as copy,
            ):
                made.backup(copy)
                write_atomic(self._copy, copy.serialize())
        except (sqlite3.Error, OSError, OutputError) as error:
            _log.debug("Prefect's empty database is not kept: %s", error)
