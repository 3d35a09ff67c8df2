"""Which slots this machine has, and what of it each one sees; found out without importing torch."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nst_core.errors import NSTError, did_you_mean
from tasks import cgroups

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# A card shows as a device node: NVIDIA, NVIDIA under WSL, NVIDIA Tegra, AMD. Without any, asking
# torch, which takes seconds, can be saved.
_CARD_NODES = ("nvidiactl", "dxg", "nvhost-ctrl", "kfd")

_ASK_TORCH = (
    "import json, torch; cuda = torch.cuda; n = cuda.device_count() if cuda.is_available() else 0;"
    "print(json.dumps({'cuda': n, 'mps': int(torch.backends.mps.is_available()), 'bytes':"
    " min((cuda.get_device_properties(i).total_memory for i in range(n)), default=0)}))"
)
_SECONDS_FOR_TORCH = 120

_CARD = re.compile(r"cuda:\d+")

# What more of them gain for one picture was never measured.
_MOST_THREADS = 8
# How often a thread looks for its next piece of work before it sleeps: some ten microseconds, in
# which most of the next ones come.
_SPINS = "1000"


@dataclass(frozen=True)
class SlotSpec:
    """A place where one job at a time can run.

    Args:
        name: Says which one it is, in messages and as a log's name: ``cpu0``, ``cuda1``.
        device: ``cpu``, ``mps``, or ``cuda:N``: the N-th card that this process may use.
        threads: CPU threads for torch while all slots paint.
        sharers: Slots on its card, itself among them.
        cores: CPU cores that the slots which paint share, or 0 where the threads are fixed.
    """

    name: str
    device: str
    threads: int
    sharers: int = 1
    cores: int = 0

    def threads_among(self, painting: int) -> int:
        """Return the CPU threads for torch while so many slots paint, this one among them.

        The last one alone leaves a core to the rest of the machine: beside a single busy process
        threads on all cores, each waiting for the slowest, are slower than one thread.
        """
        fair = self.cores // painting
        if painting == 1:
            fair = min(fair, max(2, fair - 1))
        return max(self.threads, min(fair, _MOST_THREADS))


class DeviceError(NSTError):
    """A device that was asked for and that torch cannot use on this machine."""

    code = "E-DEVICE"
    kind = "environment"


def find_devices(device: str, cards: Callable[[], dict[str, int]] | None = None) -> list[str]:
    """Return the devices that a ``--device`` means: ``cpu``, ``mps``, ``cuda:0``, ``cuda:1``.

    Args:
        device: ``cpu``, ``cuda`` (every card), ``cuda:0,cuda:1``, ``mps``, or ``auto``: the cards
            if there are any, else the CPU.
        cards: Counts the devices of each kind, ``cuda`` and ``mps``; by default `count_cards`.

    Raises:
        DeviceError: There is no such device here.
    """
    if device == "cpu":
        return ["cpu"]
    parts = list(dict.fromkeys(device.split(",")))
    if device not in {"auto", "cuda", "mps"} and not all(map(_CARD.fullmatch, parts)):
        near = did_you_mean(device, ["auto", "cpu", "cuda", "cuda:0", "mps"])
        raise DeviceError(
            f"there is no device {device!r}{near}",
            remedy="say auto, cpu, cuda, cuda:0, cuda:0,cuda:1 or mps",
        )
    found = (cards or count_cards)()
    every = [f"cuda:{index}" for index in range(found["cuda"])]
    mps = ["mps"] * found["mps"]
    if device == "auto":
        return every or mps or ["cpu"]
    chosen = {"cuda": every, "mps": mps}.get(device, parts)
    if not chosen or not set(chosen) <= {*every, *mps}:
        there = ", ".join([*every, *mps]) or "no card"
        raise DeviceError(
            f"torch cannot use {device} on this machine, where it finds {there}",
            remedy="choose another --device; 'nst doctor' tells what each one does",
        )
    return chosen


def arrange(
    names: Sequence[str],
    *,
    slots: int | None = None,
    threads: int | None = None,
    cores: int | None = None,
) -> list[SlotSpec]:
    """Return slots on devices that are there.

    Args:
        names: Of the devices; see `find_devices`.
        slots: How many; by default one for each card, or as many as the CPU has cores for.
        threads: Of torch in each; by default the cores are shared out, one at least, and on a CPU
            those of idle slots as well.
        cores: Of the CPU; by default `count_cores`.
    """
    cores = cores or count_cores()
    count = slots or (max(1, cores // (threads or 1)) if names == ["cpu"] else len(names))
    shared = cores if names == ["cpu"] and threads is None else 0
    threads = threads or max(1, cores // count)
    # Card by card, then a second slot on each, and so on.
    places = [divmod(index, len(names)) for index in range(count)]
    single = count <= len(names)
    sharers = Counter(names[which] for _, which in places if names[which] != "cpu")
    return [
        SlotSpec(
            _label(names[which], None if single else lap),
            names[which],
            threads,
            sharers.get(names[which], 1),
            shared,
        )
        for lap, which in places
    ]


def worker_environment(spec: SlotSpec, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which a worker shall import torch.

    Args:
        spec: The worker's slot.
        environ: The parent's environment, whose own ``CUDA_VISIBLE_DEVICES`` numbers the cards.
    """
    threads = str(spec.threads)
    return dict(environ) | {
        "CUDA_VISIBLE_DEVICES": _card(spec.device, environ.get("CUDA_VISIBLE_DEVICES")),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "VECLIB_MAXIMUM_THREADS": threads,
        # The number of threads decides how sums are rounded: whoever fixed it gets the same bytes.
        "OMP_DYNAMIC": "FALSE",
        "MKL_DYNAMIC": "FALSE",
        # Threads that wait by spinning starve each other as soon as anything else wants a core:
        # the same step then takes twenty times as long. To wake one that sleeps takes longer than
        # most pieces of a step, so that GNU's may spin for a moment before it does.
        "OMP_WAIT_POLICY": environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "GOMP_SPINCOUNT": environ.get("GOMP_SPINCOUNT", _SPINS),
        # Torch then asks for large blocks in pages of 2 MB: to hand out as many small ones, each by
        # itself, takes a quarter of the time of a picture that has to give memory back.
        "THP_MEM_ALLOC_ENABLE": environ.get("THP_MEM_ALLOC_ENABLE", "1"),
    }


def count_cards() -> dict[str, int]:
    """Return how many devices of each kind torch can use here, and the smallest card's ``bytes``.

    Raises:
        DeviceError: torch cannot be imported.
    """
    if not _may_have_cards():
        return {"cuda": 0, "mps": 0, "bytes": 0}
    try:
        asked = subprocess.run(  # noqa: S603 - this very interpreter
            [sys.executable, "-P", "-c", _ASK_TORCH],
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS_FOR_TORCH,
        )
    except (subprocess.SubprocessError, OSError) as error:
        said = str(getattr(error, "stderr", None) or error).strip()
        raise DeviceError(
            f"torch does not say which devices it can use: {said.rpartition(chr(10))[2]}",
            remedy="mend the installation of torch, or choose --device cpu",
        ) from error
    cards: dict[str, int] = json.loads(asked.stdout.strip().rpartition("\n")[2])
    return cards


def count_cores() -> int:
    """Return how many CPU cores this process may keep busy, by affinity and by its cgroups."""
    if sys.platform == "linux":
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return max(1, int(min(allowed, cgroup_cores())))


def cgroup_cores(mount: Path = cgroups.MOUNT, membership: Path = cgroups.MEMBERSHIP) -> float:
    """Return the CPU time per second that this process's cgroups grant, or infinity.

    Args:
        mount: See :func:`tasks.cgroups.folders`.
        membership: Likewise.
    """
    return min(map(_quota, cgroups.folders("cpu", mount, membership)), default=math.inf)


def _quota(folder: Path) -> float:
    for names in (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"]):
        try:
            words = " ".join((folder / name).read_text() for name in names).split()
        except OSError:
            continue
        if words[0] not in {"max", "-1"}:
            return int(words[0]) / int(words[1])
    return math.inf


def _may_have_cards() -> bool:
    if sys.platform == "linux":
        return any(Path("/dev", node).exists() for node in _CARD_NODES)
    return sys.platform == "darwin" and platform.machine() == "arm64"


def _label(device: str, lap: int | None) -> str:
    plain = device.replace(":", "")
    return plain if lap is None else f"{plain}-{lap}"


def _card(device: str, visible: str | None) -> str:
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return ""
    return number if visible is None else visible.split(",")[int(number)].strip()
