"""A small sound manifest as text, and what is said about wrong ones."""

from __future__ import annotations

import pytest

from manifests.problems import ManifestError
from manifests.reader import parse
from nst_core.errors import NSTError

BASE = """\
collection: show
output: out
content_sets: {faces: [a.jpg]}
style_sets: {monet: [b.jpg]}
pairings: [{content: faces, style: monet}]
"""


class MissingError(NSTError):
    """What a storage says of pictures that are not there."""

    code = "E-INPUT-MISSING"
    kind = "input"


class RefusedError(NSTError):
    """What it says where it may not be read."""

    code = "E-S3-ACCESS"
    kind = "environment"


def made(text, *overrides):
    return parse(text, name="m.yaml", folder="/shows", overrides=overrides)


def complaints(text, *overrides):
    """Return every line that is said about a manifest."""
    try:
        made(text, *overrides)
    except ManifestError as error:
        return [str(problem) for problem in error.problems]
    return []


def refusals(call, *arguments):
    """Return every line that is said by a call that refuses a manifest."""
    with pytest.raises(ManifestError) as caught:
        call(*arguments)
    return [str(problem) for problem in caught.value.problems]


def based(**entries):
    """Return a small sound manifest with some of its lines replaced; None leaves one out."""
    lines = {line.partition(":")[0]: line.partition(": ")[2] for line in BASE.splitlines()}
    lines |= entries
    return "".join(f"{key}: {value}\n" for key, value in lines.items() if value is not None)
