"""What a night makes of its pairs, and in which order things are written."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

from flows import threads
from flows.observing import Observer
from tasks.output import Output
from tests.flows.toy_collection import TINY, Guest, draw, states
from tests.waiting import until


def published(root):
    """Return every file of the collections, with its bytes."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.glob("toy/*")
        if path.is_file()
    }


# What becomes of pairs


def test_a_first_night_completes_every_pair(toy):
    """What is new is painted."""
    outcomes = toy().paint()

    assert states(outcomes) == {"cat": "complete", "dog": "complete"}


def test_a_complete_pair_has_its_three_files(toy):
    """A picture, its losses and its record lie in the collection's folder."""
    collection = toy()

    outcome = collection.paint()["cat"]

    stem = f"toy/{outcome.planned.stem}"
    assert {name for name in published(collection.output) if name.startswith(stem)} == {
        f"{stem}.png",
        f"{stem}.losses.csv",
        f"{stem}.json",
    }


def test_a_record_tells_what_was_painted_from_what(toy):
    """Location and hash of every picture, recipe and weights are in the record."""
    collection = toy()
    outcome = collection.paint()["cat"]

    record = collection.record(outcome)
    pair = outcome.planned.pair
    assert (record.content, record.styles[0].location) == pair.locations
    assert record.recipe == pair.recipe.parameters()
    assert record.labels["material"] == "Hashes"
    assert record.attempts == 1


def test_a_second_night_keeps_everything(toy):
    """The same manifest again paints nothing and touches no picture."""
    collection = toy()
    collection.paint()
    before = published(collection.output)

    guest = Guest()
    outcomes = collection.paint(guest=guest)

    assert states(outcomes) == {"cat": "kept", "dog": "kept"}
    assert guest.events == []
    assert published(collection.output) == before


def test_only_what_is_new_is_painted(toy):
    """A content that came later is painted; what was there is kept."""
    collection = toy()
    collection.paint()
    draw(collection.content("owl"))

    outcomes = collection.paint()

    assert states(outcomes) == {"cat": "kept", "dog": "kept", "owl": "complete"}


def test_an_edited_picture_is_painted_beside_the_old_one(toy):
    """Other bytes under the same name make another pair; the old picture stays as it is."""
    collection = toy()
    collection.paint()
    before = published(collection.output)
    shutil.copy(collection.folder / "paintings/monet.png", collection.content("cat"))

    outcomes = collection.paint()

    assert states(outcomes) == {"cat": "complete", "dog": "kept"}
    assert before.items() < published(collection.output).items()


def test_a_changed_recipe_is_painted_beside_the_old_pictures(toy):
    """Another recipe makes other pairs; what was painted by the old one stays as it is."""
    collection = toy()
    collection.paint()
    before = published(collection.output)
    collection.write(recipes={"tiny": TINY | {"steps": [2]}})

    outcomes = collection.paint()

    assert states(outcomes) == {"cat": "complete", "dog": "complete"}
    assert before.items() < published(collection.output).items()


def test_equal_pictures_are_one_pair(toy):
    """Two names for the same bytes are painted once."""
    collection = toy()
    shutil.copy(collection.content("cat"), collection.content("later"))

    outcomes = collection.paint()

    assert states(outcomes) == {"cat": "complete", "dog": "complete"}


def test_a_pair_of_another_collection_is_copied(toy):
    """What another collection of the output has painted is not painted again."""
    collection = toy()
    collection.paint()
    collection.write(collection="summer")

    guest = Guest()
    outcome = collection.paint(guest=guest)["cat"]

    assert guest.events == []
    assert (outcome.state, outcome.finished.file.partition("/")[0]) == ("kept", "summer")
    assert (collection.output / outcome.finished.picture.file).is_file()


# The order of things


class Inspector(Observer):
    """Looks into the output at the moment a pair is called complete."""

    def __init__(self):
        self.night = None
        self.found = []

    def opened(self, night):
        """Remember the night."""
        self.night = night

    def ended(self, outcome):
        """Look whether a fresh reader of the folder would find the pair finished."""
        if outcome.state == "complete":
            output = Output(self.night.output.root)
            self.found.append(output.record_of(outcome.planned.pair_id, rehash=True))


def test_a_pair_is_complete_only_when_its_record_is_there(toy):
    """Whoever is told of a complete pair finds it, byte for byte."""
    inspector = Inspector()

    toy().paint(guest=inspector)

    assert len([record for record in inspector.found if record]) == 2


def test_a_pair_is_published_while_others_are_painted(toy):
    """What is finished does not wait for the end of the night."""
    collection = toy(contents=("cat", "tarries"))
    with collection.night(slots=2) as night, ThreadPoolExecutor(1) as thread:
        painting = thread.submit(threads.paint, night)
        until(lambda: list(collection.output.glob("toy/cat--*.json")))

        assert not painting.done()
        night.renderer.stop()


def test_a_picture_is_written_before_its_record(toy):
    """The ledger announces the files of a pair, and then tells that it is done."""
    collection = toy(contents=("cat",))
    collection.paint()

    events = [event["event"] for event in Output(collection.output).ledger.events()]

    assert events == ["run_start", "pair_publish", "pair_done", "run_end"]


def test_nothing_that_helped_to_paint_is_left_behind(toy):
    """Checkpoints and unpublished files of finished pairs are gone."""
    collection = toy()

    collection.paint()

    assert list(collection.output.glob(".work/checkpoints/*")) == []
    assert list(collection.output.glob(".work/painting/*")) == []


def test_what_a_kill_left_of_a_finished_pair_is_cleared_away(toy):
    """A run that died between publishing and tidying up leaves nothing for ever."""
    collection = toy(contents=("cat",))
    pair_id = collection.paint()["cat"].planned.pair_id
    for folder in ("checkpoints", "painting"):
        left = collection.output / ".work" / folder / pair_id
        left.mkdir(parents=True)
        (left / "left").touch()

    collection.paint()

    assert list(collection.output.glob(".work/checkpoints/*")) == []
    assert list(collection.output.glob(".work/painting/*")) == []
