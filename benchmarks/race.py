"""Race a peer on equal work: seconds until the *delivered* picture is as good as the peer's.

    python benchmarks/race.py [--size 256] [--steps 100] [--ours 120] [--pair CONTENT STYLE]...

The peer is pastiche 1.6.0 (Gram matrices, L-BFGS), as shipped and with its pixels clamped after
every step; our side is the `pastiche` preset, which minimises the same objective. All three start
from the same content at the same size. The judge is the peer's own objective on the picture that
a user gets: clipped to 0..255 and rounded. Runs are interleaved step by step, one thread each,
and timed in processor seconds, so that a busy machine slows all alike; set-up counts for all.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pastiche.pastiche import VGG_MEAN, PasticheArtist

from nst_core.images import decode
from nst_core.objective import Style
from nst_core.presets import preset
from nst_core.studio import Studio
from nst_core.synthesis import Pictures, synthesize

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURES = Path(__file__).parents[1] / "manifests" / "examples" / "pictures"
MEAN = torch.tensor(VGG_MEAN).view(1, 3, 1, 1)

Track = list[tuple[float, float]]
"""(processor seconds since the start, delivered objective), in order."""


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
    """Return our track; the core paints in one go, so that it is timed at its marks."""
    judge = Judge(content, style, size)
    began = time.process_time()
    judging = 0.0
    track: Track = []

    def on_step(step) -> None:  # noqa: ANN001
        nonlocal judging
        if step.done in marks or step.done == steps:
            now = time.process_time()
            track.append((now - began - judging, judge(step.picture())))
            judging += time.process_time() - now

    recipe = preset("pastiche").recipe
    octaves = dataclasses.replace(
        recipe.octaves, size=size, measure="longest", smallest=None, steps=(steps,)
    )
    # The rows of the loss log are a product's work, not the race's.
    recipe = dataclasses.replace(recipe, octaves=octaves, log_every=steps)
    read = [decode(path.read_bytes()) for path in (content, style)]
    pictures = Pictures(content=read[0].pixels, styles=[Style(read[1].pixels, read[1].sha256)])
    synthesize(recipe, pictures, studio=Studio("cpu"), on_step=on_step)
    return track


def track_peer(content: Path, style: Path, size: int, marks: list[int], *, clamped: bool) -> Track:
    """Return a peer's track at its marks."""
    judge = Judge(content, style, size)
    began = time.process_time()
    judging = 0.0
    track: Track = []
    for step, image in enumerate(peer(content, style, size, clamped=clamped), start=1):
        if step in marks:
            now = time.process_time()
            track.append((now - began - judging, judge(image)))
            judging += time.process_time() - now
        if step >= marks[-1]:
            return track
    raise AssertionError


def seconds_to(track: Track, bar: float) -> float:
    """Return when a track first is at the bar, interpolated between marks; NaN if never."""
    if track[0][1] <= bar:
        return track[0][0]
    for (before, high), (after, low) in pairwise(track):
        if low <= bar:
            share = (math.log(high) - math.log(bar)) / (math.log(high) - math.log(low))
            return before + share * (after - before)
    return math.nan


def main() -> None:
    """Run the race and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=100, help="of the peer")
    parser.add_argument("--ours", type=int, default=120, help="steps of ours")
    parser.add_argument("--pair", nargs=2, action="append", type=Path, metavar=("CONTENT", "STYLE"))
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pairs = arguments.pair or list(
        zip(
            sorted((PICTURES / "contents").glob("*.jpg")),
            sorted(PICTURES.glob("*/*.jpg"), key=lambda path: path.parent.name == "contents"),
            strict=False,
        )
    )
    marks = sorted({*range(10, arguments.steps, 10), arguments.steps})
    print(f"{arguments.size} px, {arguments.threads} thread(s), torch {torch.__version__}")
    print(
        "pair | peer | its seconds | its delivered objective | ours at that | times sooner"
        " | ours ends"
    )
    ratios: dict[str, list[float]] = {}
    for content, style in pairs:
        mine = ours(
            content, style, arguments.size, arguments.ours, set(range(5, arguments.ours, 5))
        )
        for name, clamped in (("as shipped", False), ("clamped", True)):
            track = track_peer(content, style, arguments.size, marks, clamped=clamped)
            seconds, bar = min(track, key=lambda point: point[1])
            reached = seconds_to(mine, bar)
            ratios.setdefault(name, []).append(seconds / reached)
            print(
                f"{content.stem} × {style.stem} | {name} | {seconds:.0f} | {bar:.0f} |"
                f" {reached:.1f} s | {seconds / reached:.1f} |"
                f" {mine[-1][1]:.0f} in {mine[-1][0]:.0f} s",
                flush=True,
            )
    for name, values in ratios.items():
        spread = f"{min(values):.1f} to {max(values):.1f}"
        print(f"against it {name}: {statistics.geometric_mean(values):.1f} times sooner ({spread})")


if __name__ == "__main__":
    main()
