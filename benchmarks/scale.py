"""Ten thousand pairs through the flow, with a painter that takes no time.

What is left is what the house itself costs: planning, Prefect, records, fsync. Everything but the
slots is the real thing.

    python benchmarks/scale.py --pairs 10000              with a Prefect server of its own
    python benchmarks/scale.py --pairs 10000 --without-prefect
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import tempfile
import threading
import time
from io import BytesIO
from pathlib import Path

from PIL import Image

from flows import threads
from flows.night import Night
from flows.order import unfinished_first
from flows.prefect_server import PrefectServer
from manifests.comparing import compare, identify
from manifests.planning import expand
from manifests.reader import parse
from tasks.output import Output
from tasks.render import Rendered
from tasks.settings import Settings
from tasks.storage import find

_LOSSES = b"step,octave,width,height,seconds,total\n1,0,8,6,0.1,1.0\n"


class Instant:
    """A renderer that hands over a finished picture at once.

    Args:
        slots: Pairs that are under way at once.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.stopping = threading.Event()
        self.is_stopping = False
        picture = BytesIO()
        Image.new("RGB", (8, 6), "tan").save(picture, "PNG")
        self._picture = picture.getvalue()
        self.memory: list[float] = []
        self._guard = threading.Lock()
        self._count = 0

    def has_time_for(self, _) -> bool:  # noqa: ANN001
        """There is no deadline."""
        return True

    def render(self, job, on_event):  # noqa: ANN001, ANN201 # stands in for tasks.render.Renderer
        """Write the same picture for every pair."""
        on_event({"kind": "stage", "stage": "painting"})
        job.folder.mkdir(parents=True, exist_ok=True)
        picture, losses = job.folder / "picture.png", job.folder / "losses.csv"
        picture.write_bytes(self._picture)
        losses.write_bytes(_LOSSES)
        with self._guard:
            self._count += 1
            if self._count % 500 == 1:
                self.memory.append(resident())
        result = {
            "picture": picture,
            "losses": losses,
            "extras": {},
            "objective": {"first": 1.0, "last": 0.5, "terms": {}},
            "steps": 1,
            "seconds": 0.1,
            "resumed_at": [],
            "warnings": [],
            "weights_sha256": "5" * 64,
            "environment": {},
        }
        return Rendered(result=result, attempts=1, degraded=())


def resident() -> float:
    """Return this process's memory in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return math.nan


def gallery(folder: Path, pairs: int) -> str:
    """Make as many photos and paintings as give so many pairs; return the manifest's text."""
    contents = math.isqrt(pairs)
    for kind, count in (("photos", contents), ("art", math.ceil(pairs / contents))):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            color = (number % 256, number // 256, len(kind))
            Image.new("RGB", (8, 6), color).save(folder / kind / f"{number:05}.png")
    return json.dumps(
        {
            "collection": "scale",
            "output": "out",
            "content_sets": {"photos": ["photos/"]},
            "style_sets": {"art": ["art/"]},
            "pairings": [{"content": "photos", "style": "art"}],
        }
    )


def main() -> None:
    """Paint, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--without-prefect", action="store_true")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="nst-scale-"))
    try:
        print(
            json.dumps(measure(folder, asked.pairs, asked.slots, asked.without_prefect), indent=1)
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path, pairs: int, slots: int, without_prefect: bool) -> dict[str, object]:  # noqa: FBT001
    """Go through a night; return what it cost."""
    text = gallery(folder, pairs)
    began = time.perf_counter()
    manifest = parse(text, name="scale.yaml", folder=str(folder))
    planned = expand(manifest, find)
    expanded = time.perf_counter() - began
    renderer = Instant(slots)
    output = Output(folder / "out")
    night = Night(
        manifest=manifest,
        pairs=planned,
        output=output,
        settings=Settings(scratch=folder / "scratch"),
        renderer=renderer,  # type: ignore[arg-type] # only what a night asks of it
        watchers=[],
    )
    told: dict[str, object] = {"pairs": len(planned), "expand_seconds": round(expanded, 2)}
    began, processor = time.perf_counter(), time.process_time()
    if without_prefect:
        threads.paint(night)
    else:
        server = PrefectServer.start(folder / "prefect")
        assert server.is_ready()
        told["server_seconds"] = round(time.perf_counter() - began, 1)
        from flows import collection  # noqa: PLC0415 # reads the environment at import

        began, processor = time.perf_counter(), time.process_time()
        collection.paint(night, server, manifest="scale.yaml")
    seconds = time.perf_counter() - began
    told |= {
        "seconds": round(seconds, 1),
        "ms_per_pair": round(1000 * seconds / len(planned), 2),
        "processor_ms_per_pair": round(1000 * (time.process_time() - processor) / len(planned), 2),
        "complete": sum(outcome.state == "complete" for outcome in night.outcomes),
        "memory_mb": [round(one) for one in renderer.memory],
    }
    if not without_prefect:
        database = sum(path.stat().st_size for path in (folder / "prefect").glob("prefect.db*"))
        told["database_mb"] = round(database / 1e6, 1)
        server.stop()
    began = time.perf_counter()
    digests = night.inputs.digests()
    identified = unfinished_first(identify(planned, digests), output)
    plan = compare(identified, output.records(), digests)
    told["plan_again_seconds"] = round(time.perf_counter() - began, 2)
    told["kept"] = len(plan.kept)
    return told


if __name__ == "__main__":
    main()
