"""Files of unfinished pairs in a bucket go when their pairs are finished."""

from __future__ import annotations

import time

import pytest

from flows import threads
from flows.keeping import Keeping
from flows.observing import Observer, Outcome
from tasks.pair_files import Keep
from tasks.storage import store_for
from tests.tasks.fault_proxy import Fault
from tests.waiting import until


@pytest.fixture
def kept(bucket, line):
    """A place in a bucket."""
    location = f"{bucket}/out/.work/pairs"
    return Keep(store_for(location), location)


class Elsewhere(Observer):
    """Another machine, which keeps something of every pair as soon as the pairs are known."""

    def __init__(self, kept):
        self._kept = kept

    def opened(self, night):
        """Keep something."""
        for planned in night.planned:
            self._kept.put(planned.pair_id, "painting/mark", b"1")


def go_through(collection, kept):
    """Go through a night; return the pairs by what became of them."""
    with collection.night() as night:
        night.observers += [Elsewhere(kept), Keeping(kept.location, night.settings)]
        threads.paint(night)
    return {outcome.state: outcome.planned for outcome in night.outcomes}


def test_what_is_kept_goes_when_its_pair_is_finished(toy, kept):
    """A pair that failed may be painted again, elsewhere."""
    pairs = go_through(toy(contents=("cat", "diverges")), kept)

    assert set(pairs) == {"complete", "failed"}
    until(lambda: kept.pairs() == {pairs["failed"].pair_id})


def test_leftovers_of_an_earlier_run_go_when_the_pairs_are_known(toy, kept):
    """It may have ended between publishing and tidying up."""
    collection = toy(contents=("cat",))
    go_through(collection, kept)

    assert set(go_through(collection, kept)) == {"kept"}
    assert not kept.pairs()


def test_no_pair_waits_for_a_bucket_that_does_not_answer(toy, kept, line):
    """Each would, as long as boto3 tries."""
    with toy(contents=("cat",)).night() as night:
        night.inputs.fetch_all(night.locations)
        (planned,) = night.plan()
        line.inject(Fault.BLACK_HOLE, times=9)
        began = time.monotonic()
        Keeping(kept.location, night.settings).ended(Outcome(planned, "complete"))

    assert time.monotonic() - began < 10
    until(lambda: line.seen)
