"""What a job in a slot is given, what comes of it, and what is left after hundreds."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tasks.jobs import SlotDied, SlotUnusable
from tests.tasks.slot_jobs import Heard, begin, is_gone
from tests.waiting import until

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


def test_who_asks_first_is_served_first(make_pool, threads):
    """Pairs are painted in the manifest's order, however many wait for one slot."""
    pool, served = make_pool(), []
    pool.warm()

    with pool._leased():
        for number in range(4):
            job = {"do": "count", "steps": 1}
            threads.submit(pool.run, job, lambda _, number=number: served.append(number))
            until(lambda number=number: len(pool._asking) == number + 1)
    until(lambda: len(served) == 4)

    assert served == [0, 1, 2, 3]


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
    command = [sys.executable, "-c", ORPHANS, str(Path(__file__).parent), str(tmp_path)]
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
