"""Nights that could not begin when they should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from flows.lateness import is_missed, missed

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
GRACE = timedelta(hours=1)


def runs(*hours_ago):
    """Return scheduled runs that should have begun so many hours ago."""
    return [SimpleNamespace(expected_start_time=NOW - timedelta(hours=ago)) for ago in hours_ago]


def test_a_night_within_its_grace_is_not_missed():
    """A minute late is late, and still the night that was scheduled."""
    assert not is_missed(NOW - timedelta(minutes=1), now=NOW, grace=GRACE)


def test_a_night_beyond_its_grace_is_missed():
    """Two hours late is another day's work."""
    assert is_missed(NOW - timedelta(hours=2), now=NOW, grace=GRACE)


def test_an_outage_of_five_runs_leaves_none_to_catch_up_with():
    """All five are too late: nothing piles up."""
    five = runs(2, 3, 4, 5, 6)

    assert set(map(id, missed(five, now=NOW, grace=GRACE))) == set(map(id, five))


def test_of_several_runs_within_grace_only_the_latest_is_run():
    """They paint the same collection: once is enough."""
    oldest, middle, latest = runs(0.9, 0.5, 0.1)

    assert missed([middle, latest, oldest], now=NOW, grace=GRACE) == [oldest, middle]


def test_runs_to_come_are_left_alone():
    """What is scheduled for tonight is no outage's matter."""
    assert missed(runs(-1, -25), now=NOW, grace=GRACE) == []


def test_a_run_without_a_time_is_left_alone():
    """A person may have asked for it."""
    assert missed([SimpleNamespace(expected_start_time=None)], now=NOW, grace=GRACE) == []
