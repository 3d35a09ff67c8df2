from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tasks.lock import OutputLockedError
from tasks.memory_store import MemoryStore
from tasks.output import Output
from tasks.patience import Patience
from tasks.s3_store import S3Store
from tasks.sealed import NewerRecordError
from tasks.settings import Settings
from tasks.staging import remote_records
from tasks.storage import store_for
from tasks.storage_errors import BusyError, ConflictError, RefusedError
from tasks.upload import Spool
from tests.tasks.fault_proxy import ALWAYS, Fault, FaultProxy
from tests.tasks.painted_pairs import painted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.records import Record
    from tasks.store import Store
    from tests.tasks.conftest import VirtualTime

TARGET = "s3://memory/spring"
MINUTE = 60.0


@pytest.fixture
def output(tmp_path: Path) -> Output:
    """A folder with three finished pairs."""
    output = Output(tmp_path / "out")
    for number in range(3):
        painted(number).publish(output)
    return output


@pytest.fixture
def single(tmp_path: Path) -> Output:
    """A folder with one finished pair."""
    output = Output(tmp_path / "single")
    painted(0).publish(output)
    return output


@pytest.fixture
def target(bucket: str) -> str:
    """Where the folder goes."""
    return f"{bucket}/shows/spring"


@pytest.fixture
def store(line: FaultProxy) -> Store:
    """The bucket at the far end of the line."""
    return store_for("s3://any")


def stems(output: Output) -> list[str]:
    """Return the finished pairs of a folder."""
    return sorted(record.stem for record in output.records())


def whole(store: Store, target: str) -> list[str]:
    """Return the finished pairs of a bucket, having compared every byte with their records."""
    records = remote_records(store, target)
    for record in records:
        for entry in record.files.values():
            data = store.read(f"{target}/{entry.file}")
            assert (len(data), sha256(data).hexdigest()) == (entry.bytes, entry.sha256)
    return sorted(record.stem for record in records)


def first_record(output: Output) -> Record:
    """Return the record of pair 0."""
    return next(record for record in output.records() if "photo-0" in record.stem)


def puts(line: FaultProxy) -> list[str]:
    """Return the endings of the names that were written over the line, in order."""
    paths = [Path(request.path) for request in line.seen if request.method == "PUT"]
    return [path.name.partition(".")[2] for path in paths]


class TestAGoodNight:
    def test_everything_arrives(self, output: Output, store: Store, target: str):
        """What was painted is in the bucket, byte for byte."""
        drained = Spool(output, store, target).drain()

        assert sorted(drained.uploaded) == stems(output)
        assert (drained.waiting, drained.failed, drained.stopped) == ((), {}, None)
        assert whole(store, target) == stems(output)

    def test_the_record_comes_last(
        self, output: Output, store: Store, target: str, line: FaultProxy
    ):
        """A pair is picture, losses, extras, record, in this order."""
        Spool(output, store, target).drain()

        assert puts(line) == ["png", "losses.csv", "frames.webp", "json"] * 3

    def test_what_has_gone_is_not_asked_for_again(
        self, output: Output, store: Store, target: str, line: FaultProxy
    ):
        """The next run knows from its markers, without a request."""
        Spool(output, store, target).drain()
        line.seen.clear()

        assert Spool(output, store, target).drain().uploaded == ()
        assert line.seen == []

    def test_lost_markers_cost_looks_not_uploads(
        self, output: Output, store: Store, target: str, line: FaultProxy
    ):
        """`.work` may be deleted: the bucket itself tells what it has."""
        Spool(output, store, target).drain()
        shutil.rmtree(output.work)
        line.seen.clear()

        drained = Spool(output, store, target).drain()

        assert sorted(drained.uploaded) == stems(output)
        assert puts(line) == []

    def test_what_is_damaged_beside_its_own_record_is_replaced(
        self, output: Output, store: Store, target: str
    ):
        """At once: where the record stands, no other run is writing."""
        Spool(output, store, target).drain()
        shutil.rmtree(output.work)
        picture = f"{target}/{first_record(output).files['picture'].file}"
        store.write(picture, store.read(picture)[:-1] + b"?")

        drained = Spool(output, store, target, patience=Patience.lasting(60.0)).drain()

        assert (drained.waiting, drained.stopped) == ((), None)
        assert whole(store, target) == stems(output)

    def test_a_marker_in_disorder_costs_its_pair_alone(self, output: Output):
        """What cannot be noted as uploaded is brought again next time; the others are done."""
        store = MemoryStore()
        spool = Spool(output, store, TARGET)
        record = first_record(output)
        (spool._markers / record.file / "a folder").mkdir(parents=True)

        drained = spool.drain()

        assert (len(drained.uploaded), drained.waiting) == (2, (record.stem,))
        assert whole(store, TARGET) == stems(output)

    def test_another_bucket_gets_everything(self, output: Output):
        """A marker is for one target: what is in one bucket is not in another."""
        store = MemoryStore()
        Spool(output, store, TARGET).drain()

        Spool(output, store, "s3://memory/summer").drain()

        assert whole(store, "s3://memory/summer") == stems(output)

    def test_a_pair_painted_anew_goes_again(self, output: Output):
        """A marker is for one record: the final picture follows its draft."""
        store = MemoryStore()
        painted(7, draft=True).publish(output)
        Spool(output, store, TARGET).drain()
        painted(7, seconds=9.0).publish(output)

        drained = Spool(output, store, TARGET).drain()

        assert len(drained.uploaded) == 1
        assert whole(store, TARGET) == stems(output)
        assert not any(record.draft for record in remote_records(store, TARGET))

    def test_a_pair_painted_anew_goes_again_in_the_same_night(self, output: Output):
        """What has gone is not read each time, and yet a draft's final picture is noticed."""
        spool = Spool(output, MemoryStore(), TARGET)
        draft = painted(7, draft=True).publish(output)
        spool.drain()
        assert spool.waiting() == []

        painted(7, seconds=9.0).publish(output)

        assert [(one.stem, one.draft) for one in spool.waiting()] == [(draft.stem, False)]

    def test_the_ledger_tells(self, output: Output):
        """Each upload is a line of the story."""
        Spool(output, MemoryStore(), TARGET).drain()

        events = [event for event in output.ledger.events() if event["event"] == "upload_done"]
        assert [event["target"] for event in events] == [TARGET] * 3

    def test_uploads_go_on_beside_the_painting(self, tmp_path: Path):
        """Pairs that are finished meanwhile go too; the last ones after the last picture."""
        output, store = Output(tmp_path), MemoryStore()
        spool = Spool(output, store, TARGET)
        drained = []
        uploading = threading.Thread(target=lambda: drained.append(spool.follow()))
        uploading.start()

        for number in range(5):
            painted(number).publish(output)
            spool.wake()
        spool.finish()
        uploading.join(timeout=120)

        assert sorted(drained[0].uploaded) == stems(output) == whole(store, TARGET)

    def test_a_stop_ends_a_wait_at_once(self, output: Output, store: Store, line: FaultProxy):
        """A night that is called off does not sit out a pause."""
        line.inject(Fault.EXPIRED_TOKEN, times=ALWAYS)
        spool = Spool(output, store, "s3://spring")
        drained = []
        uploading = threading.Thread(target=lambda: drained.append(spool.follow()))
        uploading.start()

        spool.stop()
        uploading.join(timeout=120)

        assert len(drained[0].waiting) == 3


class TestPages:
    def test_pages_follow_their_changes(self, output: Output, store: Store, target: str):
        """What changes from run to run is replaced, unlike a pair."""
        spool = Spool(output, store, target)
        (output.root / "summary.json").write_text("1")
        spool.publish_pages()
        (output.root / "summary.json").write_text("2")
        spool.publish_pages()

        assert store.read(f"{target}/summary.json") == b"2"

    def test_an_unchanged_page_stays(
        self, output: Output, store: Store, target: str, line: FaultProxy
    ):
        """A page that is there as it is here is not sent again."""
        spool = Spool(output, store, target)
        (output.root / "summary.json").write_text("1")
        spool.publish_pages()
        line.seen.clear()
        spool.publish_pages()

        assert puts(line) == []

    def test_the_page_comes_after_all_that_it_names(
        self, output: Output, store: Store, target: str, line: FaultProxy
    ):
        """Whoever opens it finds its script there."""
        for name in ("index.html", "summary.json", "assets/gallery-1.js"):
            (output.root / name).parent.mkdir(exist_ok=True)
            (output.root / name).write_text("1")

        Spool(output, store, target).publish_pages()

        assert puts(line) == ["json", "jsonl", "js", "html"]

    def test_what_is_here_no_more_goes_there_too(self, output: Output, store: Store, target: str):
        """A pair that failed once and is painted now has no note in the bucket either."""
        spool = Spool(output, store, target)
        (output.root / "failed").mkdir(exist_ok=True)
        for name in ("mended.json", "failing.json"):
            (output.root / "failed" / name).write_text("{}")
        spool.publish_pages()
        (output.root / "failed" / "mended.json").unlink()

        spool.publish_pages()

        left = [info.location for info in store.listing(f"{target}/failed/")]
        assert left == [f"{target}/failed/failing.json"]

    def test_a_page_waits_for_the_store(
        self, output: Output, store: Store, target: str, line: FaultProxy, patience: Patience
    ):
        """Pages have the patience of pictures."""
        (output.root / "summary.json").write_text("1")
        line.inject(Fault.SLOW_DOWN, times=3)
        line.inject(Fault.FLIP_UP, method="PUT")

        Spool(output, store, target, patience=patience).publish_pages()

        assert store.read(f"{target}/summary.json") == b"1"


WHAT_PASSES = [
    (method, fault)
    for method in ("HEAD", "PUT")
    for fault in (
        Fault.SLOW_DOWN,
        Fault.UNAVAILABLE,
        Fault.INTERNAL_ERROR,
        Fault.EXPIRED_TOKEN,
        Fault.BLACK_HOLE,
        Fault.RESET,
        Fault.LOST_REPLY,
        Fault.SLOW,
        Fault.FLIP_UP,
    )
    if (method, fault) != ("HEAD", Fault.FLIP_UP)
]


class TestOverABadLine:
    @pytest.mark.parametrize("trouble", WHAT_PASSES, ids=str)
    def test_everything_arrives_in_the_end(
        self,
        single: Output,
        store: Store,
        target: str,
        line: FaultProxy,
        patience: Patience,
        *,
        trouble: tuple[str, Fault],
    ):
        """Whatever passes is waited for: nothing wrong, nothing missing, no false conflict."""
        method, fault = trouble
        line.inject(fault, method=method, times=2)

        drained = Spool(single, store, target, patience=patience).drain()

        assert (drained.waiting, drained.failed, drained.stopped) == ((), {}, None)
        assert whole(store, target) == stems(single)

    def test_a_lost_reply_that_boto_retries_is_no_conflict(
        self,
        single: Output,
        target: str,
        line: FaultProxy,
        patience: Patience,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """boto3 repeats a write that was carried out and is told 412; the object is ours."""
        monkeypatch.setenv("NST_S3_ATTEMPTS", "3")
        store = S3Store(Settings.from_environment())
        line.inject(Fault.LOST_REPLY, method="PUT", key="*.png")

        drained = Spool(single, store, target, patience=patience).drain()

        assert (sorted(drained.uploaded), drained.failed) == (stems(single), {})
        assert whole(store, target) == stems(single)

    def test_an_outage_of_half_an_hour_loses_nothing(
        self,
        single: Output,
        store: Store,
        target: str,
        line: FaultProxy,
        *,
        patience: Patience,
        clock: VirtualTime,
    ):
        """The spool comes back a minute after the store does, at the latest."""
        line.inject(Fault.UNAVAILABLE, times=ALWAYS)

        def sleep(seconds: float) -> None:
            clock.sleep(seconds)
            if clock.now >= 30 * MINUTE:
                line.heal()

        drained = Spool(single, store, target, patience=replace(patience, sleep=sleep)).drain()

        assert sorted(drained.uploaded) == stems(single) == whole(store, target)
        assert 30 * MINUTE <= clock.now <= 31 * MINUTE
        assert max(clock.naps) <= MINUTE

    def test_an_outage_to_the_end_leaves_the_spool(
        self,
        single: Output,
        store: Store,
        target: str,
        line: FaultProxy,
        patience: Patience,
    ):
        """What could not go by the deadline waits, and goes with the next run."""
        line.inject(Fault.UNAVAILABLE, times=ALWAYS)
        hasty = replace(patience, deadline=5 * MINUTE)

        drained = Spool(single, store, target, patience=hasty).drain()
        line.heal()
        next_night = Spool(single, store, target).drain()

        assert isinstance(drained.stopped, BusyError)
        assert sorted(drained.waiting) == sorted(next_night.uploaded) == stems(single)
        assert whole(store, target) == stems(single)

    def test_expired_credentials_are_renewed_once_a_minute(
        self,
        single: Output,
        store: Store,
        target: str,
        line: FaultProxy,
        *,
        patience: Patience,
        clock: VirtualTime,
    ):
        """Uploads pause until somebody has logged in again."""
        line.inject(Fault.EXPIRED_TOKEN, times=3, method="PUT")

        drained = Spool(single, store, target, patience=patience).drain()

        assert sorted(drained.uploaded) == stems(single)
        assert clock.naps == [MINUTE] * 3

    def test_a_new_login_is_noticed(
        self,
        single: Output,
        store: Store,
        target: str,
        line: FaultProxy,
        *,
        patience: Patience,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """After a pause, the credentials that are there by then are used."""
        line.inject(Fault.EXPIRED_TOKEN, method="PUT")

        def log_in(_: float) -> None:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SECOND")

        Spool(single, store, target, patience=replace(patience, sleep=log_in)).drain()

        assert "Credential=SECOND" in line.seen[-1].headers["authorization"]

    def test_a_refusal_stops_at_once(
        self,
        single: Output,
        store: Store,
        target: str,
        line: FaultProxy,
        *,
        patience: Patience,
        clock: VirtualTime,
    ):
        """Access denied is for a person; the night is not spent on it."""
        line.inject(Fault.ACCESS_DENIED, method="PUT", times=ALWAYS)

        drained = Spool(single, store, target, patience=patience).drain()

        assert isinstance(drained.stopped, RefusedError)
        assert (drained.stopped.code, clock.naps, len(puts(line))) == ("E-S3-ACCESS", [], 1)

    def test_a_missing_bucket_stops_at_once(self, single: Output, store: Store):
        """A bucket that does not exist is named."""
        drained = Spool(single, store, "s3://no-such-bucket/spring").drain()

        assert drained.stopped
        assert (drained.stopped.code, len(drained.waiting)) == ("E-S3-BUCKET", 1)

    def test_a_store_that_ignores_conditions_gets_the_same(
        self, single: Output, store: Store, target: str, line: FaultProxy, patience: Patience
    ):
        """Where conditions are ignored, looking first does what they would have done."""
        line.inject(Fault.IGNORE_CONDITIONS, times=ALWAYS)
        Spool(single, store, target, patience=patience).drain()
        shutil.rmtree(single.work)
        line.seen.clear()

        Spool(single, store, target, patience=patience).drain()

        assert whole(store, target) == stems(single)
        assert puts(line) == []

    def test_one_pair_in_trouble_does_not_hold_up_the_others(
        self, output: Output, store: Store, target: str, line: FaultProxy, patience: Patience
    ):
        """Pairs take turns, should it be one of them that the store cannot take."""
        line.inject(Fault.INTERNAL_ERROR, method="PUT", key="*photo-0*", times=ALWAYS)
        hasty = replace(patience, deadline=5 * MINUTE)

        drained = Spool(output, store, target, patience=hasty).drain()

        assert len(drained.uploaded) == 2
        assert drained.waiting == (first_record(output).stem,)


class Killed(BaseException):
    """The process ends here."""


class MortalStore(MemoryStore):
    """A bucket whose user dies at one of its changes: right before it or right after it."""

    def __init__(self, clock: VirtualTime) -> None:
        super().__init__(clock=clock)
        self.changes_to_live = -1
        self.die_before = False

    def write(self, location: str, data: bytes, **conditions: Any) -> str:
        """Write, or die."""
        return self._change(partial(super().write, location, data, **conditions))

    def delete(self, location: str) -> None:
        """Delete, or die."""
        self._change(partial(super().delete, location))

    def _change(self, act: Callable[[], Any]) -> Any:
        self.changes_to_live -= 1
        if self.changes_to_live == 0 and self.die_before:
            raise Killed
        done = act()
        if self.changes_to_live == 0:
            raise Killed
        return done


class TestKills:
    @pytest.mark.parametrize("die_before", [True, False])
    @pytest.mark.parametrize("change", range(1, 9))
    def test_a_kill_at_any_change_loses_nothing(
        self, tmp_path: Path, clock: VirtualTime, change: int, *, die_before: bool
    ):
        """Whenever the run dies, no record in the bucket lies, and the next run completes it."""
        output, store = Output(tmp_path), MortalStore(clock)
        patience = Patience(clock=clock, sleep=clock.sleep)
        painted(0, draft=True, seconds=2.0).publish(output)
        Spool(output, store, TARGET, patience=patience).drain()
        # The draft's record goes, two files and the final record come; then another pair's four.
        final = painted(0)._replace(extras={"frames.webp": b"better frames"})
        final.publish(output)
        painted(1).publish(output)
        store.changes_to_live, store.die_before = change, die_before

        with pytest.raises(Killed):
            Spool(output, store, TARGET, patience=patience).drain()
        finished = whole(store, TARGET)
        drained = Spool(output, store, TARGET, patience=patience).drain()

        assert set(finished) <= set(stems(output)) == set(whole(store, TARGET))
        assert drained.waiting == ()
        assert not any(record.draft for record in remote_records(store, TARGET))


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


class TestDamageAtHome:
    @pytest.mark.parametrize("role", ["picture", "losses"])
    def test_a_damaged_file_does_not_go(self, output: Output, role: str):
        """What is not as its record says stays here, with advice; the other pairs go."""
        entry = first_record(output).files[role]
        path = output.root / entry.file
        path.write_bytes(bytes(reversed(path.read_bytes())))
        store = MemoryStore()

        drained = Spool(output, store, TARGET).drain()

        (problem,) = drained.failed.values()
        assert (problem.code, len(drained.uploaded)) == ("E-OUT-DAMAGED", 2)
        assert "nst verify" in str(problem)
        assert len(whole(store, TARGET)) == 2

    def test_a_pair_painted_anew_meanwhile_goes_as_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """A record is only ever uploaded with the files that it names."""
        output, store = Output(tmp_path), MemoryStore()
        painted(0, draft=True, seconds=2.0).publish(output)
        write, news = store.write, iter([lambda: painted(0).publish(output)])

        def interrupted(location: str, data: bytes, **conditions: Any) -> str:
            if location.endswith("webp"):
                next(news, lambda: None)()
            return write(location, data, **conditions)

        monkeypatch.setattr(store, "write", interrupted)
        spool = Spool(output, store, TARGET)

        spool.drain()
        whole(store, TARGET)
        spool.drain()

        assert whole(store, TARGET) == stems(output)
        assert not any(record.draft for record in remote_records(store, TARGET))


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
