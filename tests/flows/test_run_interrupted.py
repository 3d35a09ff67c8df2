"""`nst run` is killed, interrupted, and robbed of disk and server: the same command continues."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import psutil
import pytest

from tasks.output import Output
from tasks.verify import verify
from tests.flows.command import Nst
from tests.flows.toy_collection import ToyCollection
from tests.waiting import shared, until

pytestmark = pytest.mark.slow


def make(folder):
    """Make a collection whose pairs take longer than Prefect does to be loaded."""
    return ToyCollection(folder, steps=[120], frames={"every": 15})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, environ):
    """The pictures of a run that nothing disturbs, by name."""
    collection = make(tmp_path_factory.mktemp("undisturbed"))
    assert Nst("run", "toy.yaml", folder=collection.folder, environ=environ).end() == 0
    return pictures(collection)


def pictures(collection):
    """Return every picture of the collection, those on the way included, by name."""
    return {
        path.name: path.read_bytes()
        for ending in ("png", "webp")
        for path in collection.output.glob(f"toy/*.{ending}")
    }


def records(collection):
    """Return the records by content."""
    return {record.content_name: record for record in Output(collection.output).records()}


@pytest.fixture
def begin(tmp_path, environ):
    """Start a run; gives the collection and the command."""
    commands = []

    def begin(*arguments, environ=environ, **options):
        collection = make(tmp_path)
        command = Nst("run", "toy.yaml", *arguments, folder=tmp_path, environ=environ, **options)
        commands.append(command)
        return collection, command

    yield begin
    for command in commands:
        command.process.kill()
        command.process.wait()


def in_second_pair(collection, command):
    """Wait until the first pair is published and the second is being painted."""

    def is_there():
        return command.has_ended or (
            list(collection.output.glob("toy/*.json"))
            and list(collection.output.glob(".work/painting/*/frame_*"))
        )

    until(is_there)
    assert not command.has_ended, command.stderr


def the_same_again(collection, environ):
    """Run the same command again, to its end."""
    command = Nst("run", "toy.yaml", folder=collection.folder, environ=environ)
    assert command.end() == 0, command.stderr
    return command


def flow_states(collection):
    """Return the states of the flow runs that the collection's own Prefect server has noted."""
    with closing(sqlite3.connect(collection.output / ".work/prefect/prefect.db")) as books:
        return [state for (state,) in books.execute("select state_type from flow_run")]


# Signals


def test_sigint_ends_a_run_with_130_within_10_seconds(endless):
    """Ctrl-C checkpoints and leaves nothing running."""
    collection, command = endless()

    code, seconds, left_over = command.send(signal.SIGINT)

    assert (code, left_over) == (130, [])
    assert seconds < shared(10)
    assert len(list(collection.output.glob(".work/checkpoints/*/*.safetensors"))) == 1


def test_after_sigterm_the_same_command_paints_the_same_pictures(begin, environ, undisturbed):
    """The pair goes on at its step, and its picture is that of an undisturbed run."""
    collection, command = begin()
    in_second_pair(collection, command)
    assert command.send(signal.SIGTERM)[0] == 143

    the_same_again(collection, environ)

    assert len(records(collection)["dog"].resumed_at) == 1
    assert pictures(collection) == undisturbed


def test_sigterm_while_everything_starts_ends_it_at_once(begin, machine):
    """A run that is still waiting for its own Prefect server leaves as fast."""
    collection, command = begin(environ=machine)
    until(lambda: list(collection.output.glob(".work/prefect/server.log")))

    code, seconds, left_over = command.send(signal.SIGTERM)

    assert (code, left_over) == (143, []), command.stderr
    assert seconds < shared(10)


STOPPED_WHILE_PREFECT_LOADS = """
import os, pathlib, signal, sys, time

class Finder:
    def find_spec(name, *_):
        if name == "flows.artifacts":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
            pathlib.Path("loaded").touch()

sys.meta_path.insert(0, Finder)
sys.argv = ["nst", "run", "toy.yaml"]
from flows.cli import main
main()
"""


def test_sigterm_while_prefect_is_loaded_waits_for_that(tmp_path, environ):
    """Python aborts, and leaves with another exit code, if it ends in the midst of an import."""
    make(tmp_path)
    words = [sys.executable, "-c", STOPPED_WHILE_PREFECT_LOADS]

    ended = subprocess.run(words, cwd=tmp_path, env=os.environ | environ, check=False)

    assert ended.returncode == 143
    assert (tmp_path / "loaded").exists()


def test_a_second_signal_ends_a_run_at_once(endless):
    """Who insists is not kept waiting, and nothing is left running."""
    collection, command = endless()
    family = psutil.Process(command.process.pid).children(recursive=True)
    command.process.send_signal(signal.SIGTERM)
    command.process.send_signal(signal.SIGTERM)

    assert command.end(shared(10)) == 143
    assert psutil.wait_procs(family, timeout=60)[1] == []
    assert verify(Output(collection.output)).damaged == ()


# Kills


def test_after_kill_9_the_same_command_paints_the_same_pictures(begin, machine, undisturbed):
    """Nothing finished is lost, nothing is left running, nothing has to be put right by hand."""
    collection, command = begin(environ=machine)
    in_second_pair(collection, command)
    stems = [record.stem for record in collection.output.glob("toy/*.json")]
    finished = {
        path: path.read_bytes() for stem in stems for path in collection.output.glob(f"toy/{stem}*")
    }

    code, _, left_over = command.send(signal.SIGKILL)

    assert (code, left_over) == (-signal.SIGKILL, [])
    assert flow_states(collection) == ["RUNNING"]
    the_same_again(collection, machine)
    assert pictures(collection) == undisturbed
    assert {path: path.read_bytes() for path in finished} == finished
    assert verify(Output(collection.output)).findings == ()
    assert sorted(flow_states(collection)) == ["COMPLETED", "CRASHED"]


def test_a_killed_run_that_left_nothing_to_paint_is_marked_as_crashed(begin, machine):
    """By the next one, which has nothing else to do."""
    collection, command = begin(environ=machine)
    until(lambda: len(list(collection.output.glob("toy/*.json"))) == 2 or command.has_ended)
    command.send(signal.SIGKILL)

    again = the_same_again(collection, machine)

    assert "toy: kept 2\n" in again.stdout
    assert sorted(flow_states(collection)) == ["COMPLETED", "CRASHED"]


def test_kill_9_of_a_worker_costs_no_pair(begin, undisturbed):
    """The pair begins again in a fresh worker; the run ends well."""
    collection, command = begin()
    in_second_pair(collection, command)
    (worker,) = [
        child
        for child in psutil.Process(command.process.pid).children()
        if any(word.startswith("nst-slot") for word in child.cmdline())
    ]

    worker.kill()

    assert command.end() == 0, command.stderr
    assert {name: record.attempts for name, record in records(collection).items()} == {
        "cat": 1,
        "dog": 2,
    }
    assert pictures(collection) == undisturbed


# Prefect


def test_prefects_own_state_lies_under_the_output_and_is_complete(begin, machine):
    """Every task run has its end in the books, and no server is left."""
    collection, command = begin(environ=machine)
    family = until(lambda: psutil.Process(command.process.pid).children(recursive=True))

    assert command.end() == 0, command.stderr

    assert psutil.wait_procs(family, timeout=60)[1] == []
    with closing(sqlite3.connect(collection.output / ".work/prefect/prefect.db")) as books:
        ends = books.execute("select name, state_type from task_run order by name").fetchall()
    assert ends == [
        ("fetch cat.png", "COMPLETED"),
        ("fetch dog.png", "COMPLETED"),
        ("fetch monet.png", "COMPLETED"),
        ("publish cat × monet", "COMPLETED"),
        ("publish dog × monet", "COMPLETED"),
        ("render cat × monet", "COMPLETED"),
        ("render dog × monet", "COMPLETED"),
    ]


def own_server(command):
    """Return the process of the Prefect server that a command starts; painting begins before."""

    def started():
        return [
            child
            for child in psutil.Process(command.process.pid).children()
            if "nst-prefect" in child.cmdline()
        ]

    (server,) = until(started)
    return server


def test_kill_9_of_the_prefect_server_costs_no_picture(begin, machine, undisturbed):
    """The run goes on, says so, and ends well in reasonable time."""
    collection, command = begin(environ=machine)
    in_second_pair(collection, command)

    own_server(command).kill()

    assert command.end(shared(60)) == 0, command.stderr
    assert pictures(collection) == undisturbed
    assert "Prefect is gone" in command.stderr
    assert "Traceback" not in command.stderr


def test_sigterm_without_the_prefect_server_ends_a_run_within_10_seconds(endless):
    """What Prefect still wants to say keeps nobody waiting."""
    _, command = endless(PREFECT_API_URL=None)
    own_server(command).kill()

    code, seconds, left_over = command.send(signal.SIGTERM)

    assert (code, left_over) == (143, [])
    assert seconds < shared(10)


def test_each_of_several_manifests_is_shown(tmp_path, machine):
    """Every collection of one command has its flow run in its own books."""
    collections = [ToyCollection(tmp_path / name, contents=("cat",)) for name in ("a", "b")]

    command = Nst(*("run", "a/toy.yaml", "b/toy.yaml", "--json"), folder=tmp_path, environ=machine)

    assert command.end() == 0, command.stderr
    assert [flow_states(collection) for collection in collections] == [["COMPLETED"]] * 2
    assert [told["complete"] for told in command.summary["collections"]] == [1, 1]


# The disk


def test_a_full_disk_exits_with_4_and_the_same_command_continues(begin, environ, undisturbed):
    """The error names the disk; with room again, everything is painted."""

    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))

    collection, command = begin(preexec_fn=no_room)
    assert command.end() == 4, command.stderr
    assert "E-DISK-FULL" in command.stderr
    assert "Traceback" not in command.stderr
    assert verify(Output(collection.output)).damaged == ()

    the_same_again(collection, environ)

    assert pictures(collection) == undisturbed
    assert json.loads((collection.output / "summary.json").read_text())["complete"] == 2
