from __future__ import annotations

import errno
import io
import os

import pytest
from rich.console import Console

from flows import threads
from flows.console import standard_error
from flows.display import LineDisplay, LiveDisplay, display
from tests.flows.toy_collection import draw


def progress(done, planned=100, **more):
    """Return a painter's event."""
    event = {"kind": "progress", "done": done, "planned": planned, "size": (768, 1024)}
    return event | {"total": 0.2941, "seconds": 1.0} | more


@pytest.fixture
def lines():
    """A display of plain lines, and what it has written."""
    stream = io.StringIO()
    display = LineDisplay(stream)
    return display, lambda: stream.getvalue().splitlines()


@pytest.fixture
def live():
    """A live display on a terminal of 80 columns; gives it, what it draws now, what it printed."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80, record=True)
    display = LiveDisplay(console)

    def drawn():
        paper = Console(file=io.StringIO(), width=80)
        paper.print(display._render())
        return paper.file.getvalue().splitlines()

    def printed():
        display._live.stop()
        return [line.strip() for line in console.export_text(clear=False).splitlines()]

    return display, drawn, printed


def planned_night(night):
    """Read and plan; return the pairs."""
    for location in night.locations:
        night.inputs.fetch(location)
    return night.plan()


# Plain lines


def test_lines_begin_before_anything_is_known(lines):
    """Within a second a person sees that something happens."""
    display, written = lines
    with display:
        assert written() == ["setting up: slots, Prefect, pictures"]


def test_a_line_is_written_in_one_piece():
    """Several pairs report at once, and none into the line of another."""
    written = []
    stream = io.StringIO()
    stream.write = written.append

    LineDisplay(stream).stopping()

    assert written == ["stopping: what is painted is being saved; once more ends it at once\n"]


def test_lines_that_cannot_be_written_end_nothing():
    """A night begins though its log's disk is full."""

    def refuse(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    stream = io.StringIO()
    stream.write = refuse

    with LineDisplay(stream) as display:
        display.stopping()


def test_lines_on_what_is_set_up_are_few(toy, lines):
    """Of a thousand pictures no log lists each."""
    display, written = lines
    with display, toy().night(guest=display) as night:
        for location in night.locations:
            night.inputs.fetch(location)

    assert written() == ["setting up: slots, Prefect, pictures"]


def test_lines_tell_now_and_then_what_is_set_up(toy, lines, monkeypatch):
    """Whoever reads the log of a slow start sees how far it is."""
    monkeypatch.setattr("flows.display._SECONDS_BETWEEN_LINES", 0)
    display, written = lines
    with toy().night(guest=display) as night:
        night.inputs.fetch(night.locations[0])

    assert written() == ["setting up: picture 1 of 3"]


def test_lines_tell_a_whole_night(toy, lines):
    """The plan, the beginning and the end of each pair, how many there are."""
    display, written = lines

    toy(contents=("cat",)).paint(guest=display)

    assert written() == [
        "toy: 1 pair, kept 0, 1 to paint in 1 slot",
        "cat × monet: reading",
        "complete cat × monet  8×6 px in 0 s (1 of 1)",
    ]


def test_lines_count_what_is_kept_and_do_not_list_it(toy, lines):
    """A morning with nothing to do is one line."""
    collection = toy()
    collection.paint()
    display, written = lines

    collection.paint(guest=display)

    assert written() == ["toy: 2 pairs, kept 2, 0 to paint in 1 slot"]


def test_lines_say_why_a_pair_failed_and_what_to_do(toy, lines):
    """Code, message and remedy in one line."""
    display, written = lines

    toy(contents=("diverges",)).paint(guest=display)

    assert written()[-1] == (
        "failed diverges × monet  E-DIVERGED-NAN: loss became NaN in step 1; lower its rate"
        " (1 of 1)"
    )


def test_lines_repeat_earlier_failures(toy, lines):
    """What is quarantined is told again, before the plan."""
    collection = toy(contents=("cat", "diverges"))
    collection.paint()
    display, written = lines

    collection.paint(guest=display)

    assert written() == [
        "failed diverges × monet  E-DIVERGED-NAN: loss became NaN in step 1; lower its rate",
        "toy: 2 pairs, kept 1, 0 to paint in 1 slot",
    ]


def test_lines_tell_why_a_pair_is_tried_again(toy, lines):
    """Whoever reads the log sees that a worker died, where, and that its pair goes on."""
    display, written = lines

    toy(contents=("faints",)).paint(guest=display)

    (told,) = [line for line in written() if line.endswith("; attempt 2 begins")]
    assert told.startswith(
        "faints × monet: the worker of slot cpu was ended by SIGKILL (done 1, planned 3)"
    )


def test_lines_tell_that_a_night_is_stopping(toy, lines):
    """After Ctrl-C it takes seconds until all is saved."""
    display, written = lines
    with toy().night(guest=display) as night:
        night.leave()

    assert written() == ["stopping: what is painted is being saved; once more ends it at once"]


def test_lines_are_few_however_fast_the_painter_reports(toy, lines):
    """A night's log stays readable: progress is told now and then."""
    display, written = lines
    with toy(contents=("cat",)).night() as night:
        (cat,) = planned_night(night)
        for done in range(100):
            display.event(cat, progress(done))

    assert written() == ["cat × monet: 1024×768 px, step 0 of 100, loss 0.2941"]


def test_lines_tell_sketches_now_and_then(toy, lines):
    """A log of a night does not list each of them."""
    display, written = lines
    with toy(contents=("cat",)).night() as night:
        (cat,) = planned_night(night)
        display.event(cat, {"kind": "stage", "stage": "reading"})
        for number in range(1, 4):
            display.event(cat, {"kind": "sketch", "number": number, "most": 5})

    assert written() == ["cat × monet: reading"]


def test_lines_stay_lines_whatever_a_picture_is_called(toy, lines):
    """Neither line breaks nor escape sequences of a file's name reach the terminal."""
    collection = toy(contents=())
    draw(collection.content("a\x1b[31m\nred"))
    display, written = lines

    collection.paint(guest=display)

    assert len(written()) == 3
    assert "\x1b" not in "".join(written())


def test_lines_tell_of_drafts(toy, lines):
    """Those who watch a log see what there is already."""
    display, written = lines

    toy(contents=("cat",), octaves={"smallest": 16, "size": 32}).paint(guest=display, draft=True)

    assert "cat × monet: draft is published" in written()


# The live table


def test_the_table_says_at_once_that_it_is_setting_up(live):
    """Before the plan is known there is something to see."""
    _, drawn, _ = live

    (row,) = (line.split() for line in drawn() if line.strip())
    assert row[:4] == ["setting", "up,", "0", "s"]
    assert row[-2:] == ["slots", "start"]


def test_the_table_tells_what_is_being_set_up(toy, live):
    """On a loaded machine it takes half a minute, and somebody watches."""
    display, drawn, _ = live
    with toy().night(guest=display) as night:
        night.inputs.fetch(night.locations[0])

        assert drawn()[0].endswith("picture 1 of 3")


def test_the_table_tells_that_no_slot_is_ready(toy, live):
    """Painters take their time to start, and the plan is known before."""
    display, drawn, _ = live
    with toy().night(guest=display) as night:
        planned_night(night)

        row = drawn()[0].split()
        assert row[0] == "waiting,"
        assert row[-2:] == ["slots", "start"]


def test_a_bar_moves_where_nobody_knows_how_long_it_takes(toy, live):
    """A sketch takes seconds, or a minute."""
    display, _, _ = live
    with toy(contents=("cat",)).night(guest=display) as night:
        (cat,) = planned_night(night)
        display.event(cat, {"kind": "sketch", "number": 1, "most": 5})

        (table, _) = display._render().renderables
        (bar,) = table.columns[1].cells
        assert bar.total is None


def test_the_table_fits_80_columns(toy, live):
    """Name, bar, size and loss of each pair, then the whole night: nothing is cut off."""
    display, drawn, _ = live
    with toy().night(guest=display) as night:
        cat, dog = planned_night(night)
        display.event(cat, progress(50))
        display.event(dog, progress(25, size=(3072, 4096), total=1.234e10))

    first, second, overall = drawn()
    assert max(map(len, (first, second, overall))) <= 78  # and ^C
    assert first.split()[:3] == ["cat", "×", "monet"]
    assert first.endswith("1024×768 px  loss 0.294")
    assert second.endswith("4096×3072 px  loss 1.23e+10")
    assert overall.split()[:4] == ["toy", "0", "of", "2"]
    assert overall.endswith(" left")


def test_the_table_tells_that_a_night_is_stopping(toy, live):
    """Who sees nothing happen presses Ctrl-C again, and loses what was not saved."""
    display, drawn, _ = live
    with toy().night(guest=display) as night:
        planned_night(night)
        night.leave()

    assert drawn()[-2].strip().startswith("stopping: what is painted is being saved")
    assert max(map(len, drawn())) <= 80


def test_the_table_shortens_long_names(toy, live):
    """A name that does not fit ends in an ellipsis; the figures stay in their place."""
    display, drawn, _ = live
    with toy(contents=("a-very-long-name-" * 6,)).night(guest=display) as night:
        (pair,) = planned_night(night)
        display.event(pair, progress(50))

    row = drawn()[0]
    assert "…" in row
    assert row.endswith("1024×768 px  loss 0.294")
    assert len(row) <= 80


def test_the_table_tells_what_a_pair_waits_for(toy, live):
    """Before its first step a pair shows its stage."""
    display, drawn, _ = live
    with toy(contents=("cat",)).night(guest=display) as night:
        (cat,) = planned_night(night)
        display.event(cat, {"kind": "stage", "stage": "reading"})

    assert drawn()[0].endswith("reading")


def test_the_table_counts_sketches(toy, live):
    """They come before the first step, and nobody knows beforehand how many it takes."""
    display, drawn, _ = live
    with toy(contents=("cat",)).night(guest=display) as night:
        (cat,) = planned_night(night)
        display.event(cat, {"kind": "sketch", "number": 2, "most": 5})

    assert drawn()[0].endswith("sketch 2 of at most 5")


def test_the_table_is_no_taller_than_the_terminal(toy, live):
    """On a machine of many slots its last row, how far the night is, stays in sight."""
    display, drawn, _ = live
    display._console.height = 6
    with toy(contents=("cat", "dog", "fox", "owl")).night(guest=display) as night:
        for planned in planned_night(night):
            display.event(planned, progress(50))
        display.stopping()

    rows = [line.strip() for line in drawn()]
    assert [row.split()[0] for row in rows] == ["cat", "dog", "and", "stopping:", "toy"]
    assert rows[2] == "and 2 more"


def test_the_table_is_drawn_on_the_console_of_the_log(monkeypatch):
    """So that a warning stands above it, and not in it."""
    console = Console(file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr("flows.display.standard_error", lambda: console)

    assert display()._live.console is console
    assert standard_error() is standard_error()


def test_finished_pairs_leave_the_table_and_stay_in_the_terminal(toy, live):
    """Each end is one line above the table."""
    display, drawn, printed = live

    toy(contents=("cat", "diverges")).paint(guest=display)

    assert [line.split()[0] for line in drawn() if line.strip()] == ["toy"]
    assert "✓ cat × monet  8×6 px in 0 s" in printed()
    assert any(line.startswith("✗ diverges × monet  E-DIVERGED-NAN") for line in printed())


def test_drafts_leave_the_table(toy, live):
    """Hundreds of them would push the last row out of sight; each is a line above the table."""
    display, drawn, printed = live
    collection = toy(octaves={"smallest": 16, "size": 32})
    with collection.night(guest=display, draft=True) as night:
        cat, dog = planned_night(night)
        display.event(cat, progress(50))
        display.event(cat, {"kind": "draft"})
        display.event(dog, progress(50))

    assert [line.split()[0] for line in drawn() if line.strip()] == ["dog", "toy"]
    assert "~ cat × monet  draft" in printed()


def test_the_table_counts_failures(toy, live):
    """What needs a person's eye is in the last row."""
    display, drawn, _ = live

    toy(contents=("cat", "diverges")).paint(guest=display)

    assert "toy  2 of 2, 1 failed" in drawn()[-1]


def test_the_table_tells_what_earlier_runs_have_finished(toy, live):
    """Once, not pair by pair."""
    collection = toy()
    collection.paint()
    display, _, printed = live

    collection.paint(guest=display)

    assert printed() == ["= kept 2, finished in earlier runs"]


def test_what_is_kept_is_told_once_though_a_night_is_planned_again(toy, live):
    """As it is when pictures come late."""
    collection = toy()
    collection.paint()
    display, _, printed = live

    with collection.night(guest=display) as night:
        planned_night(night)
        night.plan()

    assert printed() == ["= kept 2, finished in earlier runs"]


def test_names_are_no_markup(toy, live):
    """Square brackets in a name are shown as they are."""
    display, drawn, printed = live
    with toy(contents=("[red]cat",)).night(guest=display) as night:
        (cat,) = planned_night(night)
        display.event(cat, progress(50))
        assert "[red]cat" in drawn()[0]
        threads.paint(night)

    assert any(line.startswith("✓ [red]cat × monet") for line in printed())


# Which of the two


def test_a_pipe_gets_lines():
    """Standard error is no terminal here."""
    assert isinstance(display(), LineDisplay)


def test_a_terminal_gets_the_table(monkeypatch):
    """Unless lines are asked for."""
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert isinstance(display(), LiveDisplay)
    assert isinstance(display(quiet=True), LineDisplay)
