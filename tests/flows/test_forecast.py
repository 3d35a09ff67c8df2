"""What a plan tells of time, cost and a cluster, from a speed that was measured before."""

from __future__ import annotations

import pytest

from flows.forecast import forecast
from flows.run import RunOptions
from flows.sources import read_manifest
from manifests.planning import expand
from tasks.durable import OutputError
from tasks.storage import find
from tests.flows.toy_collection import draw


@pytest.fixture
def made(toy, steady):
    """A collection of two pairs on a machine whose speed is known: a second a step."""
    made = toy(steps=[3])
    steady(expand(read_manifest(str(made.path)), find))
    return made


def test_time_and_cost_follow_from_the_measured_speed(made):
    """Two pairs of three steps take six seconds; at 600 an hour that is one."""
    told = forecast(str(made.path), RunOptions(), cost_per_hour=600.0)

    assert (told["counts"]["new"], told["seconds"], told["cost"]) == (2, 6.0, 1.0)
    assert "cost: 1.00" in told["text"]


def test_slots_that_have_nothing_to_paint_do_not_count(made, steady, monkeypatch):
    """Two pairs are painted in two of four slots: how fast these two paint together counts."""
    steady(expand(read_manifest(str(made.path)), find), slots=2)
    monkeypatch.setenv("NST_SLOTS", "4")

    told = forecast(str(made.path), RunOptions())

    assert (told["slots"], told["seconds"]) == (2, 3.0)


def test_more_memory_than_there_is_is_told(made):
    """Even in tiles a picture has a least that it takes."""
    told = forecast(str(made.path), RunOptions(memory_limit=100_000_000))

    assert told["memory_bytes"] > told["allowed_bytes"] == 100_000_000
    assert " GB of memory in each where 0.1 GB may be taken, " in told["text"]


def test_a_cluster_is_simulated(made):
    """Two workers paint one pair each: start and three seconds, paid for both."""
    told = forecast(str(made.path), RunOptions(), workers=2, cost_per_hour=3600.0)

    night = told["simulated"]
    assert night["makespan_seconds"] == pytest.approx(23.0, abs=0.01)
    assert told["cost"] == pytest.approx(2 * night["makespan_seconds"])
    assert "with 2 workers: " in told["text"]


def test_copies_of_a_picture_are_told(made):
    """Two names, one picture: whoever counts the pairs wonders."""
    made.content("copy").write_bytes(made.content("cat").read_bytes())

    told = forecast(str(made.path), RunOptions())

    assert told["copies"] == 1
    assert told["text"].startswith("2 new (1 pair more of the same bytes): about ")


def test_pairs_that_cannot_be_painted_are_told(made):
    """Whoever only plans wants to hear of them too."""
    draw(made.content("cat"), size=(2000, 3))

    told = forecast(str(made.path), RunOptions())

    assert told["hopeless"] == 1
    assert told["text"].startswith("2 new (1 cannot be painted, 'nst check' tells why): about ")


def test_some_pairs_alone_make_no_orphans(made):
    """What --only leaves out is still in the manifest."""
    made.paint()

    told = forecast(str(made.path), RunOptions(only="cat--*"))

    assert told["counts"] == {"new": 0, "kept": 1, "changed": 0, "orphaned": 0}


def test_another_output_can_be_compared_with(made):
    """Not the manifest's own."""
    made.paint()

    told = forecast(str(made.path), RunOptions(output="elsewhere"), against=str(made.output))

    assert told["counts"]["kept"] == 2


def test_an_output_to_compare_with_must_have_pictures(made):
    """A slip in its name would call everything new."""
    with pytest.raises(OutputError, match="no finished picture is in") as caught:
        forecast(str(made.path), RunOptions(), against=str(made.output.with_name("outt")))

    assert caught.value.code == "E-OUT-MISSING"
