"""Ten thousand pairs through the flow, with a painter that takes no time.

What is left is what the house itself costs: planning, Prefect, records, fsync; then the same night
again, the report, the page and the sheets of its morning, and `nst plan` with a cluster of 64.
Everything but the slots is the real thing.

    python benchmarks/scale.py --pairs 10000              with a Prefect server of its own
    python benchmarks/scale.py --pairs 10000 --without-prefect
    python benchmarks/scale.py --pairs 10000 --night      the night alone
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from flows import threads
from flows.night import Night
from flows.prefect_server import PrefectServer
from flows.reporting import reported
from manifests.planning import expand
from manifests.reader import parse
from tasks.gallery import build
from tasks.output import Output
from tasks.render import PaintResult
from tasks.report import write_report
from tasks.settings import Settings
from tasks.sheets import write_contact_sheets
from tasks.storage import find

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from manifests.pairs import Pair
    from manifests.schema import Manifest

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
        self.begun: set[str] = set()  # nothing is, before somebody waits for it
        self.memory: list[float] = []
        self._guard = threading.Lock()
        self._count = 0

    def has_time_for(self, _) -> bool:  # noqa: ANN001
        """There is no deadline."""
        return True

    def render(self, job, on_event):  # noqa: ANN001, ANN201 # stands in for tasks.render.Renderer
        """Write a picture of the pair's own colour."""
        on_event({"kind": "stage", "stage": "painting"})
        job.folder.mkdir(parents=True, exist_ok=True)
        picture, losses = job.folder / "picture.png", job.folder / "losses.csv"
        Image.new("RGB", (8, 6), f"#{job.pair_id[:6]}").save(picture)
        losses.write_bytes(_LOSSES)
        with self._guard:
            self._count += 1
            if self._count % 500 == 1:
                self.memory.append(resident())
        return PaintResult(
            picture=picture,
            losses=losses,
            objective={"first": 1.0, "last": 0.5, "terms": {}},
            steps=1,
            seconds=0.1,
            weights_sha256="5" * 64,
        )


def resident(what: str = "VmRSS", process: int | str = "self") -> float:
    """Return a process's memory in MB, or with ``VmHWM`` its highest, since `lower` if asked."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    return 0.0  # it has just ended


def lower() -> None:
    """Forget the highest memory so far."""
    Path("/proc/self/clear_refs").write_text("5")


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
    parser.add_argument("--night", action="store_true", help="neither again nor the morning")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="nst-scale-"))
    try:
        told, night = paint(folder, asked.pairs, asked.slots, asked.without_prefect)
        if not asked.night:
            told |= morning(folder, night)
        print(json.dumps(told, indent=1))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def paint(
    folder: Path,
    pairs: int,
    slots: int,
    without_prefect: bool,  # noqa: FBT001
) -> tuple[dict[str, object], Night]:
    """Go through a night; return what it cost, and the night."""
    text = gallery(folder, pairs)
    (folder / "scale.json").write_text(text)
    began = time.perf_counter()
    manifest = parse(text, name="scale.yaml", folder=str(folder))
    planned = expand(manifest, find)
    told: dict[str, object] = {
        "pairs": len(planned),
        "expand_seconds": round(time.perf_counter() - began, 2),
    }
    night = opened(manifest, planned, folder, slots)
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
        "memory_mb": [round(one) for one in night.renderer.memory],
    }
    if not without_prefect:
        database = sum(path.stat().st_size for path in (folder / "prefect").glob("prefect.db*"))
        told["database_mb"] = round(database / 1e6, 1)
        server.stop()
    return told, night


def morning(folder: Path, night: Night) -> dict[str, object]:
    """Go through the same night again, write its reports, plan; return what that costs."""
    again = opened(night.manifest, night.pairs, folder, night.renderer.slots)
    told: dict[str, object] = {"again": timed(lambda: threads.paint(again))}
    assert all(outcome.state == "kept" for outcome in again.outcomes)
    report = reported(again, command="nst run scale.yaml")
    for name in ("small_copies_and_sheets", "sheets"):  # a night has most copies made before
        told[name] = timed(lambda: write_contact_sheets(again.output))
    told["report"] = timed(lambda: write_report(again.output, report))
    told["page"] = timed(lambda: build(again.output.root))
    plan(folder, folder / "elsewhere")  # the machine's speed is measured once
    told["plan_of_new"] = plan(folder, folder / "elsewhere")
    told["plan_of_kept"] = plan(folder, again.output.root)
    return told


def opened(manifest: Manifest, pairs: Sequence[Pair], folder: Path, slots: int) -> Any:
    """Return a night in which nothing has to be painted for long."""
    return Night(
        manifest=manifest,
        pairs=pairs,
        output=Output(folder / "out"),
        settings=Settings(scratch=folder / "scratch"),
        renderer=Instant(slots),  # type: ignore[arg-type] # only what a night asks of it
        observers=[],
    )


def timed(step: Callable[[], object]) -> dict[str, float]:
    """Take a step; return its seconds and the memory that it reached."""
    lower()
    began, processor = time.perf_counter(), time.process_time()
    step()
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "processor": round(time.process_time() - processor, 1),
        "peak_mb": round(resident("VmHWM")),
    }


def plan(folder: Path, output: Path) -> dict[str, float]:
    """Have `nst plan` answer for a cluster, as a person would; return seconds and memory."""
    command = ["plan", str(folder / "scale.json"), "--against", str(output), "--workers", "64"]
    began, peak = time.perf_counter(), 0.0
    asked = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "flows", *command, "--device", "cpu", "--json"],
        env=os.environ | {"NST_SCRATCH": str(folder / "scratch")},
        stdout=subprocess.DEVNULL,
    )
    while asked.poll() is None:
        peak = max(peak, resident("VmHWM", asked.pid))
        time.sleep(0.02)
    assert asked.returncode == 0
    return {"seconds": round(time.perf_counter() - began, 1), "peak_mb": round(peak)}


if __name__ == "__main__":
    main()
