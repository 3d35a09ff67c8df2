"""`nst serve` as people run it, with a Prefect server of its own."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.flows.command import Nst
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LONG = 300.0
EVERY_18_SECONDS = ("--every", "0.005")

KEEP = """
import asyncio, os, signal, threading
from flows.serving import _keep

class Runner:
    async def start(self):
        self.stopped = asyncio.Event()
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
        await self.stopped.wait()

    async def astop(self):
        self.stopped.set()

raise SystemExit(_keep(Runner()))
"""


@pytest.fixture
def serve(machine, tmp_path):
    """Serve a collection; whatever is left at the end is killed."""
    commands = []

    def start(made, *arguments):
        environ = machine | {"NST_SCRATCH": str(tmp_path / "scratch")}
        command = Nst(
            "serve", "toy.yaml", "--json", *arguments, folder=made.folder, environ=environ
        )
        commands.append(command)
        until(lambda: command.has_ended or command.stdout, LONG)
        assert not command.has_ended, command.stderr
        return command

    yield start
    for command in commands:
        family = [command.process]
        if not command.has_ended:
            family += psutil.Process(command.process.pid).children(recursive=True)
        for process in family:
            process.kill()
        command.process.wait()


def nights(command):
    """Return the names of the states of the nights there were, the oldest first."""
    url = json.loads(command.stdout)["api"]
    asked = {"sort": "EXPECTED_START_TIME_ASC", "flows": {"name": {"any_": ["night"]}}}
    found = httpx.post(f"{url}/flow_runs/filter", json=asked, timeout=60).json()
    return [run["state"]["name"] for run in found]


def nights_in(folder):
    """Return the same from the books of a server that is gone."""
    (books,) = folder.rglob("scratch/serve/toy/prefect/prefect.db")
    with sqlite3.connect(books) as database:
        asked = (
            "SELECT state_name FROM flow_run JOIN flow ON flow.id = flow_run.flow_id"
            " WHERE flow.name = 'night' ORDER BY expected_start_time"
        )
        return [name for (name,) in database.execute(asked)]


def test_a_schedule_fires_paints_reports_and_keeps(serve, toy):
    """Cron fires within its minute; the night after it paints nothing again."""
    made = toy()
    command = serve(made, "--cron", "* * * * *")
    until(lambda: "toy: complete 2 (exit code 0)" in command.stderr, LONG)
    pictures = {path: path.stat().st_mtime_ns for path in made.output.glob("toy/*")}
    until(lambda: "toy: kept 2 (exit code 0)" in command.stderr, LONG)
    # What a night is worth is told before Prefect has written down that it is over.
    until(lambda: nights(command)[:2] == ["Completed", "Completed"], LONG)

    assert {path: path.stat().st_mtime_ns for path in made.output.glob("toy/*")} == pictures
    assert json.loads((made.output / "summary.json").read_text())["kept"] == 2
    code, _, left = command.send(signal.SIGTERM)
    assert (code, left) == (143, [])


def test_sigterm_saves_the_night_under_way_and_leaves_nobody_behind(serve, toy):
    """The night keeps its checkpoint, the second that waited for it is not begun, exit 143."""
    made = toy(steps=[100_000], frames={"every": 1})
    command = serve(made, *EVERY_18_SECONDS)
    until(lambda: list(made.output.glob(".work/painting/*/frame_*")), LONG)
    until(lambda: "AwaitingConcurrencySlot" in nights(command), LONG)

    code, _, left = command.send(signal.SIGTERM)

    assert (code, left) == (143, [])
    assert "stopping: a night under way is saved first" in command.stderr
    assert list(made.output.glob(".work/checkpoints/*/*"))
    assert json.loads((made.output / "summary.json").read_text())["left"] == 2


def test_sigterm_is_heard_where_nothing_can_be_said():
    """A log on a full disk takes no last word."""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([sys.executable, "-c", KEEP], stderr=full, check=False, timeout=60)

    assert ended.returncode == 143


def test_after_a_kill_the_night_leaves_and_missed_ones_do_not_pile_up(serve, toy, tmp_path):
    """SIGKILL of serve, an outage of several slots, a new start: no run is left RUNNING."""
    made = toy(steps=[100_000], frames={"every": 1})
    command = serve(made, *EVERY_18_SECONDS)
    until(lambda: list(made.output.glob(".work/painting/*/frame_*")), LONG)
    family = psutil.Process(command.process.pid).children(recursive=True)
    command.process.kill()
    command.process.wait()
    _, left = psutil.wait_procs(family, timeout=60)
    assert left == []
    assert list(made.output.glob(".work/checkpoints/*/*"))

    made.write(pairings=[{"content": "photos", "style": "paintings", "recipe": "jcjohnson"}])
    again = serve(made, "--every", "1000", "--grace", "0")

    assert json.loads(again.stdout)["skipped"] > 0
    again.send(signal.SIGTERM)
    names = nights_in(tmp_path)
    assert "Crashed" in names
    assert "Running" not in names
    assert "Late" not in names
