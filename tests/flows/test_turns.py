"""In which order pairs have their turns, how many at once, and drafts before pictures."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from flows import threads
from flows.console import counts
from flows.exit_codes import ExitCode, gravest
from flows.reporting import reported
from flows.run import codes
from tasks.durable import Disk
from tasks.output import Output
from tasks.records import Record
from tasks.upload import Drained
from tests.flows.toy_collection import Guest, states

# As many as there is room for


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
