"""`nst doctor`: what this machine has, and how fast it paints."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from flows.prefect_server import PrefectServer
from nst_core.dials import Dials, turn
from nst_core.errors import NSTError
from nst_core.footprint import Memory
from nst_core.networks import NETWORKS
from nst_core.presets import preset
from tasks.calibration import memory, speeds
from tasks.devices import count_cards, count_cores
from tasks.redaction import redact
from tasks.scratch import require_scratch
from tasks.tuning import slots_of, tune
from tasks.weights import weights_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.settings import Settings

_SECONDS_FOR_AN_ANSWER = 5.0
_SIZES = (384, 512, 1024)
_LANDSCAPE = (3, 4)
_SHARE_PIXELS = 384 * 512


def examine(settings: Settings, *, measure: bool = True, tuned: bool = False) -> dict[str, Any]:
    """Return everything there is to say, as plain values.

    Args:
        settings: The machine's facts.
        measure: Whether to paint a few steps to find out the speed.
        tuned: Whether to find out how many slots pay, too, and remember it for every later run.

    Raises:
        SettingsError: The scratch folder cannot be written.
    """
    scratch = settings.scratch
    require_scratch(scratch)
    report: dict[str, Any] = {
        "versions": {
            name: version(name)
            for name in ("nst-gallery", "prefect", "torch", "torchvision", "pillow", "boto3")
        }
        | {"python": platform.python_version()},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": count_cores(),
            "cards": count_cards(),
            "drivers": _drivers(),
            "clock": datetime.now().astimezone().isoformat(timespec="seconds"),
        },
        "scratch": {"folder": str(scratch), "free_bytes": shutil.disk_usage(scratch).free},
        "weights": {name: weights_state(row).state for name, row in NETWORKS.items()},
        "store": settings.s3_endpoint or "as boto3 is configured",
        "prefect": _prefect(),
    }
    try:
        if tuned:
            trials, best = tune(settings)
            report["tuned"] = {
                "best": asdict(best),
                "tried": [asdict(trial) for trial in trials],
            }
        specs = slots_of(settings)
    except NSTError as error:
        return report | {"slots": [], "problem": str(error)}
    report["slots"] = [
        {"name": spec.name, "device": spec.device, "threads": spec.threads} for spec in specs
    ]
    if measure:
        recipe = preset("gallery").recipe
        found = speeds(specs, scratch, [recipe], again=True).of(recipe)
        report["speed"] = {
            "per_step_seconds": found.step.fixed,
            "per_megapixel_step_seconds": found.step.per_pixel * 1e6,
            "convolution_ceiling_gflops": found.ceiling / 1e9,
            "share_of_ceiling": found.share(recipe, _SHARE_PIXELS),
            "forecast": list(_forecast(found, len(specs))),
        }
    return report


def _drivers() -> list[str]:
    """Return model, driver and memory of every NVIDIA card, as their own tool tells them."""
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        told = subprocess.run(  # noqa: S603 # fixed arguments
            asked, capture_output=True, text=True, check=True, timeout=_SECONDS_FOR_AN_ANSWER
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return told.stdout.splitlines()


def _prefect() -> dict[str, Any]:
    """Return where runs are shown, and whether anybody answers there."""
    if not (url := os.environ.get("PREFECT_API_URL")):
        return {"server": "each run starts its own"}
    answers = PrefectServer(url).is_ready(_SECONDS_FOR_AN_ANSWER)
    return {"server": redact(url), "answers": answers}


def _forecast(found: Any, slots: int) -> Iterator[dict[str, Any]]:
    for size in _SIZES:
        recipe = turn(preset("gallery").recipe, Dials(size=size))
        picture = (size * _LANDSCAPE[0] // _LANDSCAPE[1], size)
        seconds = found.seconds(recipe, picture)
        yield {
            "size": size,
            "seconds": seconds,
            "pictures_per_hour": 3600 / seconds * slots,
            "memory_bytes": memory(recipe, picture, Memory(bf16=found.bf16)),
        }
