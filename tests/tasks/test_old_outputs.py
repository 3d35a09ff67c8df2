"""What earlier versions have painted stays readable; `old_outputs/` keeps one output of each.

Whoever raises `SCHEMA_VERSION` adds an output of the new version here, and changes none of the old.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.gallery import build
from tasks.output import Output
from tasks.sealed import SCHEMA_VERSION, is_sealed
from tasks.verify import verify

OLD = Path(__file__).with_name("old_outputs")
VERSIONS = sorted(path.name for path in OLD.iterdir())


@pytest.fixture(params=VERSIONS)
def output(request, tmp_path):
    """An output as an earlier version has left it."""
    return Output(shutil.copytree(OLD / request.param, tmp_path / "out"))


def test_every_version_is_kept():
    """One output for each schema that was ever written."""
    assert [f"version-{number}" for number in range(1, SCHEMA_VERSION + 1)] == VERSIONS


def test_its_record_is_read_and_its_pair_is_finished(output):
    """Nothing of it is painted again for having been painted long ago."""
    (record,) = output.records()

    assert output.record_of(record.pair_id, rehash=True) == record
    assert (record.content_name, record.style_name, record.recipe_name) == (
        "photo-0",
        "monet",
        "evening",
    )


def test_its_seal_holds(output):
    """The bytes are still those of that version."""
    (record,) = output.records()

    assert is_sealed((output.root / record.file).read_bytes())
    assert verify(output).findings == ()


def test_its_failure_is_read(output):
    """What was quarantined then is still told."""
    (failure,) = output.failures()

    assert (failure.code, failure.content_name) == ("E-IMG-DECODE", "photo-1")


def test_its_page_can_be_built(output):
    """The gallery shows old pictures beside new ones."""
    assert "photo-0" in build(output.root).read_text()
