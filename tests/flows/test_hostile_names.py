"""Pictures whose names are no text: bytes that are no UTF-8, as old archives bring them."""

from __future__ import annotations

import json

import pytest

from flows import threads
from flows.inputs import Inputs
from flows.run import reported
from manifests.comparing import compare, identify
from tasks.gallery import build
from tasks.output import Output
from tasks.report import write_report

LATIN_1 = "photos/d\udcff\udce9g.png"


@pytest.fixture
def collection(toy):
    """A collection in which the dog has a name in Latin 1."""
    collection = toy()
    collection.content("dog").rename(collection.folder / LATIN_1)
    return collection


@pytest.fixture
def night(collection):
    """The night in which it was painted, at its end."""
    with collection.night() as night:
        threads.paint(night)
        yield night


def test_a_picture_whose_name_is_no_text_is_painted(night):
    """Like any other; its record spells the odd bytes out."""
    records = {record.content_name: record for record in night.output.records()}

    assert records.keys() == {"cat", r"d\udcff\udce9g"}
    dog = records[r"d\udcff\udce9g"]
    assert dog.content == str(night.output.root.parent / r"photos/d\udcff\udce9g.png")
    assert dog.stem.startswith("d-udcff-udce9g--monet--tiny--")


def test_it_is_kept_by_the_next_night(night, collection):
    """Its spelling does not make it another pair."""
    assert {outcome.state for outcome in night.outcomes} == {"complete"}
    plan = compare(night.planned, night.output.records(), night.inputs.digests())

    assert len(plan.kept) == 2


def test_its_new_bytes_are_a_change(night, collection):
    """A plan recognises the picture by its name, and tells that it was changed."""
    place = collection.folder / LATIN_1
    place.write_bytes(collection.content("cat").read_bytes() + b"\0")
    digests = Inputs.of(night.pairs, night.settings).digests()

    plan = compare(identify(night.pairs, digests), night.output.records(), digests)

    assert [len(plan.kept), len(plan.changed), len(plan.new)] == [1, 1, 0]


def test_summary_and_page_tell_of_it(night):
    """They are UTF-8 like everything that is written."""
    summary = write_report(night.output, reported(night, command="nst run toy.yaml"))
    page = build(night.output.root).read_text("utf-8")

    assert summary == json.loads((night.output.root / "summary.json").read_text("utf-8"))
    assert any(r"d\udcff" in pair["content"] for pair in summary["pairs"])
    assert "udce9g" in page


def test_a_broken_one_is_named_in_its_failure(collection):
    """Place and reason stand in `failed/`; its neighbour is painted."""
    path = collection.folder / LATIN_1
    path.write_bytes(path.read_bytes()[:100])

    outcomes = collection.paint()

    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "cat": "complete",
        r"d\udcff\udce9g": "failed",
    }
    (failure,) = Output(collection.output).failures()
    assert failure.code == "E-IMG-DECODE"
    assert failure.message.startswith(r"d\udcff\udce9g.png")


def test_one_that_vanishes_is_named_too(collection):
    """A picture that cannot be fetched has an identity of its own all the same."""
    with collection.night() as night:
        (collection.folder / LATIN_1).unlink()
        threads.paint(night)

    assert sorted(outcome.state for outcome in night.outcomes) == ["complete", "failed"]
