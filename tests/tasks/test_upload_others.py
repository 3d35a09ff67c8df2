"""What others have put into the bucket is respected, and what lies there is found again."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tasks.lock import OutputLockedError
from tasks.memory_store import MemoryStore
from tasks.output import Output
from tasks.patience import Patience
from tasks.sealed import NewerRecordError
from tasks.staging import remote_records
from tasks.storage_errors import ConflictError
from tasks.upload import Spool
from tests.tasks.painted_pairs import painted
from tests.tasks.uploads import MINUTE, TARGET, first_record, stems, whole

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.store import Store
    from tests.tasks.conftest import VirtualTime


class TestOthersInTheBucket:
    def test_what_another_run_published_stays(self, output: Output, tmp_path: Path):
        """The same pair, painted elsewhere a little differently, is not replaced."""
        other = Output(tmp_path / "other")
        painted(0, seconds=77.0).publish(other)
        store = MemoryStore()
        Spool(other, store, TARGET).drain()

        drained = Spool(output, store, TARGET).drain()

        assert (drained.waiting, drained.failed) == ((), {})
        assert whole(store, TARGET) == stems(output)
        assert 77.0 in [record.seconds for record in remote_records(store, TARGET)]

    def test_what_another_run_left_unfinished_is_taken_over(
        self, output: Output, clock: VirtualTime, patience: Patience
    ):
        """A picture without a record that nobody comes back for does not block its pair."""
        picture = first_record(output).files["picture"].file
        store = MemoryStore({f"{TARGET}/{picture}": b"of a machine that is gone"}, clock=clock)

        drained = Spool(output, store, TARGET, patience=patience).drain()

        assert whole(store, TARGET) == stems(output)
        assert drained.waiting == ()
        assert 5 * MINUTE <= clock.now < 7 * MINUTE

    def test_what_is_missing_in_the_bucket_is_put_back(self, output: Output):
        """A record whose files were deleted is no finished pair, and ours makes it one."""
        other = Output(output.root / "other")
        painted(0, seconds=77.0).publish(other)
        store = MemoryStore()
        Spool(other, store, TARGET).drain()
        store.delete(f"{TARGET}/{first_record(other).files['picture'].file}")

        Spool(output, store, TARGET).drain()

        assert whole(store, TARGET) == stems(output)

    def test_a_strange_record_is_never_overwritten(self, output: Output):
        """What cannot be read is shown to a person; the other pairs go."""
        place = f"{TARGET}/{first_record(output).file}"
        store = MemoryStore({place: b"a note of mine"})

        drained = Spool(output, store, TARGET).drain()

        (conflict,) = drained.failed.values()
        assert isinstance(conflict, ConflictError)
        assert (conflict.code, len(drained.uploaded)) == ("E-S3-CONFLICT", 2)
        assert store.read(place) == b"a note of mine"

    def test_what_comes_between_look_and_write_is_not_overwritten(
        self, output: Output, clock: VirtualTime, patience: Patience
    ):
        """A run that is a moment faster keeps its pair."""
        picture = f"{TARGET}/{first_record(output).files['picture'].file}"

        class Contested(MemoryStore):
            def write(self, location: str, data: bytes, **conditions: Any) -> str:
                if location == picture and self.head(location) is None:
                    super().write(location, b"of a faster run")
                return super().write(location, data, **conditions)

        store = Contested(clock=clock)

        drained = Spool(
            output, store, TARGET, patience=replace(patience, deadline=4 * MINUTE)
        ).drain()

        assert store.read(picture) == b"of a faster run"
        assert drained.waiting == (first_record(output).stem,)

    def test_two_runs_at_once_never_make_a_record_lie(self, tmp_path: Path):
        """Whoever wins a pair, its record and its files in the bucket are of one run."""
        for round_ in range(20):
            store = MemoryStore()
            outputs = [Output(tmp_path / f"{round_}-{runner}") for runner in "ab"]
            for seconds, output in enumerate(outputs):
                painted(0, seconds=float(seconds)).publish(output)
            patience = Patience(sleep=lambda _: None)
            runs = [
                threading.Thread(target=Spool(output, store, TARGET, patience=patience).drain)
                for output in outputs
            ]

            for run in runs:
                run.start()
            for run in runs:
                run.join(timeout=120)

            assert whole(store, TARGET) == stems(outputs[0])

    def test_a_lost_lease_stops_the_uploads(self, output: Output):
        """A run that has lost its right to publish publishes nothing more."""
        store = MemoryStore()
        allowed = iter([True, False])

        def guard() -> None:
            if not next(allowed):
                raise OutputLockedError("another run")

        drained = Spool(output, store, TARGET, guard=guard).drain()

        assert (len(drained.uploaded), len(drained.waiting)) == (1, 2)
        assert isinstance(drained.stopped, OutputLockedError)


class TestWhenTheFolderIsGone:
    def test_the_bucket_remembers(self, output: Output, store: Store, target: str):
        """The records in the bucket are those of the folder that made them."""
        Spool(output, store, target).drain()

        assert remote_records(store, target) == list(output.records())

    def test_only_whole_pairs_count(self, output: Output):
        """A record whose picture is missing, cut, or that cannot be read, counts for nothing."""
        store = MemoryStore()
        Spool(output, store, TARGET).drain()
        first, second, third = output.records()
        store.delete(f"{TARGET}/{first.files['picture'].file}")
        store.write(f"{TARGET}/{second.files['losses'].file}", b"step")
        store.write(f"{TARGET}/{third.file}", b"{")

        assert remote_records(store, TARGET) == []

    def test_a_newer_version_is_respected(self, output: Output):
        """What a later version has painted is neither repainted nor replaced."""
        record = first_record(output)
        newer = record.encode().replace(b'"schema_version": 1', b'"schema_version": 2')
        store = MemoryStore({f"{TARGET}/{record.file}": newer})

        drained = Spool(output, store, TARGET).drain()

        assert [error.code for error in drained.failed.values()] == ["E-RECORD-NEWER"]
        assert store.read(f"{TARGET}/{record.file}") == newer
        with pytest.raises(NewerRecordError):
            remote_records(store, TARGET)

    def test_other_objects_are_passed_over(self, output: Output):
        """Failures, locks and pages are no records."""
        store = MemoryStore()
        Spool(output, store, TARGET).drain()
        for name in ("_lock.json", "summary.json", "failed/x--y--0123456789.json"):
            store.write(f"{TARGET}/{name}", b"{}")

        assert len(remote_records(store, TARGET)) == 3

    def test_an_empty_prefix_has_no_records(self, store: Store, target: str):
        """The first night finds nothing."""
        assert remote_records(store, target) == []
