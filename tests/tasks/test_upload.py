"""From the output folder to the bucket: pairs, pages, and what is damaged at home."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tasks.memory_store import MemoryStore
from tasks.output import Output
from tasks.patience import Patience
from tasks.staging import remote_records
from tasks.upload import Spool
from tests.tasks.fault_proxy import ALWAYS, Fault, FaultProxy
from tests.tasks.painted_pairs import painted
from tests.tasks.uploads import TARGET, first_record, puts, stems, whole

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.store import Store


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
