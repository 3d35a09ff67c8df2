"""Where manifests and outputs are found: a file or a folder, or in a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from manifests.locations import is_remote
from manifests.reader import parse, read, read_bytes
from manifests.strict_yaml import decoded
from tasks.durable import NoOutputError
from tasks.output import Output
from tasks.settings import Settings
from tasks.staging import local_folder
from tasks.storage import store_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from manifests.schema import Manifest


def read_manifest(source: str, *, overrides: Sequence[str] = ()) -> Manifest:
    """Return a manifest; relative locations in it start where it lies.

    Args:
        source: A path or ``s3://bucket/key``.
        overrides: ``recipe.NAME.field=value``, in place of the manifest's.

    Raises:
        ManifestError: With every problem.
        StorageError: The bucket is not to be had.
    """
    if not is_remote(source):
        return read(Path(source), overrides=overrides)
    data = store_for(source).read(source)
    return parse(data, name=source, folder=source.rpartition("/")[0], overrides=overrides)


def read_text(source: str) -> str:
    """Return a manifest as it is written.

    Raises:
        ManifestError: There is no such file, or it is no text.
        StorageError: The bucket is not to be had.
    """
    data = store_for(source).read(source) if is_remote(source) else read_bytes(Path(source))
    return decoded(data, source)


def absolute(location: str) -> str:
    """Return what the command line names so that it is found from any working directory."""
    if is_remote(location):
        return location
    path = Path(location).expanduser()
    # What a manifest names starts where a link to it lies, as when it is run by the link's name.
    return str(path.resolve() if path.is_dir() else path.parent.resolve() / path.name)


def painted_folder(target: str) -> Path:
    """Return the folder on this machine of an output that is there; other folders are none.

    Args:
        target: A folder or ``s3://bucket/prefix``.

    Raises:
        NoOutputError: Nothing was ever painted into it here.
    """
    folder = local_folder(target, Settings.from_environment().scratch)
    output = Output(folder)
    if not output.ledger.path.is_file() and next(output.record_files(), None) is None:
        raise NoOutputError(
            f"nothing was painted into {target} on this machine",
            remedy="name the output as its manifest does",
        )
    return folder
