"""Pairs leave an output; wherever that is cut short, no record stands without its picture."""

from __future__ import annotations

import errno

import pytest

from tasks.durable import Disk, OutputError
from tasks.output import Output
from tasks.prune import finish_pruning, prune
from tasks.verify import verify
from tests.tasks.painted_pairs import painted


class Failing(Disk):
    """A disk that fails for good at one step."""

    def __init__(self, at):
        self.left = at

    def _step(self):
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.EIO, "Input/output error")

    def rename(self, source, target):
        """Fail, or rename."""
        self._step()
        super().rename(source, target)

    def mkdir(self, folder):
        """Fail, or make the folder."""
        self._step()
        super().mkdir(folder)

    def fsync_dir(self, folder):
        """Fail, or make the names durable."""
        self._step()
        super().fsync_dir(folder)


@pytest.fixture
def output(tmp_path):
    """Give an output of two pairs."""
    for number in range(2):
        painted(number).publish(Output(tmp_path))
    return Output(tmp_path)


def record_of(output, number):
    """Return the record of pair ``number``."""
    return Output(output.root).record_of(painted(number).painting.pair_id)


def files(output):
    """Return what lies in the collection's folder."""
    return sorted(path.name for path in (output.root / "spring").iterdir())


def test_a_pruned_pair_is_gone_and_the_others_are_not(output):
    """Its record and all its files are moved aside; verification misses nothing."""
    kept, gone = record_of(output, 0), record_of(output, 1)
    prune(output, gone)

    assert all(name.startswith(kept.stem) for name in files(output))
    assert record_of(output, 1) is None
    assert verify(output).findings == ()
    assert (output.work / "pruned" / gone.files["picture"].file).is_file()


def test_wherever_pruning_fails_no_record_stands_without_its_files(output):
    """At every step that can fail: finished whole or not finished; the next time ends it."""
    record = record_of(output, 1)
    steps = 0
    while True:
        try:
            prune(output, record, disk=Failing(steps))
            break
        except OutputError:
            found = record_of(output, 1)
            assert found is None or verify(output).damaged == ()
        steps += 1
        finish_pruning(output)
        if record_of(output, 1) is None:
            assert all(record_of(output, 0).stem in name for name in files(output))
            painted(1).publish(Output(output.root))

    assert steps > 5


def test_a_pair_that_was_painted_anew_is_not_taken_for_a_leftover(output):
    """What was pruned once and is wanted again stays."""
    prune(output, record_of(output, 1))
    painted(1).publish(Output(output.root))

    finish_pruning(output)

    assert record_of(output, 1) is not None
