"""Words for people: text from elsewhere made safe to print, numbers of things, spans of time."""

from __future__ import annotations

import re

# What a terminal, a log or a file name must never get raw: control characters, line separators,
# marks that turn the direction of writing, half characters. What joins letters stays.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def is_printable(text: str) -> bool:
    """Tell whether a text is one line without control characters or marks of direction."""
    return _UNPRINTABLE.search(text) is None


def printable(text: str) -> str:
    r"""Return a text on one line, with all that is not printable written out, as in ``\x1b``."""
    return _UNPRINTABLE.sub(lambda match: repr(match[0])[1:-1], text)


def counted(number: int, thing: str) -> str:
    """Return a number of things: 1 pair, 2 pairs, 10,000 pairs."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def span(seconds: float) -> str:
    """Return a duration: 8 s, 3 min, 2 h 05."""
    if seconds < 99.5:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02}"  # noqa: PLR2004


def room(size: float) -> str:
    """Return a number of bytes on a disk: 4 kB, 0.3 MB, 1620.0 MB."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"  # noqa: PLR2004
