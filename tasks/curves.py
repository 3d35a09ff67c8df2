"""Loss logs, thinned to what a chart can show."""

from __future__ import annotations

import csv
import math
from typing import Any

POINTS = 48
_NO_TERMS = {"step", "octave", "width", "height", "seconds"}


def curves(log: bytes, *, points: int = POINTS) -> dict[str, Any] | None:
    """Return the curves of a ``.losses.csv``, or None where there is nothing to draw.

    Args:
        log: The file's bytes; lines that are damaged are passed over.
        points: About how many steps to keep; the ends of every octave are kept in any case.

    Returns:
        ``steps``; ``octaves``, the first step of each; ``series``, from name to one number per
        step or None where it was not finite, ``total`` first.
    """
    lines = log.decode(errors="replace").splitlines()
    rows = [row for row in csv.DictReader(lines, quoting=csv.QUOTE_NONE) if _whole(row)]
    if len(rows) < 2:  # noqa: PLR2004  a line has two ends
        return None
    starts = [0] + [
        i for i in range(1, len(rows)) if rows[i].get("octave") != rows[i - 1].get("octave")
    ]
    ends = {0, len(rows) - 1, *starts, *(start - 1 for start in starts[1:])}
    stride = max(1, math.ceil(len(rows) / points))
    kept = [rows[i] for i in sorted(ends | set(range(0, len(rows), stride)))]
    names = [name for name in rows[0] if name not in _NO_TERMS]
    return {
        "steps": [int(float(row["step"])) for row in kept],
        "octaves": [int(float(rows[i]["step"])) for i in starts],
        "series": {name: [_number(row[name]) for row in kept] for name in names},
    }


def _whole(row: dict[str | Any, str | Any]) -> bool:
    """Return whether a row has every column, and a step."""
    return None not in row and None not in row.values() and _number(row.get("step", "")) is not None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return float(f"{value:.4g}") if math.isfinite(value) else None
