"""A Ray cluster: joining it, what it has to paint on, and whether it is still there.

`tasks.ray_slots` paints in it.
"""

from __future__ import annotations

import logging
import os
import socket
from concurrent.futures import TimeoutError as TooLateError
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

# Read when Ray is imported: nobody is told that it is used, and a lost head does not end this
# process after a minute, before the night is reported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "3600")

import ray
from ray.exceptions import RayError

from nst_core.errors import NSTError
from tasks.background import in_background
from tasks.devices import DeviceError, SlotSpec
from tasks.jobs import SlotUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.settings import Settings

_log = logging.getLogger(__name__)

# What a call raises when the other side, or the cluster, is gone.
GONE = (RayError, OSError, RuntimeError)
SECONDS_TO_CALL = 5.0

_SECONDS_TO_JOIN = 60.0
_SECONDS_TO_PART = 5.0


class ClusterError(NSTError):
    """The Ray cluster is not to be had."""

    code = "E-RAY"
    kind = "environment"


@contextmanager
def joined(settings: Settings) -> Iterator[str]:
    """Be connected to the cluster of ``RAY_ADDRESS``, or else to that of this machine.

    Gives the address at which its head answers.

    Raises:
        ClusterError: It does not answer.
    """
    address = settings.ray_address
    _call_at(address)
    _quieten()
    try:
        # Elsewhere than in the main thread, Ray leaves the signals alone.
        in_background(
            ray.init,
            address,
            log_to_driver=False,
            configure_logging=False,
            namespace="nst-gallery",
        ).result(_SECONDS_TO_JOIN)
    except (Exception, SystemExit) as error:
        raise _unreachable(address, str(error) or type(error).__name__) from error
    try:
        yield ray.get_runtime_context().gcs_address if address == "auto" else address
    finally:
        with suppress(TooLateError, *GONE):
            in_background(ray.shutdown).result(_SECONDS_TO_PART)


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
        socket.create_connection((host, int(port)), timeout=SECONDS_TO_CALL).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from error


def require_head(head: str) -> None:
    """Tell a lost machine, which others stand in for, from a lost cluster.

    Raises:
        SlotUnusable: The head does not answer.
    """
    try:
        _call_at(head)
    except ClusterError as error:
        raise SlotUnusable(f"the cluster is gone: {error.message}", remedy=error.remedy) from error


def _unreachable(address: str, why: str) -> ClusterError:
    what = "this machine is in no Ray cluster" if address == "auto" else f"no Ray at {address}"
    return ClusterError(
        f"{what}: {why.strip().splitlines()[0]}",
        remedy="start one with 'ray start --head', or set RAY_ADDRESS to its head's HOST:6379",
    )
