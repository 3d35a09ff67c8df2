"""Runs in Prefect's database: told to their end, and put right after a process was killed."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.events.clients import NullEventsClient
from prefect.events.worker import EventsWorker
from prefect.states import Cancelled, Crashed

from flows.lateness import missed

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import State

_log = logging.getLogger(__name__)

_UNFINISHED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_POLL_SECONDS = 0.2
_PAGE = 200


def mark_crashed(deployment: UUID | None = None) -> int:
    """Mark flow runs that a killed process left RUNNING as crashed, and return how many.

    Args:
        deployment: Whose runs, and what they have started; all there are if the server is our own.
            In either case nobody else may be running them, as the output's lock proves.
    """
    with get_client(sync_client=True) as client:
        left = client.read_flow_runs(flow_run_filter=_unfinished(deployment))
        if deployment is not None and left:
            parents = FlowRunFilterParentFlowRunId(any_=[run.id for run in left])
            started = FlowRunFilter(parent_flow_run_id=parents, state=_unfinished(None).state)
            left += client.read_flow_runs(flow_run_filter=started)
        for run in left:
            client.set_flow_run_state(run.id, Crashed(message="the process was killed"), force=True)
    return len(left)


def skip_missed(deployment: UUID, *, now: datetime, grace: timedelta) -> int:
    """Cancel the scheduled runs that an outage has made too late, and return how many.

    Args:
        deployment: Whose.
        now: The present moment.
        grace: How late is not too late; see :func:`flows.lateness.missed`.
    """
    waiting = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime.model_validate({"before_": now}),
    )
    count = 0
    with get_client(sync_client=True) as client:
        while True:  # the API gives 200 at most
            runs = client.read_flow_runs(flow_run_filter=waiting, limit=_PAGE)
            late = missed(runs, now=now, grace=grace)
            for run in late:
                client.set_flow_run_state(run.id, _skipped(), force=True)
            count += len(late)
            if len(runs) < _PAGE or not late:
                return count


def _skipped() -> State[Any]:
    return Cancelled(name="Skipped", message="missed while nobody served the schedule")


def _unfinished(deployment: UUID | None) -> FlowRunFilter:
    return FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED)),
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment]) if deployment else None,
    )


def drain(flow_run: UUID | None, seconds: float = 10.0) -> bool:
    """Wait until the server has written down how the task runs ended; False if it takes longer.

    Task states travel as events behind the run's back; a server that is stopped at once forgets
    most of them.

    Args:
        flow_run: Whose task runs.
        seconds: How long to wait.
    """
    end = time.monotonic() + seconds
    _let_go_of_events(seconds)
    with get_client(sync_client=True) as client:
        while time.monotonic() < end:
            if not _under_way(client, flow_run):
                return True
            time.sleep(_POLL_SECONDS)
    _log.debug("Prefect has not noted the end of every task run")
    return False


def listen() -> None:
    """Tell everything again, after `forget`: a later run of this process may have a server."""
    EventsWorker.set_client_override(None)


def forget() -> None:
    """Tell nothing more to a server that is gone, or it would hold up our own end."""
    EventsWorker.set_client_override(NullEventsClient)
    _let_go_of_events(0.0)


def _let_go_of_events(seconds: float) -> None:
    """Send the events that wait, for so long, and drop the others.

    With its server gone, Prefect takes seconds over each, and does not let the process end before.
    There is no public way to stop it.
    """
    workers = list(EventsWorker._instances.values())  # type: ignore[misc] # noqa: SLF001
    EventsWorker.drain_all(timeout=seconds)
    for worker in workers:
        events = worker._queue  # noqa: SLF001
        with events.mutex:
            events.queue.clear()
        events.put(None)  # what ends the worker


def _under_way(client: SyncPrefectClient, flow_run: UUID | None) -> int:
    # By name, as what never began because another failed stays PENDING, and is called NotReady.
    query = {
        "flow_runs": {"id": {"any_": [str(flow_run)]}},
        "task_runs": {"state": {"name": {"any_": ["Pending", "Running"]}}},
    }
    return int(client.request("POST", "/task_runs/count", json=query).json())
