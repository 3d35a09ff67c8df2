"""What goes wrong costs one pair; a machine at fault ends the night."""

from __future__ import annotations

import errno
import json
import shutil
import time

from flows import threads
from tasks.durable import Disk
from tasks.output import Output
from tests.flows.toy_collection import Guest, draw, states

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
