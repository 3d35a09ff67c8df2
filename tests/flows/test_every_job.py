"""Every job of the tool once, by the command, with the weights that are installed along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import manifests
from manifests.reader import read
from tests.flows.command import Nst

EXAMPLE = Path(manifests.__file__).parent / "examples" / "every_job.yaml"


@pytest.mark.slow
def test_every_job_is_painted(tmp_path, environ):
    """Paintings, dreams, guided dreams, pictures of classes, controls: all complete."""
    output = tmp_path / "out"
    command = Nst("run", str(EXAMPLE), "--output", str(output), folder=tmp_path, environ=environ)

    assert command.end() == 0
    summary = json.loads((output / "summary.json").read_text())
    assert {pair["state"] for pair in summary["pairs"]} == {"complete"}
    assert set(read(EXAMPLE).recipes) <= {
        pair["recipe"].partition(",")[0] for pair in summary["pairs"]
    }
