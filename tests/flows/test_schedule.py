"""When nights begin, and how Prefect is told how they went."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.server.schemas.schedules import CronSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Running, Scheduled

from flows import firing, history, schedule
from flows.cli import main
from flows.exit_codes import ExitCode
from flows.serving import ScheduleError, Serving, When
from tests.flows.command import Nst

ROOT = Path(__file__).parents[2]
BERLIN = ZoneInfo("Europe/Berlin")


# Schedules


def firings(cron, start, count):
    """Return the local times at which a served schedule fires."""
    given = When(cron=cron, timezone="Europe/Berlin").schedule()
    dates = CronSchedule(cron=given.cron, timezone=given.timezone).get_dates(count, start)
    return [date.astimezone(BERLIN) for date in asyncio.run(dates)]


@pytest.mark.parametrize(
    "start", [datetime(2026, 3, 27, 12, tzinfo=BERLIN), datetime(2026, 10, 23, 12, tzinfo=BERLIN)]
)
def test_ten_at_night_is_ten_at_night_when_clocks_change(start):
    """Four nights around a change of clocks all begin at ten by the clock on the wall."""
    times = firings("0 22 * * *", start, 4)

    assert [time.strftime("%H:%M") for time in times] == ["22:00"] * 4
    assert [time.day for time in times] == [start.day + n for n in range(4)]


def test_a_night_in_the_hour_that_comes_twice_begins_once():
    """02:30 on the day the clocks go back is one night, not two."""
    times = firings("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=BERLIN), 3)

    assert [time.day for time in times] == [25, 26, 27]


def test_a_night_in_the_hour_that_is_left_out_begins_all_the_same():
    """02:30 on the day the clocks go forward is still one night of that day, or of the next."""
    times = firings("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=BERLIN), 3)

    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(timedelta(hours=22) < gap < timedelta(hours=26) for gap in gaps)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        (datetime(2026, 3, 27, 22, tzinfo=BERLIN), "tonight at 22:00 Europe/Berlin, in 3 h 20"),
        (datetime(2026, 3, 27, 18, 41, tzinfo=BERLIN), "tonight at 18:41 Europe/Berlin, in 60 s"),
        (datetime(2026, 3, 28, 9, tzinfo=BERLIN), "tomorrow at 09:00 Europe/Berlin, in 14 h 20"),
        (datetime(2026, 3, 30, 22, tzinfo=BERLIN), "on Monday at 22:00 Europe/Berlin, in 3 days"),
        (datetime(2026, 5, 1, 22, tzinfo=UTC), "on 2026-05-01 at 22:00 UTC, in 35 days"),
    ],
)
def test_the_next_night_is_told_in_words(when, said):
    """By the clock on the wall, and how long that is from now, be it over a change of clocks."""
    assert firing.in_words(when, now=datetime(2026, 3, 27, 17, 40, tzinfo=UTC)) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cron": "every night"}, "no cron expression"),
        ({"cron": "0 22 * * *", "timezone": "Europe/Berlim"}, "did you mean 'Europe/Berlin'"),
        ({}, "--cron or by --every"),
        ({"cron": "0 22 * * *", "hours": 6.0}, "--cron or by --every"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(given, said):
    """What is wrong is said when the command is given, not at night."""
    with pytest.raises(ScheduleError, match=said):
        When(**given).schedule()


def test_a_wrong_schedule_is_exit_code_2(toy, environ):
    """Nothing was started."""
    made = toy()
    command = Nst("serve", "toy.yaml", "--cron", "nightly", folder=made.folder, environ=environ)

    assert command.end() == 2
    assert "E-SCHEDULE 'nightly' is no cron expression" in command.stderr


def test_a_served_night_takes_what_the_command_line_gives(toy, monkeypatch):
    """By the names of the flow's own parameters; a memory limit in bytes."""
    made = toy()
    served = []
    monkeypatch.setattr(Serving, "serve", lambda serving, _: served.append(serving.parameters))
    words = ["serve", str(made.path), "--every", "24", "--memory-limit", "2GB"]
    monkeypatch.setattr(sys, "argv", ["nst", *words])

    with pytest.raises(SystemExit):
        main()

    (parameters,) = served
    assert parameters.keys() <= inspect.signature(schedule.night.fn).parameters.keys()
    assert parameters["memory_limit"] == 2 << 30


# Ends


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        (ExitCode.COMPLETE, "COMPLETED", "Completed"),
        (ExitCode.FAILED_PAIRS, "FAILED", "Failed"),
        (ExitCode.ENVIRONMENT, "FAILED", "EnvironmentFailed"),
        (ExitCode.NOT_UPLOADED, "FAILED", "NotUploaded"),
        (ExitCode.DEADLINE, "FAILED", "Unfinished"),
        (ExitCode.TERMINATED, "FAILED", "Interrupted"),
        (ExitCode.USAGE, "FAILED", "Failed"),
        (ExitCode.LOCKED, "CANCELLED", "Locked"),
    ],
)
def test_only_exit_code_0_is_completed(code, kind, name):
    """Prefect shows each of `nst run`'s ends by a name of its own."""
    state = schedule._state(code, "toy: left 2")

    assert (state.type.value, state.name) == (kind, name)
    assert "toy: left 2" in state.message


@pytest.mark.parametrize("code", [ExitCode.COMPLETE, ExitCode.ENVIRONMENT])
def test_prefect_writes_down_no_secret_of_a_night(code, monkeypatch):
    """A store's error may quote what it was asked with."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")

    state = schedule._state(code, "toy.yaml: refused wJalrXUtnFEMI")

    assert state.message.endswith("toy.yaml: refused ***")


# Prefect's books


@pytest.fixture
def api(server):
    """A client of the session's server, on which everything in this process now speaks to it."""
    with temporary_settings({PREFECT_API_URL: server.url}), get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def deployment(api):
    """A deployment of the night on that server."""
    flow_id = api.create_flow(schedule.night)
    name = f"d{datetime.now(UTC).timestamp():.6f}"
    return api.create_deployment(flow_id, name, parameters={"manifests": ["toy.yaml"]})


def runs(api, deployment):
    """Return the deployment's runs in order of their time."""
    mine = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment]))
    found = api.read_flow_runs(flow_run_filter=mine)
    return sorted(found, key=lambda run: (run.expected_start_time, run.created))


def test_the_next_night_is_the_first_of_all_schedules_that_are_kept(api):
    """Cron and interval alike, in the zone of the schedule; one that is paused does not count."""
    now = datetime(2026, 3, 27, 17, 40, tzinfo=UTC)
    berlin = "Europe/Berlin"
    kept = [
        DeploymentScheduleCreate(schedule={"cron": "0 22 * * *", "timezone": berlin}),
        DeploymentScheduleCreate(schedule={"cron": "0 19 * * *", "timezone": berlin}, active=False),
        DeploymentScheduleCreate(schedule={"interval": 6 * 3600, "anchor_date": now}),
    ]
    made = api.create_deployment(api.create_flow(schedule.night), "kept", schedules=kept)

    coming = firing.next_night(made, now=now + timedelta(seconds=1))

    assert coming == datetime(2026, 3, 27, 22, tzinfo=BERLIN)
    assert f"{coming:%H:%M}" == "22:00"


def test_a_deployment_without_a_schedule_has_no_next_night(api, deployment):
    """It is started by hand, or by an event."""
    assert firing.next_night(deployment, now=datetime.now(UTC)) is None


def test_missed_nights_are_skipped_once(api, deployment):
    """Five slots of an outage are cancelled by name, tonight's stays, and a second look is idle."""
    now = datetime.now(UTC)
    for hours in (-50, -40, -30, -20, -10, 12):
        when = Scheduled(scheduled_time=now + timedelta(hours=hours))
        api.create_flow_run_from_deployment(deployment, state=when)

    counts = [history.skip_missed(deployment, now=now, grace=timedelta(hours=1)) for _ in range(2)]

    assert counts == [5, 0]
    assert [run.state.name for run in runs(api, deployment)] == ["Skipped"] * 5 + ["Scheduled"]


def test_a_killed_night_is_marked_as_crashed_with_what_it_had_started(api, deployment):
    """The night and the collection below it, and nobody else's."""
    killed = api.create_flow_run_from_deployment(deployment, state=Scheduled())
    api.set_flow_run_state(killed.id, Running(), force=True)
    other = api.create_flow_run(schedule.night, parameters={"manifests": []}, state=Running())

    assert history.mark_crashed(deployment) == 1
    assert api.read_flow_run(killed.id).state.name == "Crashed"
    assert api.read_flow_run(other.id).state.name == "Running"


# With a work pool


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_prefect_deploy_takes_prefect_yaml_as_it_is(server, tmp_path):
    """Pool, deployment, schedules with parameters and the limit of one night at a time."""
    environ = os.environ | {"PREFECT_API_URL": server.url, "PREFECT_HOME": str(tmp_path)}
    prefect = Path(sys.executable).with_name("prefect")
    for command in (
        ["work-pool", "create", "gallery", "--type", "process"],
        ["--no-prompt", "deploy", "--all"],
    ):
        ran = subprocess.run(
            [prefect, *command], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

    told = httpx.get(f"{server.url}/deployments/name/night/nightly", timeout=60).json()

    assert told["work_pool_name"] == "gallery"
    assert {one["slug"]: one["schedule"]["timezone"] for one in told["schedules"]} == {
        "every-night": "Europe/Berlin",
        "saturday-noon": "Europe/Berlin",
    }
    assert told["global_concurrency_limit"]["limit"] == 1
    assert told["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    (trigger,) = httpx.post(f"{server.url}/automations/filter", json={}, timeout=60).json()
    assert trigger["trigger"]["expect"] == ["nst.pictures.changed"]
    assert "event.payload.manifest" in str(trigger["actions"][0]["parameters"])
