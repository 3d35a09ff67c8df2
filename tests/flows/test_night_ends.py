"""A night that is stopped, and the one that begins after it."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows import threads
from tasks.durable import OutputError
from tasks.lock import OutputLockedError
from tasks.output import Output
from tests.flows.toy_collection import draw, states

# The end of a night


def test_a_stopped_pair_is_left_with_its_checkpoint(toy):
    """Asked to stop, a pair saves what it has, and is no failure."""
    collection = toy(contents=("tarries",))
    with collection.night() as night, ThreadPoolExecutor(1) as thread:
        painting = thread.submit(threads.paint, night)
        collection.await_tarrying()
        night.renderer.stop()
        painting.result()

    assert [outcome.state for outcome in night.outcomes] == ["left"]
    assert len(list(collection.output.glob(".work/checkpoints/*/*"))) == 1
    assert not (collection.output / "failed").exists()


def test_the_next_night_goes_on_where_a_stopped_one_left_off(toy):
    """The picture is the one that an undisturbed night would have painted."""
    stopped, undisturbed = toy("a", contents=("tarries",)), toy("b", contents=("cat",))
    shutil.copy(stopped.content("tarries"), undisturbed.content("cat"))
    with stopped.night() as night, ThreadPoolExecutor(1) as thread:
        painting = thread.submit(threads.paint, night)
        stopped.await_tarrying()
        night.renderer.stop()
        painting.result()

    continued = stopped.paint()["tarries"].finished

    assert continued.resumed_at == (2,)
    picture = undisturbed.paint()["cat"].finished.picture
    assert continued.picture.sha256 == picture.sha256


def test_at_the_deadline_pairs_under_way_are_saved_and_the_others_left(toy):
    """No pair is begun after it, and nothing is lost."""
    collection = toy(contents=("tarries-1", "tarries-2", "tarries-3", "tarries-4", "tarries-5"))
    with collection.night() as night:
        night.renderer._pool.warm()  # however long that takes
        night.deadline = night.renderer._deadline = time.monotonic() + 4.0
        threads.paint(night)

    assert {outcome.state for outcome in night.outcomes} == {"left"}
    assert len(list(collection.output.glob(".work/checkpoints/*/*"))) == 1


def test_after_the_deadline_nothing_is_painted_but_all_is_known(toy):
    """A night without time still tells what is kept and what is left."""
    collection = toy(contents=("cat",))
    collection.paint()
    draw(collection.content("dog"))

    outcomes = collection.paint(deadline=time.monotonic())

    assert states(outcomes) == {"cat": "kept", "dog": "left"}


# Beginning again


def test_after_an_unclean_stop_finished_files_are_read_again(toy):
    """A picture with a flipped bit is painted anew when the run before did not end by itself."""
    collection = toy()
    picture = collection.output / collection.paint()["cat"].finished.picture.file
    good = picture.read_bytes()
    picture.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    Output(collection.output).ledger.note("run_start")

    outcomes = collection.paint()

    assert states(outcomes) == {"cat": "complete", "dog": "kept"}
    assert picture.read_bytes() == good


def test_after_a_clean_stop_sizes_suffice(toy):
    """A night with nothing to do does not read the whole collection."""
    collection = toy()
    collection.paint()

    with collection.night() as night:
        assert not night.rehash


def test_a_picture_that_was_deleted_is_painted_again(toy):
    """A record without its files proves nothing."""
    collection = toy()
    picture = collection.output / collection.paint()["cat"].finished.picture.file
    good = picture.read_bytes()
    picture.unlink()

    outcomes = collection.paint()

    assert states(outcomes) == {"cat": "complete", "dog": "kept"}
    assert picture.read_bytes() == good


def test_a_second_night_on_the_same_output_is_refused(toy):
    """Only one run at a time paints into an output."""
    collection = toy()
    with collection.night(), pytest.raises(OutputLockedError), collection.night():
        pass


def test_records_of_a_newer_version_end_the_night(toy):
    """What a later version has painted is neither repainted nor ignored."""
    collection = toy()
    path = collection.output / collection.paint()["cat"].finished.file
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 99'))

    with pytest.raises(OutputError, match="schema 99"):
        collection.paint()
