"""The flow: a collection's pictures are fetched, its pairs rendered and published.

Rendering is what takes the night, and the slots are what it waits for; fetching and publishing
run beside it. Every task only calls a method of the night, so that the decorators could be
removed: that is what :mod:`flows.threads` does when Prefect is not to be had.
"""

from __future__ import annotations

import logging
import shlex
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import TYPE_CHECKING, Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows import history, threads
from flows.artifacts import Artifacts
from flows.prefect_database import ONE_BY_ONE
from flows.run_log import RunLog
from manifests.wording import printable
from tasks.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect.client.schemas.objects import State
    from prefect.futures import PrefectFuture

    from flows.night import Night
    from flows.prefect_server import PrefectServer

_log = logging.getLogger(__name__)

_TONIGHT: ContextVar[Night] = ContextVar("tonight")
_SHOWN: ContextVar[Artifacts] = ContextVar("shown")


@task(task_run_name="fetch {name}", cache_policy=NO_CACHE, persist_result=False)
def fetch(name: str, location: str) -> None:  # noqa: ARG001 # names are for whoever watches
    """Bring one picture to this machine."""
    with _discreetly():
        _TONIGHT.get().inputs.fetch(location)


@task(task_run_name="render {name}", cache_policy=NO_CACHE, persist_result=False)
def render(name: str, pair_id: str) -> None:  # noqa: ARG001
    """Paint one pair; waits for a slot."""
    with _discreetly():
        _TONIGHT.get().render(pair_id)


@task(task_run_name="publish {name}", cache_policy=NO_CACHE, persist_result=False)
def publish(name: str, pair_id: str) -> None:  # noqa: ARG001
    """Put one painted pair into the output."""
    with _discreetly():
        _TONIGHT.get().publish(pair_id)


@task(task_run_name="fetch {count} more", cache_policy=NO_CACHE, persist_result=False)
def fetch_others(count: int) -> None:  # noqa: ARG001
    """Bring the pictures to this machine that are not shown one by one."""
    night = _TONIGHT.get()
    night.inputs.fetch_all([where for where in night.locations if not night.inputs.has(where)])


@task(task_run_name="paint {count} more", cache_policy=NO_CACHE, persist_result=False)
def paint_others(count: int) -> None:  # noqa: ARG001
    """Paint the pairs that are not shown one by one."""
    threads.paint(_TONIGHT.get())


@flow(name="collection", flow_run_name="{name}", persist_result=False)
def collection(name: str, manifest: str, output: str) -> State[None]:  # noqa: ARG001
    """Paint the collection of the night that is open.

    Args:
        name: The collection's.
        manifest: Where it is written.
        output: Where it goes.
    """
    night, shown = _TONIGHT.get(), _SHOWN.get()
    places = night.locations
    for future in [fetch.submit(_last(where), where) for where in places[:ONE_BY_ONE]]:
        future.wait()
    if more := len(places[ONE_BY_ONE:]):
        fetch_others.submit(more).wait()
    under_way: set[PrefectFuture[None]] = set()
    for planned in islice(night.queue(), ONE_BY_ONE):
        name = planned.pair.title
        rendered = render.submit(name, planned.pair_id)
        published = publish.submit(  # type: ignore[call-overload] # wait_for is not a parameter
            name=name, pair_id=planned.pair_id, wait_for=[rendered]
        )
        # To ask a future for its state would be a request to the server, for each, each time.
        under_way.add(published)
        published.add_done_callback(under_way.discard)
        shown.progress()
    for future in tuple(under_way):
        future.wait()
        shown.progress()
    if not night.is_over and (more := len(night.left) + night.stranded):
        paint_others.submit(more).wait()
    shown.leave()
    return _verdict(night)


def paint(
    night: Night,
    server: PrefectServer,
    *,
    manifest: str,
    page: str | None = None,
    command: str | None = None,
    log: RunLog | None = None,
) -> None:
    """Run the flow for an open night; what Prefect drops on the way is painted without it.

    Args:
        night: Opened by :func:`flows.opening.open_night`.
        server: Where it is shown.
        manifest: Where it is written, for whoever watches.
        page: Where the gallery page will be found; by default in the night's own output.
        command: What continues the run; by default ``nst run`` with the manifest.
        log: What was said of the night so far, where it has begun already.

    Raises:
        NSTError: The night could not be planned.
    """
    # A pair takes up to two threads: its publishing waits in one while it is painted in another.
    runner: Any = ThreadPoolTaskRunner(max_workers=2 * night.places + 1)
    shown = Artifacts(
        night,
        log or RunLog.of(night),
        page=page or str(night.output.root),
        command=command or shlex.join(["nst", "run", manifest]),
        with_pictures=server.shows_pages_here,
    )
    # Prefect reads its environment only once, and this command may have had a server before.
    with _tonight(night, shown), temporary_settings({PREFECT_API_URL: server.url}):
        try:
            history.listen()
            if server.is_ours and (killed := history.mark_crashed()):
                _log.info("%d runs that were killed are marked as crashed", killed)
            state = collection.with_options(task_runner=runner)(
                night.manifest.collection,
                manifest,
                printable(str(night.output.root)),
                return_state=True,
            )
            history.drain(state.state_details.flow_run_id)
        except Exception as error:  # noqa: BLE001 # whatever Prefect's trouble is, painting goes on
            _log.warning("Prefect is gone, painting goes on without it: %s", error)
            history.forget()
    threads.paint(night)


class _Redacted(Exception):  # noqa: N818 # stands for an error of any kind
    """An error, as Prefect's database may know it."""


@contextmanager
def _discreetly() -> Iterator[None]:
    """Keep secrets that an error quotes from Prefect, which writes down what a task raised."""
    try:
        yield
    except Exception as error:
        if (said := redact(str(error))) != str(error):
            raise _Redacted(f"{type(error).__name__}: {said}") from None
        raise


@contextmanager
def _tonight(night: Night, shown: Artifacts) -> Iterator[None]:
    tokens = _TONIGHT.set(night), _SHOWN.set(shown)
    try:
        yield
    finally:
        _TONIGHT.reset(tokens[0])
        _SHOWN.reset(tokens[1])


def _verdict(night: Night) -> State[None]:
    """Return the flow's end: a run with failures never ends 'Completed'."""
    states = [outcome.state for outcome in night.outcomes]
    done = states.count("complete") + states.count("kept")
    told = f"{done} of {len(states)} pictures are finished"
    if night.pairs and not states:
        return Failed(name="Unfinished", message="stopped before the pictures were read")
    if failed := states.count("failed"):
        return Failed(message=f"{told}, {failed} failed")
    if left := states.count("left"):
        return Failed(name="Unfinished", message=f"{told}, {left} are left for the next run")
    return Completed(message=told)


def _last(location: str) -> str:
    return printable(location.rstrip("/").rpartition("/")[2])
