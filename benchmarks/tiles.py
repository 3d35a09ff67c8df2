"""What tiles cost and save: seconds and peak memory of painting steps under a memory limit.

``python benchmarks/tiles.py --size 2048x2048 --limit 6G`` paints a few steps of the `gallery`
preset at one size. Each setting wants a process of its own: a process's peak never falls again.
``--compare`` also evaluates the whole picture at once, and prints how far the gradients differ.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nst_core.footprint import Memory, working
from nst_core.hardware import keep_freed_memory, maps_dtype
from nst_core.images import decode, resize
from nst_core.objective import bind
from nst_core.octaves import Octave, Octaves
from nst_core.pictures import Pictures, Style
from nst_core.presets import preset
from nst_core.studio import Studio
from nst_core.synthesis import synthesize
from tasks.devices import SlotSpec, worker_environment
from tasks.settings import parse_size

if TYPE_CHECKING:
    from nst_core.footprint import Working
    from nst_core.recipe import Recipe
    from nst_core.synthesis import Step

_PICTURES = Path(__file__).parents[1] / "manifests" / "examples" / "pictures"
CONTENT, STYLE = (next((_PICTURES / each).glob("*.jpg")) for each in ("contents", "ukiyo_e"))


def main() -> None:
    """Print one line per step, and the peak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="2048x2048", help="WIDTHxHEIGHT in pixels")
    parser.add_argument("--limit", help="as NST_MEMORY_LIMIT; unset: whole pictures")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--compare", action="store_true", help="with the whole picture at once")
    parser.add_argument("--content", type=Path, default=CONTENT)
    parser.add_argument("--style", type=Path, default=STYLE)
    options = parser.parse_args()
    # As a slot's process has it; read when torch first asks for a large block.
    os.environ.update(worker_environment(SlotSpec("cpu", "cpu", options.threads), os.environ))
    torch.set_num_threads(options.threads)
    width, height = (int(side) for side in options.size.split("x"))
    content, style = (decode(path.read_bytes()).pixels for path in (options.content, options.style))
    content = resize(content, (height, width))
    bf16 = maps_dtype("auto", torch.device("cpu")) == torch.bfloat16
    memory = Memory(parse_size(options.limit) if options.limit else None, bf16=bf16)
    recipe = replace(preset("gallery").recipe, precision=options.precision)
    octave = Octave((height, width), max(height, width), steps=25)
    way = working(recipe, octave, memory)
    bits = "bf16" if way.is_rounded else "fp32"
    print(f"{width}×{height}, {way.tile or 'no'} px tiles, {way.history} {bits} pairs of history")
    print(f"forecast {way.bytes / 1e9:.2f} GB, {way.work:.2f} times the work", flush=True)
    if options.compare:
        compare(recipe, octave, content, Style(style, "style"), way)
    else:
        paint(recipe, octave, Pictures(content, [Style(style, "style")]), memory, options.steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"peak {peak / 1e9:.2f} GB")


def paint(recipe: Recipe, octave: Octave, pictures: Pictures, memory: Memory, steps: int) -> None:
    """Paint some of an octave's steps; after the first the memory of a whole history is taken."""
    began = [time.process_time()]
    history: list[torch.Tensor] = []

    def tell(step: Step) -> None:
        now = time.process_time()
        print(f"step {step.step}: {now - began.pop():.1f} processor seconds", flush=True)
        began.append(time.process_time())
        if step.step == steps:
            raise StopIteration
        if not history:
            way = working(recipe, octave, memory)
            kept = torch.bfloat16 if way.is_rounded else torch.float32
            history.append(torch.ones(2 * (way.history + 1 - steps), 3, *octave.size, dtype=kept))

    octaves = Octaves(size=octave.side, steps=(octave.steps,))
    recipe = replace(recipe, octaves=octaves, log_every=1000, legibility=None)
    try:
        synthesize(recipe, pictures, studio=Studio(), on_step=tell, memory=memory)
    except StopIteration:
        return


def compare(
    recipe: Recipe, octave: Octave, content: torch.Tensor, style: Style, way: Working
) -> None:
    """Evaluate whole, as without a limit, and in tiles: in turns, each after one for nothing."""
    studio, side = Studio(), way.tile or 512
    ways = {
        "whole": bind(recipe, studio, octave, content, [style]),
        f"{side} px tiles": bind(recipe, studio, octave, content, [style], tile=side),
    }
    canvas = 0.9 * content + 0.1 * content.flip(-1)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    gradients = {}
    for _ in range(2):
        for name, objective in ways.items():
            keep_freed_memory(keep=name == "whole")
            objective(canvas)
            began = time.process_time()
            _, gradients[name] = objective(canvas)
            seconds[name].append(time.process_time() - began)
    whole, tiled = gradients.values()
    times = [min(each) for each in seconds.values()]
    print(f"whole {times[0]:.2f}, {side} px tiles {times[1]:.2f}: {times[1] / times[0]:.2f} times")
    print(f"gradients differ by {((whole - tiled).norm() / whole.norm()).item():.1e}", flush=True)


if __name__ == "__main__":
    main()
