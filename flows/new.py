"""`nst new`: a manifest from folders, ready to run and to edit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows.sources import absolute
from manifests.locations import is_remote
from manifests.writing import Composed, compose
from nst_core.errors import ImageError, NSTError
from nst_core.image_reading import inspect
from tasks.durable import write_atomic
from tasks.storage import find

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExistsError(NSTError):
    """A manifest that nobody asked to overwrite."""

    code = "E-MANIFEST-EXISTS"
    kind = "input"


def write_new(
    path: Path, *, contents: Sequence[str], styles: Sequence[str], overwrite: bool = False
) -> Composed:
    """Write a commented manifest that pairs all contents with all styles.

    Args:
        path: Where to; its name becomes the collection's.
        contents: Folders or s3:// prefixes of photos.
        styles: The same of paintings.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        ManifestError: A folder holds no pictures.
        ExistsError: There is a file already.
        ImageError: A file that is named is no picture.
    """
    path = path.resolve()
    if path.exists() and not overwrite:
        raise ExistsError(f"{path} exists already", remedy="choose another name, or say --force")
    for given in (*contents, *styles):
        _require_picture(given)
    composed = compose(
        [absolute(folder) for folder in contents],
        [absolute(folder) for folder in styles],
        find=find,
        folder=str(path.parent),
        collection=path.stem,
    )
    write_atomic(path, composed.text.encode())
    return composed


def _require_picture(given: str) -> None:
    """Raise if a file that is named is no picture; of folders, only pictures are taken."""
    path = Path(given).expanduser()
    if is_remote(given) or not path.is_file():
        return
    try:
        inspect(path.read_bytes())
    except ImageError as error:
        raise error.about(given) from error
