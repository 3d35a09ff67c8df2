from __future__ import annotations

import pytest

from manifests.wording import counted, printable, room, span


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Grüße, 北斎 👩‍🎨", "Grüße, 北斎 👩‍🎨"),
        ("a\x00b", r"a\x00b"),
        ("a\u202eb", r"a\u202eb"),
        ("a\x9bb", r"a\x9bb"),
        ("\ud800", r"\ud800"),
    ],
)
def test_only_what_is_not_printable_is_written_out(text, expected):
    """Every script stays as it is."""
    assert printable(text) == expected


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (8.4, "8 s"),
        (99, "99 s"),
        (100, "2 min"),
        (99 * 60, "99 min"),
        (125 * 60, "2 h 05"),
        (9 * 3600, "9 h 00"),
    ],
)
def test_durations_are_as_short_as_people_say_them(seconds, told):
    """Seconds, then minutes, then hours."""
    assert span(seconds) == told


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 pairs"), (1, "1 pair"), (2, "2 pairs"), (10_000, "10,000 pairs")]
)
def test_one_thing_is_no_plural(number, told):
    """A person reads it."""
    assert counted(number, "pair") == told


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 kB"), (4_096, "4 kB"), (250_000, "0.2 MB"), (1.62e9, "1620.0 MB")]
)
def test_small_files_take_room_too(size, said):
    """A full disk is not told as one that lacks 0.0 MB."""
    assert room(size) == said
