"""Slots in a Ray cluster: each is an actor that holds an outpost, on a card or cores of its own.

Ray is asked for two things only: a place with a free card, and whether it is still there. How a
pair is painted, watched, resumed and given up is the business of the slots, as on one machine. So
there is one way to do each of these, and a run on a cluster paints the very pictures of a run here.
(Tasks of prefect-ray would bring retries, records and a deadline of their own, and every worker
would have to reach the Prefect server.)
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLateError
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

# Read when Ray is imported: nobody is told that it is used.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from nst_core.errors import FailureKind, NSTError
from tasks import luggage
from tasks.devices import DeviceError, SlotSpec
from tasks.durable import OutputError
from tasks.jobs import SlotDied, SlotError, SlotUnusable, Stopped, explain
from tasks.outpost import Outpost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tasks.render import PaintJob
    from tasks.settings import Settings

_log = logging.getLogger(__name__)

_TICK = 0.25
_LISTEN_SECONDS = 1.0
_SECONDS_TO_JOIN = 60.0
_SECONDS_TO_CALL = 5.0
_SECONDS_TO_PART = 5.0
_SECONDS_BEFORE_A_WORD = 30.0
# What a worker has to send its last checkpoint home, after its own grace.
_LAST_WORDS_SECONDS = 5.0


class ClusterError(NSTError):
    """The Ray cluster is not to be had."""

    code = "E-RAY"
    kind: FailureKind = "environment"


@contextmanager
def joined(settings: Settings) -> Iterator[None]:
    """Be connected to the cluster of ``RAY_ADDRESS``, or else to that of this machine.

    Raises:
        ClusterError: It does not answer.
    """
    address = settings.ray_address
    _call_at(address)
    _quieten()
    try:
        # Elsewhere than in the main thread, Ray leaves the signals alone.
        _within(
            _SECONDS_TO_JOIN,
            lambda: ray.init(
                address, log_to_driver=False, configure_logging=False, namespace="nst-gallery"
            ),
        )
    except (Exception, SystemExit) as error:
        raise _unreachable(address, str(error) or type(error).__name__) from error
    try:
        yield
    finally:
        with suppress(TooLateError, RayError):
            _within(_SECONDS_TO_PART, ray.shutdown)


def cluster_slots(settings: Settings) -> list[SlotSpec]:
    """Return the slots that the joined cluster offers: one for each card, or for each CPU core.

    ``NST_DEVICE``, ``NST_SLOTS`` and ``NST_TORCH_THREADS`` count for the whole cluster.

    Raises:
        DeviceError: It has no such devices.
        ClusterError: It has nothing to paint on.
    """
    there = ray.cluster_resources()
    cards, cores = int(there.get("GPU", 0)), int(there.get("CPU", 0))
    wanted = settings.device
    if wanted not in {"auto", "cuda", "cpu"}:
        raise DeviceError(
            f"in a cluster Ray chooses the card, so there is no {wanted}",
            remedy="say auto, cuda or cpu",
        )
    if wanted == "cuda" and not cards:
        raise DeviceError("the cluster has no card", remedy="'ray status' tells what it has")
    threads = settings.torch_threads or 1
    device = "cuda:0" if cards and wanted != "cpu" else "cpu"
    usual = cards if device == "cuda:0" else cores // threads
    if not usual:
        raise ClusterError(
            f"the cluster offers {cores} CPU cores and no card",
            remedy="start its machines with 'ray start --address=HEAD:6379'",
        )
    count = settings.slots or usual
    sharers = -(-count // cards) if device == "cuda:0" else 1
    return [SlotSpec(f"ray{index}", device, threads, sharers) for index in range(count)]


def hiring(entry: str, *, keep: str | None) -> Callable[[SlotSpec, Callable[[], bool]], RayWorker]:
    """Return what gives a slot of the cluster its worker, as `tasks.slots.SlotPool` wants it.

    Args:
        entry: The job function, ``module:function``.
        keep: ``s3://bucket/prefix`` for files of pairs under way, or None to have them sent here.
    """
    outpost: Any = ray.remote(Outpost)

    def hire(spec: SlotSpec, called_off: Callable[[], bool]) -> RayWorker:
        is_card = spec.device.startswith("cuda")
        actor = outpost.options(
            num_gpus=1 / spec.sharers if is_card else 0,
            num_cpus=0 if is_card else spec.threads,
            max_concurrency=4,  # it hears, is asked whether it is there, and told to leave
            max_restarts=0,
            scheduling_strategy="SPREAD",
        ).remote(spec, entry, keep)
        ready = actor.warm.remote(version("nst-gallery"))
        asked, has_waited = time.monotonic(), False
        while not ray.wait([ready], timeout=_TICK)[0]:
            if called_off():
                ray.kill(actor)
                raise Stopped(f"slot {spec.name} was stopped before it was ready")
            if not has_waited and time.monotonic() - asked > _SECONDS_BEFORE_A_WORD:
                has_waited = True
                _log.warning("slot %s waits for room in the cluster: see 'ray status'", spec.name)
        try:
            return RayWorker(spec, actor, **_answer(ready))
        except _LostError as error:
            raise SlotUnusable(
                f"no worker for slot {spec.name}: {error}",
                remedy="install nst-gallery[ray] in the same version on every machine",
                details=str(error),
            ) from error

    return hire


class RayWorker:
    """An outpost in the cluster, as a slot's worker; see `tasks.slots.Worker`.

    Args:
        spec: The slot.
        actor: The outpost's handle, warm.
        host: Its machine.
        pid: Its process there.
    """

    def __init__(self, spec: SlotSpec, actor: Any, *, host: str, pid: int) -> None:
        self.pid = pid
        self.is_fit = True
        self._spec = spec
        self._actor = actor
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
            ray.get(self._actor.ping.remote(), timeout=_SECONDS_TO_CALL)
        except RayActorError:
            return False
        except RayError:
            return True
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
    ) -> dict[str, Any]:
        """Run a job to its end; see `tasks.slots.SlotPool.run`."""
        self.is_fit = False
        self._quiet.clear()
        progress: dict[str, Any] | None = None
        pair: PaintJob = job["pair"]
        found = luggage.places(pair)
        try:
            self._bring(pair)
            left = deadline - time.monotonic()
            self._call("begin", pair, list(luggage.contents(found)), left, stall_seconds)
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
                            return luggage.home(result, pair.folder)
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
        with suppress(RayError):
            self._leaving = self._actor.leave.remote()

    def kill(self) -> None:
        """End it at once. Safe in a signal handler."""
        self._is_dismissed = self._is_killed = True
        with suppress(RayError, ValueError):
            ray.kill(self._actor)

    def wait(self, seconds: float) -> bool:
        """Wait until it has left and its last words are heard."""
        end = time.monotonic() + seconds + _LAST_WORDS_SECONDS
        with suppress(RayError):
            if self._leaving is not None:
                ray.wait([self._leaving], timeout=max(0.0, end - time.monotonic()))
        return self._quiet.wait(max(0.0, end - time.monotonic()))

    def discard(self) -> None:
        """End it at once."""
        self.kill()

    def _bring(self, pair: PaintJob) -> None:
        """Send the pictures that are not on its machine yet."""
        pictures = {picture.sha256: picture for picture in luggage.pictures(pair)}
        for sha256 in self._call("lacks", list(pictures.values())):
            try:
                data = pictures[sha256].read()
            except NSTError as error:
                self.is_fit = True
                raise explain(error) from error
            self._call("take", pictures[sha256], data)

    def _call(self, method: str, *arguments: object) -> Any:
        asked = getattr(self._actor, method).remote(*arguments)
        try:
            while not ray.wait([asked], timeout=_TICK)[0]:
                if self._is_killed:
                    raise _LostError("it was killed")
        except RayError as error:
            raise _LostError(str(error)) from error
        return _answer(asked)

    def _obituary(self, error: _LostError, progress: dict[str, Any] | None) -> SlotError | Stopped:
        where = f"the worker of slot {self._spec.name} on {self._host}"
        if self._is_dismissed:
            return Stopped(f"{where} was killed, past its grace")
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
    except RayError as error:
        raise _LostError(str(error)) from error


def _take_home(message: tuple[Any, ...], found: luggage.Places) -> None:
    try:
        match message:
            case ("keep", name, data):
                luggage.put(found, name, data)
            case ("drop", name):
                luggage.drop(found, name)
            case ("log", name, level, text):
                logging.getLogger(name).log(level, "%s", text)
    except OutputError as error:
        _log.warning("%s is not kept: %s", message[1], error)


def _quieten() -> None:
    """Have Ray speak through our log alone.

    It prints what happens to machines on standard output, where a command's JSON goes, and has no
    switch for that.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    if hasattr(ray._private.worker, "print_to_stdstream"):  # noqa: SLF001
        ray._private.worker.print_to_stdstream = _relog  # noqa: SLF001


def _relog(data: Any, ignore_prefix: bool) -> None:  # noqa: ARG001, FBT001 # as Ray calls it
    """Log the first line of what Ray tells; after it come pages of its own log."""
    for text in data["lines"]:
        _log.warning("Ray: %s", str(text).strip().partition("\n")[0])


def _call_at(address: str) -> None:
    """Find out within seconds whether anybody is there: Ray itself tries for two minutes."""
    if address == "auto":
        return  # looks around on this machine
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        raise _unreachable(address, "that is not of the form HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=_SECONDS_TO_CALL).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from error


def _unreachable(address: str, why: str) -> ClusterError:
    what = "this machine is in no Ray cluster" if address == "auto" else f"no Ray at {address}"
    return ClusterError(
        f"{what}: {why.strip().splitlines()[0]}",
        remedy="start one with 'ray start --head', or set RAY_ADDRESS to its head's HOST:6379",
    )


def _within(seconds: float, act: Callable[[], object]) -> None:
    """Do something in a thread of its own, and no longer wait for it than that."""
    end: Future[object] = Future()

    def work() -> None:
        try:
            end.set_result(act())
        except BaseException as error:  # noqa: BLE001 # whoever waits is told
            end.set_exception(error)

    threading.Thread(target=work, name="ray", daemon=True).start()
    end.result(seconds)
