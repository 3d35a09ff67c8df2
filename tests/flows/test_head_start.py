"""The first pairs are painted before anybody goes through the night, who then joins them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows import collection, head_start, threads
from flows.prefect_server import PrefectServer
from flows.run_log import RunLog
from tests.flows.test_collection import Api
from tests.flows.toy_collection import Guest
from tests.waiting import until


def readings(guest):
    """Return whose pictures a painter has read, once for each time that it began."""
    return sorted(name for name, event in guest.events if event["kind"] == "stage")


def states(night):
    """Return the pairs' states by content."""
    return {one.planned.pair.content_name: one.state for one in night.outcomes}


@pytest.mark.parametrize("name", ["cat", "overshoots"])
def test_the_first_pairs_are_painted_before_anybody_asks(toy, name):
    """Whoever watches hears of the plan and of every step, as ever; retries are made, too."""
    guest = Guest()
    with toy(contents=(name,)).night(guest=guest) as night:
        night.begin()

        until(lambda: any(event.get("done") == 3 for _, event in guest.events))
        assert guest.night is night


def test_a_pair_that_was_begun_is_painted_once(toy):
    """Who goes through the night publishes it, and paints the others."""
    guest = Guest()
    made = toy(contents=("ant", "bee", "cat", "dog", "eel"))
    with made.night(guest=guest) as night:
        night.begin()
        until(lambda: guest.events)

        threads.paint(night)

    assert readings(guest) == ["ant", "bee", "cat", "dog", "eel"]
    assert set(states(night).values()) == {"complete"}


def test_no_more_pairs_are_begun_than_may_be_under_way(toy):
    """Slots and two more, until somebody publishes what is painted."""
    guest = Guest()
    with toy(contents=[f"cat-{number}" for number in range(9)]).night(guest=guest) as night:
        night.begin()
        night._beginning.result()

        first = night.planned[: night.places]
        assert list(night.renderer.begun) == [one.pair_id for one in first]


def test_nothing_is_published_before_somebody_asks(toy):
    """So that nobody who comes later has missed a pair's end."""
    with toy(contents=("cat",)).night(guest=(guest := Guest())) as night:
        night.begin()
        night._beginning.result()
        night.renderer.begun[night.planned[0].pair_id].result()

        assert guest.ended_ == []


def test_a_pair_that_failed_early_fails_once(toy):
    """Its failure is recorded by who joins it, and Prefect's neighbours are painted."""
    made = toy(contents=("cat", "diverges"))
    with made.night(guest=(guest := Guest())) as night:
        night.begin()
        threads.paint(night)

    assert states(night) == {"cat": "complete", "diverges": "failed"}
    assert len(guest.ended_) == 2
    assert len(list(made.output.glob("failed/*.json"))) == 1


def test_a_night_that_is_stopped_before_anybody_asks_is_saved(toy):
    """What was begun is left with its checkpoint, and the next night goes on there."""
    made = toy(contents=("tarries", "zebra"))
    with made.night() as night:
        night.begin()
        made.await_tarrying()
        night.leave()
        threads.paint(night)

    assert states(night) == {"tarries": "left", "zebra": "left"}
    assert made.paint()["tarries"].finished.resumed_at == (2,)


def test_what_nobody_joins_is_saved_when_the_night_ends(toy):
    """An error between the beginning and the painting costs no step."""
    made = toy(contents=("tarries",))
    with made.night() as night:
        night.begin()
        made.await_tarrying()

    assert made.paint()["tarries"].finished.resumed_at == (2,)


def test_what_was_begun_is_joined_when_nothing_more_may_begin(toy):
    """A pair that is under way needs no time for its first step any more."""
    guest = Guest()
    with toy(contents=("cat",)).night(guest=guest, deadline=time.monotonic() + 600) as night:
        night.begin()
        until(lambda: guest.events)
        night.renderer._until_saved = {32: 3600.0}
        threads.paint(night)

    assert states(night) == {"cat": "complete"}


def test_after_the_deadline_nothing_is_begun(toy):
    """All is known of such a night, and nothing painted."""
    guest = Guest()
    with toy(contents=("cat",)).night(guest=guest, deadline=time.monotonic()) as night:
        night.begin()
        threads.paint(night)

    assert states(night) == {"cat": "left"}
    assert guest.events == []


def test_drafts_that_were_begun_are_refined(toy):
    """The first pairs of a night with drafts are painted small first, like the others."""
    guest = Guest()
    made = toy(contents=("cat", "dog", "emu"), octaves={"smallest": 16, "size": 32})
    with made.night(guest=guest, draft=True) as night:
        night.begin()
        threads.paint(night)

    assert readings(guest) == ["cat", "cat", "dog", "dog", "emu", "emu"]
    assert [event for _, event in guest.events].count({"kind": "draft"}) == 3
    assert not any(one.finished.draft for one in night.outcomes)


def test_a_picture_is_fetched_once_whoever_asks(toy):
    """Two who ask at once get the same, and a file that has gone meanwhile is not looked for."""
    made = toy(contents=("cat",))
    with made.night() as night, ThreadPoolExecutor(2) as both:
        where = str(made.content("cat"))
        one, other = both.map(night.inputs.fetch, [where, where])
        made.content("cat").unlink()

        assert one is other is night.inputs.fetch(where)


def test_a_night_that_is_stopped_fetches_nothing_more(toy):
    """Thousands of photos take minutes to read."""
    with toy().night() as night:
        night.leave()
        night.inputs.fetch_all(night.locations)

        assert not any(map(night.inputs.has, night.locations))


def test_prefect_shows_what_was_begun_before_it_was_there(server, toy):
    """Each step of each pair as a task run, and in the log how the night began."""
    made = toy("early", contents=("diverges", "tarries"))
    made.write(collection="early")
    with made.night(guest=(guest := Guest()), slots=2) as night, ThreadPoolExecutor(1) as thread:
        log = RunLog.of(night)
        night.begin()
        made.await_tarrying()
        night._beginning.result()
        painting = thread.submit(collection.paint, night, server, manifest=str(made.path), log=log)
        made.release()
        painting.result()

    api = Api(server, "early")
    assert readings(guest) == ["diverges", "diverges", "tarries"]  # tried again, as ever
    assert api.task_runs == {
        "fetch diverges.png": "Completed",
        "fetch tarries.png": "Completed",
        "fetch monet.png": "Completed",
        "render diverges × monet": "Failed",
        "publish diverges × monet": "NotReady",
        "render tarries × monet": "Completed",
        "publish tarries × monet": "Completed",
    }
    assert api.logs[0][1] == "early: 2 pairs, kept 0, 2 to paint in 2 slots"


def test_without_prefect_what_was_begun_is_joined(toy):
    """A night whose server never answers goes on in threads, with the pairs under way."""
    guest = Guest()
    with toy().night(guest=guest) as night:
        night.begin()
        collection.paint(night, PrefectServer("http://127.0.0.1:9/api"), manifest="toy.yaml")

    assert readings(guest) == ["cat", "dog"]
    assert states(night) == {"cat": "complete", "dog": "complete"}


# Slots come up before Prefect does


def test_prefect_waits_until_a_slot_is_at_work(toy):
    """Beside it, a slot would come up later and Prefect no sooner."""
    made = toy(contents=("tarries",))
    with made.night(guest=(guest := Guest())) as night:
        has_work = head_start.begin(night, seconds=600)

        assert has_work
        assert readings(guest) == ["tarries"]


def test_a_night_with_nothing_to_paint_waits_for_no_slot(toy):
    """All is kept: no slot will ever be at work."""
    made = toy(contents=("cat",))
    made.paint()
    with made.night() as night:
        has_work = head_start.begin(night, seconds=600)

        assert not has_work
        assert states(night) == {"cat": "kept"}


def test_a_night_that_is_stopped_waits_for_no_slot(toy):
    """Ctrl-C counts from the first moment on."""
    with toy().night() as night:
        night.leave()

        head_start.begin(night, seconds=600)


def test_a_slot_that_takes_long_is_not_waited_for(toy):
    """Prefect starts beside it then."""
    with toy().night() as night:
        head_start.begin(night, seconds=0)

        assert not night.renderer.is_at_work
