"""A cluster that one does not have."""

from __future__ import annotations

import pytest

from flows.simulation import Job, simulate


def test_equal_jobs_divide_evenly():
    """Twelve jobs of ten seconds in four workers take thirty, and the start."""
    night = simulate([Job(10.0)] * 12, 4, start=5.0)

    assert (night.makespan, night.ideal, night.stragglers) == (35.0, 30.0, 0)


def test_a_long_job_at_the_end_straggles():
    """Three workers wait for the fourth."""
    night = simulate([*[Job(10.0)] * 11, Job(100.0)], 4, start=0.0)

    assert (night.makespan, night.stragglers) == (120.0, 1)
    assert night.busy == pytest.approx(210 / 480)


def test_the_longest_first_straggles_less():
    """The order decides how long the others wait."""
    jobs = [*[Job(10.0)] * 11, Job(100.0)]

    assert simulate(jobs[::-1], 4).makespan < simulate(jobs, 4).makespan


def test_a_worker_fetches_a_picture_once():
    """Two workers read the style twice in all, however many pairs they paint with it."""
    jobs = [Job(10.0, inputs=((f"photo-{n}", 100), ("style", 1000))) for n in range(6)]
    night = simulate(jobs, 2)

    assert night.read_bytes == 6 * 100 + 2 * 1000
    assert night.requests == 6 + 2 + 9 * 6


def test_fetching_takes_time():
    """A hundred bytes at ten a second are ten seconds."""
    assert simulate([Job(1.0, inputs=(("a", 100),))], 1, start=0.0, rate=10.0).makespan == 11.0


def test_more_workers_than_jobs_do_not_help():
    """The longest pair is the shortest night."""
    assert simulate([Job(7.0)], 64, start=0.0).makespan == 7.0


def test_nothing_to_paint_takes_no_time():
    """No worker is started for it."""
    night = simulate([], 8)

    assert (night.makespan, night.busy, night.requests) == (0.0, 0.0, 0)
