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
    try:
        write_atomic(scratch / "probe", b"")
        remove(scratch / "probe")
    except DiskFullError:
        raise
    except OutputError as error:
        reason = getattr(error.__cause__, "strerror", None) or error.message
        raise SettingsError(
            f"the scratch folder {scratch} cannot be written: {reason}",
            remedy="let NST_SCRATCH name a folder on a local disk that you may write to",
        ) from error
