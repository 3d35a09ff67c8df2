"""Reading a manifest: from a file to a `Manifest`, or to everything that is wrong with it."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

from pydantic import ValidationError

from manifests.checking import check
from manifests.explaining import explain
from manifests.overrides import override
from manifests.problems import MAX_PROBLEMS, ManifestError, Problem
from manifests.schema import Manifest
from manifests.strict_yaml import MAX_BYTES, load
from nst_core.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def read(path: Path, *, overrides: Sequence[str] = ()) -> Manifest:
    """Return the manifest in a file.

    Args:
        path: The file; relative paths in it start at its folder.
        overrides: ``recipe.NAME.field=value``, in place of the manifest's.

    Raises:
        ManifestError: With every problem.
    """
    folder = path.parent.resolve()
    return parse(read_bytes(path), name=str(path), folder=str(folder), overrides=overrides)


def parse(
    source: bytes | str, *, name: str, folder: str, overrides: Sequence[str] = ()
) -> Manifest:
    """Return the manifest in a text.

    Args:
        source: The text, or its UTF-8 bytes.
        name: What problems call it.
        folder: Where relative paths start: an absolute path or ``s3://bucket/prefix``.
        overrides: ``recipe.NAME.field=value``, in place of the manifest's.

    Raises:
        ManifestError: With every problem.
    """
    document = load(source, name=name)
    if not isinstance(document.tree, dict):
        said = "empty" if document.tree is None else "no mapping; it starts with collection: NAME"
        problem = document.problem("E-MANIFEST-TYPE", (), f"the manifest is {said}")
        raise ManifestError([*document.problems, problem])
    problems = [*document.problems, *override(document, overrides)]
    # What the reader refused is no longer there; that it is missing is no second problem.
    refused = {problem.path for problem in problems}
    found: list[Problem] = []
    manifest = None
    try:
        manifest = Manifest.model_validate_json(json.dumps(document.tree), strict=True)
    except ValidationError as error:
        found += islice(explain(error, document), MAX_PROBLEMS + 1)
    found += islice(check(document), MAX_PROBLEMS + 1)
    problems += [problem for problem in found if problem.path not in refused]
    if problems or manifest is None:
        raise ManifestError(problems)
    manifest.remember(document, folder)
    return manifest


def read_bytes(path: Path) -> bytes:
    """Return the file's bytes, at most one more than a manifest may have.

    Raises:
        ManifestError: There is no such file, or it cannot be read.
    """
    try:
        # Anything but a plain file might never end, or never begin.
        if path.is_file():
            with path.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        if path.exists():
            raise _no_file(path, "is no file")
        names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError as error:
        raise _no_file(path, f"cannot be read: {error.strerror}") from error
    raise _no_file(path, f"does not exist{did_you_mean(path.name, names)}")


def _no_file(path: Path, message: str) -> ManifestError:
    return ManifestError([Problem("E-MANIFEST-FILE", str(path), None, None, "", message)])
