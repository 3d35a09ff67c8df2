"""The slots of a Ray cluster: each is an actor that holds a remote slot, on a card or on cores.

Ray is asked for two things only: a place with a free card, and whether it is still there. How a
pair is painted, watched, resumed and given up is the business of the slots, as on one machine. So
there is one way to do each of these, and a run on a cluster paints the very pictures of a run here.
(Tasks of prefect-ray would bring retries, records and a deadline of their own, and every worker
would have to reach the Prefect server.)
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import GetTimeoutError, RayTaskError

from nst_core.errors import NSTError
from tasks import pair_files
from tasks.durable import OutputError
from tasks.jobs import SlotDied, SlotError, SlotUnusable, Stopped, explain
from tasks.ray_cluster import GONE, SECONDS_TO_CALL, require_head
from tasks.remote_slot import RemoteSlot

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.devices import SlotSpec
    from tasks.render import PaintJob

_log = logging.getLogger(__name__)

_TICK = 0.25
_LISTEN_SECONDS = 1.0
_TRIES = 3
_SECONDS_BEFORE_A_WORD = 30.0
# What a worker has to send its last checkpoint home, after its own grace.
_LAST_WORDS_SECONDS = 5.0


def hiring(
    entry: str, *, head: str, keep: str | None
) -> Callable[[SlotSpec, Callable[[], bool]], RayWorker]:
    """Return what gives a slot of the cluster its worker, as `tasks.slots.SlotPool` wants it.

    Args:
        entry: The job function, ``module:function``.
        head: What `joined` gave.
        keep: ``s3://bucket/prefix`` for files of pairs under way, or None to have them sent here.
    """
    remote: Any = ray.remote(RemoteSlot)

    def begin(spec: SlotSpec) -> tuple[Any, Any]:
        is_card = spec.device.startswith("cuda")
        actor = remote.options(
            num_gpus=1 / spec.sharers if is_card else 0,
            num_cpus=0 if is_card else spec.threads,
            max_concurrency=4,  # it hears, is asked whether it is there, and told to leave
            max_restarts=0,
            scheduling_strategy="SPREAD",
        ).remote(spec, entry, keep)
        return actor, actor.warm.remote(version("nst-gallery"))

    def warmed(spec: SlotSpec, called_off: Callable[[], bool]) -> RayWorker:
        actor, ready = begin(spec)
        asked, has_waited = time.monotonic(), False
        while not ray.wait([ready], timeout=_TICK)[0]:
            if called_off():
                ray.kill(actor)
                raise Stopped(f"slot {spec.name} was stopped before it was ready")
            if time.monotonic() - asked > _SECONDS_BEFORE_A_WORD:
                require_head(head)
                if not has_waited:
                    _log.warning("slot %s waits for room: see 'ray status'", spec.name)
                asked, has_waited = time.monotonic(), True
        return RayWorker(spec, actor, head, **_answer(ready))

    def hire(spec: SlotSpec, called_off: Callable[[], bool]) -> RayWorker:
        reason = ""
        for _ in range(_TRIES):  # it may be sent to a machine that is just being lost
            require_head(head)
            try:
                return warmed(spec, called_off)
            except (_LostError, *GONE) as error:
                reason = str(error)
        raise SlotUnusable(
            f"no worker for slot {spec.name}: {reason.strip().rpartition(chr(10))[2]}",
            remedy="install nst-gallery[ray] in the same version on every machine",
            details=reason,
        )

    return hire


class RayWorker:
    """A remote slot of the cluster, as a slot's worker; see `tasks.slots.Worker`.

    Args:
        spec: The slot.
        actor: The remote slot's handle, warm.
        head: Where the cluster answers.
        host: Its machine.
        pid: Its process there.
    """

    def __init__(self, spec: SlotSpec, actor: Any, head: str, *, host: str, pid: int) -> None:
        self.pid = pid
        self.is_fit = True
        self._spec = spec
        self._actor = actor
        self._head = head
        self._host = host
        self._is_dismissed = False
        self._is_killed = False
        self._leaving: Any = None
        self._quiet = threading.Event()
        self._quiet.set()

    @property
    def is_alive(self) -> bool:
        """Whether it answers, or at least is not known to be lost."""
        if self._is_killed:
            return False
        try:
            ray.get(self._actor.ping.remote(), timeout=SECONDS_TO_CALL)
        except GetTimeoutError:
            return True
        except GONE:
            return False
        return True

    def await_ready(self, seconds: float) -> None:
        """It is ready from the beginning."""

    def run(
        self,
        job: dict[str, Any],
        on_event: Callable[[dict[str, Any]], None],
        *,
        deadline: float,
        grace: float,
        stall_seconds: float,
    ) -> Any:
        """Run a job to its end; see `tasks.slots.SlotPool.run`."""
        self.is_fit = False
        self._quiet.clear()
        progress: dict[str, Any] | None = None
        pair: PaintJob = job["pair"]
        found = pair_files.places(pair)
        try:
            self._bring(pair)
            left = deadline - time.monotonic()
            self._call("begin", pair, list(pair_files.contents(found)), left, stall_seconds)
            while True:
                if time.monotonic() >= deadline + grace + _LAST_WORDS_SECONDS:
                    self.kill()
                for message in self._call("hear", _LISTEN_SECONDS):
                    match message:
                        case ("event", event):
                            progress = event
                            on_event(event)
                        case ("done", result):
                            self.is_fit = True
                            return result.moved(pair.folder)
                        case ("stopped", text):
                            raise Stopped(text)
                        case ("failed", SlotError() as error):
                            self.is_fit = error.code != SlotUnusable.code
                            raise error
                        case _:
                            _take_home(message, found)
        except _LostError as error:
            raise self._obituary(error, progress) from error
        finally:
            self._quiet.set()

    def dismiss(self) -> None:
        """Ask its job to save and leave."""
        self._is_dismissed = True
        with suppress(*GONE):
            self._leaving = self._actor.leave.remote()

    def kill(self) -> None:
        """End it at once. Safe in a signal handler."""
        self._is_dismissed = self._is_killed = True
        with suppress(ValueError, *GONE):
            ray.kill(self._actor)

    def wait(self, seconds: float) -> bool:
        """Wait until it has left and its last words are heard."""
        end = time.monotonic() + seconds + _LAST_WORDS_SECONDS
        with suppress(*GONE):
            if self._leaving is not None:
                ray.wait([self._leaving], timeout=max(0.0, end - time.monotonic()))
        return self._quiet.wait(max(0.0, end - time.monotonic()))

    def discard(self) -> None:
        """End it at once."""
        self.kill()

    def _bring(self, pair: PaintJob) -> None:
        """Send the pictures that are not on its machine yet."""
        pictures = {picture.sha256: picture for picture in pair_files.pictures(pair)}
        for sha256 in self._call("lacks", list(pictures.values())):
            try:
                data = pictures[sha256].read()
            except NSTError as error:
                self.is_fit = True
                raise explain(error) from error
            self._call("take", pictures[sha256], data)

    def _call(self, method: str, *arguments: object) -> Any:
        try:
            asked = getattr(self._actor, method).remote(*arguments)
            while not ray.wait([asked], timeout=_TICK)[0]:
                if self._is_killed:
                    raise _LostError("it was killed")
        except GONE as error:
            raise _LostError(str(error)) from error
        return _answer(asked)

    def _obituary(self, error: _LostError, progress: dict[str, Any] | None) -> SlotError | Stopped:
        where = f"the worker of slot {self._spec.name} on {self._host}"
        if self._is_dismissed:
            return Stopped(f"{where} was killed, past its grace")
        try:
            require_head(self._head)
        except SlotUnusable as gone:
            return gone
        return SlotDied(f"{where} was lost", progress=progress, details=str(error))


class _LostError(Exception):
    """The actor is gone."""


def _answer(asked: Any) -> Any:
    """Return what an actor answers.

    Raises:
        _LostError: It is gone.
        SlotError: What it raised.
    """
    try:
        return ray.get(asked)
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, SlotError):
            raise cause from None
        if isinstance(cause, Exception):
            raise explain(cause) from error
        raise _LostError(str(error)) from error
    except GONE as error:
        raise _LostError(str(error)) from error


def _take_home(message: tuple[Any, ...], found: pair_files.Places) -> None:
    try:
        match message:
            case ("keep", name, data):
                pair_files.put(found, name, data)
            case ("drop", name):
                pair_files.drop(found, name)
            case ("log", name, level, text):
                logging.getLogger(name).log(level, "%s", text)
    except OutputError as error:
        _log.warning("%s is not kept: %s", message[1], error)
