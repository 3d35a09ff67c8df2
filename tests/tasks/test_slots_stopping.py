"""Slots that are told to stop, or whose time is up, let their jobs save."""

import os
import signal
import threading
import time

import pytest

from tasks.jobs import Stopped
from tests.tasks.slot_jobs import begin, is_gone
from tests.waiting import until

# Stopping


def test_stop_lets_jobs_save(make_pool, threads, tmp_path):
    """A stopped job saves at its next step and leaves; run raises Stopped with its words."""
    pool = make_pool()
    running = begin(threads, pool, do="paint", saved=str(tmp_path / "saved"))

    pool.stop(10)

    error = running.exception(60)
    assert isinstance(error, Stopped)
    assert str(error) == f"saved at step {(tmp_path / 'saved').read_text()}"


def test_stop_kills_after_the_grace(make_pool, threads):
    """A job that does not listen is ended, as stopped and not as failed."""
    pool = make_pool(slots=2)
    deaf = begin(threads, pool, do="ignore_stop")
    stuck = begin(threads, pool, do="hold_the_interpreter")
    pids = pool.pids

    begun = time.monotonic()
    pool.stop(0.5)
    seconds = time.monotonic() - begun

    assert seconds < 30  # and not for ever
    assert isinstance(deaf.exception(60), Stopped)
    assert isinstance(stuck.exception(60), Stopped)
    assert all(map(is_gone, pids))


def test_stop_ends_idle_workers_at_once(make_pool):
    """Nothing to wait for is not waited for."""
    pool = make_pool(slots=2)
    pool.warm()
    pids = pool.pids

    begun = time.monotonic()
    pool.stop(300)

    assert time.monotonic() - begun < 60
    assert all(map(is_gone, pids))


def test_a_second_stop_kills_at_once(make_pool, threads):
    """Whoever insists is obeyed, also by the first stop, which was still waiting."""
    pool = make_pool()
    running = begin(threads, pool, do="ignore_stop")
    first = threads.submit(pool.stop, 60)
    until(lambda: pool._is_stopping)

    pool.stop(60)

    first.result(60)
    assert isinstance(running.exception(60), Stopped)


def test_a_second_stop_may_come_from_a_signal_handler(make_pool, threads):
    """Ctrl-C twice: the handler interrupts the very stop that waits, and does not block."""
    pool = make_pool()
    running = begin(threads, pool, do="ignore_stop")
    previous = signal.signal(signal.SIGUSR2, lambda *_: pool.stop())
    try:
        insisting = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR2))
        insisting.start()
        pool.stop(60)
        insisting.join()
    finally:
        signal.signal(signal.SIGUSR2, previous)

    assert isinstance(running.exception(60), Stopped)


def test_stopping_twice_changes_nothing(make_pool):
    """A stopped pool can be stopped again."""
    pool = make_pool()
    pool.stop()

    pool.stop()

    assert pool.pids == []


def test_a_stopped_pool_takes_no_jobs(make_pool):
    """A flow's thread that comes late is told so."""
    pool = make_pool()
    pool.stop()

    with pytest.raises(Stopped):
        pool.run({"do": "echo"})


def test_who_waits_for_a_slot_is_told_of_the_stop(make_pool, threads):
    """A job that has not begun is left at once, while those that have still have their grace."""
    pool = make_pool()
    running = begin(threads, pool, do="ignore_stop")
    waiting = threads.submit(pool.run, {"do": "echo"})
    until(waiting.running)

    threads.submit(pool.stop, 60)

    assert isinstance(waiting.exception(60), Stopped)
    assert not running.done()
    pool.stop()


def test_a_pool_can_be_stopped_before_it_is_warm(make_pool):
    """Workers that are still starting leave, too."""
    pool = make_pool(slots=4)

    pool.stop(10)

    assert pool.pids == []


def test_leaving_the_block_stops_the_workers(make_pool):
    """A pool is a context manager."""
    with make_pool() as pool:
        pool.warm()
        pids = pool.pids

    assert all(map(is_gone, pids))


def test_leaving_the_block_waits_for_a_stop_in_progress(make_pool, threads):
    """The end of the block does not count as insisting: jobs keep their grace."""
    with make_pool() as pool:
        running = begin(threads, pool, do="paint")
        stopping = threads.submit(pool.stop, 10)
        until(lambda: pool._is_stopping)

    assert stopping.done() or stopping.result(1) is None
    assert str(running.exception(60)).startswith("saved at step")


def test_the_terminals_interrupt_does_not_reach_a_job(make_pool, threads):
    """Ctrl-C goes to the whole group; the parent alone decides what it means."""
    pool = make_pool()
    running = begin(threads, pool, do="breathe", pauses=[0.01] * 50)

    os.kill(pool.pids[0], signal.SIGINT)

    assert running.result(60) == {}


def test_sigterm_to_a_worker_lets_its_job_save(make_pool, threads):
    """A service manager signals every process; a worker then saves, and is replaced."""
    pool = make_pool()
    running = begin(threads, pool, do="paint")
    (pid,) = pool.pids

    os.kill(pid, signal.SIGTERM)

    assert str(running.exception(60)).startswith("saved at step")
    assert pool.run({"do": "echo"})["pid"] != pid


# Deadlines


def test_a_job_saves_at_its_deadline(make_pool):
    """The deadline is a wish first: the job saves and leaves."""
    with pytest.raises(Stopped, match="saved at step"):
        make_pool().run({"do": "paint"}, deadline=time.monotonic() + 0.7)


def test_a_deaf_job_is_killed_after_deadline_and_grace(make_pool):
    """Then it is an order."""
    pool = make_pool(grace=0.5)
    pool.warm()

    begun = time.monotonic()
    with pytest.raises(Stopped, match="past its grace"):
        pool.run({"do": "ignore_stop"}, deadline=begun + 1.0)

    assert time.monotonic() - begun < 60


def test_a_slot_serves_again_after_a_deadline(make_pool):
    """A deadline ends a job, not a slot."""
    pool = make_pool()
    with pytest.raises(Stopped):
        pool.run({"do": "paint"}, deadline=time.monotonic() + 0.5)

    assert pool.run({"do": "echo"})["pid"] in pool.pids


def test_a_job_that_would_start_after_its_deadline_does_not(make_pool, threads):
    """Waiting for a slot counts."""
    pool = make_pool()
    begin(threads, pool, do="paint")

    with pytest.raises(Stopped):
        pool.run({"do": "echo"}, deadline=time.monotonic() + 0.2)
    pool.stop()
