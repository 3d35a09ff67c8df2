"""The flow that schedules start: one night of some manifests, as `nst run` would go through it.

`nst serve` runs it without a work pool, `prefect.yaml` with one. Whether a night may begin is asked
here, since both ways of starting it may start it late; that no two nights overlap is seen to by the
deployment's concurrency limit, and by the output's own lock wherever the other night was started.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from prefect import flow, runtime
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.states import Cancelled, Completed, Failed
from prefect.types.entrypoint import EntrypointType

from flows import firing, logs
from flows.console import counts
from flows.exit_codes import ExitCode, ends_a_round, gravest, of_error
from flows.lateness import is_missed
from flows.parent_process import answer_to_parent_alone
from flows.run import RunOptions, run
from flows.run_log import RunLog
from nst_core.errors import NSTError
from tasks.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefect.client.schemas.objects import State
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Schedule

_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)  # what came of a night is worth a line

GRACE_MINUTES = 60.0

# A night that finds the one before still at work waits for it, within its grace. The other
# strategy would cancel it at once, and after a crash that is what happens to the first night: the
# server gives a dead run's place back only after minutes.
ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)

# How a night that began is called if it did not end well; 0 is a success, 11 did not begin.
_NAMES = {
    ExitCode.FAILED_PAIRS: "Failed",
    ExitCode.ENVIRONMENT: "EnvironmentFailed",
    ExitCode.NOT_UPLOADED: "NotUploaded",
    ExitCode.DEADLINE: "Unfinished",
    ExitCode.INTERRUPTED: "Interrupted",
    ExitCode.TERMINATED: "Interrupted",
}


@flow(name="night", persist_result=False)
def night(  # noqa: PLR0917 # Prefect calls it by name
    manifests: list[str],
    output: str | None = None,
    only: str | None = None,
    device: str | None = None,
    stop_at: str | None = None,
    max_hours: float | None = None,
    retry_failed: bool = False,  # noqa: FBT001, FBT002 # parameters of a deployment have names
    draft: bool = False,  # noqa: FBT001, FBT002
    memory_limit: int | None = None,
    overrides: list[str] | None = None,
    grace_minutes: float = GRACE_MINUTES,
) -> State[Any]:
    """Paint what is missing, as `nst run` does.

    Args:
        manifests: Absolute paths or s3:// addresses, painted one after the other.
        output: In place of the manifest's output.
        only: Glob over pairs.
        device: In place of ``NST_DEVICE``.
        stop_at: Time of day to have everything saved.
        max_hours: The same as a duration.
        retry_failed: Whether pairs that failed in an earlier night are tried again.
        draft: Whether every pair is painted small first.
        memory_limit: Bytes for each painting process, in place of ``NST_MEMORY_LIMIT``.
        overrides: ``recipe.NAME.field=value``.
        grace_minutes: A run that begins so much later than scheduled is skipped.
    """
    answer_to_parent_alone()
    logs.configure()
    scheduled = runtime.flow_run.scheduled_start_time or datetime.now(UTC)
    grace = timedelta(minutes=grace_minutes)
    if is_missed(scheduled, now=datetime.now(UTC), grace=grace):
        said = f"should have begun at {scheduled:%Y-%m-%d %H:%M} UTC; its time is over"
        _log.warning("a night is skipped: it %s", said)
        return _take_leave(Cancelled(name="Skipped", message=said))
    options = RunOptions(
        output=output,
        only=only,
        device=device,
        stop_at=stop_at,
        max_hours=max_hours,
        retry_failed=retry_failed,
        draft=draft,
        memory_limit=memory_limit,
        overrides=tuple(overrides or ()),
        quiet=True,
        since=scheduled,
    )
    return _take_leave(_state(*_round(manifests, options)))


def deployment(
    name: str, schedule: Schedule, *, parameters: dict[str, Any], description: str
) -> RunnerDeployment:
    """Return what is to be registered for a schedule.

    Args:
        name: Of the deployment, which Prefect shows as ``night/NAME``.
        schedule: When.
        parameters: Of `night`.
        description: For whoever looks at it.
    """
    made: Any = night.to_deployment(  # typed for asynchronous callers too
        name,
        schedules=[schedule],
        parameters=parameters,
        description=description,
        tags=["nst-gallery"],
        concurrency_limit=ONE_AT_A_TIME,
        # A module is found wherever the package is installed, whatever the working directory.
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return cast("RunnerDeployment", made)


def _take_leave(ended: State[Any]) -> State[Any]:
    """Say how a night ended and when the next begins; for people, and no reason to fail."""
    try:
        told = RunLog()
        told.say(ended.message or "", level=logging.INFO if ended.is_completed() else logging.ERROR)
        deployment = runtime.deployment.id
        now = datetime.now(UTC)
        is_leaving = ended.name == _NAMES[ExitCode.TERMINATED]  # and the schedule with it
        if (
            deployment
            and not is_leaving
            and (coming := firing.next_night(UUID(deployment), now=now))
        ):
            _log.info("next: %s", firing.in_words(coming, now=now))
            told.say(f"next: {firing.in_words(coming, now=now)}")
        told.send()
    except Exception as error:  # noqa: BLE001 # the server may be gone by now
        _log.debug("the next night is not known: %s", error)
    return ended


def _round(manifests: Sequence[str], options: RunOptions) -> tuple[ExitCode, str]:
    """Paint manifest after manifest; a wrong one does not keep the others from their night."""
    codes: list[ExitCode] = []
    told: list[str] = []
    for manifest in manifests:
        try:
            code, summary = run(manifest, options)
        except NSTError as error:
            code = of_error(error)
            _log.error("%s %s", error.code, error)
            told.append(f"{manifest}: {error}")
        else:
            told.append(counts(summary))
            _log.info("%s (exit code %d)", told[-1], code)
        codes.append(code)
        if ends_a_round(code):
            break
    return gravest(codes), "; ".join(told)


def _state(code: ExitCode, message: str) -> State[Any]:
    """Return the run's end as Prefect may write it down: only exit code 0 is 'Completed'."""
    message = redact(message)
    if code is ExitCode.COMPLETE:
        return Completed(message=message)
    said = f"exit code {code.value}: {message}"
    if code is ExitCode.LOCKED:
        return Cancelled(name="Locked", message=said)
    return Failed(name=_NAMES.get(code, "Failed"), message=said)
