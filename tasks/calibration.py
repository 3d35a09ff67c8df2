"""How fast this machine paints, measured once per device and kept."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from nst_core.footprint import Memory, working
from nst_core.sketches import expected
from tasks.durable import OutputError, write_atomic
from tasks.slots import SlotPool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nst_core.octaves import Size
    from nst_core.recipe import Recipe
    from tasks.devices import SlotSpec
    from tasks.jobs import Emit, StopFlag

# Two sizes, so that what a step costs regardless of its size is told apart from what a pixel costs.
_SIZES: tuple[Size, Size] = ((96, 128), (240, 320))
_STEPS = 4

# PNG of a painting; measured on the pictures of the quickstart.
_FILE_BYTES_PER_PIXEL = 2.4


@dataclass(frozen=True)
class Speed:
    """What a step of the `gallery` recipe costs in one slot.

    Args:
        device: As torch names it, and its threads.
        per_step: Seconds that every step takes.
        per_pixel: Seconds that it takes more for each pixel of the canvas.
    """

    device: str
    per_step: float
    per_pixel: float

    def seconds(self, recipe: Recipe, picture: Size, limit: int | None = None) -> float:
        """Return the forecast for one pair.

        Args:
            recipe: Its octaves and steps count.
            picture: (height, width) of the content.
            limit: Memory that the slot may take; tiles take longer.
        """
        total = 0.0
        for octave in (*expected(recipe, picture), *recipe.octaves.plan(picture)):
            pixels = octave.size[0] * octave.size[1]
            work = working(recipe, octave, Memory(limit)).work
            total += octave.steps * (self.per_step + self.per_pixel * pixels * work)
        return total


def memory(recipe: Recipe, picture: Size, limit: int | None = None) -> float:
    """Return the forecast of a slot's peak memory for one pair, in bytes.

    Args:
        recipe: Its octaves, terms and optimiser count.
        picture: (height, width) of the content.
        limit: What the slot may take; see :mod:`tasks.memory`.
    """
    octaves = recipe.octaves.plan(picture)
    return max(working(recipe, octave, Memory(limit)).bytes for octave in octaves)


def file_bytes(recipe: Recipe, picture: Size) -> float:
    """Return the forecast of a pair's files, in bytes."""
    height, width = recipe.octaves.plan(picture)[-1].size
    return height * width * _FILE_BYTES_PER_PIXEL


def speed(specs: Sequence[SlotSpec], scratch: Path, *, again: bool = False) -> Speed:
    """Return the speed of a slot, measured with all slots busy or remembered.

    Args:
        specs: The slots; all of one kind.
        scratch: Folder in which it is remembered.
        again: Measure even if it is remembered.

    Raises:
        SlotError: No slot could measure.
    """
    spec = specs[0]
    name = f"{spec.device}, {len(specs)} slots of {spec.threads} threads"
    path = scratch / "speed" / f"{spec.device.replace(':', '-')}-{len(specs)}-{spec.threads}.json"
    if not again and (known := _remembered(path)) is not None:
        return known
    with SlotPool(specs, "tasks.calibration:main", logs=scratch / "slots") as pool:
        pool.warm()
        results = _all_at_once(pool)
    small, large = (max(result[index] for result in results) for index in (0, 1))
    pixels = [height * width for height, width in _SIZES]
    per_pixel = max(0.0, (large - small) / (pixels[1] - pixels[0]))
    found = Speed(name, max(0.0, small - per_pixel * pixels[0]), per_pixel)
    try:
        write_atomic(path, json.dumps(asdict(found) | {"version": version("nst-gallery")}).encode())
    except OutputError:
        return found  # not remembered is only slower
    return found


def _all_at_once(pool: SlotPool) -> list[list[float]]:
    """Measure in every slot at the same time, as they will paint."""
    with ThreadPoolExecutor(len(pool.specs)) as threads:
        runs = [threads.submit(pool.run, {}) for _ in pool.specs]
        return [run.result()["seconds"] for run in runs]


def _remembered(path: Path) -> Speed | None:
    try:
        kept = json.loads(path.read_bytes())
        if kept.pop("version") == version("nst-gallery"):
            return Speed(**kept)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def main(job: dict[str, Any], emit: Emit, stop: StopFlag) -> dict[str, Any]:
    """Measure seconds per step at both sizes, in a slot's process."""
    import torch  # noqa: PLC0415 # the process that asks must not load it

    from nst_core.objective import Style, bind  # noqa: PLC0415
    from nst_core.octaves import Octave  # noqa: PLC0415
    from nst_core.presets import preset  # noqa: PLC0415
    from nst_core.studio import Studio  # noqa: PLC0415

    del stop
    emit({"kind": "stage", "stage": "measuring"})
    studio = Studio(job["device"])
    recipe = preset("gallery").recipe
    seconds = []
    for height, width in _SIZES:
        octave = Octave((height, width), max(height, width), _STEPS)
        content = torch.rand(1, 3, height, width, device=job["device"])
        objective = bind(recipe, studio, octave, content, [Style(content, f"{height}")])
        descent = recipe.optimizer.start(content, recipe.canvas)
        times = []
        for _ in range(_STEPS):
            began = time.perf_counter()
            descent.step(objective)
            if content.is_cuda:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - began)
        seconds.append(sorted(times)[1])
    return {"seconds": seconds}
