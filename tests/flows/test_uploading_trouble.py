"""A store in trouble delays a collection on its way to a bucket, and loses nothing of it."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows import threads
from flows import uploading as uploads
from flows.uploading import drain
from tasks.durable import NotWritableError, OutputError
from tasks.lock import OutputLockedError
from tasks.storage import store_for
from tasks.storage_errors import InputError, RefusedError
from tests.flows.exhibitions import another_machine
from tests.flows.toy_collection import Guest, draw
from tests.tasks.fault_proxy import ALWAYS, Fault
from tests.waiting import until


def test_an_outage_delays_and_loses_nothing(exhibition, line):
    """The store refuses for a while; all is uploaded at the end, and painted once."""
    line.inject(Fault.UNAVAILABLE, times=3, method="PUT", key="*/toy/*")
    guest = Guest()

    states, drained = exhibition.paint(guest=guest)

    assert set(states.values()) == {"complete"}
    assert drained.waiting == ()
    assert [event["stage"] for _, event in guest.events if "stage" in event] == ["reading"] * 2


def test_what_could_not_go_waits_for_the_next_night(exhibition, line):
    """A store that is down to the end costs no picture: the next run uploads, paints nothing."""
    line.inject(Fault.UNAVAILABLE, times=ALWAYS, method="PUT", key="*/toy/*")
    with exhibition.night() as (night, uploading):
        threads.paint(night)
        night.renderer.stop()
        assert len(uploading.finish().waiting) == 2
    line.heal()

    states, drained = exhibition.paint()

    assert set(states.values()) == {"kept"}
    assert len(drained.uploaded) == 2
    assert exhibition.objects() == exhibition.files()


def test_what_waits_can_be_uploaded_without_a_night(exhibition, line, monkeypatch):
    """`nst upload` drains the spool, and brings a page that shows it, though none was written."""
    line.inject(Fault.UNAVAILABLE, times=ALWAYS, method="PUT", key="*/toy/*")
    with exhibition.night() as (night, uploading):
        threads.paint(night)
        night.renderer.stop()
        uploading.finish()
    line.heal()
    monkeypatch.setenv("NST_SCRATCH", str(exhibition.scratch))

    drained = drain(exhibition.target)

    assert (len(drained.uploaded), drained.waiting) == (2, ())
    assert exhibition.objects() == exhibition.files()
    page = store_for(exhibition.target).read(f"{exhibition.target}/index.html")
    assert page == (exhibition.root / "index.html").read_bytes()
    assert all(stem.encode() in page for stem in drained.uploaded)


def test_what_others_have_painted_stays_on_the_page_of_an_upload(exhibition, tmp_path, monkeypatch):
    """This machine has not looked into the bucket since."""
    exhibition.paint()
    other = another_machine(exhibition, tmp_path / "other")
    draw(other.collection.content("fox"))
    other.paint()
    monkeypatch.setenv("NST_SCRATCH", str(exhibition.scratch))

    drain(exhibition.target)

    assert b"fox--monet" in store_for(exhibition.target).read(f"{exhibition.target}/index.html")


def test_an_upload_of_what_was_never_painted_here_is_no_success(exhibition, monkeypatch):
    """With a slip in the prefix, what waits would go on waiting."""
    monkeypatch.setenv("NST_SCRATCH", str(exhibition.scratch))

    with pytest.raises(OutputError) as caught:
        drain(f"{exhibition.target}-x")

    assert caught.value.code == "E-OUT-MISSING"


def test_an_upload_of_a_folder_is_refused():
    """There is nowhere to bring it."""
    with pytest.raises(InputError, match="'out' is no bucket's address; say s3://bucket/prefix"):
        drain("out")


def test_a_store_that_is_mended_during_the_night_gets_everything(exhibition, line):
    """Who was refused once asks again when there is more to bring."""
    line.inject(Fault.ACCESS_DENIED, times=1, method="PUT", key="*/toy/*")

    _, drained = exhibition.paint()

    assert drained.waiting == ()
    assert exhibition.objects() == exhibition.files()


def test_a_store_that_refuses_does_not_stop_the_painting(exhibition, line):
    """Everything is painted; the answer is kept, and the pictures wait."""
    line.inject(Fault.ACCESS_DENIED, times=ALWAYS, method="PUT", key="*/toy/*")

    states, drained = exhibition.paint()

    assert set(states.values()) == {"complete"}
    assert len(drained.waiting) == 2
    assert isinstance(drained.stopped, RefusedError)


def test_what_nobody_thought_of_does_not_look_like_success(exhibition, monkeypatch, caplog):
    """Whatever ends the uploads, what is not in the bucket waits, and the log says why."""

    def burn(*_):
        raise LookupError("nobody thought of this")

    with exhibition.night() as (night, uploading):
        monkeypatch.setattr(night.output, "record_files", burn)
        threads.paint(night)
        until(lambda: "nobody thought of this" in caplog.text)
        monkeypatch.undo()
        drained = uploading.finish()

    assert len(drained.waiting) == 2
    assert drained.uploaded == ()


def away(line, monkeypatch):
    """Take the bucket away from all who have no patience."""
    line.inject(Fault.UNAVAILABLE, times=ALWAYS)
    monkeypatch.setattr(uploads, "_FIRST_SECONDS", 0.0)


def test_a_bucket_that_is_away_when_a_night_begins_delays_only_the_uploads(
    exhibition, line, monkeypatch, caplog
):
    """What this machine has painted is known, so new pairs are painted, and go when they can."""
    exhibition.paint()
    draw(exhibition.collection.content("eel"))
    away(line, monkeypatch)
    with exhibition.night() as (night, uploading):
        threads.paint(night)
        line.heal()
        drained = uploading.finish()

    states = {o.planned.pair.content_name: o.state for o in night.outcomes}
    assert states == {"cat": "kept", "dog": "kept", "eel": "complete"}
    assert "painting begins, and what is painted waits here" in caplog.text
    assert (len(drained.uploaded), drained.waiting) == (1, ())
    assert exhibition.objects() == exhibition.files()


def test_a_bucket_that_was_never_seen_is_waited_for(exhibition, line, monkeypatch, caplog):
    """Finished pictures may lie there, and none is painted twice."""
    exhibition.paint()
    shutil.rmtree(exhibition.root)
    away(line, monkeypatch)
    with ThreadPoolExecutor(1) as thread:
        night = thread.submit(exhibition.paint)
        until(lambda: "nothing is painted before it answers" in caplog.text)
        line.heal()
        states, _ = night.result()

    assert set(states.values()) == {"kept"}


def test_who_comes_back_to_a_prefix_that_another_run_holds_uploads_nothing(
    exhibition, tmp_path, line, monkeypatch
):
    """The pictures wait here, and the page there stays the other's."""
    exhibition.paint()
    draw(exhibition.collection.content("eel"))
    with another_machine(exhibition, tmp_path / "other").night():
        away(line, monkeypatch)
        with exhibition.night() as (night, uploading):
            threads.paint(night)
            line.heal()
            line.seen.clear()
            drained = uploading.finish()
            (exhibition.root / "index.html").write_text("mine")
            uploading.pages()
            asked = {seen.method for seen in line.seen}

    assert isinstance(drained.stopped, OutputLockedError)
    assert len(drained.waiting) == 1
    assert asked == {"GET", "HEAD"}


def test_a_lease_does_not_outlive_a_start_that_failed(exhibition, tmp_path, monkeypatch):
    """A folder that cannot take what is in the bucket leaves the prefix to others."""
    exhibition.paint()
    shutil.rmtree(exhibition.root)
    exhibition.root.mkdir(parents=True)
    (exhibition.root / "toy").write_text("in the way of the collection's folder")
    with pytest.raises(NotWritableError), exhibition.night():
        pass

    states, _ = another_machine(exhibition, tmp_path / "other").paint()

    assert set(states.values()) == {"kept"}
