"""`prefect deploy --all` takes prefect.yaml as it is, and a worker paints what it deploys."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.watching import Lookout, emit
from tests.flows.command import Nst
from tests.flows.toy_collection import draw
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PREFECT = Path(sys.executable).with_name("prefect")


@pytest.fixture(scope="module")
def prefect(server, machine):
    """Call `prefect` in this repository, against the session's server."""

    def call(*words):
        ended = subprocess.run(
            [PREFECT, "--no-prompt", *words],
            cwd=ROOT,
            env=os.environ | machine | {"PREFECT_API_URL": server.url, "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return call


@pytest.fixture(scope="module")
def api(server):
    """A client of the session's server, on which everything in this process now speaks to it."""
    with temporary_settings({PREFECT_API_URL: server.url}), get_client(sync_client=True) as client:
        yield client


@pytest.fixture(scope="module")
def deployed(prefect, api):
    """The deployments by name, after the commands in the file's first lines."""
    prefect("work-pool", "create", "gallery", "--type", "process")
    prefect("deploy", "--all")
    return {one.name: one for one in api.read_deployments()}


def test_every_deployment_is_there_with_its_schedules(deployed):
    """In the time zone that the file says, one night at a time."""
    nightly = deployed["nightly"]

    assert {(one.schedule.cron, one.schedule.timezone) for one in nightly.schedules} == {
        ("0 22 * * *", "Europe/Berlin"),
        ("0 12 * * 6", "Europe/Berlin"),
    }
    assert nightly.parameters["manifests"] == ["manifests/examples/nightly.yaml"]
    assert {one.name for one in deployed.values() if one.work_pool_name == "gallery"} == {
        "nightly",
        "new-pictures",
    }
    for name in ("nightly", "new-pictures"):
        assert deployed[name].global_concurrency_limit.limit == 1
        assert deployed[name].concurrency_options.collision_strategy == "ENQUEUE"


def test_deploying_again_changes_nothing(deployed, prefect, api):
    """An upgrade deploys the same file once more."""
    prefect("deploy", "--all")

    again = {one.name: one for one in api.read_deployments()}
    assert {name: one.id for name, one in again.items()} == {
        name: one.id for name, one in deployed.items()
    }
    assert len(again["nightly"].schedules) == 2


def test_a_worker_of_the_pool_paints_a_night(deployed, prefect, api, toy):
    """Its run is completed and the pictures are there."""
    collection = toy(contents=("cat",))
    run = api.create_flow_run_from_deployment(
        deployed["nightly"].id, parameters={"manifests": [str(collection.path)]}
    )

    prefect("worker", "start", "--pool", "gallery", "--run-once")

    assert until(lambda: _final_state(api, run.id)) == "Completed"
    assert len(list(collection.output.glob("toy/*.png"))) == 1


def test_new_pictures_begin_a_night_that_paints_them_alone(
    deployed, prefect, api, toy, *, environ, server, monkeypatch
):
    """The event of `nst watch --no-paint` has a worker paint the new pair, and touch no other."""
    collection = toy(contents=("cat",))
    assert Nst("run", "toy.yaml", folder=collection.folder, environ=environ).end() == 0
    lookout = Lookout(str(collection.path))
    lookout.remember(lookout.look())
    before = _pictures(collection)

    draw(collection.folder / "paintings" / "turner.png")
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    # As the product does, which waits until the server has it: the process's own client may lose it
    # on the way, and says nothing once it has given up on another server.
    assert emit(lookout, lookout.difference(lookout.look()))
    [run] = until(lambda: _runs(api, deployed["new-pictures"].id))
    assert run.parameters["manifests"] == [str(collection.path)]
    prefect("worker", "start", "--pool", "gallery", "--run-once")

    assert until(lambda: _final_state(api, run.id)) == "Completed"
    after = _pictures(collection)
    assert before.items() < after.items()
    assert [name.split("--")[1] for name in after.keys() - before.keys()] == ["turner"]


def _final_state(api, run_id):
    state = api.read_flow_run(run_id).state
    return state.name if state.is_final() else None


def _runs(api, deployment_id):
    # Of these alone: the API gives 200 at most, and every schedule has a hundred runs to come.
    deployment = FlowRunFilterDeploymentId(any_=[deployment_id])
    return api.read_flow_runs(flow_run_filter=FlowRunFilter(deployment_id=deployment))


def _pictures(collection):
    found = collection.output.glob("toy/*.png")
    return {path.name: path.stat().st_mtime_ns for path in found}
