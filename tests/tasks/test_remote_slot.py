"""A remote slot needs no cluster to be tested: its messages are heard here."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from nst_core.octaves import Octaves
from nst_core.presets import preset
from tasks import pair_files
from tasks.devices import SlotSpec
from tasks.fetching import Fetched
from tasks.jobs import SlotUnusable
from tasks.pair_files import Keep, Mirror
from tasks.remote_slot import RemoteSlot
from tasks.render import FetchedStyle, PaintJob
from tasks.storage import store_for
from tests.flows.toy_collection import draw
from tests.waiting import until

PAIR_ID = "ab" * 32


@pytest.fixture
def job(tmp_path):
    """Make a job for the toy painter, whose pictures lie at home."""

    def make(content="cat"):
        def picture(name):
            path = tmp_path / "photos" / f"{name}.png"
            draw(path)
            data = path.read_bytes()
            return Fetched(path, hashlib.sha256(data).hexdigest(), len(data))

        return PaintJob(
            pair_id=PAIR_ID,
            recipe=replace(preset("jcjohnson").recipe, octaves=Octaves(size=32, steps=(3,))),
            content=picture(content),
            styles=(FetchedStyle(picture("monet")),),
            folder=tmp_path / "home" / "painting",
            checkpoints=tmp_path / "home" / "checkpoints",
        )

    return make


@pytest.fixture
def remote_slot(tmp_path, monkeypatch):
    """Make remote slots of this machine, whose own folder is ``there``."""
    made = []

    def make(keep=None):
        monkeypatch.setenv("NST_SCRATCH", str(tmp_path / "there"))
        remote_slot = RemoteSlot(SlotSpec("ray0", "cpu", 1), "tests.flows.toy_painter:main", keep)
        remote_slot.warm(version("nst-gallery"))
        made.append(remote_slot)
        return remote_slot

    yield make
    for remote_slot in made:
        remote_slot.leave()


def bring(remote_slot, job):
    """Bring the pictures of a job that are missing; return how many were."""
    pictures = {picture.sha256: picture for picture in pair_files.pictures(job)}
    lacking = remote_slot.lacks(list(pictures.values()))
    for sha256 in lacking:
        remote_slot.take(pictures[sha256], pictures[sha256].read())
    return len(lacking)


def heard(remote_slot, *ends):
    """Return all messages up to the end of a job."""
    messages = []

    def is_over():
        messages.extend(remote_slot.hear(0.1))
        return messages and messages[-1][0] in {"done", "stopped", "failed"}

    until(is_over)
    return messages


def test_what_it_paints_comes_home(remote_slot, job):
    """The finished files are sent, and told of as they lie on its own machine."""
    there, wanted = remote_slot(), job()
    assert bring(there, wanted) == 2

    there.begin(wanted, [], math.inf, 60.0)
    messages = heard(there)

    word, result = messages[-1]
    assert word == "done"
    sent = {message[1] for message in messages if message[0] == "keep"}
    assert {"painting/picture.png", "painting/losses.csv"} <= sent
    assert result.moved(wanted.folder).picture == wanted.folder / "picture.png"
    assert not wanted.folder.exists()


def test_a_picture_travels_once(remote_slot, job):
    """The next pair of the same pictures finds them there."""
    there = remote_slot()
    bring(there, job())

    assert bring(there, job()) == 0


def test_a_pair_goes_on_from_what_was_brought(remote_slot, job):
    """A checkpoint that is at home is continued there."""
    there, wanted = remote_slot(), job("tarries")
    bring(there, wanted)
    there.begin(wanted, [], math.inf, 60.0)
    sent = {}

    def has_sent_both():
        sent.update(message[1:] for message in there.hear(0.1) if message[0] == "keep")
        return {"painting/mark", "checkpoints/toy.json"} <= set(sent)

    until(has_sent_both)
    there.leave()
    other = remote_slot()

    other.begin(wanted, list(sent.items()), math.inf, 60.0)

    _, result = heard(other)[-1]
    assert result.resumed_at == [1]


def test_a_bucket_keeps_what_is_under_way(remote_slot, job, bucket):
    """Another slot continues from the bucket alone, and nothing but the picture comes home."""
    keep = f"{bucket}/out/.work/pairs"
    kept = Keep(store_for(keep), keep)
    there, wanted = remote_slot(keep), job("tarries")
    bring(there, wanted)
    there.begin(wanted, [], math.inf, 60.0)
    until(lambda: "painting/mark" in dict(kept.fetch(PAIR_ID)))
    there.leave()
    other = remote_slot(keep)

    other.begin(wanted, [], math.inf, 60.0)

    messages = heard(other)
    assert messages[-1][1].resumed_at == [2]  # asked to leave, it had made one more step
    sent = {message[1] for message in messages if message[0] == "keep"}
    assert sent == {"painting/picture.png", "painting/losses.csv"}
    kept.clear(PAIR_ID)
    assert kept.pairs() == set()


def test_a_checkpoint_may_be_larger_than_any_picture(remote_slot, job, bucket, monkeypatch):
    """The limit on inputs is meant for what strangers bring."""
    keep = f"{bucket}/out/.work/pairs"
    Keep(store_for(keep), keep).put(PAIR_ID, "painting/frame_000001.webp", b"0" * 100_000)
    monkeypatch.setenv("NST_MAX_INPUT", "64K")
    there, wanted = remote_slot(keep), job()
    bring(there, wanted)

    assert dict(there._keep.fetch(PAIR_ID)) == {"painting/frame_000001.webp": b"0" * 100_000}


def test_a_bucket_that_does_not_answer_ends_no_pair(remote_slot, job, bucket, line, caplog):
    """Without it the pair only stands to lose more time."""
    there, wanted = remote_slot(f"{bucket}-missing/out"), job()
    bring(there, wanted)

    there.begin(wanted, [], math.inf, 60.0)

    assert heard(there)[-1][0] == "done"
    assert "nothing is taken from" in caplog.text


def test_a_failure_is_told_as_it_is_at_home(remote_slot, job):
    """With its kind, which decides what is done about the pair."""
    there, wanted = remote_slot(), job("dies")
    bring(there, wanted)

    there.begin(wanted, [], math.inf, 60.0)

    word, error = heard(there)[-1]
    assert (word, error.kind, error.code) == ("failed", "crash", "E-SLOT-DIED")


def test_another_version_is_refused(tmp_path, monkeypatch):
    """Two versions of a cluster would paint two kinds of pictures."""
    monkeypatch.setenv("NST_SCRATCH", str(tmp_path))
    remote_slot = RemoteSlot(SlotSpec("ray0", "cpu", 1), "tests.flows.toy_painter:main", None)

    with pytest.raises(SlotUnusable, match=r"and 0\.0\.1 asks") as caught:
        remote_slot.warm("0.0.1")

    assert "same version" in str(caught.value.remedy)


def test_folders_of_killed_slots_are_removed(remote_slot, tmp_path):
    """Those of slots that are still there stay."""
    dead = tmp_path / "there" / "away" / "slot-dead"
    dead.mkdir(parents=True)
    (dead / "lock").touch()
    first = remote_slot()

    second = remote_slot()

    folders = set((tmp_path / "there" / "away").glob("slot-*"))
    assert folders == {first._folder, second._folder}


@pytest.mark.parametrize("name", ["painting/../../x", "painting/.hidden", "painting/a/b"])
def test_no_file_leaves_its_folder(name):
    """A name is a file of the pair or refused."""
    with pytest.raises(ValueError, match="no file of a pair"):
        pair_files.path_of({"painting": Path("/nowhere")}, name)


def test_a_file_that_vanishes_while_it_is_read_is_gone(tmp_path, monkeypatch):
    """What was kept of it for the next machine goes, too."""
    frame = tmp_path / "frame_000010.webp"
    frame.write_bytes(b"old")
    mirror = Mirror({"painting": tmp_path})
    frame.write_bytes(b"newer")

    def vanish(path):
        path.unlink()
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_bytes", vanish)

    assert mirror.changes() == ([], ["painting/frame_000010.webp"])
