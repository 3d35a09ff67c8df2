import pickle
from pathlib import Path

import psutil
import pytest

from tasks.devices import SlotSpec
from tasks.supervision import Silence, WorkerProcess

TOYS = Path(__file__).parent


@pytest.fixture
def worker(tmp_path):
    """A toy worker that is ready."""
    worker = WorkerProcess(SlotSpec("cpu", "cpu", 1), "toy_jobs:main", [TOYS], tmp_path / "log")
    worker.await_ready(30)
    yield worker
    worker.discard()


@pytest.mark.parametrize("job", ["paint", "sleep_for_ever"])
def test_a_worker_leaves_when_its_pipe_closes(worker, job):
    """Where the kernel does not tell of a parent's death, the pipe does."""
    worker._send(("job", pickle.dumps({"do": job})))
    assert worker._receive(60)[0] == "event"

    worker._connection.close()

    assert worker.wait(60)


def test_a_worker_offers_itself_to_the_oom_killer(worker):
    """A kernel without memory is to take the worker and leave the parent."""
    score = Path(f"/proc/{worker.pid}/oom_score_adj").read_text()

    assert int(score) >= 500


def test_a_worker_has_no_children(worker):
    """No helper process can be left behind by a worker."""
    assert psutil.Process(worker.pid).children() == []


def test_a_worker_is_named_in_process_lists(worker):
    """Who looks at the machine sees which slot a process serves."""
    assert psutil.Process(worker.pid).cmdline()[-1] == "nst-slot-cpu"


def test_the_working_folder_cannot_replace_our_modules(tmp_path, monkeypatch):
    """A person's own ``tasks`` folder is not imported for ours."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/__init__.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    worker = WorkerProcess(SlotSpec("cpu", "cpu", 1), "toy_jobs:main", [TOYS], tmp_path / "log")

    worker.await_ready(30)

    assert worker.is_fit
    worker.discard()


def test_silence_has_a_floor():
    """A job of quick events may still pause for long."""
    silence = Silence(120)
    for _ in range(20):
        silence.learn(0.1)

    assert silence.limit == 120


def test_silence_grows_with_the_usual_gap():
    """A job of slow events may be silent ten times as long as usual."""
    silence = Silence(120)
    for gap in [1, 40, 30, 50, 2000]:
        silence.learn(gap)

    assert silence.limit == 400


def test_time_in_which_nobody_listened_is_no_silence():
    """A night that was itself suspended does not find its jobs stuck."""
    silence = Silence(120)
    silence.listened(10_000)

    assert silence.seconds < 1
