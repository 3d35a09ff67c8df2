"""What a slot in a Ray cluster costs beside one on this machine, with a painter that takes no time.

Pairs go through one slot of each engine in turns: the way of the pictures, the events, a checkpoint
and the finished files, without what the output does with them.

    ray start --head --num-cpus=1
    PYTHONPATH=. python benchmarks/engines.py --pairs 50
    PYTHONPATH=. python benchmarks/engines.py --pairs 50 --checkpoint 38
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from manifests.pairs import OutputFormat
from nst_core.presets import preset
from tasks.durable import write_atomic
from tasks.engines import slot_pool
from tasks.fetching import Fetched
from tasks.render import FetchedStyle, PaintJob, PaintResult
from tasks.settings import Settings

_PICTURE_BYTES = 2_000_000
_EVENTS = 20


def paint(job: dict[str, Any], emit: Any, stop: Any) -> PaintResult:
    """Read, tell, keep a checkpoint of so many megabytes, write a picture."""
    del stop
    pair: PaintJob = job["pair"]
    for source in (pair.content, *(style.source for style in pair.styles)):
        if source:
            source.read()
    for done in range(_EVENTS):
        emit({"kind": "progress", "done": done})
    if pair.output.quality > 1:
        checkpoint = pair.checkpoints / pair.pair_id / "state"
        write_atomic(checkpoint, os.urandom(1_000_000) * (pair.output.quality - 1))
    picture, losses = pair.folder / "picture.png", pair.folder / "losses.csv"
    write_atomic(picture, os.urandom(_PICTURE_BYTES))
    write_atomic(losses, b"step,total\n")
    return PaintResult(
        picture=picture,
        losses=losses,
        objective={},
        steps=_EVENTS,
        seconds=0.0,
        weights_sha256="",
    )


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--checkpoint", type=int, default=0, help="MB that each pair keeps")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="nst-engines-"))
    seconds: dict[str, list[float]] = {"local": [], "ray": []}
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        pools = {}
        for engine in seconds:
            settings = Settings(engine=engine, device="cpu", slots=1, torch_threads=1)
            logs = folder / engine
            began = time.perf_counter()
            pools[engine], _ = stack.enter_context(
                slot_pool(settings, "benchmarks.engines:paint", most=1, logs=logs)
            )
            pools[engine].warm()
            print(f"{engine} is warm after {time.perf_counter() - began:.1f} s")
        for number in range(asked.pairs):
            for engine, pool in pools.items():
                job = _job(folder / engine, number, asked.checkpoint)
                began = time.perf_counter()
                pool.run({"pair": job})
                seconds[engine].append(time.perf_counter() - began)
    middle = {engine: statistics.median(times) for engine, times in seconds.items()}
    print(json.dumps({"median_seconds": middle, "more": middle["ray"] - middle["local"]}))


def _job(folder: Path, number: int, megabytes: int) -> PaintJob:
    """Return a pair whose content is new and whose style is the same for all."""
    folder.mkdir(parents=True, exist_ok=True)
    return PaintJob(
        pair_id=hashlib.sha256(str(number).encode()).hexdigest(),
        recipe=preset("gallery").recipe,
        content=_picture(folder / f"content-{number}.jpg"),
        styles=(FetchedStyle(_picture(folder / "style.jpg")),),
        # The one number that the fake painter has to be told.
        output=OutputFormat(quality=1 + megabytes),
        folder=folder / f"painting-{number}",
        checkpoints=folder / "checkpoints",
    )


def _picture(path: Path) -> Fetched:
    if not path.exists():
        path.write_bytes(os.urandom(_PICTURE_BYTES))
    data = path.read_bytes()
    return Fetched(path, hashlib.sha256(data).hexdigest(), len(data))


if __name__ == "__main__":
    main()
