"""How fast this machine paints, measured once per device and kind of recipe, and kept."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nst_core.footprint import UNLIMITED, Memory, operations, working
from nst_core.recipe import ALGORITHM_VERSION
from nst_core.sketches import expected
from tasks.durable import OutputError, write_atomic
from tasks.scratch import require_scratch
from tasks.slots import SlotPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import torch

    from nst_core.octaves import Size
    from nst_core.recipe import Recipe
    from tasks.devices import SlotSpec
    from tasks.jobs import Emit, StopFlag

# Two sizes, so that what a step costs regardless of its size is told apart from what a pixel costs.
_SIZES: tuple[Size, Size] = ((96, 128), (240, 320))
_STEPS = 4

# Free cores for each thread of the slots, over the last minute, with fewer of which other work is
# taken to slow the measuring down; and for how many seconds that is remembered then.
_FREE, _REMEMBERED_IF_BUSY = 0.75, 900

# PNG of a painting; measured on the pictures of the quickstart.
_FILE_BYTES_PER_PIXEL = 2.4


class Cost(NamedTuple):
    """Seconds that grow with the canvas.

    Args:
        fixed: Whatever its size.
        per_pixel: For each of its pixels.
    """

    fixed: float
    per_pixel: float

    def at(self, pixels: float) -> float:
        """Return the seconds on a canvas of so many pixels."""
        return self.fixed + self.per_pixel * pixels


@dataclass(frozen=True)
class Speed:
    """What a kind of recipe costs in one slot.

    Args:
        step: Of an optimiser's step.
        setup: Of beginning an octave: what the pictures are compared with.
        row: Of a row of the loss log.
        ceiling: Floating-point operations a second of a convolution by itself, in the precision
            of the feature maps.
        bf16: Whether these are bfloat16 where a recipe leaves it open.
    """

    step: Cost
    setup: Cost
    row: Cost
    ceiling: float
    bf16: bool

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
            seen = pixels * working(recipe, octave, Memory(limit, bf16=self.bf16)).work
            rows = 1 + octave.steps / recipe.log_every
            total += self.setup.at(seen) + octave.steps * self.step.at(seen)
            total += rows * self.row.at(seen)
        return total

    def share(self, recipe: Recipe, pixels: float) -> float:
        """Return how much of the ceiling a step reaches; above 1 by doing with fewer operations.

        Args:
            recipe: Of a VGG.
            pixels: Of the canvas.
        """
        return operations(recipe) * pixels / self.step.at(pixels) / self.ceiling


class Speeds:
    """The speed of each kind of recipe.

    Args:
        found: By kind.
    """

    def __init__(self, found: Mapping[str, Speed]) -> None:
        self._found = found

    def of(self, recipe: Recipe) -> Speed:
        """Return the speed of a recipe whose kind was measured."""
        return self._found[_kind(recipe)]


def memory(recipe: Recipe, picture: Size, there: Memory = UNLIMITED) -> float:
    """Return the forecast of a slot's peak memory for one pair, in bytes.

    Args:
        recipe: Its octaves, terms and optimiser count.
        picture: (height, width) of the content.
        there: What the slot may take; see :mod:`tasks.memory`.
    """
    return max(working(recipe, octave, there).bytes for octave in recipe.octaves.plan(picture))


def file_bytes(recipe: Recipe, picture: Size) -> float:
    """Return the forecast of a pair's files, in bytes."""
    height, width = recipe.octaves.plan(picture)[-1].size
    return height * width * _FILE_BYTES_PER_PIXEL


def speeds(
    specs: Sequence[SlotSpec],
    scratch: Path,
    recipes: Iterable[Recipe],
    *,
    again: bool = False,
    sizes: tuple[Size, Size] = _SIZES,
) -> Speeds:
    """Return what recipes cost in a slot, measured with all slots busy or remembered.

    Args:
        specs: The slots; all of one kind.
        scratch: Folder in which it is remembered.
        recipes: Measured is one of each kind: the same network, terms, layers and optimiser.
        again: Measure even if it is remembered.
        sizes: (height, width) of two canvases to measure at.

    Raises:
        SlotError: No slot could measure.
        SettingsError: The scratch folder cannot be written.
    """
    kinds = {_kind(recipe): recipe for recipe in recipes}
    files = {kind: remembered_at(scratch, specs, recipe) for kind, recipe in kinds.items()}
    found = {
        kind: known
        for kind, path in files.items()
        if not again and (known := _remembered(path)) is not None
    }
    if kinds.keys() == found.keys():
        return Speeds(found)
    require_scratch(scratch)
    until = time.time() + _REMEMBERED_IF_BUSY if _is_busy(specs) else None
    with SlotPool(specs, "tasks.calibration:main", logs=scratch / "slots") as pool:
        pool.warm()
        for kind in kinds.keys() - found.keys():
            found[kind] = measured = _measured(pool, kinds[kind], sizes)
            try:
                write_atomic(files[kind], json.dumps(asdict(measured) | {"until": until}).encode())
            except OutputError:
                continue  # not remembered is only slower
    return Speeds(found)


def remembered_at(scratch: Path, specs: Sequence[SlotSpec], recipe: Recipe) -> Path:
    """Return the file in which the speed of a recipe's kind, as this code has it, is remembered."""
    spec = specs[0]
    slots = f"{spec.device.replace(':', '-')}-{len(specs)}-{spec.threads_among(len(specs))}"
    code = [version("nst-gallery"), ALGORITHM_VERSION, version("torch"), _processor()]
    digest = hashlib.sha256(json.dumps(code).encode()).hexdigest()
    return scratch / "speed" / f"{slots}-{_kind(recipe)}-{digest[:10]}.json"


def _processor() -> str:
    """Return the processor's name: a home folder may be carried to another machine."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _is_busy(specs: Sequence[SlotSpec]) -> bool:
    """Return whether other work runs where the slots are to be."""
    if not hasattr(os, "getloadavg"):
        return False
    free = (os.cpu_count() or 1) - os.getloadavg()[0]
    return free < _FREE * sum(spec.threads_among(len(specs)) for spec in specs)


def _kind(recipe: Recipe) -> str:
    """Return what recipes that cost the same per step have in common."""
    terms = sorted({(term.kind, term.layer) for term in recipe.terms if term.weight})
    seen = [recipe.network, recipe.pooling, recipe.border, recipe.precision, terms]
    seen += [recipe.optimizer.kind, recipe.canvas.kind, sorted(recipe.reads)]
    digest = hashlib.sha256(json.dumps(seen).encode()).hexdigest()
    return f"{recipe.network}-{digest[:10]}"


def _measured(pool: SlotPool, recipe: Recipe, sizes: tuple[Size, Size]) -> Speed:
    """Measure in every slot at the same time, as they will paint; the slowest counts."""
    with ThreadPoolExecutor(len(pool.specs)) as threads:
        job = {"recipe": recipe, "sizes": sizes}
        runs = [threads.submit(pool.run, job) for _ in pool.specs]
        try:
            results = [run.result() for run in runs]
        except BaseException:
            pool.stop(grace=0)  # nobody waits for them any more: one failed, or Ctrl-C was pressed
            raise
    pixels = [height * width for height, width in sizes]

    def cost(part: str) -> Cost:
        small, large = (max(result[part][index] for result in results) for index in (0, 1))
        per_pixel = max(0.0, (large - small) / (pixels[1] - pixels[0]))
        return Cost(max(0.0, small - per_pixel * pixels[0]), per_pixel)

    return Speed(
        step=cost("step"),
        setup=cost("setup"),
        row=cost("row"),
        ceiling=min(result["ceiling"] for result in results),
        bf16=results[0]["bf16"],
    )


def _remembered(path: Path) -> Speed | None:
    try:
        kept = json.loads(path.read_bytes())
        until = kept.pop("until")
        if until is not None and time.time() > until:
            return None
        return Speed(**kept | {part: Cost(*kept[part]) for part in ("step", "setup", "row")})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def main(job: dict[str, Any], emit: Emit, stop: StopFlag) -> dict[str, Any]:
    """Measure ``job["recipe"]`` at both ``job["sizes"]``, in a slot's process.

    Returns:
        ``step``, ``setup`` and ``row``: seconds at each size; ``ceiling`` and ``bf16``: see
        :class:`Speed`.
    """
    import torch  # noqa: PLC0415 # the process that asks must not load it

    from nst_core.hardware import keep_freed_memory, maps_dtype  # noqa: PLC0415
    from nst_core.objective import bind  # noqa: PLC0415
    from nst_core.octaves import Octave  # noqa: PLC0415
    from nst_core.pictures import Style  # noqa: PLC0415
    from nst_core.studio import Studio  # noqa: PLC0415

    del stop
    emit({"kind": "stage", "stage": "measuring"})
    studio = Studio(job["device"])
    recipe: Recipe = job["recipe"]
    if studio.device.type == "cpu":
        keep_freed_memory(keep=True)  # as it paints
    clock = _Clock(studio.device)
    for height, width in job["sizes"]:
        octave = Octave((height, width), max(height, width), _STEPS)
        picture = torch.rand(1, 3, height, width, device=studio.device)
        content = picture if "content" in recipe.reads else None
        # Kernels are packed when they are used for the first time, once in the life of a slot.
        for attempt in ("cold", "warm"):
            styles = [Style(picture, attempt)] if "style" in recipe.reads else []
            setup, objective = clock.of(bind, recipe, studio, octave, content, styles)
            if attempt == "cold":
                objective(picture)
        clock.note("setup", [setup])
        descent = recipe.optimizer.start(picture, recipe.canvas, _STEPS)
        clock.note("step", [clock.of(descent.step, objective)[0] for _ in range(_STEPS)])
        with torch.no_grad():
            clock.note("row", [clock.of(objective.parts, picture)[0] for _ in range(2)])
    return clock.seconds | {
        "ceiling": clock.ceiling(studio.features(recipe).dtype),
        "bf16": maps_dtype("auto", studio.device) == torch.bfloat16,
    }


class _Clock:
    """Measures what a device does, and keeps it by name.

    Attributes:
        seconds: The second best of each note, or the only one, in order.

    Args:
        device: Waited for.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds: dict[str, list[float]] = {}

    def of(self, action: Callable[..., Any], *arguments: object) -> tuple[float, Any]:
        """Return the seconds that an action takes, and what it returns."""
        import torch  # noqa: PLC0415

        began = time.perf_counter()
        result = action(*arguments)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter() - began, result

    def note(self, name: str, times: list[float]) -> None:
        """Keep the second best of some times."""
        self.seconds.setdefault(name, []).append(sorted(times)[min(1, len(times) - 1)])

    def ceiling(self, dtype: torch.dtype) -> float:
        """Return the operations a second of a wide convolution by itself."""
        import torch  # noqa: PLC0415

        channels, side = 256, 64
        like: dict[str, Any] = {"device": self._device, "dtype": dtype}
        maps = torch.rand(1, channels, side, side, **like)
        kernel = torch.rand(channels, channels, 3, 3, **like)
        maps, kernel = (
            each.contiguous(memory_format=torch.channels_last) for each in (maps, kernel)
        )
        conv = torch.nn.functional.conv2d
        times = [self.of(conv, maps, kernel, None, 1, 1)[0] for _ in range(7)]
        return 2 * 9 * channels**2 * side**2 / min(times)
