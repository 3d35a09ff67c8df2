"""The night's counters in Prometheus's text format, for whoever watches many machines.

``OUT/metrics.prom`` is written with every report. If ``NST_METRICS`` names a folder, that of
node_exporter's textfiles for example, a copy lies there under the collection's name.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from tasks.durable import OutputError, write_atomic
from tasks.report import STATES
from tasks.scratch import require_writable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tasks.report import Report
    from tasks.settings import Settings

_log = logging.getLogger(__name__)

FILE = "metrics.prom"


def require_metrics(settings: Settings) -> None:
    """Find out whether the folder that is to have a copy can be written.

    Raises:
        SettingsError: It cannot be.
    """
    if settings.metrics:
        require_writable(
            settings.metrics,
            "the folder for metrics",
            remedy="let NST_METRICS name a folder that you may write to",
        )


def write_metrics(
    root: Path, report: Report, *, folder: Path | None = None, now: float | None = None
) -> None:
    """Write the counters of a run, while it goes on and at its end.

    Args:
        root: The output.
        report: How the run stands.
        folder: For a second copy.
        now: Seconds since the epoch; by default the present moment.

    Raises:
        OutputError: They could not be written into the output.
    """
    text = "".join(f"{line}\n" for line in _lines(report, time.time() if now is None else now))
    write_atomic(root / FILE, text.encode())
    if folder is not None:
        try:
            write_atomic(folder / f"nst_{report.collection}.prom", text.encode())
        except OutputError as error:  # somebody else's folder costs no night
            _log.warning("no metrics for others: %s", error)


def _lines(report: Report, now: float) -> Iterator[str]:
    label = f'collection="{_escaped(report.collection)}"'
    yield from _head("nst_pairs", "Pairs of the last run, by what became of them.")
    for state in STATES:
        yield f'nst_pairs{{{label},state="{state}"}} {report.counts[state]}'
    painting = sum(pair.seconds for pair in report.pairs if pair.state == "complete")
    gauges = {
        "nst_run_seconds": ("Wall time of the last run.", report.seconds),
        "nst_painting_seconds": ("Time that slots painted in the last run.", painting),
        "nst_waiting_uploads": ("Finished pictures that are not uploaded yet.", report.waiting),
        "nst_reported_timestamp_seconds": ("When this was written, Unix time.", now),
    }
    for name, (meaning, value) in gauges.items():
        yield from _head(name, meaning)
        yield f"{name}{{{label}}} {value:.3f}"


def _head(name: str, meaning: str) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} gauge"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
