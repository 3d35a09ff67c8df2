"""Picks: from the page's file, from a list, from the command line."""

from __future__ import annotations

import json

import pytest

from nst_core.errors import RecipeError
from tasks.output import Output
from tasks.picks import chosen, picks
from tasks.records import GrownFrom
from tests.tasks.painted_pairs import painted


@pytest.fixture
def records(tmp_path):
    """Three finished pictures, the last of them a print of the first."""
    output = Output(tmp_path / "out")
    first = painted(0).publish(output)
    painted(1).publish(output)
    origin = GrownFrom(
        collection=first.collection,
        stem=first.stem,
        pair_id=first.pair_id,
        sha256=first.files["picture"].sha256,
    )
    painted(2, content_name="photo-0", grown_from=origin).publish(output)
    return list(output.records())


def numbers(found):
    """Return which of the painted pairs were found."""
    return [int(record.stem.split("-")[1]) for record in found]


def test_the_pages_file_is_read(tmp_path, records):
    """By each pick's pair; what else it tells is for people."""
    page = {"schema_version": 1, "picks": [{"pair_id": records[1].pair_id, "content": "photo-1"}]}
    (tmp_path / "picks.json").write_text(json.dumps(page))

    assert numbers(chosen(records, picks([str(tmp_path / "picks.json")]))) == [1]


def test_a_list_has_a_pick_a_line(tmp_path, records):
    """Stems, files and pairs, with remarks and empty lines between."""
    lines = [records[1].stem, "", "# the best", f"{records[0].file.removesuffix('json')}png  # !"]
    (tmp_path / "picks.txt").write_text("\n".join(lines), "utf-8-sig")  # as some editors save it

    assert numbers(chosen(records, picks([str(tmp_path / "picks.txt")]))) == [1, 0]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("photo-0--monet", [0]),
        ("photo-*", [0, 1]),
        ("*--monet--*", [0, 1]),
        ("spring/photo-1*", [1]),
        ("monet", [0, 1]),
    ],
)
def test_a_word_may_be_a_pattern(records, word, found):
    """Over stems and names; prints are passed over."""
    assert numbers(chosen(records, [word])) == found


def test_a_picture_may_be_given_by_its_path(tmp_path, records):
    """As the shell completes it; its bytes are no list of picks."""
    path = tmp_path / "out" / records[1].files["picture"].file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG")

    assert numbers(chosen(records, picks([str(path)]))) == [1]


def test_a_print_is_meant_by_its_own_name(records):
    """Its stem or its pair."""
    assert numbers(chosen(records, [records[2].stem])) == [2]
    assert numbers(chosen(records, [records[2].pair_id[:10]])) == [2]


def test_each_picture_is_chosen_once(records):
    """However often it is picked."""
    assert numbers(chosen(records, ["photo-1*", records[1].pair_id, "*"])) == [1, 0]


def test_a_pick_that_means_nothing_is_refused(records):
    """With the nearest name."""
    with pytest.raises(RecipeError, match="did you mean 'photo-1--monet'") as refused:
        chosen(records, ["photo-1--money"])

    assert refused.value.code == "E-PICKS"


def test_a_list_of_picks_that_is_not_there_is_told(tmp_path):
    """It is no picture that is called picks.json."""
    wanted = str(tmp_path / "picks.json")

    with pytest.raises(RecipeError, match=r"^there is no file .*picks\.json; name it where"):
        picks([wanted])


def test_no_picks_are_refused(records, tmp_path):
    """An empty list is hardly meant."""
    (tmp_path / "picks.txt").write_text("# nothing\n")

    with pytest.raises(RecipeError, match="nothing is picked; star pictures"):
        chosen(records, picks([str(tmp_path / "picks.txt")]))


@pytest.mark.parametrize("text", ['{"picks": 3}', '{"picks": [{}]}', "{", '{"a":' * 100_000])
def test_what_is_no_list_of_picks_is_refused(tmp_path, text):
    """A file that begins like the page's, and is not."""
    (tmp_path / "picks.json").write_text(text)

    with pytest.raises(RecipeError, match=r"picks\.json"):
        picks([str(tmp_path / "picks.json")])
