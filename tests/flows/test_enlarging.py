"""Prints of picks: painted by the same nights, and by the command itself."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from flows.enlarging import PrintOrder, ordered, plan, prepared
from flows.run import RunOptions
from nst_core.errors import RecipeError
from nst_core.images import decode, resize
from tasks.calibration import file_bytes
from tasks.durable import OutputError
from tasks.output import Output
from tasks.records import GrownFrom
from tests.flows.command import Nst
from tests.flows.toy_collection import TINY, ToyCollection, draw
from tests.tasks.test_prints import correlation


@pytest.fixture
def painted(toy):
    """A finished toy collection of two pairs."""
    collection = toy()
    collection.paint()
    return collection


def order(collection, *picks, **wanted):
    """Return an order of prints, 64 px long unless it says otherwise."""
    return PrintOrder(
        output=str(collection.output), picks=picks or ("*",), **(wanted or {"size": 64, "dpi": 120})
    )


def records(collection, folder):
    """Return the records of one collection of the output by content."""
    found = Output(collection.output).records()
    return {record.content_name: record for record in found if record.collection == folder}


def test_every_pick_becomes_a_print(painted):
    """In a collection of its own, beside what it enlarges."""
    outcomes = painted.paint(prints=order(painted))

    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "cat": "complete",
        "dog": "complete",
    }
    assert set(records(painted, "prints")) == set(records(painted, "toy")) == {"cat", "dog"}


def test_a_prints_record_names_the_picture_it_grew_from(painted):
    """And reads it as its first canvas."""
    painted.paint(prints=order(painted, "cat"))

    origin, grown = records(painted, "toy")["cat"], records(painted, "prints")["cat"]
    picture = origin.files["picture"]
    assert grown.grown_from == GrownFrom(
        collection="toy", stem=origin.stem, pair_id=origin.pair_id, sha256=picture.sha256
    )
    assert grown.start.location == str(painted.output / picture.file)
    assert grown.start.sha256 == picture.sha256
    assert grown.recipe["start"] == "picture"
    assert grown.output["dpi"] == 120


def test_the_same_order_again_paints_nothing(painted):
    """Prints are kept like any other picture; a pattern does not mean them the next time."""
    painted.paint(prints=order(painted))

    again = painted.paint(prints=order(painted))

    assert [outcome.state for outcome in again.values()] == ["kept", "kept"]


def test_prints_leave_the_collection_as_it_is(painted):
    """The next night of the manifest finds everything done."""
    painted.paint(prints=order(painted))

    assert [outcome.state for outcome in painted.paint().values()] == ["kept", "kept"]


def test_a_photo_that_changed_is_not_painted_from(painted):
    """Its print fails and says so; the other's is painted."""
    draw(painted.content("cat"), size=(20, 20))

    outcomes = painted.paint(prints=order(painted))

    assert outcomes["dog"].state == "complete"
    failure = outcomes["cat"].failure
    assert (failure.stage, failure.code) == ("fetch", "E-INPUT-CHANGED")
    assert "cat.png' is another picture now" in failure.message


def test_a_photo_that_is_gone_is_missed(painted):
    """Its print fails and says so; once it is back, it is painted."""
    away = painted.content("cat").rename(painted.folder / "away.png")

    gone = painted.paint(prints=order(painted))
    away.rename(painted.content("cat"))
    back = painted.paint(prints=order(painted))

    assert gone["cat"].failure.code == "E-INPUT-MISSING"
    assert back["cat"].state == "complete"
    assert list((painted.output / "failed").glob("*")) == []


def test_orders_follow_a_folder_that_is_moved(painted):
    """Damaged prints are painted again where they lie now."""
    prepared(PrintOrder(output=str(painted.output), picks=("cat*",), size=64))
    moved = painted.output.rename(painted.folder / "moved")

    assert [order.output for order in ordered(moved)] == [str(moved)]


def test_an_output_remembers_its_orders(painted):
    """Each once, by the pairs that were picked."""
    first = order(painted, "cat")
    for wanted in (first, first, order(painted, paper="a6")):
        painted.paint(prints=wanted)

    toys = records(painted, "toy")
    cat, dog = toys["cat"].pair_id, toys["dog"].pair_id
    assert [(each.picks, each.size, each.paper) for each in ordered(painted.output)] == [
        ((cat,), 64, None),
        ((cat, dog), None, "a6"),
    ]


def test_a_plan_of_prints_writes_nothing(painted, steady):
    """What they take is told beforehand, of those alone that are not there yet."""
    painted.paint(prints=order(painted, "cat"))
    steady(prepared(order(painted))[1])
    before = sorted(painted.output.rglob("*"))
    told = plan(order(painted), RunOptions())

    assert told["collection"] == "prints"
    assert told["counts"] == {"new": 1, "kept": 1, "changed": 0, "orphaned": 0}
    assert told["seconds"] > 0
    assert sorted(painted.output.rglob("*")) == before


def test_a_print_of_another_size_is_planned_as_new(painted, steady):
    """Nobody asked for it in the other's place, and both stay."""
    painted.paint(prints=order(painted, "cat"))
    larger = order(painted, "cat", size=96)
    steady(prepared(larger)[1])

    assert plan(larger, RunOptions())["counts"]["new"] == 1


@pytest.mark.parametrize("wanted", [{}, {"size": 64, "paper": "a4"}])
def test_an_order_needs_a_size_or_a_paper(painted, wanted):
    """One of the two."""
    with pytest.raises(RecipeError, match="--size 4096 or --paper a3"):
        painted.paint(
            prints=PrintOrder(output=str(painted.output), picks=("*",), **wanted),
        )


def test_prints_of_one_recipe_name_are_forecast_each_by_its_own(painted, steady):
    """What an older recipe of that name has painted becomes another print."""
    painted.write(recipes={"tiny": TINY | {"size": 16}})
    painted.paint()
    pairs = prepared(order(painted))[1]
    steady(pairs)

    told = plan(order(painted), RunOptions())

    sizes = [pair.recipe.octaves.size for pair in pairs]
    assert sizes[0] != sizes[1]
    assert told["output_bytes"] == sum(file_bytes(pair.recipe, (36, 48)) for pair in pairs)


def test_what_cannot_become_a_print_is_told_at_once(painted):
    """All of it, before anything is begun."""
    with pytest.raises(RecipeError) as refused:
        painted.paint(prints=order(painted, size=9))

    assert "cat--monet" in refused.value.message
    assert "dog--monet" in refused.value.message
    assert not (painted.output / "prints").exists()


def test_there_must_be_an_output(tmp_path):
    """A misspelt folder is no empty one."""
    with pytest.raises(OutputError, match="there is no output"):
        ToyCollection(tmp_path).paint(
            prints=PrintOrder(output=str(tmp_path / "nowhere"), picks=("*",), size=64)
        )


def test_an_order_says_how_to_have_it_again():
    """Ready to paste, whatever it names."""
    wanted = PrintOrder(output="my out", picks=("picks.json", "dog--*"), paper="a3")

    assert wanted.command == (
        "nst enlarge 'my out' --picks picks.json --picks 'dog--*' --paper a3 --dpi 300"
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_command_paints_prints_and_repairs_them(tmp_path, environ):
    """The real thing: a gallery, its print four times as large, and the same after damage."""
    gallery = {"preset": "gallery", "size": 64, "steps": [25], "legibility": "off"}
    collection = ToyCollection(tmp_path, contents=("cat",), **gallery)

    def nst(*arguments):
        command = Nst(*arguments, folder=tmp_path, environ=environ)
        assert command.end(600) == 0, command.stderr
        return command

    nst("run", "toy.yaml")
    (record,) = Output(collection.output).records()
    (tmp_path / "picks.json").write_text(json.dumps({"picks": [{"pair_id": record.pair_id}]}))
    words = ("enlarge", "out", "--picks", "picks.json", "--size", "256", "--dpi", "200", "--json")
    first = nst(*words).summary
    path = collection.output / first["pairs"][0]["picture"]
    whole = path.read_bytes()

    assert first["complete"] == 1
    with Image.open(path) as image:
        assert image.size == (256, 192)
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.05)
    finished = decode((collection.output / record.files["picture"].file).read_bytes()).pixels
    reduced = resize(decode(whole).pixels, tuple(finished.shape[-2:]))
    # Of noise painted at 64 px, whatever the processor; of a photo it is 0.94.
    assert correlation(reduced, finished) > 0.8

    path.write_bytes(whole[:-20])
    nst("verify", "out", "--repair")
    assert path.read_bytes() == whole
