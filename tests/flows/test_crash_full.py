"""kill -9 at random instants, the same command each time: nothing is lost, nothing is damaged."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tasks.output import Output
from tasks.verify import verify
from tests.flows.command import Nst
from tests.flows.toy_collection import ToyCollection

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
KILLS = 50
CONTENTS = ("ant", "bee", "cat", "dog", "eel", "fox")
STYLES = ("monet", "cezanne")


@pytest.fixture
def chance():
    """Random instants; the seed is printed when a test fails, and CRASH_SEED repeats it."""
    seed = int(os.environ.get("CRASH_SEED") or secrets.randbits(32))
    print(f"CRASH_SEED={seed}")  # noqa: T201
    return random.Random(seed)


def night(folder):
    """Start a night of the collection in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.flows.toy_night", folder],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(collection):
    """Return every finished pair's files with their bytes, having looked that no record lies."""
    output = Output(collection.output)
    found = {}
    for record in output.records():
        assert output.is_finished(record, rehash=True), f"{record.file} lies"
        for name in (*(entry.file for entry in record.files.values()), record.file):
            found[name] = (collection.output / name).read_bytes()
    return found


def assert_nothing_is_lost(before, collection):
    """What was finished before a kill is there after it, in the very same bytes."""
    after = finished(collection)
    assert before.items() <= after.items()
    return after


def kill(process):
    """Kill a process alone, and wait for all that it had started to go by itself."""
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert psutil.wait_procs(family, timeout=30)[1] == []


def pictures(collection):
    """Return every picture, by name."""
    return {path.name: path.read_bytes() for path in collection.output.glob("toy/*.png")}


@pytest.mark.timeout(900)
def test_fifty_kills_lose_nothing(tmp_path, chance):
    """A night of twelve pairs, killed fifty times at random: the pictures are a quiet night's.

    Whenever a night comes to its end in spite of the kills, a new one begins.
    """
    quiet = ToyCollection(tmp_path / "quiet", contents=CONTENTS, styles=STYLES, steps=[12])
    began = time.monotonic()
    assert night(quiet.folder).communicate()[0] == "complete " * 11 + "complete\n"
    usual = time.monotonic() - began

    kills = nights = 0
    while kills < KILLS:
        nights += 1
        collection = ToyCollection(
            tmp_path / str(nights), contents=CONTENTS, styles=STYLES, steps=[12]
        )
        before = {}
        while True:
            process = night(collection.folder)
            try:
                told, _ = process.communicate(timeout=chance.uniform(0, usual))
            except subprocess.TimeoutExpired:
                kill(process)
                process.stdout.close()
                kills += 1
                before = assert_nothing_is_lost(before, collection)
                if kills < KILLS:
                    continue
                told, _ = night(collection.folder).communicate()
            break

        assert set(told.split()) <= {"complete", "kept"}, told
        assert_nothing_is_lost(before, collection)
        assert pictures(collection) == pictures(quiet)
        assert verify(Output(collection.output)).findings == ()
        assert not [path for path in collection.output.rglob("*") if path.suffix == ".tmp"]
        assert list(collection.output.glob(".work/painting/*")) == []
        assert list(collection.output.glob(".work/checkpoints/*")) == []


@pytest.mark.timeout(900)
def test_five_kills_of_the_whole_command_lose_nothing(tmp_path, chance, machine):
    """Real painter, Prefect server of its own: five kills, then the same pictures and exit 0."""
    quiet = ToyCollection(tmp_path / "quiet", contents=CONTENTS, steps=[20])
    collection = quiet.copied(tmp_path / "killed")
    began = time.monotonic()
    undisturbed = Nst("run", "toy.yaml", folder=quiet.folder, environ=machine)
    assert undisturbed.end(300) == 0, undisturbed.stderr
    usual = time.monotonic() - began

    before = {}
    for _ in range(5):
        command = Nst("run", "toy.yaml", folder=collection.folder, environ=machine)
        try:
            command.process.wait(chance.uniform(0.2, 1.0) * usual)
        except subprocess.TimeoutExpired:
            kill(command.process)
        before = assert_nothing_is_lost(before, collection)
    last = Nst("run", "toy.yaml", folder=collection.folder, environ=machine)

    assert last.end(300) == 0, last.stderr
    assert_nothing_is_lost(before, collection)
    assert pictures(collection) == pictures(quiet)
    assert verify(Output(collection.output)).findings == ()
