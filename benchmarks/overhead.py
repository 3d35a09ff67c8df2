"""What safety costs: the same pairs painted with and without everything that makes nights safe.

    python benchmarks/overhead.py [--size 256] [--steps 40] [--rounds 3] [--interval 5]

Without: decode, paint, encode, write the file. With: hash the inputs, paint with a loss log and
checkpoints, write durably, publish with record and ledger, upload through the spool to a store in
memory, read every byte again. Both in this process on one thread, in turns, in processor seconds
and in seconds; a checkpoint is due every few seconds here and every minute in a real night, and
never more than its share of 5 %.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from flows.briefs import Briefs
from flows.inputs import Inputs
from manifests.comparing import identify
from manifests.planning import expand
from manifests.reader import parse
from nst_core.images import decode, encode
from nst_core.pictures import Pictures, Style
from nst_core.studio import Studio
from nst_core.synthesis import synthesize
from tasks import painter
from tasks.checkpoints import Pace
from tasks.jobs import StopFlag
from tasks.memory_store import MemoryStore
from tasks.output import Output
from tasks.settings import Settings
from tasks.storage import find
from tasks.upload import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from manifests.comparing import Planned

PICTURES = Path(__file__).parents[1] / "manifests" / "examples" / "pictures"
MANIFEST = """
collection: overhead
output: out
content_sets: {{contents: [contents/*.jpg]}}
style_sets: {{styles: [ukiyo_e/*.jpg]}}
recipes: {{plain: {{preset: gallery, size: {size}, steps: {steps}}}}}
pairings: [{{content: contents, style: styles, recipe: plain, exclude: ["dahlia--*poppies*"]}}]
"""


def bare(planned: Planned, studio: Studio, folder: Path) -> None:
    """Paint a pair as a script would."""
    pair = planned.pair
    assert pair.content is not None
    content, style = (
        decode(Path(where).read_bytes()) for where in (pair.content, pair.styles[0].location)
    )
    pictures = Pictures(
        content=content.pixels, styles=[Style(style.pixels, key=style.sha256, weight=1.0)]
    )
    painted = synthesize(pair.recipe, pictures, studio=studio)
    (folder / f"{planned.stem}.png").write_bytes(encode(painted.image, format="png", bits=8))


def safe(planned: Planned, folder: Path) -> None:
    """Paint a pair as a night does."""
    output, store = Output(folder / "out"), MemoryStore()
    inputs = Inputs(Settings(scratch=folder / "scratch"))
    inputs.fetch_all(planned.pair.locations)
    briefs = Briefs("overhead", inputs, output.work, 50_000_000)
    job = briefs.job(planned, draft=False)
    result = painter.main({"pair": job, "device": "cpu"}, lambda _: None, StopFlag())
    output.publish(
        briefs.painting(planned, result, draft=False),
        picture=result.picture.read_bytes(),
        losses=result.losses.read_bytes(),
    )
    assert Spool(output, store, "s3://memory/overhead").drain().waiting == ()
    assert output.record_of(planned.pair_id, rehash=True)


def timed(act: Callable[[], None]) -> tuple[float, float]:
    """Return the processor seconds and the seconds that something takes."""
    processor, clock = time.process_time(), time.perf_counter()
    act()
    return time.process_time() - processor, time.perf_counter() - clock


def main() -> None:
    """Paint by turns and print what safety adds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between checkpoints")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    painter.Pace = partial(Pace, chosen.interval)  # type: ignore[misc,assignment]
    text = MANIFEST.format(size=chosen.size, steps=chosen.steps)
    pairs = expand(parse(text, name="overhead", folder=str(PICTURES)), find)
    inputs = Inputs(Settings())
    inputs.fetch_all([where for pair in pairs for where in pair.locations])
    plan = identify(pairs, inputs.digests())
    studio = Studio("cpu")
    ratios: list[tuple[float, float]] = []
    for lap in range(chosen.rounds + 1):
        for planned in plan:
            with tempfile.TemporaryDirectory() as folder:
                without = timed(lambda: bare(planned, studio, Path(folder)))  # noqa: B023
                with_all = timed(lambda: safe(planned, Path(folder)))  # noqa: B023
            if lap:  # the first lap loads weights and style targets
                ratio = with_all[0] / without[0], with_all[1] / without[1]
                ratios.append(ratio)
                print(
                    f"{planned.stem[:40]:40} {without[0]:6.2f} s → {with_all[0]:6.2f} s,"
                    f" {100 * (ratio[0] - 1):+.1f} % of processor, {100 * (ratio[1] - 1):+.1f} %"
                    " of time",
                    flush=True,
                )
    processor, clock = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(
        f"median: {100 * (processor - 1):+.1f} % of processor, {100 * (clock - 1):+.1f} % of time"
    )


if __name__ == "__main__":
    main()
