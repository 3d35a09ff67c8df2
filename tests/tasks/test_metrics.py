"""Counters that Prometheus can read."""

from __future__ import annotations

import re

import pytest

from tasks.metrics import write_metrics
from tasks.report import Report, ReportedPair

_SAMPLE = re.compile(r'[a-z_]+\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\} [0-9.]+')


def report(*states):
    """Return a run whose pairs ended like this, each painted in ten seconds."""
    pairs = [
        ReportedPair(
            pair_id=str(number),
            name="cat × monet",
            content="/cat.png",
            style=("/monet.png",),
            recipe="tiny",
            state=state,
            seconds=10.0,
        )
        for number, state in enumerate(states)
    ]
    return Report(collection="spring", pairs=pairs, seconds=30.0, command="nst run", waiting=2)


def samples(path):
    """Return the values by metric and labels, having looked at the form of every line."""
    lines = path.read_text().splitlines()
    assert all(line.startswith("# ") or _SAMPLE.fullmatch(line) for line in lines)
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


@pytest.fixture
def found(tmp_path):
    """The metrics of a run that painted two pairs of four."""
    write_metrics(tmp_path, report("complete", "complete", "kept", "failed"), now=1700000000.0)
    return samples(tmp_path / "metrics.prom")


@pytest.mark.parametrize(
    ("state", "count"), [("complete", "2"), ("kept", "1"), ("failed", "1"), ("left", "0")]
)
def test_each_state_is_counted(found, state, count):
    """None is missing, so that an alert can rely on it."""
    assert found[f'nst_pairs{{collection="spring",state="{state}"}}'] == count


def test_the_times_are_there(found):
    """Wall time, painting time, and the moment of the report."""
    names = ("nst_run_seconds", "nst_painting_seconds", "nst_reported_timestamp_seconds")
    values = [float(found[f'{name}{{collection="spring"}}']) for name in names]

    assert values == [30.0, 20.0, 1700000000.0]


def test_a_copy_goes_to_the_folder_that_is_watched(tmp_path):
    """One file for each collection, so that several may share the folder."""
    write_metrics(tmp_path / "out", report("kept"), folder=tmp_path / "textfile")

    copy = tmp_path / "textfile" / "nst_spring.prom"
    assert copy.read_text() == (tmp_path / "out" / "metrics.prom").read_text()
