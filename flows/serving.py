"""`nst serve`: nights on a schedule from one process, without a work pool.

Prefect keeps the schedule and starts each night in a process of its own. A server is started along
unless `PREFECT_API_URL` names one; its state lies in the scratch folder, so that a schedule
remembers its nights from one start to the next.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from flows.console import print_error
from flows.deadlines import deadline
from flows.parent_process import be_known_as_parent
from flows.prefect_server import PrefectServer
from flows.run import resolve_output
from flows.signals import Signals, leave_on_sigterm
from flows.sources import read_manifest
from manifests.fields import collection_name
from nst_core.errors import NSTError, did_you_mean
from tasks.background import in_background
from tasks.lock import OutputLockedError, hold
from tasks.output import Output
from tasks.settings import Settings
from tasks.staging import local_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from prefect.runner import Runner
    from prefect.schedules import Schedule

    from flows.exit_codes import ExitCode

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
_POLL_SECONDS = 10.0


class ScheduleError(NSTError):
    """A schedule that cannot be kept."""

    code = "E-SCHEDULE"
    kind = "input"


@dataclass(frozen=True, kw_only=True)
class When:
    """When nights begin: by cron, or at an interval.

    Args:
        cron: Five fields: minute, hour, day of the month, month, day of the week.
        hours: Between the beginnings of two nights.
        timezone: In which the cron fields are meant, and in which a day has 23 or 25 hours.
        grace_minutes: A night that begins so much later is skipped.
    """

    cron: str | None = None
    hours: float | None = None
    timezone: str = "UTC"
    grace_minutes: float = 60.0

    def schedule(self) -> Schedule:
        """Return it as Prefect has it.

        Raises:
            ScheduleError: That is no cron, no time zone, or not one of both.
        """
        # Not earlier: Prefect reads the environment when it is imported.
        from prefect.schedules import Cron, Interval  # noqa: PLC0415

        zones = available_timezones()
        if self.timezone not in zones:
            hint = did_you_mean(self.timezone, zones)
            raise ScheduleError(f"there is no time zone {self.timezone!r}{hint}")
        if (self.cron is None) == (self.hours is None):
            raise ScheduleError(
                "a schedule is given by --cron or by --every",
                remedy='say --cron "0 22 * * *" --timezone Europe/Berlin',
            )
        if self.hours is not None:
            return Interval(timedelta(hours=self.hours), timezone=self.timezone, slug="nst")
        assert self.cron is not None
        try:
            return Cron(self.cron, timezone=self.timezone, slug="nst")
        except ValueError as error:
            raise ScheduleError(
                f"{self.cron!r} is no cron expression",
                remedy="write minute, hour, day, month, weekday: 0 22 * * * is every night at ten",
            ) from error


@dataclass
class Serving:
    """A schedule that is about to be served.

    Args:
        name: Of the deployment.
        manifests: What is painted each night, absolute.
        when: When.
        parameters: Of the night, beside the manifests.
        port: Of a Prefect server of ours; any free one by default.
    """

    name: str
    manifests: Sequence[str]
    when: When
    parameters: dict[str, Any] = field(default_factory=dict)
    port: int | None = None

    def serve(self, on_ready: Callable[[dict[str, Any]], None]) -> ExitCode:
        """Start nights until a signal comes; a night under way then saves itself and leaves.

        Args:
            on_ready: Is told what is served, as plain values.

        Returns:
            The signal's exit code.

        Raises:
            ScheduleError: The schedule cannot be kept, or Prefect cannot be had.
            ManifestError: A manifest is wrong.
            OutputLockedError: The same schedule is served by another process here.
        """
        leave_on_sigterm()
        be_known_as_parent()
        settings = Settings.from_environment()
        deadline(
            [self.parameters.get("stop_at")]
        )  # if it cannot be read, now is the time to say so
        outputs = [self._output(manifest, settings) for manifest in self.manifests]
        home = settings.scratch / "serve" / collection_name(self.name)
        with (
            hold(home, manifest=f"nst serve {self.name}"),
            _server(home / "prefect", self.port) as server,
        ):
            from prefect.runner import Runner  # noqa: PLC0415 # reads the environment at import

            from flows import firing, history, schedule  # noqa: PLC0415

            # Prefect's own words where it cannot start a night; the night speaks for itself.
            logging.getLogger("prefect.runner").setLevel(logging.ERROR)
            runner = Runner(name=self.name, pause_on_shutdown=False, query_seconds=_POLL_SECONDS)
            deployment = schedule.deployment(
                self.name,
                self.when.schedule(),
                parameters={
                    **self.parameters,
                    "manifests": list(self.manifests),
                    "grace_minutes": self.when.grace_minutes,
                },
                description=f"Paints {', '.join(self.manifests)}.",
            )
            deployment_id: Any = runner.add_deployment(deployment)
            if server.is_ours:
                history.mark_crashed()
            elif _are_free(outputs):
                history.mark_crashed(deployment_id)
            skipped = history.skip_missed(
                deployment_id,
                now=datetime.now(UTC),
                grace=timedelta(minutes=self.when.grace_minutes),
            )
            if skipped:
                _log.warning("%d nights were missed and are skipped", skipped)
            on_ready(
                {
                    "deployment": f"night/{self.name}",
                    "api": server.url,
                    "skipped": skipped,
                    "next": firing.next_night(deployment_id, now=datetime.now(UTC)),
                }
            )
            return _keep(runner)

    def _output(self, manifest: str, settings: Settings) -> Path:
        """Return where a manifest is painted; what is wrong with it is said now, not at night."""
        overrides = self.parameters.get("overrides", ())
        target = resolve_output(
            read_manifest(manifest, overrides=overrides), self.parameters.get("output")
        )
        return Output(local_folder(target, settings.scratch)).work


def named(manifests: Sequence[str]) -> str:
    """Return what a schedule of these manifests is called if nobody says otherwise."""
    return read_manifest(manifests[0]).collection


def _are_free(works: Sequence[Path]) -> bool:
    """Tell whether nobody paints into any of the outputs, so that nobody can be under way."""
    for work in works:
        if not work.is_dir():
            continue
        try:
            with hold(work, manifest="nst serve"):
                pass
        except OutputLockedError:
            return False
    return True


@contextmanager
def _server(home: Path, port: int | None) -> Iterator[PrefectServer]:
    """Have a Prefect server: the user's, or one of ours for as long."""
    server = PrefectServer.start(home, schedules=True, port=port)
    try:
        if not server.is_ready():
            raise ScheduleError(
                f"there is no Prefect server at {server.url}",
                remedy="start it, or unset PREFECT_API_URL to have one started along",
            )
        yield server
    finally:
        server.stop()


def _keep(runner: Runner) -> ExitCode:
    """Run a runner in a thread until a signal comes; the main thread is there for signals."""
    asked = threading.Event()

    async def run() -> None:
        running = asyncio.create_task(runner.start())
        while not (running.done() or asked.is_set()):
            await asyncio.wait([running], timeout=_LOOK_SECONDS)
        if not running.done():
            # Sends SIGTERM to a night under way, and waits until it has saved itself and left.
            await runner.astop()
        await running

    def leave() -> None:
        asked.set()  # before a word: who would read it may be gone
        print_error("stopping: a night under way is saved first; once more ends it at once")

    with Signals(leave=leave, kill=lambda: None) as signals:
        running = in_background(lambda: asyncio.run(run()))
        while not running.done():
            wait([running], _LOOK_SECONDS)
    if signals.code is not None:
        return signals.code
    raise ScheduleError("Prefect's runner ended") from running.exception()
