from __future__ import annotations

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from PIL import Image

from nst_core.errors import DivergedError, ImageError
from tasks.durable import Disk, DiskFullError, NotWritableError, OutputError, sha256_file
from tasks.output import Output, PictureError
from tasks.records import Record
from tasks.sealed import NewerRecordError
from tests.tasks.painted_pairs import painted


@pytest.fixture
def output(tmp_path):
    """Give a fresh output."""
    return Output(tmp_path)


def files(root):
    """Return the names of what lies in the collections and of what failed."""
    return sorted(
        p.relative_to(root).as_posix() for p in root.glob("*/*") if ".work" not in p.parts
    )


def test_a_pair_lies_where_the_contract_says(output):
    """Picture, loss log, frames and record share the pair's stem in the collection's folder."""
    pair = painted(1)

    pair.publish(output)

    stem = f"spring/{pair.painting.stem}"
    assert files(output.root) == [
        f"{stem}{e}" for e in (".frames.webp", ".json", ".losses.csv", ".png")
    ]


def test_the_record_names_each_file_with_hash_and_size(output):
    """What the record says of its files is what lies there."""
    record = painted(1).publish(output)

    assert {
        role: (entry.sha256, entry.bytes)
        == (sha256_file(output.root / entry.file), (output.root / entry.file).stat().st_size)
        for role, entry in record.files.items()
    } == {"picture": True, "losses": True, "frames": True}


def test_the_record_knows_the_pictures_size(output):
    """Width and height are read from the picture itself."""
    picture = painted(1).publish(output).files["picture"]

    assert (picture.width, picture.height) == (8, 6)


def test_publish_returns_what_lies_on_disk(output):
    """The returned record is the one written."""
    record = painted(1).publish(output)

    assert Record.decode((output.root / record.file).read_bytes(), name="r") == record


@pytest.mark.parametrize(
    ("encoder", "ending"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("TIFF", "tif")]
)
def test_the_ending_follows_the_bytes(output, encoder, ending):
    """A picture is named for the format it has."""
    data = BytesIO()
    Image.new("RGB", (4, 4)).save(data, encoder)

    record = painted(1)._replace(picture=data.getvalue()).publish(output)

    assert record.files["picture"].file.endswith(f".{ending}")


@pytest.mark.parametrize("cut", [0, 4, 40, -5])
def test_a_broken_picture_is_not_published(output, cut):
    """Bytes that are no whole picture are a bug of the painter, and nothing is written."""
    pair = painted(1)

    with pytest.raises(PictureError):
        pair._replace(picture=pair.picture[:cut]).publish(output)
    assert files(output.root) == []


def test_a_published_pair_is_found_by_its_identity(output):
    """Another process finds the pair by its id alone."""
    record = painted(1).publish(output)

    assert Output(output.root).record_of(record.pair_id) == record


def test_a_pair_painted_by_this_process_is_found_at_once(output):
    """Looking first and publishing later does not hide the pair."""
    pair = painted(1)
    assert output.record_of(pair.painting.pair_id) is None

    record = pair.publish(output)

    assert output.record_of(record.pair_id) == record


def test_a_renamed_photo_is_still_finished(output):
    """The same bytes under another name are the same pair, found under its old name."""
    record = painted(1).publish(output)

    again = painted(1, stem=f"renamed--monet--evening--{record.pair_id[:10]}").publish(output)

    assert again == record


def test_another_collection_is_asked_only_if_wanted(output):
    """A pair counts as finished in its own collection only, but can be found from others."""
    record = painted(1).publish(output)

    assert output.record_of(record.pair_id, collection="autumn") is None
    assert output.record_of(record.pair_id) == record


@pytest.mark.parametrize("role", ["picture", "losses", "frames"])
def test_without_any_one_file_a_pair_is_not_finished(output, role):
    """A record whose file is gone proves nothing."""
    record = painted(1).publish(output)

    (output.root / record.files[role].file).unlink()

    assert output.record_of(record.pair_id) is None
    assert list(output.records()) == []


def test_a_file_of_another_size_unfinishes_a_pair(output):
    """A cut file is noticed by every run."""
    record = painted(1).publish(output)

    os.truncate(output.root / record.files["picture"].file, 20)

    assert output.record_of(record.pair_id) is None


def test_a_folder_in_a_files_place_unfinishes_a_pair(output):
    """Only regular files count."""
    record = painted(1).publish(output)
    path = output.root / record.files["frames"].file
    path.unlink()
    path.mkdir()

    assert not output.is_finished(record)


def test_rehashing_notices_a_flipped_bit(output):
    """After an unclean end sizes are not trusted."""
    record = painted(1).publish(output)
    path = output.root / record.files["picture"].file
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")

    assert output.record_of(record.pair_id) == record
    assert output.record_of(record.pair_id, rehash=True) is None


def test_a_record_under_a_foreign_name_proves_nothing(output):
    """A record that was moved to another pair's name is not believed."""
    record = painted(1).publish(output)
    other = painted(2).painting
    (output.root / record.file).rename(output.root / f"spring/{other.stem}.json")

    assert output.record_of(other.pair_id) is None
    assert output.record_of(record.pair_id) is None


def test_a_damaged_record_unfinishes_the_pair(output):
    """A record that does not parse is no record."""
    record = painted(1).publish(output)
    (output.root / record.file).write_bytes(b"{")

    assert output.record_of(record.pair_id) is None


def test_a_later_versions_record_stops_the_run(output):
    """What a later version finished is neither painted again nor written over."""
    record = painted(1).publish(output)
    fields = json.loads((output.root / record.file).read_bytes()) | {"schema_version": 2}
    (output.root / record.file).write_text(json.dumps(fields))

    with pytest.raises(NewerRecordError):
        output.record_of(record.pair_id)
    with pytest.raises(NewerRecordError):
        painted(1).publish(output)


def test_records_come_by_collection_and_name(output):
    """The gallery's order does not depend on the file system's."""
    published = [painted(n, collection=c).publish(output) for c in ("b", "a") for n in (3, 1, 2)]

    assert list(output.records()) == sorted(published, key=lambda r: r.file)


def test_folders_of_the_output_itself_are_no_collections(output):
    """Work files and failures are not taken for finished pairs."""
    pair = painted(1)
    pair.publish(output)
    output.fail(painted(2).failed(DivergedError("x")))
    output.probe()
    (output.root / "assets").mkdir()

    assert [folder.name for folder in output.collections()] == ["spring"]


def test_publishing_again_changes_nothing(output):
    """What is finished stays as it is, whatever a second painting took."""
    record = painted(1).publish(output)

    assert painted(1, seconds=2.0).publish(output) == record
    assert output.is_finished(record, rehash=True)


def test_publishing_again_mends_a_flipped_bit(output):
    """A pair painted again because its picture is damaged takes the damaged one's place."""
    pair = painted()
    path = output.root / pair.publish(output).files["picture"].file
    path.write_bytes(pair.picture[:-1] + bytes([pair.picture[-1] ^ 1]))

    pair.publish(output)

    assert path.read_bytes() == pair.picture


def test_a_draft_gives_way_to_the_painting(output):
    """A finished draft is replaced, without conflicts, by the finished picture of the pair."""
    painted(1, draft=True).publish(output)

    record = painted(1, seconds=9.0).publish(output)

    assert output.record_of(record.pair_id) == record
    assert not [name for name in files(output.root) if "conflict" in name]


def test_a_painting_does_not_give_way_to_a_draft(output):
    """A draft never replaces the better picture."""
    record = painted(1).publish(output)

    assert painted(1, draft=True).publish(output) == record


def test_a_foreign_picture_in_the_way_is_kept(output):
    """A file under our name that we did not write is set aside, and the ledger tells."""
    pair = painted(1)
    path = output.root / "spring" / f"{pair.painting.stem}.png"
    path.parent.mkdir()
    path.write_bytes(b"somebody's")

    record = pair.publish(output)

    assert path.with_name(f"{path.name}.conflict-1").read_bytes() == b"somebody's"
    assert output.is_finished(record, rehash=True)
    assert [e["file"] for e in output.ledger.events() if e["event"] == "set_aside"] == [
        f"spring/{path.name}"
    ]


def test_a_retouched_picture_is_kept(output):
    """A picture edited by hand is set aside when its pair is painted again."""
    pair = painted(1)
    record = pair.publish(output)
    path = output.root / record.files["picture"].file
    path.write_bytes(b"retouched")

    pair.publish(output)

    assert path.with_name(f"{path.name}.conflict-1").read_bytes() == b"retouched"


def test_an_edited_record_is_kept(output):
    """A record changed by hand is set aside, not lost, when its pair is painted again."""
    record = painted(1).publish(output)
    path = output.root / record.file
    edited = path.read_bytes().replace(b'"steps": 2,\n "attempts"', b'"steps": 5,\n "attempts"')
    path.write_bytes(edited)
    (output.root / record.files["picture"].file).unlink()

    painted(1).publish(output)

    assert path.with_name(f"{path.name}.conflict-1").read_bytes() == edited


def test_what_an_earlier_try_left_is_no_conflict(output):
    """Files this product wrote before it was killed are replaced, even if they differ."""
    record = painted(1).publish(output)
    (output.root / record.file).unlink()

    again = painted(1, seconds=7.5).publish(Output(output.root))

    assert again.seconds == 7.5
    assert not [name for name in files(output.root) if "conflict" in name]


@pytest.mark.parametrize("kind", ["folder", "dangling link", "pipe"])
def test_what_is_no_file_is_set_aside_too(output, kind):
    """Whatever takes a file's place makes way, without being opened."""
    pair = painted(1)
    path = output.root / "spring" / f"{pair.painting.stem}.png"
    path.parent.mkdir()
    {
        "folder": path.mkdir,
        "dangling link": lambda: path.symlink_to("nowhere"),
        "pipe": lambda: os.mkfifo(path),
    }[kind]()

    record = pair.publish(output)

    assert output.is_finished(record, rehash=True)
    assert os.path.lexists(path.with_name(f"{path.name}.conflict-1"))


def test_another_collection_gets_a_copy(output):
    """A pair finished elsewhere in the output is copied, not painted."""
    record = painted(1).publish(output)

    copied = output.copy(record, collection="autumn", labels={"movement": "Impressionism"})

    assert output.record_of(record.pair_id, collection="autumn") == copied
    assert [e.sha256 for e in copied.files.values()] == [e.sha256 for e in record.files.values()]


def test_a_damaged_pair_is_not_copied(output):
    """Damage does not spread."""
    record = painted(1).publish(output)
    path = output.root / record.files["losses"].file
    path.write_bytes(b"x" * path.stat().st_size)

    with pytest.raises(OutputError, match="damaged"):
        output.copy(record, collection="autumn")


def test_a_failure_is_kept_and_found(output):
    """A failed pair has its file under its own stem."""
    failure = painted(1).failed(DivergedError("loss became NaN"))

    output.fail(failure)

    assert Output(output.root).failures() == [failure]
    assert (output.root / "failed" / f"{failure.stem}.json").exists()


@pytest.mark.parametrize(
    ("error", "kept_away"),
    [
        (ImageError("truncated"), True),
        (DivergedError("NaN"), True),
        (ZeroDivisionError("x"), True),
        (OutputError("EIO"), False),
        (DiskFullError("full"), False),
    ],
)
def test_only_the_pairs_own_faults_keep_it_from_another_try(output, error, kept_away):
    """What the machine did wrong is tried again the next night."""
    failure = painted(1).failed(error)
    output.fail(failure)

    assert Output(output.root).quarantined(failure.pair_id) == (failure if kept_away else None)


def test_other_inputs_are_another_pair(output):
    """A failure says nothing about a pair with another identity."""
    output.fail(painted(1).failed(ImageError("truncated")))

    assert output.quarantined(painted(2).painting.pair_id) is None


def test_a_new_version_of_the_program_tries_again(output):
    """What failed under another version is not held against this one."""
    failure = painted(1).failed(ImageError("truncated"), product_version="0.0.1")
    output.fail(failure)

    assert output.quarantined(failure.pair_id) is None


def test_success_removes_the_failure(output):
    """A pair that is finished has failed no longer."""
    output.fail(painted(1).failed(OutputError("EIO")))

    painted(1).publish(output)

    assert output.failures() == []
    assert files(output.root)[0].startswith("spring/")


def test_a_draft_forgives_nothing(output):
    """What kept the pair from being painted still holds after a draft."""
    failure = painted(1).failed(DivergedError("NaN"))
    output.fail(failure)

    painted(1, draft=True).publish(output)
    output.recover()

    assert output.failures() == [failure]


def test_success_with_mended_bytes_removes_the_failure(output):
    """The failure of the same pictures by name goes even though the identity changed."""
    mended = painted(2, content="/photos/1.jpg")
    output.fail(painted(1).failed(ImageError("truncated")))

    mended.publish(output)

    assert output.failures() == []


def test_a_damaged_failure_file_stops_nothing(output):
    """Advice that cannot be read is no reason to fail."""
    (output.root / "failed").mkdir()
    (output.root / "failed" / "x.json").write_bytes(b"{")

    assert output.failures() == []


def test_recovery_rebuilds_a_deleted_ledger(output):
    """The story is told anew from the records, as far as they know it."""
    records = [painted(n).publish(output) for n in (1, 2)]
    output.ledger.path.unlink()

    output.recover()

    done = [e["pair_id"] for e in output.ledger.events() if e["event"] == "pair_done"]
    assert sorted(done) == sorted(r.pair_id for r in records)


def test_recovery_forgets_failures_of_finished_pairs(output):
    """A kill between the record and the failure's removal is made good."""
    painted(1).publish(output)
    Output(output.root).fail(painted(1).failed(OutputError("EIO")))

    fresh = Output(output.root)
    fresh.recover()

    assert fresh.failures() == []


def test_recovery_of_nothing_is_fine(tmp_path):
    """A first run finds an output that is not there yet."""
    assert Output(tmp_path / "brand" / "new").recover() == 0


def test_a_writable_output_passes_the_probe(output):
    """The probe leaves nothing behind."""
    output.probe()

    assert list(output.work.iterdir()) == []


def test_the_probe_foresees_a_full_disk(output):
    """More than the disk holds is refused before the night."""
    with pytest.raises(DiskFullError, match="are free"):
        output.probe(needed=1 << 60)


def test_the_probe_finds_a_file_in_the_outputs_place(tmp_path):
    """An output that is a file is named before the night."""
    (tmp_path / "out").write_bytes(b"")

    with pytest.raises(NotWritableError):
        Output(tmp_path / "out").probe()


def test_threads_share_an_output(output):
    """Pairs published from eight threads are all finished, told of and found."""
    with ThreadPoolExecutor(8) as threads:
        records = list(threads.map(lambda n: painted(n).publish(output), range(40)))

    assert [output.record_of(record.pair_id) for record in records] == records
    events = [event["event"] for event in output.ledger.events()]
    assert (events.count("pair_publish"), events.count("pair_done")) == (40, 40)


def test_a_failing_ledger_loses_no_picture(tmp_path):
    """If the last ledger line fails, trying again finds the pair finished."""

    class Deaf(Disk):
        appended = 0

        def append(self, path):
            """Fail on the second event, which tells that the pair is done."""
            self.appended += 1
            if self.appended == 2:
                raise OSError(errno.EIO, "Input/output error")
            return super().append(path)

    output = Output(tmp_path, disk=Deaf())
    with pytest.raises(OutputError):
        painted(1).publish(output)

    assert painted(1, seconds=3.0).publish(output).seconds == 1.0
