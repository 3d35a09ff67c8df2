from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from flows.deadlines import DeadlineError, deadline, seconds_until

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600


@pytest.fixture(autouse=True)
def machine_in_berlin(monkeypatch):
    """Have this machine's clock show Berlin's time, which changes twice a year."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


def at(text, zone=BERLIN):
    """Return a moment in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def test_a_time_later_today_is_today():
    """07:00 said at half past six is in half an hour."""
    assert seconds_until("07:00", now=at("2026-11-21T06:30")) == HOUR / 2


def test_a_time_that_has_passed_is_tomorrow():
    """07:00 said at ten in the evening is in nine hours."""
    assert seconds_until("07:00", now=at("2026-11-21T22:00")) == 9 * HOUR


def test_now_is_in_a_day():
    """The present minute does not end a night that has just begun."""
    assert seconds_until("07:00", now=at("2026-11-21T07:00")) == 24 * HOUR


def test_a_time_zone_of_its_own_counts():
    """07:00 in Berlin is 06:00 in London."""
    now = at("2026-11-21T05:00", ZoneInfo("Europe/London"))

    assert seconds_until("07:00 Europe/Berlin", now=now) == HOUR


def test_a_time_without_a_zone_is_this_machines():
    """Prefect tells in UTC when a night should begin; 07:00 is meant by the clock on the wall."""
    assert seconds_until("07:00", now=at("2026-07-01T20:00", UTC)) == 9 * HOUR


@pytest.mark.parametrize("zone", ["", " Europe/Berlin"])
@pytest.mark.parametrize(
    ("evening", "hours"), [("2026-10-24T22:00", 10), ("2027-03-27T22:00", 8)], ids=["back", "forth"]
)
def test_a_night_in_which_clocks_change_ends_at_the_right_hour(evening, hours, zone):
    """The time of day counts, not twenty-four hours."""
    now = datetime.fromtimestamp(at(evening).timestamp()).astimezone()  # knows its offset alone

    assert seconds_until(f"07:00{zone}", now=now) == hours * HOUR


def test_a_time_that_comes_twice_is_the_first():
    """When clocks are set back, 02:30 ends the night the first time round."""
    assert seconds_until("02:30", now=at("2026-10-24T22:00")) == 4.5 * HOUR


def test_a_time_that_is_skipped_is_as_late_as_clocks_say():
    """When clocks are set forth over 02:30, the night ends at 03:30, half an hour after 02:00."""
    assert seconds_until("02:30", now=at("2027-03-27T22:00")) == 4.5 * HOUR


@pytest.mark.parametrize("text", ["7:00", "07:00", " 07:00 "])
def test_times_are_read_as_people_write_them(text):
    """With and without a leading nought, with blanks around."""
    assert seconds_until(text, now=at("2026-11-21T06:00")) == HOUR


@pytest.mark.parametrize("text", ["", "7", "24:00", "07:60", "7 am", "07:00:00", "soon"])
def test_what_is_no_time_of_day_is_refused(text):
    """The error says what would be right."""
    with pytest.raises(DeadlineError, match="write 07:00 or 07:00 Europe/Berlin") as caught:
        seconds_until(text)

    assert (caught.value.code, caught.value.kind) == ("E-DEADLINE", "input")


@pytest.mark.parametrize("zone", ["Europe/Berlinn", "/etc/passwd", "Europe", "am"])
def test_what_is_no_time_zone_is_refused(zone):
    """The error names it, and no path is opened for it."""
    with pytest.raises(DeadlineError, match="there is no time zone"):
        seconds_until(f"07:00 {zone}")


def test_without_any_deadline_there_is_none():
    """A night may last for ever."""
    assert deadline([None, ""]) == math.inf


def test_hours_count_from_now():
    """--max-hours is a duration."""
    before = time.monotonic()

    end = deadline([], 1.5)

    assert before + 1.5 * HOUR <= end <= time.monotonic() + 1.5 * HOUR


def test_no_time_at_all_is_now():
    """--max-hours 0 paints nothing."""
    assert deadline([None], 0) <= time.monotonic()


def test_the_earliest_of_several_counts():
    """Command line and manifest may both say when; hours as well."""
    soon = (datetime.now().astimezone() + timedelta(hours=2)).strftime("%H:%M")
    later = (datetime.now().astimezone() + timedelta(hours=5)).strftime("%H:%M")

    end = deadline([later, soon], 8) - time.monotonic()

    assert HOUR < end <= 2 * HOUR


def test_a_night_that_begins_late_ends_no_later():
    """07:00 after an evening that is long past is over, not tomorrow's."""
    evening = datetime.now().astimezone() - timedelta(hours=30)
    an_hour_later = (evening + timedelta(hours=1)).strftime("%H:%M")

    assert deadline([an_hour_later], since=evening) < time.monotonic()
    assert deadline([], 8.0, since=evening) < time.monotonic()


@pytest.mark.parametrize(
    ("fold", "text", "minutes"),
    [(1, "02:50", 5), (0, "02:50", 5), (0, "02:30", 45), (1, "02:30", 24 * 60 - 15)],
)
def test_in_the_hour_that_comes_twice_a_time_is_the_next_one(fold, text, minutes):
    """It had been reckoned from the first time round, and was over before the run began."""
    now = datetime(2026, 10, 25, 2, 45, fold=fold, tzinfo=ZoneInfo("Europe/Berlin"))

    assert seconds_until(f"{text} Europe/Berlin", now=now) == minutes * 60
