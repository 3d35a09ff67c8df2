"""Photos and paintings that lie in a bucket, and what is painted while it is away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from flows import threads
from flows.exit_codes import ExitCode
from flows.run import codes
from tasks.catalogue import Catalogue
from tasks.output import Output
from tasks.storage import store_for
from tasks.upload import Drained
from tests.flows.toy_collection import Guest, draw
from tests.tasks.fault_proxy import ALWAYS, Fault
from tests.waiting import until

# A bucket that answers


@pytest.fixture
def remote(bucket, toy):
    """A collection whose photos and paintings lie in a bucket."""
    collection = toy()
    store = store_for(bucket)
    for path in (*collection.folder.glob("photos/*"), *collection.folder.glob("paintings/*")):
        store.write(f"{bucket}/{path.parent.name}/{path.name}", path.read_bytes())
        path.unlink()
    collection.write(
        content_sets={"photos": [f"{bucket}/photos/"]},
        style_sets={"paintings": [f"{bucket}/paintings/*.png"]},
    )
    return collection


def test_pictures_come_from_a_bucket(remote, bucket):
    """Records name their addresses; the pairs are those of the same bytes on a disk."""
    outcomes = remote.paint()

    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "cat": "complete",
        "dog": "complete",
    }
    record = remote.record(outcomes["cat"])
    assert (record.content, record.styles[0].location) == (
        f"{bucket}/photos/cat.png",
        f"{bucket}/paintings/monet.png",
    )


def test_the_gallery_shows_pictures_that_came_from_a_bucket(remote, monkeypatch):
    """The photo and the painting stand beside what was made of them, as those of a disk do."""
    remote.paint()
    monkeypatch.setenv("NST_SCRATCH", str(remote.folder / "scratch"))

    data = Catalogue(remote.output, list(Output(remote.output).records()), []).data()

    originals = [*data["contents"], *data["styles"][0]["pictures"]]
    assert [original["thumbnail"] is None for original in originals] == [False] * 3


def test_pictures_come_once(remote, line):
    """The next night looks whether they have changed, and reads them from its cache."""
    remote.paint()
    line.seen.clear()

    outcomes = remote.paint()

    assert {outcome.state for outcome in outcomes.values()} == {"kept"}
    assert not [seen for seen in line.seen if seen.method == "GET" and "/photos/c" in seen.path]


def test_a_broken_object_costs_only_its_pair(remote, bucket):
    """As a broken file does."""
    store = store_for(bucket)
    store.write(f"{bucket}/photos/cat.png", store.read(f"{bucket}/photos/cat.png")[:-200])

    outcomes = remote.paint()

    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "cat": "failed",
        "dog": "complete",
    }


def test_an_outage_while_pictures_come_is_waited_for(remote, line):
    """A store that comes back costs no pair."""
    line.inject(Fault.SLOW_DOWN, times=2, method="GET", key="*/photos/*.png")

    outcomes = remote.paint()

    assert {outcome.state for outcome in outcomes.values()} == {"complete"}


def test_stopped_while_pictures_come_a_night_leaves_all_pairs(remote, line):
    """What could not be fetched in time has not failed."""
    line.inject(Fault.UNAVAILABLE, times=ALWAYS, method="GET", key="*/photos/*.png")
    with remote.night() as night, ThreadPoolExecutor(1) as thread:
        painting = thread.submit(threads.paint, night)
        until(lambda: [seen for seen in line.seen if "/photos/" in seen.path])
        night.renderer.stop()
        painting.result(30)

    assert not [outcome for outcome in night.outcomes if outcome.state != "left"]
    assert Output(remote.output).failures() == []


# A bucket that is away


@pytest.fixture
def half(remote, bucket):
    """Two photos in a bucket and one on this machine; the painting is on this machine too."""
    draw(remote.folder / "eel.png")
    draw(remote.folder / "hokusai.png")
    write_half(remote, bucket, ["hokusai.png"])
    return remote


def write_half(collection, bucket, paintings):
    """Write its manifest, with these paintings."""
    photos = [f"{bucket}/photos/cat.png", f"{bucket}/photos/dog.png", "eel.png"]
    collection.write(content_sets={"photos": photos}, style_sets={"paintings": paintings})


def impatient(monkeypatch):
    """Wait for no bucket."""
    monkeypatch.setattr("flows.night._SECONDS_FOR_PICTURES", 0.0)
    monkeypatch.setattr("flows.night._LONGEST_WAIT", 0.0)


@contextmanager
def cut_off(collection, line):
    """Open a night whose bucket goes away once it is known what there is to paint."""
    with collection.night() as night:
        line.inject(Fault.UNAVAILABLE, times=ALWAYS)
        yield night


def test_what_can_be_had_is_painted_while_a_bucket_is_away(half, line, monkeypatch):
    """The other pairs are left, not failed: the next night tries them again."""
    impatient(monkeypatch)
    with cut_off(half, line) as night:
        threads.paint(night)

    assert [(o.planned.pair.content_name, o.state) for o in night.outcomes] == [
        ("cat", "left"),
        ("dog", "left"),
        ("eel", "complete"),
    ]
    assert night.outcomes[0].failure.code == "E-S3-BUSY"
    assert codes(night, None, Drained()) == [ExitCode.ENVIRONMENT]
    assert Output(half.output).failures() == []
    line.heal()
    states = {name: outcome.state for name, outcome in half.paint().items()}
    assert states == {"cat": "complete", "dog": "complete", "eel": "kept"}


def test_pictures_that_come_late_are_painted_in_the_same_night(half, line, monkeypatch):
    """Once everything else is painted, the bucket is waited for."""
    monkeypatch.setattr("flows.night._SECONDS_FOR_PICTURES", 0.0)
    guest = Guest()
    with half.night(guest=guest) as night, ThreadPoolExecutor(1) as thread:
        line.inject(Fault.UNAVAILABLE, times=ALWAYS)
        painting = thread.submit(threads.paint, night)
        until(lambda: [o for o in guest.ended_ if o.state == "complete"])
        line.heal()
        painting.result()

    assert [outcome.state for outcome in night.outcomes] == ["complete"] * 3
    assert codes(night, None, Drained()) == []


def test_pictures_that_came_before_are_painted_from_though_their_bucket_is_away(
    half, bucket, line, monkeypatch, caplog
):
    """With a new painting, as they were when they last came; that is said once."""
    impatient(monkeypatch)
    half.paint()
    draw(half.folder / "monet.png")
    write_half(half, bucket, ["hokusai.png", "monet.png"])
    with cut_off(half, line) as night:
        threads.paint(night)

    states = [outcome.state for outcome in night.outcomes]
    assert sorted(states) == ["complete"] * 3 + ["kept"] * 3
    assert caplog.text.count("as they last came") == 1


def test_a_bucket_that_refuses_its_pictures_stops_no_others(half, line):
    """However many they are."""
    with half.night() as night:
        line.inject(Fault.ACCESS_DENIED, times=ALWAYS)
        threads.paint(night)

    assert [outcome.state for outcome in night.outcomes] == ["left", "left", "complete"]
    assert codes(night, None, Drained()) == [ExitCode.ENVIRONMENT]
