"""What a night of thousands costs; its figures are in benchmarks/RESULTS.md."""

from __future__ import annotations

import tracemalloc

from benchmarks.scale import Instant, gallery
from flows import threads
from flows.night import Night
from manifests.planning import expand
from manifests.reader import parse
from tasks.output import Output
from tasks.settings import Settings
from tasks.storage import find


def remembered(folder, pairs):
    """Return how many bytes a night of so many pairs holds at its end, and how many there were."""
    manifest = parse(gallery(folder, pairs), name="scale.yaml", folder=str(folder))
    renderer = Instant(2)
    tracemalloc.start()
    night = Night(
        manifest=manifest,
        pairs=expand(manifest, find),
        output=Output(folder / "out"),
        settings=Settings(scratch=folder / "scratch"),
        renderer=renderer,
        observers=[],
    )
    threads.paint(night)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {outcome.state for outcome in night.outcomes} == {"complete"}
    return held, len(night.pairs)


def test_a_pair_takes_a_few_kilobytes_of_a_nights_memory(tmp_path):
    """Its plan and what became of it are kept; its record, of 12 kB, lies beside the picture."""
    remembered(tmp_path / "first", 9)  # what is loaded and cached once
    (few, some), (more, many) = (remembered(tmp_path / str(n), n) for n in (49, 256))

    assert (more - few) / (many - some) < 6000
