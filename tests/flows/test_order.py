"""What the last night had to leave goes first."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from flows.order import unfinished_first
from tasks.output import Output


@pytest.fixture
def output(tmp_path):
    """An output into which nothing was painted yet."""
    return Output(tmp_path)


def pairs(*names, **priorities):
    """Return planned pairs by these names, all of the same style and size."""
    return [one(name, priority=priorities.get(name, 0)) for name in names]


def one(name, *, style="monet", size=512, priority=0):
    """Return a planned pair."""
    recipe = SimpleNamespace(octaves=SimpleNamespace(size=size))
    styles = (SimpleNamespace(location=style),)
    pair = SimpleNamespace(priority=priority, recipe=recipe, styles=styles)
    return SimpleNamespace(pair_id=name, pair=pair)


def order(output, planned):
    """Return the names in the order of painting."""
    return [one.pair_id for one in unfinished_first(planned, output)]


def leave(output, **states):
    """Write the summary of a run that ended like this."""
    told = [{"pair_id": name, "state": state} for name, state in states.items()]
    output.root.joinpath("summary.json").write_text(json.dumps({"pairs": told}))


def test_without_a_night_before_the_manifest_decides(output):
    """Nothing is known to have waited."""
    assert order(output, pairs("a", "b", "c")) == ["a", "b", "c"]


def test_what_was_left_goes_before_what_is_new(output):
    """A picture that came first by name does not push out one that waits since yesterday."""
    leave(output, b="complete", c="left")

    assert order(output, pairs("a", "b", "c")) == ["c", "a", "b"]


def test_what_was_begun_goes_before_what_was_left(output):
    """Half a painting is finished first."""
    leave(output, b="left", c="left")
    (output.work / "checkpoints" / "c").mkdir(parents=True)

    assert order(output, pairs("a", "b", "c")) == ["c", "b", "a"]


def test_the_manifests_priority_goes_before_all(output):
    """What a person has called urgent is urgent."""
    leave(output, b="left")

    assert order(output, pairs("a", "b", "c", c=5)) == ["c", "b", "a"]


def test_pairs_of_one_size_and_style_follow_each_other(output):
    """Wherever the manifest has them: in the order in which each size and style first appears."""
    planned = [
        one("a", style="monet"),
        one("b", style="turner"),
        one("c", style="monet", size=1024),
        one("d", style="monet"),
        one("e", style="turner", size=1024),
        one("f", style="turner"),
    ]

    assert order(output, planned) == ["a", "d", "b", "f", "c", "e"]


def test_urgent_and_waiting_pairs_do_not_wait_for_their_kin(output):
    """Keeping the alike together never pushes out what has a right to go first."""
    leave(output, d="left")
    planned = [
        one("a", style="monet"),
        one("b", style="turner"),
        one("c", style="monet", priority=1),
        one("d", style="turner"),
    ]

    assert order(output, planned) == ["c", "d", "a", "b"]


@pytest.mark.parametrize("text", ["", "{}", '{"pairs": [{}]}', '{"pairs": 3}', "[]"])
def test_a_summary_that_says_nothing_is_none(output, text):
    """An edited or torn summary costs the order, never the night."""
    output.root.joinpath("summary.json").write_text(text)

    assert order(output, pairs("a", "b")) == ["a", "b"]
