"""An outpost needs no cluster to be tested: its messages are heard here."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from nst_core.octaves import Octaves
from nst_core.presets import preset
from tasks import luggage
from tasks.devices import SlotSpec
from tasks.fetching import Fetched
from tasks.jobs import SlotUnusable
from tasks.luggage import Keep
from tasks.outpost import Outpost
from tasks.render import PaintJob
from tasks.storage import store_for
from tests.flows.toy_collection import draw
from tests.flows.waiting import until

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
            styles=((picture("monet"), 1.0),),
            folder=tmp_path / "home" / "painting",
            checkpoints=tmp_path / "home" / "checkpoints",
        )

    return make


@pytest.fixture
def outpost(tmp_path, monkeypatch):
    """Make outposts of this machine, whose own folder is ``there``."""
    made = []

    def make(keep=None):
        monkeypatch.setenv("NST_SCRATCH", str(tmp_path / "there"))
        outpost = Outpost(SlotSpec("ray0", "cpu", 1), "tests.flows.toy_painter:main", keep)
        outpost.warm(version("nst-gallery"))
        made.append(outpost)
        return outpost

    yield make
    for outpost in made:
        outpost.leave()


def bring(outpost, job):
    """Bring the pictures of a job that are missing; return how many were."""
    pictures = {picture.sha256: picture for picture in luggage.pictures(job)}
    lacking = outpost.lacks(list(pictures.values()))
    for sha256 in lacking:
        outpost.take(pictures[sha256], pictures[sha256].read())
    return len(lacking)


def heard(outpost, *ends):
    """Return all messages up to the end of a job."""
    messages = []

    def is_over():
        messages.extend(outpost.hear(0.1))
        return messages and messages[-1][0] in {"done", "stopped", "failed"}

    until(is_over)
    return messages


def test_what_it_paints_comes_home(outpost, job):
    """The finished files are sent, and told of as they lie on its own machine."""
    there, wanted = outpost(), job()
    assert bring(there, wanted) == 2

    there.begin(wanted, [], math.inf, 60.0)
    messages = heard(there)

    word, result = messages[-1]
    assert word == "done"
    sent = {message[1] for message in messages if message[0] == "keep"}
    assert {"painting/picture.png", "painting/losses.csv"} <= sent
    at_home = luggage.home(result, wanted.folder)
    assert at_home["picture"] == wanted.folder / "picture.png"
    assert not wanted.folder.exists()


def test_a_picture_travels_once(outpost, job):
    """The next pair of the same pictures finds them there."""
    there = outpost()
    bring(there, job())

    assert bring(there, job()) == 0


def test_a_pair_goes_on_from_what_was_brought(outpost, job):
    """A checkpoint that is at home is continued there."""
    there, wanted = outpost(), job("tarries")
    bring(there, wanted)
    there.begin(wanted, [], math.inf, 60.0)
    sent = {}

    def has_sent_both():
        sent.update(message[1:] for message in there.hear(0.1) if message[0] == "keep")
        return {"painting/mark", "checkpoints/toy.json"} <= set(sent)

    until(has_sent_both)
    there.leave()
    other = outpost()

    other.begin(wanted, list(sent.items()), math.inf, 60.0)

    _, result = heard(other)[-1]
    assert result["resumed_at"] == [1]


def test_a_bucket_keeps_what_is_under_way(outpost, job, bucket):
    """Another outpost continues from the bucket alone, and nothing but the picture comes home."""
    keep = f"{bucket}/out/.work/pairs"
    kept = Keep(store_for(keep), keep)
    there, wanted = outpost(keep), job("tarries")
    bring(there, wanted)
    there.begin(wanted, [], math.inf, 60.0)
    until(lambda: "painting/mark" in dict(kept.fetch(PAIR_ID)))
    there.leave()
    other = outpost(keep)

    other.begin(wanted, [], math.inf, 60.0)

    messages = heard(other)
    assert messages[-1][1]["resumed_at"] == [2]  # asked to leave, it had made one more step
    sent = {message[1] for message in messages if message[0] == "keep"}
    assert sent == {"painting/picture.png", "painting/losses.csv"}
    kept.clear(PAIR_ID)
    assert kept.pairs() == set()


def test_a_checkpoint_may_be_larger_than_any_picture(outpost, job, bucket, monkeypatch):
    """The limit on inputs is meant for what strangers bring."""
    keep = f"{bucket}/out/.work/pairs"
    Keep(store_for(keep), keep).put(PAIR_ID, "painting/frame_000001.webp", b"0" * 100_000)
    monkeypatch.setenv("NST_MAX_INPUT", "64K")
    there, wanted = outpost(keep), job()
    bring(there, wanted)

    assert dict(there._keep.fetch(PAIR_ID)) == {"painting/frame_000001.webp": b"0" * 100_000}


def test_a_bucket_that_does_not_answer_ends_no_pair(outpost, job, bucket, line, caplog):
    """Without it the pair only stands to lose more time."""
    there, wanted = outpost(f"{bucket}-missing/out"), job()
    bring(there, wanted)

    there.begin(wanted, [], math.inf, 60.0)

    assert heard(there)[-1][0] == "done"
    assert "nothing is taken from" in caplog.text


def test_a_failure_is_told_as_it_is_at_home(outpost, job):
    """With its kind, which decides what is done about the pair."""
    there, wanted = outpost(), job("dies")
    bring(there, wanted)

    there.begin(wanted, [], math.inf, 60.0)

    word, error = heard(there)[-1]
    assert (word, error.kind, error.code) == ("failed", "crash", "E-SLOT-DIED")


def test_another_version_is_refused(tmp_path, monkeypatch):
    """Two versions of a cluster would paint two kinds of pictures."""
    monkeypatch.setenv("NST_SCRATCH", str(tmp_path))
    outpost = Outpost(SlotSpec("ray0", "cpu", 1), "tests.flows.toy_painter:main", None)

    with pytest.raises(SlotUnusable, match=r"and 0\.0\.1 asks") as caught:
        outpost.warm("0.0.1")

    assert "same version" in str(caught.value.remedy)


def test_folders_of_killed_outposts_are_removed(outpost, tmp_path):
    """Those of outposts that are still there stay."""
    dead = tmp_path / "there" / "away" / "slot-dead"
    dead.mkdir(parents=True)
    (dead / "lock").touch()
    first = outpost()

    second = outpost()

    folders = set((tmp_path / "there" / "away").glob("slot-*"))
    assert folders == {first._folder, second._folder}


@pytest.mark.parametrize("name", ["painting/../../x", "painting/.hidden", "painting/a/b"])
def test_no_file_leaves_its_folder(name):
    """A name is a file of the pair or refused."""
    with pytest.raises(ValueError, match="no file of a pair"):
        luggage.path_of({"painting": Path("/nowhere")}, name)
