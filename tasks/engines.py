"""Where the slots are: on this machine, or in the Ray cluster that it belongs to."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from nst_core.errors import NSTError
from tasks.devices import find_devices
from tasks.memory import memory_of_slot
from tasks.slots import SlotPool
from tasks.tuning import slots_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from tasks.settings import Settings


class EngineError(NSTError):
    """An engine that is not installed here."""

    code = "E-ENGINE"
    kind = "environment"


@contextmanager
def slot_pool(
    settings: Settings, entry: str, *, most: int, logs: Path, keep: str | None = None
) -> Iterator[tuple[SlotPool, int | None]]:
    """Give a pool of slots, and the bytes that each may take (None: what its device has free).

    Args:
        settings: Its ``engine`` decides.
        entry: What paints in the slots, ``module:function``.
        most: More slots than that are of no use.
        logs: Folder for the logs of slots on this machine.
        keep: ``s3://bucket/prefix`` where machines of a cluster keep files of pairs under way.

    Raises:
        DeviceError: There is no such device.
        EngineError: The engine is not installed.
        ClusterError: The cluster does not answer.
    """
    if settings.engine == "local":
        specs = slots_of(settings)[: max(1, most)]
        memory = memory_of_slot(specs, limit=settings.memory_limit)
        with SlotPool(specs, entry, logs=logs) as pool:
            yield pool, memory
        return
    cluster, slots = _ray()
    with cluster.joined(settings) as head:
        specs = cluster.cluster_slots(settings)[: max(1, most)]
        hire = slots.hiring(entry, head=head, keep=keep)
        with SlotPool(specs, entry, logs=logs, hire=hire) as pool:
            yield pool, settings.memory_limit


def require_slots(settings: Settings) -> None:
    """Find out whether there are slots to paint in, and begin nothing.

    Raises:
        NSTError: See :func:`slot_pool`.
    """
    if settings.engine == "local":
        find_devices(settings.device)
        return
    cluster, _ = _ray()
    with cluster.joined(settings):
        cluster.cluster_slots(settings)


def _ray() -> tuple[ModuleType, ModuleType]:
    try:
        from tasks import ray_cluster, ray_slots  # noqa: PLC0415 # an extra
    except ModuleNotFoundError as error:
        raise EngineError(
            f"the engine 'ray' is not installed: {error}",
            remedy="pip install 'nst-gallery[ray]', on every machine of the cluster",
        ) from error
    return ray_cluster, ray_slots
