from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from flows.prefect_server import PrefectServer, environment
from tasks.calibration import remembered_at
from tasks.devices import arrange
from tests.flows.command import Nst
from tests.flows.exhibitions import Exhibition
from tests.flows.toy_collection import ToyCollection
from tests.waiting import until

# Prefect reads its environment when it is imported, which the tests' own imports do.
_HOME = tempfile.TemporaryDirectory(prefix="nst-prefect-")
os.environ |= environment(Path(_HOME.name))


def pytest_sessionfinish():
    """Remove what Prefect has written in this process."""
    _HOME.cleanup()


@pytest.fixture
def toy(tmp_path):
    """Make collections of toy pictures, each in a folder of its own."""

    def make(name="toy", **options):
        return ToyCollection(tmp_path / name, **options)

    return make


@pytest.fixture
def steady(tmp_path, monkeypatch):
    """A machine of one slot, or of some, known to take a second for each step of some pairs."""
    scratch = tmp_path / "scratch"
    monkeypatch.setenv("NST_SCRATCH", str(scratch))
    monkeypatch.setenv("NST_DEVICE", "cpu")
    monkeypatch.setenv("NST_TORCH_THREADS", "1")

    def remember(pairs, *, slots=1):
        monkeypatch.setenv("NST_SLOTS", str(slots))
        speed = {"step": [1, 0], "setup": [0, 0], "row": [0, 0], "ceiling": 1.0, "bf16": False}
        text = json.dumps(speed | {"until": None})
        for pair in pairs:
            path = remembered_at(scratch, arrange(["cpu"], slots=slots, threads=1), pair.recipe)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return remember


@pytest.fixture(scope="session")
def machine(tmp_path_factory):
    """The environment of a small machine: one slot of one thread."""
    return {
        "NST_SCRATCH": str(tmp_path_factory.mktemp("scratch")),
        "NST_DEVICE": "cpu",
        "NST_SLOTS": "1",
        "NST_TORCH_THREADS": "1",
    }


@pytest.fixture(scope="session")
def environ(machine, server):
    """The environment of a small machine on which a Prefect server runs."""
    return machine | {"PREFECT_API_URL": server.url}


@pytest.fixture(scope="module")
def endless(tmp_path_factory, environ):
    """Start runs whose pairs take for ever; each is given once its first pair is being painted."""
    commands = []

    def start(*arguments, **variables):
        collection = ToyCollection(
            tmp_path_factory.mktemp("endless"), steps=[100_000], frames={"every": 1}
        )
        folder = collection.folder
        command = Nst("run", "toy.yaml", *arguments, folder=folder, environ=environ | variables)
        commands.append(command)
        until(lambda: command.has_ended or list(folder.glob("out/.work/painting/*/frame_*")))
        assert not command.has_ended, command.stderr
        return collection, command

    yield start
    for command in commands:
        command.process.kill()
        command.process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A real Prefect server for the whole session, started as the product starts one."""
    os.environ.pop("PREFECT_API_URL", None)
    server = PrefectServer.start(tmp_path_factory.mktemp("prefect"))
    del os.environ["PREFECT_API_URL"]
    try:
        assert server.is_ready(600)  # a machine in trouble takes minutes
        yield server
    finally:
        server.stop()


@pytest.fixture
def exhibition(bucket, toy):
    """A collection of two pairs that goes to a bucket."""
    return Exhibition(toy(), f"{bucket}/spring")
