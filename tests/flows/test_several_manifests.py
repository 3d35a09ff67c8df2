"""Several manifests in one command: what they share, and what one of them may not spoil."""

from __future__ import annotations

import json
import sys

import pytest

from flows.cli import main
from flows.exit_codes import ExitCode
from tasks.lock import OutputLockedError
from tests.tasks.fault_proxy import ALWAYS, Fault


def test_the_hours_of_several_manifests_are_those_of_the_command(toy, monkeypatch):
    """The second does not have them anew when the first has used them up."""
    made = toy()
    monkeypatch.setattr(
        sys, "argv", ["nst", "run", str(made.path), str(made.path), "--max-hours", "8"]
    )
    began = []

    def paint(*_, options, **__):
        began.append(options.since)
        counts = dict.fromkeys(("complete", "kept", "failed", "left"), 0)
        return ExitCode.COMPLETE, {"collection": "toy", "pairs": [], **counts}

    monkeypatch.setattr("flows.run.paint_pairs", paint)
    with pytest.raises(SystemExit):
        main()

    first, second = began
    assert first is second is not None


@pytest.mark.parametrize("endings", [("", "x"), ("x", "")])
def test_a_wrong_manifest_is_told_before_any_is_painted(toy, monkeypatch, capsys, endings):
    """Not in the morning, when the others have been painted."""
    made = toy()
    words = ["nst", "run", *(f"{made.path}{ending}" for ending in endings)]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr("flows.run.paint_pairs", None)
    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == ExitCode.USAGE
    assert "E-MANIFEST-FILE" in capsys.readouterr().err


def test_a_collection_that_cannot_be_painted_does_not_keep_the_next_from_its_night(
    toy, monkeypatch, capsys
):
    """Its output may be another run's, and the other's is not."""
    made = toy()
    words = ["nst", "run", str(made.path), str(made.path), "--json"]
    monkeypatch.setattr(sys, "argv", words)
    ends = iter([OutputLockedError("another run is writing there"), ExitCode.COMPLETE])

    def paint(*_, **__):
        end = next(ends)
        if isinstance(end, Exception):
            raise end
        counts = dict.fromkeys(("complete", "kept", "failed", "left"), 0)
        return end, {"collection": "toy", "pairs": [], **counts}

    monkeypatch.setattr("flows.run.paint_pairs", paint)
    with pytest.raises(SystemExit) as left:
        main()

    told = capsys.readouterr()
    first, second = json.loads(told.out)["collections"]
    assert left.value.code == ExitCode.LOCKED
    assert (first["manifest"], first["exit_code"]) == (str(made.path), ExitCode.LOCKED)
    assert second["collection"] == "toy"
    assert "another run is writing there" in told.err


def test_a_manifest_whose_bucket_refuses_does_not_keep_others_from_their_night(
    toy, bucket, line, monkeypatch, capsys
):
    """Nothing is known to be wrong with it."""
    line.inject(Fault.ACCESS_DENIED, times=ALWAYS, key="*/shut.yaml")
    words = ["nst", "run", str(toy().path), f"{bucket}/shut.yaml", "--json"]
    monkeypatch.setattr(sys, "argv", words)
    counts = dict.fromkeys(("complete", "kept", "failed", "left"), 0)
    end = ExitCode.COMPLETE, {"collection": "toy", "pairs": [], **counts}
    monkeypatch.setattr("flows.run.paint_pairs", lambda *_, **__: end)
    with pytest.raises(SystemExit) as left:
        main()

    first, second = json.loads(capsys.readouterr().out)["collections"]
    assert left.value.code == ExitCode.ENVIRONMENT
    assert first["collection"] == "toy"
    assert second["exit_code"] == ExitCode.ENVIRONMENT


def test_a_manifest_that_finds_no_pictures_is_told_with_its_place_among_several(
    toy, monkeypatch, capsys
):
    """As if it were alone; the code is there for scripts, too."""
    made = toy()
    made.write(content_sets={"photos": ["fotos/*.png"]})
    monkeypatch.setattr(sys, "argv", ["nst", "run", str(made.path), str(made.path), "--json"])
    with pytest.raises(SystemExit) as left:
        main()

    told = capsys.readouterr()
    assert left.value.code == ExitCode.USAGE
    assert told.err.startswith("ERROR E-MANIFEST-NOMATCH")
    assert json.loads(told.out)["collections"][0]["error"].startswith("E-MANIFEST: ERROR E-MAN")
