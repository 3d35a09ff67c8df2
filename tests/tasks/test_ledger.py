from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.durable import Disk
from tasks.ledger import Ledger
from tasks.output import Output
from tests.tasks.painted_pairs import painted


@pytest.fixture
def ledger(tmp_path):
    """Give a ledger that is not there yet."""
    return Ledger(tmp_path / "ledger.jsonl")


def names(ledger):
    """Return the events' names in order."""
    return [event["event"] for event in ledger.events()]


def test_no_ledger_tells_no_story(ledger):
    """A ledger that is not there has no events and no interrupted run."""
    assert list(ledger.events()) == []
    assert ledger.ended_cleanly()


def test_events_come_back_in_order(ledger):
    """What was noted is read, with its facts and its moment."""
    ledger.note("run_start", manifest="spring.yaml")
    ledger.note("run_end")

    first, second = ledger.events()

    assert (first["event"], first["manifest"], second["event"]) == (
        "run_start",
        "spring.yaml",
        "run_end",
    )
    assert first["at"].endswith("+00:00")


def test_an_event_is_one_line_whatever_it_says(ledger):
    """Line breaks and control characters in a fact do not break the ledger."""
    ledger.note("run_start", manifest="two\nlines\r\x1b[31m\u2028")

    assert ledger.path.read_bytes().count(b"\n") == 1
    assert [event["manifest"] for event in ledger.events()] == ["two\nlines\r\x1b[31m\u2028"]


def test_a_run_without_an_end_ended_uncleanly(ledger):
    """Pair events in between do not hide that the last run was killed."""
    ledger.note("run_start")
    ledger.note("run_end")
    ledger.note("run_start")
    ledger.note("pair_publish")

    assert not ledger.ended_cleanly()


def test_what_was_published_is_known_at_once(ledger):
    """By name and bytes, whoever of this product wrote it, however often one asks."""
    assert not ledger.has_published("spring/a.png", "1" * 64)
    ledger.note("pair_publish", files={"spring/a.png": "1" * 64})
    assert ledger.has_published("spring/a.png", "1" * 64)
    Ledger(ledger.path).note("pair_publish", files={"spring/a.png": "2" * 64})

    assert ledger.has_published("spring/a.png", "1" * 64)
    assert ledger.has_published("spring/a.png", "2" * 64)
    assert not ledger.has_published("spring/b.png", "2" * 64)


def test_foreign_lines_are_passed_over(ledger):
    """A torn line in the middle, rubbish and bare values are no events."""
    ledger.note("run_start")
    with ledger.path.open("ab") as file:
        file.write(b'{"event": "pai\n\xff\xfe\n[1]\n7\n\n')
    ledger.note("run_end")

    assert names(ledger) == ["run_start", "run_end"]


def test_lines_of_many_threads_do_not_mix(ledger):
    """Every event of eight threads is read whole."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: ledger.note("pair_done", number=n), range(200)))

    assert sorted(event["number"] for event in ledger.events()) == list(range(200))


def test_a_pairs_line_is_short_enough_to_be_written_in_one_piece(tmp_path):
    """Even the longest names leave a line below 4 KB."""
    pair = painted(1)
    stem = "x" * 60 + "--" + "y" * 60 + "--" + "z" * 60 + "--" + pair.painting.pair_id[:10]
    output = Output(tmp_path)

    painted(1, stem=stem, collection="c" * 60).publish(output)

    assert max(map(len, output.ledger.path.read_bytes().splitlines())) < 4096


def test_the_ledger_cut_at_every_byte_is_read_healed_and_rebuilt(tmp_path):
    """At whatever byte a crash cuts it: reading works, appending heals, no picture is lost."""
    output = Output(tmp_path)
    output.ledger.note("run_start", manifest="spring.yaml")
    finished = {painted(n).publish(output).pair_id for n in range(2)}
    whole = output.ledger.path.read_bytes()
    events = [json.loads(line) for line in whole.splitlines()]
    disk = Disk()
    disk.fsync = disk.fsync_dir = lambda _: None  # 2,000 appends need not survive a power cut
    cut = Ledger(tmp_path / "cut.jsonl", disk=disk)

    for length in range(len(whole) + 1):
        cut.path.write_bytes(whole[:length])
        complete = whole[:length].count(b"\n")
        # A line that lacks nothing but its line break is as good as whole.
        complete += whole[length : length + 1] == b"\n"
        assert list(cut.events()) == events[:complete]

        cut.note("run_end")
        assert list(cut.events())[:-1] == events[:complete]
        assert names(cut)[-1] == "run_end"

    output.ledger.path.write_bytes(whole[: len(whole) // 2])
    output.ledger.rebuild(output.records())
    done = {event["pair_id"] for event in output.ledger.events()}
    assert done == {record.pair_id for record in Output(tmp_path).records()} == finished
