"""What threads gain: steps of `gallery` in slots of several, alone and beside other work.

    python benchmarks/threads.py [--size 512] [--slots 1x1,1x3,2x2] [--spins 0,1000] [--busy 1]

``2x3`` are two slots of three threads each, painting at once. Every arrangement gets its turn of
some seconds, round by round, while the others sleep and as many processes as asked keep a core busy
each. Printed are the steps a second of all its slots together, the median of the rounds. Spins are
how often a thread looks for work before it sleeps (``GOMP_SPINCOUNT``).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from itertools import product
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from nst_core.hardware import keep_freed_memory
from nst_core.images import decode, resize
from nst_core.objective import bind
from nst_core.octaves import size_of
from nst_core.pictures import Style
from nst_core.presets import preset
from nst_core.studio import Studio
from tasks.devices import SlotSpec, worker_environment

PICTURES = Path(__file__).parents[1] / "manifests" / "examples" / "pictures"
CONTENT = PICTURES / "contents" / "german_shepherd.jpg"
STYLE = PICTURES / "ukiyo_e" / "hokusai_great_wave.jpg"


class Slot:
    """A process that makes a step whenever it is told to.

    Args:
        threads: Of torch in it.
        spins: See above.
        size: Longest side of the canvas in pixels.
    """

    def __init__(self, threads: int, spins: int, size: int) -> None:
        environ = dict(os.environ) | {"GOMP_SPINCOUNT": str(spins)}
        self.connection, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - this very file
                [sys.executable, __file__, "--slot", str(theirs.fileno()), str(size)],
                env=worker_environment(SlotSpec("cpu", "cpu", threads), environ),
                pass_fds=[theirs.fileno()],
            )
        self.connection.recv()


def paint(descriptor: int, size: int) -> None:
    """Be such a process."""
    connection: Connection[Any, Any] = Connection(descriptor)
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    keep_freed_memory(keep=True)
    recipe = preset("gallery").recipe
    octaves = replace(recipe.octaves, size=size, smallest=None, steps=(10,))
    recipe = replace(recipe, octaves=octaves)
    content, style = (decode(path.read_bytes()).pixels for path in (CONTENT, STYLE))
    (octave,) = recipe.octaves.plan(size_of(content))
    canvas = resize(content, octave.size, recipe.resampling)
    objective = bind(recipe, Studio("cpu"), octave, canvas, [Style(style, "style")])
    descent = recipe.optimizer.start(canvas, recipe.canvas, octave.steps)
    for _ in range(3):
        descent.step(objective)
    connection.send("ready")
    while True:
        connection.recv()
        descent.step(objective)
        connection.send("done")


def rate(slots: list[Slot], seconds: float) -> float:
    """Return the steps a second of slots that paint at once for so long."""
    steps, began = 0, time.perf_counter()
    at_work = {slot.connection for slot in slots}
    for connection in at_work:
        connection.send("step")
    while at_work:
        for connection in wait(list(at_work)):
            assert isinstance(connection, Connection)
            connection.recv()
            steps += 1
            if time.perf_counter() - began < seconds:
                connection.send("step")
            else:
                at_work.discard(connection)
    return steps / (time.perf_counter() - began)


def main() -> None:
    """Measure by turns and print."""
    if sys.argv[1:2] == ["--slot"]:
        paint(int(sys.argv[2]), int(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--slots", default="1x1,1x2,2x2,1x3,1x4")
    parser.add_argument("--spins", default="1000")
    parser.add_argument("--busy", type=int, default=0, help="processes beside it")
    parser.add_argument("--seconds", type=float, default=8.0, help="of a turn")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    asked = list(product(chosen.slots.split(","), map(int, chosen.spins.split(","))))
    all_slots = [
        [Slot(int(threads), spins, chosen.size) for _ in range(int(count))]
        for (count, threads), spins in ((slots.split("x"), spins) for slots, spins in asked)
    ]
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(chosen.busy)
    ]
    try:
        rounds = [
            [rate(slots, chosen.seconds) for slots in all_slots] for _ in range(chosen.rounds)
        ]
    finally:
        for process in (*busy, *(slot.process for slots in all_slots for slot in slots)):
            process.kill()
    for (slots, spins), rates in zip(asked, zip(*rounds, strict=True), strict=True):
        spread = f"{min(rates):.2f} to {max(rates):.2f}"
        print(
            f"{chosen.size} px, {slots} threads, {spins} spins, {chosen.busy} busy:"
            f" {statistics.median(rates):.2f} steps a second ({spread})"
        )


if __name__ == "__main__":
    main()
