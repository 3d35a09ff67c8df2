"""Race a peer on equal work: seconds until the *delivered* picture is as good as the peer's.

    python benchmarks/race.py [--size 256] [--steps 100] [--ours 120] [--pair CONTENT STYLE]...
    python benchmarks/race.py --peer crowson --crowson FOLDER [--finished FOLDER] [--pair ...]...

The first peer is pastiche 1.6.0 (Gram matrices, L-BFGS), as shipped and with its pixels clamped
after every step; our side is the `pastiche` preset, which minimises the same objective. All three
start from the same content at the same size. The judge is the peer's own objective on the picture
that a user gets: clipped to 0..255 and rounded. Objectives are taken after so many steps; seconds
are those of the set-up and of as many steps, timed in turns, each side in a process of its own, so
that a busy machine slows all alike.

The other is crowsonkb/style-transfer-pytorch (W2, Adam) at its default 1,000 + 500 steps per scale,
in a folder whose `run.py CONTENT STYLE OUT --size N` paints and tells its seconds and the objective
of the finished picture, and `--judge PICTURE` that of others. `--finished` holds what it painted
before: CONTENT--STYLE.png and, as .txt, what it told. Our side is the `gallery` preset, or with
`--preset crowson` the peer's own recipe, on the same objective: sizes measured as there, the
network balanced on the content as there, and the content weight as there, at all places alike,
instead of what legibility and focus ask for.

Seconds are processor seconds.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pastiche.pastiche import VGG_MEAN, PasticheArtist
from turns import in_turns

from nst_core.features import Features
from nst_core.hardware import keep_freed_memory
from nst_core.image_writing import encode
from nst_core.images import decode, resize
from nst_core.networks import network
from nst_core.objective import bind
from nst_core.octaves import size_of
from nst_core.pictures import Pictures, Style
from nst_core.presets import preset
from nst_core.studio import Studio
from nst_core.synthesis import synthesize
from nst_core.weights import load_weights
from tasks.devices import SlotSpec, worker_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nst_core.networks import Precision
    from nst_core.recipe import Recipe
    from nst_core.synthesis import Step
    from nst_core.weights import Weights

PICTURES = Path(__file__).parents[1] / "manifests" / "examples" / "pictures"
MEAN = torch.tensor(VGG_MEAN).view(1, 3, 1, 1)

Track = list[tuple[float, float]]
"""(steps or processor seconds since the start, delivered objective), in order."""


class Judge:
    """The peer's objective of a picture as delivered.

    Args:
        content: Path.
        style: Path.
        size: Longest side in pixels.
    """

    def __init__(self, content: Path, style: Path, size: int) -> None:
        self._peer = PasticheArtist(str(content), [str(style)], size=size, device="cpu")

    def __call__(self, image: torch.Tensor) -> float:
        """Return the objective of a (1, 3, H, W) RGB picture in [0, 1]."""
        delivered = (image.clamp(0, 1) * 255).round().flip(1) - MEAN
        self._peer.pastiche = delivered
        with torch.no_grad():
            return float(self._peer._calc_loss())  # noqa: SLF001 # its only door


def peer(content: Path, style: Path, size: int, *, clamped: bool) -> Iterator[torch.Tensor]:
    """Yield the peer's picture after every step, RGB in units of [0, 1], unclipped."""
    artist = PasticheArtist(str(content), [str(style)], size=size, device="cpu")
    low, high = -MEAN, 255 - MEAN
    while True:
        artist.draw()
        if clamped:
            with torch.no_grad():
                artist.pastiche.copy_(artist.pastiche.maximum(low).minimum(high))
        yield (artist.pastiche.detach() + MEAN).flip(1) / 255


def ours(content: Path, style: Path, size: int, steps: int, marks: set[int]) -> Track:
    """Return the delivered objective of our `pastiche` preset after so many steps."""
    judge = Judge(content, style, size)
    track: Track = []

    def on_step(step: Step) -> None:
        if step.done in marks or step.done == steps:
            track.append((step.done, judge(step.picture())))

    synthesize(
        _recipe(size, steps), _pictures(content, style), studio=Studio("cpu"), on_step=on_step
    )
    return track


def track_peer(content: Path, style: Path, size: int, marks: list[int], *, clamped: bool) -> Track:
    """Return the peer's at its marks."""
    judge = Judge(content, style, size)
    track: Track = []
    for step, image in enumerate(peer(content, style, size, clamped=clamped), start=1):
        if step in marks:
            track.append((step, judge(image)))
        if step >= marks[-1]:
            return track
    raise AssertionError


def pace(
    content: Path, style: Path, size: int, rounds: int = 9, threads: int = 1
) -> dict[str, tuple[float, float]]:
    """Return seconds of set-up and of a step of every side.

    Each has a process of its own: ours as a slot runs it, the peer as its command does; what ours
    does with freed memory would make the peer a fifth faster. Steps are taken in turns; the first
    two of each are left out, the others' median is taken.
    """
    given = ["--size", str(size), "--threads", str(threads), "--pair", str(content), str(style)]
    slot = worker_environment(SlotSpec("cpu", "cpu", threads), os.environ)
    seconds = in_turns(
        {name: [sys.executable, __file__, *given, "--side", name] for name in SIDES},
        {name: slot if name.startswith("ours") else dict(os.environ) for name in SIDES},
        rounds + 3,
    )
    return {name: (times[0], statistics.median(times[3:])) for name, times in seconds.items()}


def run_side(name: str, content: Path, style: Path, size: int) -> None:
    """Set a side up at the first line that comes in, take a step at every other; print seconds."""
    step: Callable[[], object] | None = None
    for _ in sys.stdin:
        began = time.process_time()
        if step is None:
            step = SIDES[name](content, style, size)
        else:
            step()
        print(time.process_time() - began, flush=True)


def _our_step(content: Path, style: Path, size: int, precision: Precision) -> Callable[[], object]:
    keep_freed_memory(keep=True)
    recipe = dataclasses.replace(_recipe(size, 1), precision=precision)
    pictures = _pictures(content, style)
    assert pictures.content is not None
    (octave,) = recipe.octaves.plan(size_of(pictures.content))
    canvas = resize(pictures.content, octave.size, recipe.resampling)
    objective = bind(recipe, Studio("cpu"), octave, canvas, pictures.styles)
    return partial(recipe.optimizer.start(canvas, recipe.canvas).step, objective)


SIDES: dict[str, Callable[[Path, Path, int], Callable[[], object]]] = {
    "ours": partial(_our_step, precision="auto"),
    "ours in fp32": partial(_our_step, precision="fp32"),
    "as shipped": lambda *given: partial(next, peer(*given, clamped=False)),
    "clamped": lambda *given: partial(next, peer(*given, clamped=True)),
}
"""What runs by name, each from a content, a style and a size to what takes a step."""


def _recipe(size: int, steps: int) -> Recipe:
    recipe = preset("pastiche").recipe
    octaves = dataclasses.replace(
        recipe.octaves, size=size, measure="longest", smallest=None, steps=(steps,)
    )
    # The rows of the loss log are a product's work, not the race's.
    return dataclasses.replace(recipe, octaves=octaves, log_every=steps)


def _pictures(content: Path, style: Path) -> Pictures:
    read = [decode(path.read_bytes()) for path in (content, style)]
    return Pictures(content=read[0].pixels, styles=[Style(read[1].pixels, read[1].sha256)])


def timed(track: Track, seconds: tuple[float, float]) -> Track:
    """Return a track over seconds, from one over steps."""
    begun, each = seconds
    return [(begun + each * steps, objective) for steps, objective in track]


def seconds_to(track: Track, bar: float) -> float:
    """Return when a track first is at the bar, interpolated between marks; NaN if never."""
    if track[0][1] <= bar:
        return track[0][0]
    for (before, high), (after, low) in pairwise(track):
        if low <= bar:
            share = (math.log(high) - math.log(bar)) / (math.log(high) - math.log(low))
            return before + share * (after - before)
    return math.nan


def race_grams(arguments: argparse.Namespace) -> None:
    """Race pastiche, and print a line per pair and peer."""
    print(
        "pair | peer | its delivered objective | after its steps, seconds | ours at that"
        " | times sooner | ours ends | seconds of a step: ours, its"
    )
    marks = sorted({*range(10, arguments.steps, 10), arguments.steps})
    clamped_marks = [mark for mark in marks if mark <= arguments.clamped]
    ratios: dict[str, list[float]] = {}
    for content, style in arguments.pair:
        size = arguments.size
        paces = pace(content, style, size, threads=arguments.threads)
        mine = timed(
            ours(content, style, size, arguments.ours, set(range(5, arguments.ours, 5))),
            paces["ours"],
        )
        for name, until in (("as shipped", marks), ("clamped", clamped_marks)):
            track = track_peer(content, style, size, until, clamped=name == "clamped")
            best = min(track, key=lambda point: point[1])
            for which, (steps, bar) in {"best": best, "last": track[-1]}.items():
                ((seconds, _),) = timed([(steps, bar)], paces[name])
                reached = seconds_to(mine, bar)
                ratios.setdefault(f"{name}, its {which} picture", []).append(seconds / reached)
                print(
                    f"{content.stem} × {style.stem} | {name}, {which} | {bar:.0f} |"
                    f" {steps}, {seconds:.0f} | {reached:.1f} s | {seconds / reached:.1f} |"
                    f" {mine[-1][1]:.0f} in {mine[-1][0]:.0f} s |"
                    f" {paces['ours'][1]:.3f}, in fp32 {paces['ours in fp32'][1]:.3f},"
                    f" {paces[name][1]:.3f}",
                    flush=True,
                )
    _tell(ratios)


def race_crowson(arguments: argparse.Namespace) -> None:
    """Race crowsonkb, and print a line per pair."""
    print(
        "pair | its objective, seconds | ours at that | times sooner | ours ends (against its end)"
    )
    ratios: dict[str, list[float]] = {}
    for content, style in arguments.pair:
        seconds, bar = _of_crowson(arguments, content, style)
        mine = _our_track(arguments, content, style)
        reached = seconds_to(mine, bar)
        ratios.setdefault("crowsonkb", []).append(seconds / reached)
        last, end = mine[-1]
        print(
            f"{content.stem} × {style.stem} | {bar:.5f}, {seconds:.0f} | {reached:.1f} s |"
            f" {seconds / reached:.1f} | {end:.5f} ({end / bar - 1:+.1%}) in {last:.1f} s",
            flush=True,
        )
    _tell(ratios)


def _tell(ratios: dict[str, list[float]]) -> None:
    for name, values in ratios.items():
        reached = [value for value in values if math.isfinite(value)]
        mean = statistics.geometric_mean(reached) if reached else math.nan
        spread = f"{min(reached):.1f} to {max(reached):.1f}" if reached else "never"
        count = f"{len(reached)} of {len(values)} pairs"
        print(f"against it {name}: {mean:.1f} times sooner ({spread}; {count})")


def _crowson(arguments: argparse.Namespace, *words: str | Path) -> str:
    run = [sys.executable, arguments.crowson / "run.py", *words, "--size", str(arguments.size)]
    run += ["--threads", str(arguments.threads)]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout  # noqa: S603


def _of_crowson(arguments: argparse.Namespace, content: Path, style: Path) -> tuple[float, float]:
    """Return the peer's seconds and the objective of its finished picture."""
    name = f"{content.stem}--{style.stem}"
    if arguments.finished is not None:
        told = (arguments.finished / f"{name}.txt").read_text()
    else:
        with tempfile.TemporaryDirectory() as folder:
            told = _crowson(arguments, content, style, Path(folder) / "out.png")
    found = re.search(r"(\d+) CPU-s, objective ([\d.]+)", told)
    assert found is not None, told
    return float(found[1]), float(found[2])


def _balanced(content: torch.Tensor) -> Weights:
    """Return VGG-19 with a mean activation of 0.5 on this content, as the peer is given it."""
    row = network("vgg19-normalized")
    weights = dict(load_weights(row))
    factor = min(1.0, 256 / max(content.shape[-2:]))
    small = resize(content, (round(content.shape[-2] * factor), round(content.shape[-1] * factor)))
    names = [layer[4:] for layer in row.layers if layer.startswith("conv")][:13]
    maps = Features(row, weights)(small, [f"relu{name}" for name in names])
    before = 1.0
    for name in names:
        gain = 0.5 / float(maps[f"relu{name}"].mean())
        weights[f"conv{name}.weight"] = weights[f"conv{name}.weight"] * (gain / before)
        weights[f"conv{name}.bias"] = weights[f"conv{name}.bias"] * gain
        before = gain
    return weights


def _our_track(arguments: argparse.Namespace, content: Path, style: Path) -> Track:
    """Return our preset's track, judged by the peer on files of 8 bits."""
    recipe = preset(arguments.preset).recipe
    octaves = dataclasses.replace(recipe.octaves, size=arguments.size, measure="longest")
    if arguments.our_steps:
        octaves = dataclasses.replace(octaves, steps=tuple(arguments.our_steps), patience=None)
    # At the peer's weights, whatever can be named in the picture and wherever it is.
    recipe = dataclasses.replace(
        recipe,
        octaves=octaves,
        style_fit="longest",
        enlarge_style=False,
        legibility=None,
        focus=0.0,
        log_every=10**5,
    )
    # Judging takes as long as a step of the peer.
    every = 5 if arguments.preset == "gallery" else 25
    began = time.process_time()
    apart = 0.0
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:

        def on_step(step: Step) -> None:
            nonlocal apart
            if step.size != last.size or (step.done % every and not step.ends_octave):
                return
            now = time.process_time()
            seconds.append(now - began - apart)
            path = Path(folder) / f"{len(seconds):03}.png"
            path.write_bytes(encode(step.picture()))
            apart += time.process_time() - now

        pictures = _pictures(content, style)
        assert pictures.content is not None
        weights = _balanced(pictures.content)
        last = recipe.octaves.plan(size_of(pictures.content))[-1]
        studio = Studio("cpu", load=lambda _: weights)
        synthesize(recipe, pictures, studio=studio, on_step=on_step)
        judged = _crowson(arguments, content, style, "--judge", *sorted(Path(folder).iterdir()))
    objectives = [float(line.split()[-1]) for line in judged.splitlines() if ".png" in line]
    return list(zip(seconds, objectives, strict=True))


def main() -> None:
    """Run the race and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--peer", choices=("pastiche", "crowson"), default="pastiche")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=100, help="of pastiche")
    parser.add_argument("--clamped", type=int, default=100, help="of pastiche, clamped")
    parser.add_argument("--ours", type=int, default=120, help="steps of ours against pastiche")
    parser.add_argument("--crowson", type=Path, help="folder of its run.py")
    parser.add_argument("--finished", type=Path, help="folder of what it painted before")
    parser.add_argument("--preset", choices=("gallery", "crowson"), default="gallery")
    parser.add_argument("--our-steps", type=int, nargs="+", help="per octave, as the dial")
    parser.add_argument("--pair", nargs=2, action="append", type=Path, metavar=("CONTENT", "STYLE"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.side is not None:
        run_side(arguments.side, *arguments.pair[0], arguments.size)
        return
    arguments.pair = arguments.pair or list(
        zip(
            sorted((PICTURES / "contents").glob("*.jpg")),
            sorted(PICTURES.glob("*/*.jpg"), key=lambda path: path.parent.name == "contents"),
            strict=False,
        )
    )
    print(f"{arguments.size} px, {arguments.threads} thread(s), torch {torch.__version__}")
    if arguments.peer == "pastiche":
        race_grams(arguments)
    elif arguments.crowson is None:
        parser.error("--peer crowson needs --crowson FOLDER")
    else:
        race_crowson(arguments)


if __name__ == "__main__":
    main()
