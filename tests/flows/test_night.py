from __future__ import annotations

import errno
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from flows import threads
from flows.console import counts
from flows.exit_codes import ExitCode, gravest
from flows.observing import Observer
from flows.reporting import reported
from flows.run import codes
from tasks.durable import Disk, OutputError
from tasks.lock import OutputLockedError
from tasks.output import Output
from tasks.records import Record
from tasks.upload import Drained
from tests.flows.toy_collection import TINY, Guest, draw
from tests.waiting import until


def states(outcomes):
    """Return the outcomes' states by content."""
    return {name: outcome.state for name, outcome in outcomes.items()}


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


# What goes wrong with a pair


def test_a_broken_picture_costs_only_its_pair(toy):
    """One truncated file among good ones fails by name; its neighbours are painted."""
    collection = toy(contents=("cat", "dog", "owl"))
    broken = collection.content("dog")
    broken.write_bytes(broken.read_bytes()[:-200])

    outcomes = collection.paint()

    assert states(outcomes) == {"cat": "complete", "dog": "failed", "owl": "complete"}
    assert outcomes["dog"].failure.code == "E-IMG-DECODE"


def test_a_missing_picture_costs_only_its_pairs(toy):
    """A file that vanishes between planning and reading fails in the stage of fetching."""
    collection = toy()
    with collection.night() as night:
        collection.content("cat").unlink()
        threads.paint(night)
        outcomes = {outcome.planned.pair.content_name: outcome for outcome in night.outcomes}

    assert states(outcomes) == {"cat": "failed", "dog": "complete"}
    assert outcomes["cat"].failure.stage == "fetch"


def test_a_failure_lies_in_a_file_that_says_what_to_do(toy):
    """`failed/<stem>.json` holds stage, code, message and remedy."""
    collection = toy(contents=("diverges",))

    outcome = collection.paint()["diverges"]

    told = json.loads((collection.output / f"failed/{outcome.planned.stem}.json").read_text())
    assert (told["stage"], told["kind"], told["code"]) == ("render", "diverged", "E-DIVERGED-NAN")
    assert told["remedy"] == "lower its rate"


def test_a_diverging_pair_is_tried_twice(toy):
    """Once more with gentler steps, then it is given up."""
    outcome = toy(contents=("diverges",)).paint()["diverges"]

    assert outcome.failure.attempts == 2


def test_a_pair_that_diverged_once_is_painted_more_gently(toy):
    """And its record tells."""
    record = toy(contents=("overshoots",)).paint()["overshoots"].finished

    assert (record.attempts, record.degraded) == (2, ("steps gentler by 2",))


def test_what_fits_into_memory_is_remembered_for_the_night(toy):
    """The first picture goes down the ladder; those of its size begin where that one stands."""
    outcomes = toy(contents=[f"bulges-{number}" for number in range(5)]).paint()

    attempts = [one.finished.attempts for one in outcomes.values()]
    assert (max(attempts), attempts[-1]) == (3, 1)
    assert {one.finished.degraded for one in outcomes.values()} == {("short history", "tiles")}


def test_a_pair_whose_worker_always_dies_is_given_up(toy):
    """After three deaths the pair has failed, and its neighbours are painted."""
    outcomes = toy(contents=("cat", "dies", "dog")).paint()

    assert states(outcomes) == {"cat": "complete", "dies": "failed", "dog": "complete"}
    assert (outcomes["dies"].failure.code, outcomes["dies"].failure.attempts) == ("E-SLOT-DIED", 3)


def test_a_pair_whose_worker_dies_once_goes_on_from_its_checkpoint(toy):
    """A worker killed in mid-pair costs at most a step, and nobody notices in the picture."""
    faints, cat = toy("a", contents=("faints",)), toy("b", contents=("cat",))
    shutil.copy(faints.content("faints"), cat.content("cat"))

    fainted, undisturbed = faints.paint()["faints"], cat.paint()["cat"]

    assert (fainted.finished.attempts, fainted.finished.resumed_at) == (2, (1,))
    assert fainted.finished.picture.sha256 == undisturbed.finished.picture.sha256


def test_a_bug_is_recorded_with_its_traceback(toy):
    """What nobody thought of fails the pair, and the failure tells an engineer where."""
    outcome = toy(contents=("errs",)).paint()["errs"]

    assert outcome.failure.code == "E-BUG"
    assert "LookupError: nobody thought of this" in outcome.failure.traceback


def test_a_painted_picture_that_vanishes_fails_in_publishing(toy):
    """A painter whose file is gone when it is to be published has failed, and is named."""
    outcomes = toy(contents=("cat", "vanishes")).paint()

    assert states(outcomes) == {"cat": "complete", "vanishes": "failed"}
    assert outcomes["vanishes"].failure.stage == "publish"


class StutteringDisk(Disk):
    """A disk whose first syncs fail.

    Args:
        failures: How many.
    """

    def __init__(self, failures):
        self.failures = failures

    def fsync(self, descriptor):
        """Fail, or do it."""
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EIO, "Input/output error")
        super().fsync(descriptor)


def test_a_disk_that_fails_once_costs_no_painting(toy):
    """What is painted is published at the next try; the pair is not painted again."""
    collection = toy(contents=("cat",))
    with collection.night() as night:
        night.output = Output(collection.output, disk=StutteringDisk(1))
        threads.paint(night)

    (outcome,) = night.outcomes
    assert (outcome.state, outcome.finished.attempts) == ("complete", 1)


def test_a_disk_that_fails_to_the_deadline_fails_the_pair_for_this_night_only(toy):
    """The failure is the disk's: the next night paints the pair without being asked."""
    collection = toy(contents=("cat",))
    with collection.night() as night:
        night.renderer._pool.warm()
        night.output = Output(collection.output, disk=StutteringDisk(10_000))
        night.deadline = time.monotonic() + 4.0
        threads.paint(night)

    (outcome,) = night.outcomes
    assert (outcome.state, outcome.failure.kind) == ("failed", "io")
    assert states(collection.paint()) == {"cat": "complete"}


# The nights after a failure


def test_a_failed_pair_is_left_alone_the_next_night(toy):
    """What failed by its own fault is not tried again, and still counts as failed."""
    collection = toy(contents=("cat", "diverges"))
    collection.paint()

    guest = Guest()
    outcomes = collection.paint(guest=guest)

    assert states(outcomes) == {"cat": "kept", "diverges": "failed"}
    assert guest.events == []


def test_retry_failed_tries_again(toy):
    """On demand a quarantined pair is painted, and its failure forgotten."""
    collection = toy(contents=("faints",))
    path = collection.content("faints")
    good = path.read_bytes()
    path.write_bytes(good[:-200])
    collection.paint()
    with collection.night(retry_failed=True) as night:
        path.write_bytes(good)
        threads.paint(night)

    assert [outcome.state for outcome in night.outcomes] == ["complete"]
    assert list((collection.output / "failed").glob("*")) == []


def test_a_quarantined_pair_fails_again_when_tried_again(toy):
    """--retry-failed on what is still broken fails anew."""
    collection = toy(contents=("diverges",))
    collection.paint()

    guest = Guest()
    outcomes = collection.paint(guest=guest, retry_failed=True)

    assert states(outcomes) == {"diverges": "failed"}
    assert guest.events != []


def test_a_mended_picture_is_painted_without_being_asked(toy):
    """New bytes are a new pair: no flag is needed, and the old failure is cleared away."""
    collection = toy(contents=("cat",))
    path = collection.content("cat")
    good = path.read_bytes()
    path.write_bytes(good[:-200])
    collection.paint()
    path.write_bytes(good)

    outcomes = collection.paint()

    assert states(outcomes) == {"cat": "complete"}
    assert list((collection.output / "failed").glob("*")) == []


# The machine at fault


def test_a_full_disk_leaves_the_pair_for_the_next_run(toy):
    """The machine's fault is not held against the pair."""
    outcomes = toy(contents=("cat", "full")).paint()

    assert states(outcomes) == {"cat": "complete", "full": "left"}
    assert outcomes["full"].failure.kind == "environment"


def test_environment_failures_end_the_night(toy):
    """After five in a row no further pair is begun, and the reason is known."""
    guest = Guest()
    collection = toy(contents=[f"full-{number}" for number in range(12)])
    with collection.night(guest=guest) as night:
        threads.paint(night)

    assert night.breaker.reason.kind == "environment"
    assert {outcome.state for outcome in night.outcomes} == {"left"}
    assert len({name for name, _ in guest.events}) < 12


def test_successes_between_environment_failures_keep_the_night_going(toy):
    """Only failures without a success between them speak of the machine."""
    contents = [name for number in range(6) for name in (f"full-{number}", f"cat-{number}")]
    collection = toy()
    for path in collection.folder.glob("photos/*"):
        path.unlink()
    for name in contents:
        draw(collection.content(name))
    collection.write(content_sets={"photos": [f"photos/{name}.png" for name in contents]})

    outcomes = collection.paint()

    assert sorted(states(outcomes).values()) == ["complete"] * 6 + ["left"] * 6


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


def test_the_queue_keeps_the_manifests_order(toy):
    """What the manifest names first is begun first."""
    collection = toy(contents=("ant", "bee", "cat", "dog", "eel"))
    with collection.night(slots=3) as night:
        for location in night.locations:
            night.inputs.fetch(location)

        names = [planned.pair.content_name for planned in islice(night.queue(), 5)]

    assert names == ["ant", "bee", "cat", "dog", "eel"]


def test_no_more_pairs_are_under_way_than_there_is_room_for(toy):
    """However many pairs wait, the queue gives out slots and two more."""
    collection = toy(contents=[f"cat-{number}" for number in range(9)])
    with collection.night() as night:
        for location in night.locations:
            night.inputs.fetch(location)
        queue = night.queue()
        given = [next(queue) for _ in range(night.places)]
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(next, queue)

            assert not waiting.done()
            night.render(given[0].pair_id)
            night.publish(given[0].pair_id)
            assert waiting.result().pair_id not in {planned.pair_id for planned in given}


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


# Who watches


class Deaf(Observer):
    """A observer whose terminal was closed."""

    def opened(self, night):
        """Fail to tell."""
        raise BrokenPipeError

    def event(self, planned, event):
        """Fail to tell."""
        raise BrokenPipeError

    def ended(self, outcome):
        """Fail to tell."""
        raise BrokenPipeError


def test_a_closed_terminal_does_not_end_the_painting(toy):
    """Whatever a display runs into, the pictures are painted."""
    outcomes = toy().paint(guest=Deaf())

    assert states(outcomes) == {"cat": "complete", "dog": "complete"}


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


def test_no_pair_begins_that_could_not_be_saved_before_the_deadline(toy):
    """What pictures of a size take until their first step is known from those before."""
    collection = toy(contents=("cat", "dog"))
    with collection.night(deadline=time.monotonic() + 600) as night:
        for location in night.locations:
            night.inputs.fetch(location)
        first, *_ = night.queue()
        night.render(first.pair_id)
        learnt = night.renderer._until_saved.copy()
        night.publish(first.pair_id)
        night.renderer._until_saved = {32: 3600.0}
        threads.paint(night)
        code = gravest(codes(night, None, Drained()))

    assert learnt.keys() == {32}
    assert 0 < learnt[32] < 300
    assert [one.state for one in night.outcomes] == ["complete", "left"]
    assert code == ExitCode.DEADLINE


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


# Drafts


def test_drafts_of_all_pairs_come_before_any_picture(toy):
    """With --draft every pair has something before the first is finished."""
    collection = toy(octaves={"smallest": 16, "size": 32})
    guest = Guest()

    outcomes = collection.paint(guest=guest, draft=True)

    assert [event for _, event in guest.events].count({"kind": "draft"}) == 2
    assert states(outcomes) == {"cat": "complete", "dog": "complete"}
    assert not any(outcome.finished.draft for outcome in outcomes.values())


def test_drafts_are_refined_best_first(toy):
    """Those whose drafts have the least left of their first objective."""
    names = ["ant", "bee", "cat", "dog", "eel", "fox"]
    order = []
    with toy(contents=names, octaves={"smallest": 16, "size": 32}).night(draft=True) as night:
        for location in night.locations:
            night.inputs.fetch(location)
        for planned in night.queue():
            order.append(planned.pair.content_name)
            night.render(planned.pair_id)
            night.publish(planned.pair_id)
        left = {
            planned.pair.content_name: night._drafts[planned.pair_id].last_loss
            for planned in night.planned
        }

    assert order == names + sorted(names, key=left.get)
    assert order != names + names


def test_a_draft_counts_as_left(toy):
    """A night that ends with drafts has pictures to show, and pairs to finish."""
    collection = toy(contents=("cat",), octaves={"smallest": 16, "size": 32})
    guest = Guest()
    with collection.night(draft=True) as night:
        for location in night.locations:
            night.inputs.fetch(location)
        planned = next(iter(night.queue()))
        night.render(planned.pair_id)
        night.publish(planned.pair_id)
        night.renderer.stop()
        (outcome,) = night.outcomes

    assert (outcome.state, outcome.finished.draft) == ("left", True)
    assert counts(reported(night, command="nst run").summary()) == "toy: left 1 (1 as drafts)"
    assert Record.decode(
        (collection.output / outcome.finished.file).read_bytes(), name="record"
    ).draft
    assert states(collection.paint(guest=guest)) == {"cat": "complete"}


class SlowDisk(Disk):
    """A disk that takes its time over every sync."""

    def fsync(self, descriptor):
        """Wait, then do it."""
        time.sleep(0.1)
        super().fsync(descriptor)


def test_a_draft_that_fails_last_is_not_tried_again_as_a_picture(toy):
    """The pictures begin when its failure is noted, however long that takes."""
    guest = Guest()
    collection = toy(contents=("diverges",), octaves={"smallest": 16, "size": 32})
    with collection.night(guest=guest, draft=True) as night:
        night.output = Output(collection.output, disk=SlowDisk())
        threads.paint(night)

    assert [outcome.state for outcome in guest.ended_] == ["failed"]
    assert [event["kind"] for _, event in guest.events].count("retry") == 1
