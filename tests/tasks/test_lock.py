from __future__ import annotations

import errno
import fcntl
import inspect
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from tasks.durable import NotWritableError, OutputError
from tasks.lock import Holder, OutputLockedError, hold
from tasks.output import Output
from tests.tasks.painted_pairs import painted

# Threads of other tests' servers do not matter: a forked child touches nothing of theirs.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def holder(tmp_path):
    """Give a process of its own that holds the output ``tmp_path``, killed at the end."""
    pipe, child_pipe = FORK.Pipe()

    def hold_on():
        with hold(tmp_path / ".work", manifest="spring.yaml"):
            child_pipe.send("held")
            signal.pause()

    process = FORK.Process(target=hold_on)
    process.start()
    assert pipe.poll(10)
    yield process
    process.kill()
    process.join()
    process.close()


def test_a_free_output_is_held_and_signed(tmp_path):
    """Who holds the output can be read beside the lock."""
    with hold(tmp_path / ".work", manifest="spring.yaml") as holder:
        signed = Holder.model_validate_json((tmp_path / ".work" / "run.info").read_bytes())

    assert signed == holder
    assert (signed.host, signed.pid, signed.manifest) == (
        socket.gethostname(),
        os.getpid(),
        "spring.yaml",
    )


def test_a_second_run_is_refused_at_once_and_told_by_whom(tmp_path, holder):
    """The error names host, process, start and manifest of the first run."""
    begin = time.monotonic()
    with (
        pytest.raises(OutputLockedError) as caught,
        hold(tmp_path / ".work", manifest="other.yaml"),
    ):
        pytest.fail("two runs held one output")

    assert time.monotonic() - begin < 10  # it does not wait for the first to end
    assert caught.value.code == "E-OUT-LOCKED"
    for told in ("spring.yaml", f"process {holder.pid} on {socket.gethostname()}", "since 20"):
        assert told in str(caught.value)


def test_a_killed_holder_leaves_the_output_free(tmp_path, holder):
    """After kill -9 the next run starts with the same command and no unlocking."""
    holder.kill()
    holder.join()

    with hold(tmp_path / ".work", manifest="next.yaml") as mine:
        assert mine.manifest == "next.yaml"


def test_a_finished_run_leaves_the_output_free(tmp_path):
    """One process can run twice; nothing but the lock file itself is left."""
    for _ in range(2):
        with hold(tmp_path / ".work", manifest="spring.yaml"):
            pass

    assert [p.name for p in (tmp_path / ".work").iterdir()] == ["run.lock"]


def test_an_error_frees_the_output(tmp_path):
    """A run that ends in an error holds nothing."""
    with pytest.raises(KeyboardInterrupt), hold(tmp_path / ".work", manifest="a"):
        raise KeyboardInterrupt

    with hold(tmp_path / ".work", manifest="b"):
        pass


def test_a_dead_runs_signature_is_not_blamed(tmp_path):
    """A holder that has not signed yet is not mistaken for the dead run before it."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    work = tmp_path / ".work"
    with hold(work, manifest="unsigned.yaml"):
        stale = Holder(
            host=socket.gethostname(), pid=dead.pid, started="2031", manifest="dead.yaml"
        )
        (work / "run.info").write_text(stale.model_dump_json())
        with pytest.raises(OutputLockedError) as caught, hold(work, manifest="b"):
            pytest.fail("two runs held one output")

    assert "dead.yaml" not in str(caught.value)


@pytest.mark.parametrize("signature", [b"", b"{", b"\xff", b'{"pid": -1}', b"[]"])
def test_an_unreadable_signature_is_no_obstacle(tmp_path, signature, monkeypatch):
    """The lock counts, whatever the note beside it says."""
    monkeypatch.setattr("tasks.lock.PATIENCE_SECONDS", 0.05)
    work = tmp_path / ".work"
    with hold(work, manifest="a"):
        (work / "run.info").write_bytes(signature)
        with pytest.raises(OutputLockedError, match="has not said"), hold(work, manifest="b"):
            pytest.fail("two runs held one output")


def test_a_file_in_the_folders_place_is_named(tmp_path):
    """An output that is a file is refused with an explanation."""
    (tmp_path / "out").write_bytes(b"")

    with pytest.raises(NotWritableError), hold(tmp_path / "out" / ".work", manifest="a"):
        pytest.fail("held a file")


def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch, caplog):
    """No picture depends on the lock: the run goes on and says what not to do."""

    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with hold(tmp_path / ".work", manifest="a"):
        assert (tmp_path / ".work" / "run.info").exists()

    assert "do not start a second run" in caplog.text


def test_of_two_runs_started_together_exactly_one_wins(tmp_path):
    """In each of 20 races one run holds the output, and the other is told its name."""

    def race(pipe, start, done):
        start.wait()
        try:
            with hold(tmp_path / ".work", manifest=f"run-{os.getpid()}"):
                pipe.send("won")
                done.wait()
        except OutputLockedError as error:
            pipe.send(str(error))

    for _ in range(20):
        start, done = FORK.Event(), FORK.Event()
        pipe, child_pipe = FORK.Pipe(duplex=False)
        runs = [FORK.Process(target=race, args=(child_pipe, start, done)) for _ in range(2)]
        for run in runs:
            run.start()
        start.set()
        told = sorted((pipe.recv() for _ in runs if pipe.poll(10)), key=len)
        done.set()
        for run in runs:
            run.join()

        assert told[0] == "won"
        assert any(f"run-{run.pid}: process {run.pid}" in told[1] for run in runs)


def test_two_runs_without_a_lock_harm_nothing(tmp_path):
    """Two runs that publish the same pairs side by side leave each of them whole."""
    numbers = range(12)

    def run(start, seconds):
        output = Output(tmp_path)
        start.wait()
        for number in numbers:
            for _ in range(20):
                try:
                    painted(number, seconds=seconds).publish(output)
                    break
                except OutputError:  # the other run is at the same pair
                    continue

    start = FORK.Event()
    runs = [FORK.Process(target=run, args=(start, seconds)) for seconds in (1.0, 2.0)]
    for process in runs:
        process.start()
    start.set()
    for process in runs:
        process.join()

    output = Output(tmp_path)
    assert [process.exitcode for process in runs] == [0, 0]
    assert {record.pair_id for record in output.records()} == {
        painted(number).painting.pair_id for number in numbers
    }
    assert all(output.is_finished(record, rehash=True) for record in output.records())


def test_a_record_that_another_run_removes_meanwhile_is_told_as_such(tmp_path, monkeypatch):
    """Without a lock, both may replace the same draft in the same instant."""
    output = Output(tmp_path)
    draft = painted(draft=True).publish(output)
    read = Output._read

    def read_and_removed(self, path):
        record = read(self, path)
        if inspect.stack()[1].function == "_make_way":
            path.unlink()
        return record

    monkeypatch.setattr(Output, "_read", read_and_removed)

    with pytest.raises(OutputError, match=re.escape(draft.file)):
        painted(seconds=2.0).publish(output)
