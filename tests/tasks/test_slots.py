import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tasks.devices import SlotSpec
from tasks.jobs import JobError, SlotDied, SlotStalled, SlotUnusable, Stopped
from tasks.slots import SlotPool
from tests.waiting import until

TOYS = Path(__file__).parent


def is_gone(pid):
    """Tell whether a process has ended, reaped or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def threads():
    """Threads in the flow's place."""
    with ThreadPoolExecutor(8) as executor:
        yield executor


@pytest.fixture
def make_pool(tmp_path, threads):
    """Make pools of toy slots; at the end they are stopped, and only then the threads joined."""
    pools = []

    def make(slots=1, entry="toy_jobs:main", cores=0, **options):
        specs = [SlotSpec(f"cpu-{index}", "cpu", 1, cores=cores) for index in range(slots)]
        options = {"grace": 2.0, "paths": [TOYS], "logs": tmp_path / "logs"} | options
        pool = SlotPool(specs, entry, **options)
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.stop(0)


class Heard:
    """Collects events, and tells when there are some."""

    def __init__(self):
        self.events = []

    def __call__(self, event):
        """Take one event."""
        self.events.append(event)


def begin(threads, pool, heard=None, **job):
    """Run a job in another thread and return once it has told something."""
    heard = heard or Heard()
    running = threads.submit(pool.run, job, heard)
    until(lambda: heard.events or running.done())
    return running


# What a job gets and gives


def test_a_result_comes_back(make_pool):
    """What the job returns, run returns."""
    result = make_pool().run({"do": "echo", "number": 7})

    assert result["job"]["number"] == 7


def test_events_arrive_in_order(make_pool):
    """Every event reaches the caller, in the order of emission."""
    heard = Heard()

    make_pool().run({"do": "count", "steps": 500}, heard)

    assert [event["step"] for event in heard.events] == list(range(500))


def test_a_job_runs_in_another_process(make_pool):
    """A job never runs in the flow's process."""
    pid = make_pool().run({"do": "echo"})["pid"]

    assert pid != os.getpid()


def test_a_worker_is_kept(make_pool):
    """One process serves one job after the other, so that its caches pay."""
    pool = make_pool()

    pids = {pool.run({"do": "echo"})["pid"] for _ in range(5)}

    assert len(pids) == 1


def test_a_job_learns_its_device(make_pool):
    """The job is told the device to name to torch."""
    assert make_pool().run({"do": "echo"})["job"]["device"] == "cpu"


def test_the_environment_is_set_before_torch_is_imported(make_pool):
    """A worker is born with its card hidden and its threads counted, and without torch."""
    pool = make_pool()

    environ = pool.run({"do": "echo"})["environ"]

    assert (environ["CUDA_VISIBLE_DEVICES"], environ["OMP_NUM_THREADS"]) == ("", "1")
    assert "torch" not in pool.run({"do": "modules"})["modules"]


def test_torch_uses_the_threads_of_the_slot(make_pool):
    """A single-threaded slot has single-threaded torch."""
    assert make_pool().run({"do": "threads"}) == {"threads": 1}


def test_a_slot_has_the_cores_of_idle_ones(make_pool, threads):
    """While the others are idle; when one of them gets a job, it gives them back."""
    pool = make_pool(slots=2, cores=4)
    pool.warm()
    first, second = Heard(), Heard()

    begin(threads, pool, first, do="watch_threads")
    until(lambda: first.events[-1] == {"threads": 3})
    begin(threads, pool, second, do="watch_threads")

    until(lambda: first.events[-1] == second.events[-1] == {"threads": 2})


def test_a_slot_gets_the_cores_of_one_that_is_done(make_pool, threads):
    """The last picture of a night does not wait for one core."""
    pool = make_pool(slots=2, cores=2)
    pool.warm()
    heard = Heard()

    begin(threads, pool, heard, do="watch_threads")
    pool.run({"do": "breathe", "pauses": [0.5]})

    until(lambda: heard.events[-1] == {"threads": 2})
    assert {"threads": 1} in heard.events


def test_slots_work_side_by_side(make_pool, threads):
    """Two slots run two jobs at the same time, in two processes."""
    pool = make_pool(slots=2)
    first, second = begin(threads, pool, do="paint"), begin(threads, pool, do="paint")

    assert not first.done()
    assert not second.done()
    pool.stop()


def test_a_job_waits_for_a_free_slot(make_pool, threads):
    """More jobs than slots are run one after the other, each of them."""
    pool = make_pool(slots=2)

    results = list(threads.map(pool.run, [{"do": "echo", "n": n} for n in range(20)]))

    assert [result["job"]["n"] for result in results] == list(range(20))


def test_warnings_of_a_worker_are_heard(make_pool, caplog):
    """What a worker logs as a warning, the flow's process logs, with the slot's name."""
    make_pool().run({"do": "warn"})

    assert "slot cpu-0: something is odd" in caplog.text


def test_what_a_worker_prints_is_kept_in_its_log(make_pool, tmp_path):
    """Neither prints nor stacks disturb the terminal: they go to the slot's log."""
    with make_pool() as pool:
        pool.run({"do": "warn"})
        with pytest.raises(SlotDied):
            pool.run({"do": "die", "signal": "SIGSEGV"})

    assert (
        "Fatal Python error: Segmentation fault" in (tmp_path / "logs/slot-cpu-0.log").read_text()
    )


def test_a_log_that_is_cleared_away_costs_no_job(make_pool, tmp_path):
    """Neither the jobs that follow nor a replacement need the old folder."""
    pool = make_pool()
    pool.warm()
    shutil.rmtree(tmp_path / "logs")
    with pytest.raises(SlotDied):
        pool.run({"do": "die", "signal": "SIGKILL"})

    assert pool.run({"do": "echo"})["pid"] in pool.pids


def test_a_log_that_cannot_be_written_is_the_environments_fault(make_pool, tmp_path):
    """Without a place for its log no worker starts."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(SlotUnusable) as caught:
        make_pool(logs=tmp_path / "file").run({"do": "echo"})

    assert caught.value.kind == "environment"


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


# Endurance

ORPHANS = """
import json, sys, threading, time
from pathlib import Path
from tasks.devices import SlotSpec
from tasks.slots import SlotPool

toys, logs = map(Path, sys.argv[1:])
jobs = ["paint", "sleep_for_ever", "hold_the_interpreter"]
specs = [SlotSpec(f"cpu-{n}", "cpu", 1) for n in range(4)]
pool = SlotPool(specs, "toy_jobs:main", logs=logs, paths=[toys])
pool.warm()
told = threading.Semaphore(0)
for job in jobs:
    run = lambda job=job: pool.run({"do": job}, lambda event: told.release())
    threading.Thread(target=run, daemon=True).start()
for _ in range(10):
    told.acquire()
print(json.dumps(pool.pids), flush=True)
time.sleep(600)
"""


def test_nobody_survives_a_kill_of_the_parent(tmp_path):
    """After kill -9 of the parent no worker is left, idle, busy, stuck or deaf."""
    command = [sys.executable, "-c", ORPHANS, str(TOYS), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        pids = json.loads(parent.stdout.readline())
        below = psutil.Process(parent.pid).children(recursive=True)

        parent.kill()

        until(lambda: all(map(is_gone, pids)), seconds=30)
    assert sorted(process.pid for process in below) == sorted(pids)


def test_three_hundred_jobs_leave_no_trace(make_pool, threads):
    """Memory and file handles stay flat over a night, in the parent and in the workers."""
    pool = make_pool(slots=2)

    def burden():
        processes = [psutil.Process(), *map(psutil.Process, pool.pids)]
        return [p.num_fds() for p in processes], [p.memory_info().rss for p in processes]

    def run(jobs):
        list(threads.map(pool.run, [{"do": "count", "steps": 20}] * jobs))

    run(50)
    handles, memory = burden()
    run(300)
    handles_after, memory_after = burden()

    # A few more are a library's; three hundred jobs would leave hundreds.
    assert all(after - before < 10 for before, after in zip(handles, handles_after, strict=True))
    assert all(after - before < 20e6 for before, after in zip(memory, memory_after, strict=True))


def test_deaths_leave_no_handles(make_pool):
    """Replacing workers over and over leaks neither pipes nor processes."""
    me = psutil.Process()
    others = me.children()  # of other tests' making
    pool = make_pool()

    def crash(times):
        for _ in range(times):
            with pytest.raises(SlotDied):
                pool.run({"do": "die", "signal": "SIGKILL"})
        pool.run({"do": "echo"})

    crash(2)
    before = me.num_fds()
    crash(10)

    assert me.num_fds() - before < 10  # one for each death would be a leak
    assert [child.pid for child in me.children() if child not in others] == pool.pids
