"""The folder for what this machine may lose: downloads, speeds, what waits for a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.durable import DiskFullError, OutputError, remove, write_atomic
from tasks.settings import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def require_scratch(scratch: Path) -> None:
    """Find out whether the scratch folder can be written; it is made where it is missing.

    Args:
        scratch: See `Settings.scratch`.

    Raises:
        SettingsError: It cannot be.
        DiskFullError: It has no room at all.
    """
    require_writable(
        scratch,
        "the scratch folder",
        remedy="let NST_SCRATCH name a folder on a local disk that you may write to",
    )


def require_writable(folder: Path, name: str, *, remedy: str) -> None:
    """Find out whether a folder of the settings can be written; it is made where it is missing.

    Args:
        folder: Where it is.
        name: What it is to people.
        remedy: What to do if it cannot be.

    Raises:
        SettingsError: It cannot be.
        DiskFullError: It has no room at all.
    """
    try:
        write_atomic(folder / "probe", b"")
        remove(folder / "probe")
    except DiskFullError:
        raise
    except OutputError as error:
        reason = getattr(error.__cause__, "strerror", None) or error.message
        said = f"{name} {folder} cannot be written: {reason}"
        raise SettingsError(said, remedy=remedy) from error
