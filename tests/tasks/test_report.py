from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.finished import Finished
from tasks.output import Output
from tasks.records import Objective
from tasks.report import (
    COLUMNS,
    MAX_LINES,
    STATES,
    Report,
    ReportedPair,
    markdown,
    table,
    write_report,
)
from tests.tasks.toy_gallery import failed, gradient, hang, pair, publish

HOUR = 3600.0


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A night of 24 pairs: 23 painted, one failed."""
    return hang(tmp_path_factory.mktemp("night") / "out", frames=0)


def reported(output, *, state="complete", left=0, **changes):
    """Return the report of everything in an output, plus pairs that are left."""
    pairs = [
        ReportedPair(
            pair_id=record.pair_id,
            name=f"{record.content_name} × {record.style_name}",
            content=record.content,
            style=tuple(style.location for style in record.styles),
            recipe=record.recipe_name,
            state=state,
            finished=Finished.of(record),
            seconds=record.seconds,
        )
        for record in output.records()
    ]
    pairs += [failing(failure) for failure in output.failures()]
    pairs += [
        ReportedPair(
            pair_id=None, name="a × b", content=None, style=(), recipe="evening", state="left"
        )
        for _ in range(left)
    ]
    fields = {"collection": "spring-show", "seconds": HOUR, "command": "nst run spring.yaml"}
    return Report(**fields | {"pairs": pairs} | changes)


def failing(failure):
    """Return a failed pair."""
    return ReportedPair(
        pair_id=failure.pair_id,
        name=f"{failure.content_name} × {failure.style_name}",
        content=failure.content,
        style=failure.styles,
        recipe=failure.recipe_name,
        state="failed",
        failure=failure,
    )


def test_the_counts_add_up(night):
    """Every planned pair is in exactly one state."""
    summary = reported(night, left=5).summary()

    assert summary["planned"] == 29
    assert {state: summary[state] for state in STATES} == {
        "complete": 23,
        "kept": 0,
        "failed": 1,
        "left": 5,
    }


def test_a_summary_names_files_that_are_there(night):
    """Picture, losses and record of a finished pair are relative to the output."""
    for told in reported(night).summary()["pairs"]:
        if told["state"] == "complete":
            for role in ("picture", "losses", "record"):
                assert (night.root / told[role]).is_file()


def test_a_failed_pair_has_its_error_and_no_files(night):
    """What failed says why, and names no picture."""
    told = next(each for each in reported(night).summary()["pairs"] if each["state"] == "failed")

    assert told["error"] == "E-IMG-TRUNCATED: the end of the file is missing"
    assert told["picture"] is told["losses"] is told["record"] is None


def test_the_written_summary_is_the_returned_one(night):
    """`nst run --json` and summary.json are the same object."""
    summary = write_report(night, reported(night))

    assert summary == json.loads((night.root / "summary.json").read_text())


def test_the_report_tells_pace_and_how_to_continue(night):
    """Time per pair, throughput and the exact command stand in the report."""
    text = markdown(night, reported(night, left=5))

    assert "29 planned = 23 complete + 0 kept + 1 failed + 5 left." in text
    assert "12 s per pair in the middle" in text
    assert "23 pairs an hour" in text
    assert "    nst run spring.yaml" in text


def test_a_finished_night_needs_no_command(tmp_path):
    """Where nothing is left to do, nothing is said of continuing."""
    output = hang(tmp_path / "out", frames=0, failing=())

    assert "To continue" not in markdown(output, reported(output))


def test_what_failed_is_tried_again_by_a_command_that_does_so(night):
    """The plain command leaves alone what failed before."""
    text = markdown(night, reported(night))

    assert "To try again what failed" in text
    assert "    nst run spring.yaml --retry-failed" in text


def test_a_night_without_a_new_picture_says_so(night, tmp_path):
    """Without a new picture there is no time per pair."""
    output = hang(tmp_path / "out", frames=0, drafts=())

    assert "Nothing new was painted" in markdown(output, reported(output, state="kept"))
    assert "No picture was finished" in markdown(night, reported(night, state="left"))


def test_drafts_and_degraded_pictures_are_named(night):
    """What is not as good as it could be is named."""
    text = markdown(night, reported(night))

    assert "**Drafts, to be refined by the next run** (1): cat × Starry Night" in text
    assert "**Degraded** (1): cat × Woodcut: short history" in text


def test_failures_come_with_their_advice(night):
    """A failure's code, stage, message, remedy and pair stand on one line."""
    text = markdown(night, reported(night))

    assert (
        "- 1 × `E-IMG-TRUNCATED` in render: the end of the file is missing."
        " **Copy the photo again.** (harbour × The Scream)"
    ) in text


def test_what_is_left_for_a_reason_has_not_failed(night):
    """A bucket that is away, say: the report tells why, and names no file that is not there."""
    (failure,) = night.failures()
    waiting = replace(failing(failure), state="left")

    text = markdown(night, reported(night, pairs=[waiting]))

    assert "## Left" in text
    assert "- 1 × `E-IMG-TRUNCATED` in render, left: the end of the file is missing." in text
    assert "`failed/`" not in text


def test_a_question_is_no_sentence_with_a_stop(night):
    """As in: did you mean another name?"""
    (failure,) = night.failures()
    message = "no such photo; did you mean 'dog'?"
    asking = failure.model_copy(update={"message": message, "remedy": None})

    text = markdown(night, reported(night, pairs=[failing(asking)]))

    assert "did you mean 'dog'? (harbour" in text


def test_twins_are_found(tmp_path):
    """Two styles that gave the same picture are named together."""
    output = hang(tmp_path / "out", frames=0, failing=())
    twin = pair(99, ("cat", "/cat"), ("Twin", "/twin"))
    publish(output, twin, 201)

    assert "**Near-duplicates** (1): cat × The Scream = cat × Twin" in markdown(
        output, reported(output)
    )


def test_a_loss_out_of_line_is_found(tmp_path):
    """A picture whose loss fell far less than its set's is named, and no other."""
    output = Output(tmp_path / "out")
    for number, last in enumerate((0.20, 0.21, 0.19, 0.22, 0.20, 1.9)):
        labels = {"style_set": "dots"}
        objective = Objective(first=4.0, last=last)
        painting = pair(
            number, (f"photo {number}", "/p"), ("s", "/s"), labels=labels, objective=objective
        )
        publish(output, painting, number)

    text = markdown(output, reported(output))

    assert "**Loss out of line with its style set** (1): photo 5 × s (9.3 × the median)" in text


def test_waiting_uploads_are_told(night):
    """Pictures that are not in the bucket yet are counted, and there is a way to go on."""
    text = markdown(night, reported(night, waiting=4))

    assert "Not uploaded yet: 4 pictures." in text


messages = st.text(max_size=400)


@settings(max_examples=50, deadline=None)
@given(
    texts=st.lists(messages, min_size=1, max_size=40),
    codes=st.integers(min_value=1, max_value=40),
    notes=st.lists(messages, max_size=9),
)
def test_forty_lines_suffice(night, texts, codes, notes):
    """However much fails, with whatever texts, the report stays within 40 lines."""
    template = night.failures()[0]
    failures = [
        template.model_copy(update={"message": text, "remedy": text, "code": f"E-{number % codes}"})
        for number, text in enumerate(texts)
    ]
    report = reported(night, left=1, waiting=1, notes=notes)
    report = Report(
        collection=texts[0],
        pairs=[*report.pairs, *map(failing, failures)],
        seconds=1.0,
        command=texts[0],
        notes=notes,
    )

    assert len(markdown(night, report).splitlines()) <= MAX_LINES


def test_names_are_no_markup(night):
    """A name that is Markdown or HTML is shown as it is written."""
    failure = night.failures()[0].model_copy(update={"message": "<b>![x](http://e) | \x1b[2J"})
    report = reported(night, pairs=[failing(failure)])

    assert r"\<b\>\!\[x\](http://e) \| \\x1b\[2J" in markdown(night, report)


def test_the_table_has_every_record(night):
    """collection.csv reads back as one row for each record, under the promised columns."""
    rows = list(csv.DictReader(io.StringIO(table(night.records()))))

    assert list(rows[0]) == list(COLUMNS)
    assert [row["pair_id"] for row in rows] == [record.pair_id for record in night.records()]


def test_the_table_is_typed_and_flat(night):
    """Numbers are numbers, labels are columns, draft is 0 or 1."""
    row = next(csv.DictReader(io.StringIO(table(night.records()))))

    assert (int(row["width"]), float(row["first_loss"]), row["draft"]) == (48, 4.0, "0")
    assert (row["subject"], row["movement"]) == ("cat", "Expressionism")


def test_no_cell_is_a_formula(tmp_path):
    """A name that a spreadsheet would run is given an apostrophe."""
    output = Output(tmp_path / "out")
    publish(output, pair(1, ("=HYPERLINK(1)", "/p"), ("@s", "/s")), 1)

    row = next(csv.DictReader(io.StringIO(table(output.records()))))

    assert (row["content_name"], row["style_name"]) == ("'=HYPERLINK(1)", "'@s")


def test_a_failure_without_identity_is_reported(tmp_path):
    """A pair whose photo could not be read has no identity, and is counted all the same."""
    output = Output(tmp_path / "out")
    failure = failed(pair(1, ("cat", "/cat"), ("s", "/s")), stage="fetch")
    nameless = ReportedPair(
        pair_id=None,
        name="cat × s",
        content="/cat",
        style=("/s",),
        recipe="evening",
        state="failed",
        failure=failure,
    )

    summary = write_report(output, reported(output, pairs=[nameless]))

    assert (summary["planned"], summary["failed"], summary["pairs"][0]["pair_id"]) == (1, 1, None)


def test_toy_pictures_differ():
    """The fixture's pictures are no twins by accident."""
    assert len({gradient(seed) for seed in range(40)}) == 40
