"""`nst run`: from a manifest to a finished output, an exit code and a summary."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import time
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from flows import head_start, threads
from flows.commands import command_line
from flows.console import at_work
from flows.deadlines import deadline
from flows.display import display
from flows.exit_codes import ExitCode, gravest
from flows.inputs import locations
from flows.keeping import Keeping, keep_of
from flows.last_run import LastRun
from flows.notifying import notified
from flows.opening import open_night
from flows.prefect_server import PrefectServer
from flows.reporting import reported, say_goodbye
from flows.run_log import RunLog
from flows.signals import Signals, leave_on_sigterm
from flows.sources import absolute, read_manifest
from flows.uploading import Uploading
from manifests.locations import is_remote
from manifests.planning import expand, only
from manifests.wording import printable
from tasks.background import in_background
from tasks.comparisons import write_comparisons
from tasks.gallery import build
from tasks.lock import OutputLockedError
from tasks.metrics import write_metrics
from tasks.recalling import remembering
from tasks.report import write_report
from tasks.scratch import require_scratch
from tasks.settings import Settings
from tasks.sheets import write_contact_sheets
from tasks.staging import local_folder
from tasks.weights import require_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from flows.night import Night
    from manifests.pairs import Pair
    from manifests.problems import Problem
    from manifests.schema import Manifest
    from tasks.records import Record
    from tasks.upload import Drained

_log = logging.getLogger(__name__)

# The page and the summary are rewritten this often, for those who look in during the night.
_REFRESH_SECONDS = 600.0
# What a stopped run leaves the flow to end by itself.
_LAST_WORDS_SECONDS = 1.0
_STALE_PAGE = "This run was stopped before its page was written: 'nst {} {}' brings it up to date."


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the command line may say beside the manifest.

    Args:
        output: In place of the manifest's output.
        only: Pairs whose path or name fits this glob.
        device: In place of ``NST_DEVICE``.
        engine: In place of ``NST_ENGINE``.
        stop_at: Time of day at which everything must be saved, ``07:00 [time zone]``.
        max_hours: The same as a duration.
        retry_failed: Try pairs again that failed in an earlier night.
        draft: Paint every pair small first, as the manifest's ``draft`` does.
        memory_limit: Bytes for each painting process, in place of ``NST_MEMORY_LIMIT``.
        overrides: ``recipe.NAME.field=value``, in place of the manifest's.
        quiet: Plain lines even on a terminal.
        since: When it began, or as a scheduled one should have; its deadlines count from there.
    """

    output: str | None = None
    only: str | None = None
    device: str | None = None
    engine: str | None = None
    stop_at: str | None = None
    max_hours: float | None = None
    retry_failed: bool = False
    draft: bool = False
    memory_limit: int | None = None
    overrides: Sequence[str] = ()
    quiet: bool = False
    since: datetime | None = None

    def settings(self) -> Settings:
        """Return the settings of this machine, with what is said here in their place.

        Raises:
            SettingsError: The environment is wrong.
        """
        return Settings.from_environment().but(
            device=self.device, engine=self.engine, memory_limit=self.memory_limit
        )


def run(source: str, options: RunOptions) -> tuple[ExitCode, dict[str, Any]]:
    """Paint what a manifest asks for and is not finished yet.

    Returns:
        How it ended, and the summary as `summary.json` holds it.

    Raises:
        ManifestError: The manifest is wrong; nothing was begun.
        OutputLockedError: Another run holds the output.
        NSTError: The machine is not fit for it: weights, disk, device.
    """

    def paint() -> tuple[ExitCode, dict[str, Any]]:
        manifest = read_manifest(source, overrides=options.overrides)
        target = resolve_output(manifest, options.output)
        find = remembering(options.settings())
        with at_work("looking for the pictures"):
            pairs = only(expand(manifest, find, output=target, on_warning=_warn), options.only)
        code, summary = paint_pairs(manifest, pairs, source=source, options=options)
        say_goodbye(code, summary, target=target, command=command_of(source, options))
        return code, summary

    return notified(source, paint)


def paint_pairs(
    manifest: Manifest,
    pairs: Sequence[Pair],
    *,
    source: str,
    options: RunOptions,
    command: str | None = None,
) -> tuple[ExitCode, dict[str, Any]]:
    """Paint pairs of a manifest; see :func:`run`.

    Args:
        manifest: Where they come from.
        pairs: What to paint.
        source: The manifest's location, for people.
        options: See :class:`RunOptions`.
        command: What continues it; by default ``nst run`` with the manifest.
    """
    leave_on_sigterm()
    settings = options.settings()
    require_weights({pair.recipe.network for pair in pairs})
    target = resolve_output(manifest, options.output)
    if any(map(is_remote, [target, *locations(pairs)])):
        require_scratch(settings.scratch)
    ends = deadline([options.stop_at, manifest.finish_by], options.max_hours, since=options.since)
    name = printable(source)
    keep = keep_of(target, settings)
    with (
        display(quiet=options.quiet) as observer,
        open_night(
            manifest,
            pairs,
            root=local_folder(target, settings.scratch),
            settings=settings,
            observer=observer,
            source=name,
            deadline=ends,
            retry_failed=options.retry_failed,
            draft=manifest.draft or options.draft,
            keep=keep,
        ) as night,
        Uploading(night, target, source=name) as uploading,
    ):
        if keep:
            night.observers.append(Keeping(keep, settings))
        if command is None:
            LastRun(absolute(source), target, tuple(options.overrides)).remember(night.output.root)
            command = command_of(source, options)
        refresh = partial(_write_pages, night, command, hasty=True)
        with Signals(leave=night.leave, kill=night.renderer.stop) as signals:
            told = {"manifest": name, "page": target, "command": command}
            _paint(night, told, signals, refresh)
            drained = uploading.finish()
        waiting = len(drained.waiting)
        if signals.code is not None:  # ten seconds are too short to look at every picture
            mends = "upload" if is_remote(target) else "gallery"
            note = _STALE_PAGE.format(mends, shlex.quote(target))
            report = reported(night, command=command, waiting=waiting, notes=[note])
            summary = write_report(night.output, report, hasty=True)
        else:
            write_contact_sheets(night.output)
            write_comparisons(night.output, manifest.collection, _compared(night))
            summary = _write_pages(night, command, waiting=waiting)
            uploading.pages()
        return gravest(codes(night, signals.code, drained)), summary


def resolve_output(manifest: Manifest, chosen: str | None) -> str:
    """Return where finished pictures go: an absolute folder or ``s3://bucket/prefix``.

    Args:
        manifest: Its output counts from its own folder.
        chosen: The command line's, which counts from the working directory.
    """
    if chosen is None:
        return manifest.location(manifest.output)
    return absolute(chosen)


def command_of(source: str, options: RunOptions) -> str:
    """Return the command that continues a run, ready to paste."""
    given = {
        "output": options.output,
        "only": options.only,
        "device": options.device,
        "engine": options.engine,
        "stop-at": options.stop_at,
        "max-hours": options.max_hours,
        "memory-limit": options.memory_limit,
        "set": options.overrides,
        "retry-failed": options.retry_failed,
        "draft": options.draft,
    }
    return command_line("run", source, options=given)


def _compared(night: Night) -> Iterator[tuple[Pair, Record | None]]:
    """Yield the pairs that some sheet compares, with the records of those that are painted."""
    for outcome in night.outcomes:
        planned = outcome.planned
        if planned.pair.sheets:
            collection = night.manifest.collection
            yield planned.pair, night.output.record_of(planned.pair_id, collection=collection)


def _warn(problem: Problem) -> None:
    _log.warning("%s", str(problem).removeprefix("WARNING "))  # which the log says itself


def _write_pages(
    night: Night, command: str, *, waiting: int = 0, hasty: bool = False
) -> dict[str, Any]:
    """Write the reports and the page as the night stands, and return the summary."""
    report = reported(night, command=command, waiting=waiting)
    summary = write_report(night.output, report, hasty=hasty)
    write_metrics(night.output.root, report, folder=night.settings.metrics)
    build(night.output.root)
    return summary


def _paint(
    night: Night, told: Mapping[str, str], signals: Signals, refresh: Callable[[], object]
) -> None:
    """Paint in a thread of its own; the main thread is there for signals."""
    log = RunLog.of(night)
    has_work = head_start.begin(night)
    # After a kill there is the killed run to be marked as crashed.
    if not (has_work or night.rehash or os.environ.get("PREFECT_API_URL")):
        return  # a server of ours would take seconds to come up, and nobody could look at it
    scratch = night.settings.scratch
    server = PrefectServer.start(night.output.work / "prefect", cache=scratch / "prefect")
    # It has our context: a night on a schedule is shown below the run that began it.
    painting = in_background(_with_prefect, night, log, told, server)
    due, page = time.monotonic() + _REFRESH_SECONDS, None
    # Once all slots have saved and left, what does not end is Prefect, and is not waited for.
    while not (painting.done() or signals.have_let_go(_LAST_WORDS_SECONDS)):
        wait([painting], 0.2)
        if time.monotonic() >= due and night.planned and (page is None or page.done()):
            # Beside everything else: thousands of pictures take minutes, and a signal must not.
            page = in_background(_refreshed, refresh)
            due = time.monotonic() + _REFRESH_SECONDS
    server.stop()
    while page is not None and not (page.done() or signals.have_let_go(_LAST_WORDS_SECONDS)):
        wait([page], 0.2)
    if painting.done():
        painting.result()
    elif "flows.collection" in sys.modules:
        # Waits where it is still being imported: Python aborts if it ends in the midst of that.
        from flows import collection, history  # noqa: F401, PLC0415

        history.forget()


def _refreshed(refresh: Callable[[], object]) -> None:
    try:
        refresh()
    except Exception as error:  # noqa: BLE001 # a page is no reason to end the painting
        _log.warning("the page is not refreshed: %s", error)


def _with_prefect(
    night: Night, log: RunLog, told: Mapping[str, str], server: PrefectServer
) -> None:
    try:
        # Imported here: it takes seconds, in which painting begins.
        from flows import collection  # noqa: PLC0415

        is_up = server.is_ready(called_off=night.renderer.stopping)
    except Exception as error:  # noqa: BLE001 # an installation that does not fit, say
        _log.warning("Prefect does not start: %s", error)
        is_up = False
    if is_up:
        collection.paint(night, server, log=log, **told)
        return
    if not night.renderer.is_stopping:
        _log.warning("Prefect did not come up; painting goes on without it")
    threads.paint(night)


def codes(night: Night, caught: ExitCode | None, drained: Drained) -> list[ExitCode]:
    """Return every exit code that applies to a night at its end.

    Args:
        night: Painted.
        caught: What a signal means, if one came.
        drained: What came of its uploads.
    """
    left = [outcome for outcome in night.outcomes if outcome.state == "left"]
    # Pairs without a failure were not begun, or were interrupted: by a signal or the deadline.
    is_late = night.is_over or night.renderer.is_short_of_time
    stranded = [outcome for outcome in left if outcome.failure is not None]
    found = {
        ExitCode.ENVIRONMENT: bool(night.breaker.reason or stranded),
        ExitCode.LOCKED: isinstance(drained.stopped, OutputLockedError),
        ExitCode.NOT_UPLOADED: bool(drained.waiting),
        ExitCode.DEADLINE: bool(left) and caught is None and is_late,
        ExitCode.FAILED_PAIRS: any(outcome.state == "failed" for outcome in night.outcomes),
    }
    applying = [code for code, applies in found.items() if applies]
    if caught is not None:
        applying.append(caught)
    if left and not applying:  # nothing explains it, so it must not look like success
        applying.append(ExitCode.ENVIRONMENT)
    return applying
