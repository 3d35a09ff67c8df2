"""Jobs that fail, die or are stuck cost themselves alone."""

import os
import signal
import threading

import pytest

from tasks.jobs import JobError, SlotDied, SlotStalled, SlotUnusable
from tests.tasks.slot_jobs import Heard, begin, is_gone
from tests.waiting import until

# Errors


def test_an_error_of_ours_keeps_kind_code_and_remedy(make_pool):
    """An NSTError crosses with all that decides what is done about it."""
    with pytest.raises(JobError) as caught:
        make_pool().run({"do": "diverge"})

    error = caught.value
    assert (error.kind, error.code, error.remedy) == ("diverged", "E-TOY", "lower the rate")
    assert error.message == "loss became NaN in step 41"


def test_an_error_keeps_its_traceback(make_pool):
    """The line of the job that failed can be read in the flow."""
    with pytest.raises(JobError) as caught:
        make_pool().run({"do": "diverge"})

    assert "raise DivergedError" in caught.value.details


def test_an_error_knows_the_last_event(make_pool):
    """The error says how far the job had come."""
    with pytest.raises(JobError) as caught:
        make_pool().run({"do": "diverge"})

    assert caught.value.progress == {"step": 41}


def test_an_unexpected_error_is_a_bug(make_pool):
    """An exception nobody foresaw is of kind bug and keeps its traceback."""
    with pytest.raises(JobError, match="ZeroDivisionError: division by zero") as caught:
        make_pool().run({"do": "divide"})

    assert (caught.value.kind, caught.value.code) == ("bug", "E-BUG")
    assert "1 / 0" in caught.value.details


def test_a_failed_job_does_not_cost_the_worker(make_pool):
    """After an exception the same process goes on, with its caches."""
    pool = make_pool()
    before = pool.run({"do": "echo"})["pid"]
    with pytest.raises(JobError):
        pool.run({"do": "diverge"})

    assert pool.run({"do": "echo"})["pid"] == before


def test_running_out_of_memory_is_a_matter_of_resources(make_pool):
    """What torch's CPU allocator raises is of kind resource."""
    with pytest.raises(JobError) as caught:
        make_pool().run({"do": "run_out_of_memory"})

    assert caught.value.kind == "resource"


def test_a_worker_that_ran_out_of_memory_is_replaced(make_pool):
    """The next attempt starts in a process without the first one's fragments."""
    pool = make_pool()
    before = pool.run({"do": "echo"})["pid"]
    with pytest.raises(JobError):
        pool.run({"do": "run_out_of_memory"})

    assert pool.run({"do": "echo"})["pid"] != before


def test_a_result_that_cannot_travel_is_a_bug(make_pool):
    """A result that is no plain value fails its job, not the worker."""
    with pytest.raises(JobError, match="pickle") as caught:
        make_pool().run({"do": "return_nonsense"})

    assert caught.value.kind == "bug"


class Unreadable:
    """Can be pickled but not read back."""

    def __reduce__(self):
        """Return a call that fails."""
        return int, ("no number",)


def test_a_job_that_cannot_be_read_is_a_bug(make_pool):
    """A job that a worker cannot unpack fails at once, and costs nothing else."""
    with pytest.raises(JobError, match="no number") as caught:
        make_pool().run({"do": "echo", "what": Unreadable()})

    assert caught.value.kind == "bug"


def test_an_exception_of_the_listener_ends_the_job(make_pool):
    """A flow's thread that is interrupted in on_event leaves no job behind, and a usable slot."""
    pool = make_pool()
    before = pool.run({"do": "echo"})["pid"]

    def interrupt(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.run({"do": "paint"}, interrupt)

    assert is_gone(before)
    assert pool.run({"do": "echo"})["pid"] != before


# Deaths


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT", "SIGBUS"])
def test_a_worker_that_dies_fails_its_job_and_names_the_signal(make_pool, name):
    """Whatever ends the worker, the error says what, and after which step."""
    with pytest.raises(SlotDied, match=rf"ended by {name} \(octave 1, step 2\)") as caught:
        make_pool().run({"do": "die", "signal": name})

    assert (caught.value.kind, caught.value.progress) == ("crash", {"octave": 1, "step": 2})


def test_a_worker_that_segfaults_leaves_its_stack(make_pool):
    """The stack that faulthandler wrote comes with the error."""
    with pytest.raises(SlotDied) as caught:
        make_pool().run({"do": "die", "signal": "SIGSEGV"})

    assert "Segmentation fault" in caught.value.details
    assert "in die" in caught.value.details


def test_a_kill_hints_at_memory(make_pool):
    """Who kills with SIGKILL in the night is most often the kernel, short of memory."""
    with pytest.raises(SlotDied) as caught:
        make_pool().run({"do": "die", "signal": "SIGKILL"})

    assert "memory" in caught.value.remedy


def test_a_worker_that_exits_has_died(make_pool):
    """A job that ends its process is a crash too."""
    with pytest.raises(SlotDied, match="ended with status 7"):
        make_pool().run({"do": "leave"})


def test_a_job_that_crashed_once_succeeds_the_second_time(make_pool, tmp_path):
    """A fresh worker takes the dead one's place."""
    pool = make_pool()
    job = {"do": "die", "signal": "SIGSEGV", "once": str(tmp_path / "died")}
    with pytest.raises(SlotDied):
        pool.run(job)

    assert pool.run(job)["pid"] in pool.pids


def test_a_job_that_always_crashes_never_costs_the_slot(make_pool):
    """After three deaths the slot still serves others."""
    pool = make_pool()
    for _ in range(3):
        with pytest.raises(SlotDied):
            pool.run({"do": "die", "signal": "SIGSEGV"})

    assert pool.run({"do": "echo"})["pid"] in pool.pids


def test_a_dead_worker_costs_only_its_own_job(make_pool, threads):
    """One kill -9 in mid-job leaves the neighbour's job alone."""
    pool = make_pool(slots=2)
    victim = Heard()
    doomed = begin(threads, pool, victim, do="paint")
    neighbour = begin(threads, pool, do="breathe", pauses=[0.01] * 50)

    os.kill(victim.events[0]["pid"], signal.SIGKILL)

    assert isinstance(doomed.exception(60), SlotDied)
    assert neighbour.result(60) == {}


def test_a_worker_that_died_idle_costs_no_job(make_pool):
    """The kernel may take an idle worker; the next job finds a fresh one."""
    pool = make_pool()
    pid = pool.run({"do": "echo"})["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not pool.pids)

    assert pool.run({"do": "echo"})["pid"] != pid


def test_a_replacement_outlives_the_thread_that_needed_it(make_pool):
    """The kernel ties a worker to the thread that started it: no caller's thread may be that."""
    pool = make_pool()

    def crash():
        with pytest.raises(SlotDied):
            pool.run({"do": "die", "signal": "SIGKILL"})
        pool.run({"do": "echo"})

    thread = threading.Thread(target=crash)
    thread.start()
    thread.join()
    before = pool.pids

    assert pool.run({"do": "breathe", "pauses": [0.05] * 5}) == {}
    assert pool.pids == before


def test_a_worker_that_cannot_start_says_why(make_pool):
    """A broken installation is the environment's fault and is explained by the worker's log."""
    with pytest.raises(SlotUnusable, match="no attribute 'absent'") as caught:
        make_pool(entry="toy_jobs:absent").run({})

    assert caught.value.kind == "environment"


def test_warm_finds_a_worker_that_cannot_start(make_pool):
    """A broken installation is found before the first job."""
    with pytest.raises(SlotUnusable):
        make_pool(slots=2, entry="toy_jobs:absent").warm()


def test_a_worker_that_takes_too_long_to_start_is_unusable(make_pool, tmp_path):
    """An import that hangs does not hang the night."""
    (tmp_path / "slow_job.py").write_text("import time; time.sleep(600)")
    pool = make_pool(entry="slow_job:main", paths=[tmp_path], start_seconds=0.5)

    with pytest.raises(SlotUnusable, match="not ready after"):
        pool.run({})


# Stalls


@pytest.mark.parametrize("stuck", ["sleep_for_ever", "hold_the_interpreter"])
def test_a_stuck_job_is_killed_with_its_stacks(make_pool, stuck):
    """A silent job ends as a stall and shows where it hung, even in a C call that holds all."""
    pool = make_pool()

    with pytest.raises(SlotStalled, match="step 3") as caught:
        pool.run({"do": stuck}, stall_seconds=5.0)

    assert caught.value.kind == "stall"
    assert f"in {stuck}" in caught.value.details


def test_a_stuck_worker_is_replaced(make_pool):
    """The slot of a stuck job serves the next."""
    pool = make_pool()
    with pytest.raises(SlotStalled):
        pool.run({"do": "sleep_for_ever"}, stall_seconds=0.5)

    assert pool.run({"do": "echo"})["pid"] in pool.pids


def test_a_worker_that_was_halted_is_stuck(make_pool, threads):
    """A process that neither runs nor dies is noticed too."""
    pool = make_pool(stall_seconds=5.0)
    running = begin(threads, pool, do="paint")
    (pid,) = pool.pids

    os.kill(pid, signal.SIGSTOP)

    assert isinstance(running.exception(60), SlotStalled)
    assert is_gone(pid)


def test_a_slow_job_is_not_stuck(make_pool):
    """Each event renews the patience, though all silence together would exhaust it."""
    pool = make_pool(stall_seconds=4.0)

    assert pool.run({"do": "breathe", "pauses": [0] * 20 + [1.0] * 5}) == {}
