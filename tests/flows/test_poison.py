"""Some poisoned pairs among hundreds: each is named, and all the others are painted."""

from __future__ import annotations

import gc
import math

import psutil
import pytest

from flows import threads
from flows.exit_codes import ExitCode, gravest
from flows.run import codes
from tasks import render
from tasks.output import Output
from tasks.upload import Drained
from tests.flows.toy_collection import Guest, ToyCollection, draw

pytestmark = pytest.mark.slow

PAIRS = 500
# What becomes of the contents that the toy painter stumbles over.
POISONS = {
    "broken": "input",
    "diverges": "diverged",
    "swells": "resource",
    "dies": "crash",
    "hangs": "stall",
    "errs": "bug",
}


class Accountant(Guest):
    """Notes what this process holds, when a hundred pairs have ended and at the last."""

    def __init__(self):
        super().__init__()
        self.books = []

    def ended(self, outcome):
        """Note it."""
        super().ended(outcome)
        if len(self.ended_) in {100, PAIRS}:
            gc.collect()
            process = psutil.Process()
            self.books.append((process.num_fds(), process.memory_info().rss))


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Five hundred small photos, one poisoned in each way, and one painting."""
    collection = ToyCollection(tmp_path_factory.mktemp("poison"), contents=(), steps=[2])
    names = [*POISONS, *(f"cat-{number}" for number in range(PAIRS - len(POISONS)))]
    for name in names:
        draw(collection.content(name), size=(8, 6))
    broken = collection.content("broken")
    broken.write_bytes(broken.read_bytes()[:60])
    return collection


def night(collection):
    """Go through a night; return its guest, its outcomes by content, and its exit code."""
    guest = Accountant()
    with collection.night(guest=guest, slots=2) as night:
        threads.paint(night)
        code = gravest(codes(night, None, Drained()))
    return guest, {one.planned.pair.content_name: one for one in night.outcomes}, code


@pytest.mark.timeout(900)
def test_poisoned_pairs_cost_nothing_but_themselves(collection, monkeypatch):
    """One of each kind: the others are painted, exit code 3; the next night leaves them alone."""
    # Three tries wait so long; a worker that a busy machine takes for stuck just begins again.
    monkeypatch.setattr(render, "_STALL_SECONDS", 10.0)

    guest, first, code = night(collection)

    failed = {name: one.failure.kind for name, one in first.items() if one.state == "failed"}
    assert failed == POISONS
    assert sum(one.state == "complete" for one in first.values()) == PAIRS - len(POISONS)
    assert code == ExitCode.FAILED_PAIRS
    assert {one.content_name for one in Output(collection.output).failures()} == POISONS.keys()
    (handles, memory), (handles_at_last, memory_at_last) = guest.books
    assert handles_at_last - handles <= 8
    assert memory_at_last - memory < 50e6

    guest, second, code = night(collection)

    assert guest.events == []
    assert {name for name, one in second.items() if one.state == "failed"} == POISONS.keys()
    assert sum(one.state == "kept" for one in second.values()) == PAIRS - len(POISONS)
    assert code == ExitCode.FAILED_PAIRS
    assert math.isclose(sum(one.seconds for one in second.values()), 0.0)
