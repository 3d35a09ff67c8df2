"""A night on a Ray cluster is a night on this machine, but for where it is painted."""

from __future__ import annotations

import csv
import shutil
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flows import threads
from flows.exit_codes import ExitCode
from flows.keeping import Keeping
from tasks.pair_files import Keep
from tasks.storage import store_for
from tests.flows.command import Nst
from tests.flows.ray_machines import RayMachines
from tests.waiting import until

pytest.importorskip("ray", reason="Ray is an extra: pip install 'nst-gallery[ray]'")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def machines(s3_server):
    """A cluster of a head and two machines of one core."""
    folder = Path(tempfile.mkdtemp(prefix="nst-ray-"))  # pytest's folders are too long for sockets
    cluster = RayMachines(folder)
    try:
        for name in ("north", "south"):
            cluster.add(name, _bucket_environment(s3_server))
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def doomed():
    """A cluster of its own for a test that ends it."""
    folder = Path(tempfile.mkdtemp(prefix="nst-ray-"))
    cluster = RayMachines(folder)
    try:
        cluster.add("north")
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def engine(machines):
    """Settings of a night on the cluster."""
    return {"engine": "ray", "ray_address": machines.address}


def _bucket_environment(address):
    return {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": address,
    }


def files(collection):
    """Return the pictures' bytes, and the loss logs without their times."""
    found = {path.name: path.read_bytes() for path in collection.output.glob("toy/*.png")}
    for path in collection.output.glob("toy/*.losses.csv"):
        with path.open() as log:
            found[path.name] = [
                {name: cell for name, cell in row.items() if name != "seconds"}
                for row in csv.DictReader(log)
            ]
    return found


def run(collection, machines, environ, *arguments, slots=1):
    """Begin to paint a collection on the cluster, by the command."""
    variables = environ | {"RAY_ADDRESS": machines.address, "NST_SLOTS": str(slots)}
    words = ("run", "toy.yaml", "--engine", "ray", *arguments)
    return Nst(*words, folder=collection.folder, environ=variables)


def endless(toy, machines, environ):
    """Begin to paint a pair that takes for ever; return once its first pictures are here."""
    collection = toy(contents=("cat",), steps=[100_000], frames={"every": 1})
    command = run(collection, machines, environ)
    until(lambda: command.has_ended or list(collection.output.glob(".work/painting/*/frame_*")))
    assert not command.has_ended, command.stderr
    return collection, command


def test_a_cluster_paints_the_very_bytes_of_one_machine(toy, machines, environ):
    """Pictures and loss logs of a run on a cluster equal those of a run here."""
    here = toy("here", frames={"every": 1})
    there = toy("there", frames={"every": 1})
    assert Nst("run", "toy.yaml", folder=here.folder, environ=environ).end() == 0

    command = run(there, machines, environ, slots=2)

    assert command.end() == ExitCode.COMPLETE, command.stderr
    assert len(files(here)) == 4
    assert files(there) == files(here)
    frames = {path.name: path.read_bytes() for path in here.output.glob("toy/*.webp")}
    assert {path.name: path.read_bytes() for path in there.output.glob("toy/*.webp")} == frames
    assert Nst("verify", "out", folder=there.folder, environ=environ).end() == 0


def test_a_poisoned_pair_fails_alone(toy, machines, environ):
    """A picture that cannot be read ends its own pair, and the run with 3."""
    collection = toy(contents=("ant", "bad", "cat"))
    collection.content("bad").write_bytes(collection.content("bad").read_bytes()[:300])

    command = run(collection, machines, environ, "--json", slots=2)

    assert command.end() == ExitCode.FAILED_PAIRS, command.stderr
    states = {Path(pair["content"]).stem: pair["state"] for pair in command.summary["pairs"]}
    assert states == {"ant": "complete", "bad": "failed", "cat": "complete"}
    assert "bad.png" in next(collection.output.glob("failed/*.json")).read_text()


def test_a_pair_that_kills_its_painter_fails_alone(toy, engine):
    """Whoever dies of a pair is replaced, the pair is given up after three tries."""
    collection = toy(contents=("cat", "dies", "dog", "faints"))

    outcomes = collection.paint(engine=engine, slots=2)

    assert {name: one.state for name, one in outcomes.items()} == {
        "cat": "complete",
        "dies": "failed",
        "dog": "complete",
        "faints": "complete",
    }
    assert outcomes["dies"].failure.code == "E-SLOT-DIED"
    assert outcomes["faints"].finished.resumed_at == (1,)


def test_a_killed_remote_slot_is_replaced_and_its_pair_resumed(toy, engine, machines):
    """The actor is killed in the middle of a pair, which goes on from its checkpoint."""
    collection = toy(contents=("tarries",))
    with collection.night(engine=engine) as night, ThreadPoolExecutor(1) as thread:
        painting = thread.submit(threads.paint, night)
        collection.await_tarrying()
        [remote_slot] = machines.remote_slots()
        remote_slot.kill()
        painting.result()

        [outcome] = night.outcomes

    assert outcome.state == "complete"
    assert outcome.finished.attempts == 2
    assert outcome.finished.resumed_at == (1,)


def test_the_pair_of_a_lost_machine_goes_on_elsewhere(toy, engine, machines, bucket, s3_server):
    """A machine is unplugged: another one continues from the checkpoint in the bucket."""
    collection = toy(contents=("tarries",))
    machines.add("spare", _bucket_environment(s3_server))
    keep = f"{bucket}/out/.work/pairs"
    kept = Keep(store_for(keep), keep)
    options = {"engine": engine, "slots": 3, "keep": keep}
    with collection.night(**options) as night, ThreadPoolExecutor(1) as thread:
        night.observers.append(Keeping(keep, night.settings))
        painting = thread.submit(threads.paint, night)
        until(lambda: any("painting/mark" in dict(kept.fetch(pair_id)) for pair_id in kept.pairs()))
        machines.unplug_painting()
        painting.result()

        [outcome] = night.outcomes

    assert outcome.state == "complete"
    assert outcome.finished.resumed_at == (1,)
    until(lambda: kept.pairs() == set())
    assert not list(collection.output.glob(".work/checkpoints/*/*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_leaves_nothing_behind(toy, machines, environ, number):
    """Ctrl-C and SIGTERM save the pair here and end every process of ours in the cluster."""
    collection, command = endless(toy, machines, environ)

    code, _, left = command.send(number)

    assert (code, left) == (128 + number, []), command.stderr
    until(lambda: not machines.painters(), seconds=30)
    assert list(collection.output.glob(".work/checkpoints/*/*.safetensors"))


def test_a_killed_run_leaves_nothing_behind(toy, machines, environ):
    """With the run, its remote slots end too."""
    _, command = endless(toy, machines, environ)

    command.process.kill()
    command.process.wait()

    until(lambda: not machines.painters(), seconds=60)


def test_a_lost_cluster_leaves_the_pairs_for_the_next_run(toy, doomed, environ):
    """No pair is blamed for it: exit code 4, and the checkpoints stay."""
    collection, command = endless(toy, doomed, environ)

    doomed.lose_the_head()

    assert command.end(100) == ExitCode.ENVIRONMENT, command.stderr
    assert "the cluster is gone" in command.stderr
    assert not list(collection.output.glob("failed/*"))
