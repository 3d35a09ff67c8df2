"""What nobody asks for any more is listed, and removed only on request."""

from __future__ import annotations

import re

import pytest

from flows import threads
from flows.pruning import orphans
from flows.uploading import Uploading
from nst_core.errors import NSTError
from tasks.gallery import build
from tasks.output import Output
from tasks.staging import remote_records, staging_folder
from tasks.storage import store_for
from tests.flows.exhibitions import another_machine
from tests.flows.toy_collection import draw


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The machine's scratch folder."""
    monkeypatch.setenv("NST_SCRATCH", str(tmp_path / "toy" / "scratch"))
    return tmp_path / "toy" / "scratch"


def contents(records):
    """Return the names of the records' contents."""
    return sorted(record.content_name for record in records)


@pytest.fixture
def painted(toy, scratch):
    """A collection of two pairs, painted; the dog has left its manifest since."""
    made = toy()
    made.paint()
    made.write(content_sets={"photos": ["photos/cat.png"]})
    return made


def test_orphans_are_listed_and_stay(painted):
    """Asking changes nothing."""
    assert contents(orphans(str(painted.path)).records) == ["dog"]
    assert contents(Output(painted.output).records()) == ["cat", "dog"]


def test_orphans_are_removed_on_request_and_nothing_else(painted):
    """The cat stays as it was; a second look finds nothing."""
    found = orphans(str(painted.path))
    found.remove()

    assert contents(Output(painted.output).records()) == ["cat"]
    assert orphans(str(painted.path)).records == ()
    assert painted.paint()["cat"].state == "kept"


def test_the_page_shows_no_more_what_was_removed(painted):
    """Whoever opens it next walks past no empty frame."""
    page = build(painted.output)
    assert "dog--monet" in page.read_text()

    orphans(str(painted.path)).remove()

    assert "dog--monet" not in page.read_text()
    assert "cat--monet" in page.read_text()


def test_a_picture_that_cannot_be_read_makes_no_orphans(painted):
    """What belongs to it is not known, so nothing is said about any."""
    painted.write(content_sets={"photos": ["photos/cat.png", "photos/dog.png"]})
    painted.content("dog").unlink()
    painted.content("dog").mkdir()

    with pytest.raises(NSTError):
        orphans(str(painted.path))


def test_in_a_bucket_orphans_are_removed_there_and_here(toy, scratch, bucket):
    """Neither place brings them back to the other."""
    target = f"{bucket}/show"
    made = toy()
    made.output = staging_folder(target, scratch)
    made.write(output=target)
    with made.night() as night, Uploading(night, target, source="toy.yaml") as uploading:
        threads.paint(night)
        uploading.finish()
    store_for(target).write(f"{target}/index.html", build(made.output).read_bytes())
    made.write(output=target, content_sets={"photos": ["photos/cat.png"]})

    orphans(str(made.path)).remove()

    store = store_for(target)
    assert contents(remote_records(store, target)) == ["cat"]
    assert contents(Output(made.output).records()) == ["cat"]
    assert [one for one in store.listing(f"{target}/") if "dog" in one.location] == []
    page = store.read(f"{target}/index.html").decode()
    assert "dog--monet" not in page
    # The page of a later version than the one that uploaded the last has another script.
    assets = re.findall(r'(?:src|href)="\./(assets/gallery-[^"]+)"', page)
    assert len(assets) >= 2
    assert all(store.head(f"{target}/{name}") for name in assets)


def test_what_others_have_painted_stays_on_the_page_of_a_pruning(exhibition, tmp_path, monkeypatch):
    """This machine has not looked into the bucket since."""
    made, target = exhibition.collection, exhibition.target
    made.write(output=target)
    exhibition.paint()
    build(made.output)
    other = another_machine(exhibition, tmp_path / "other")
    draw(other.collection.content("fox"))
    other.paint()
    draw(made.content("fox"))
    made.content("dog").unlink()
    monkeypatch.setenv("NST_SCRATCH", str(exhibition.scratch))

    orphans(str(made.path)).remove()

    page = store_for(target).read(f"{target}/index.html")
    assert b"fox--monet" in page
    assert b"dog--monet" not in page


def test_a_pruning_leaves_the_reports_of_others_in_the_bucket(exhibition, monkeypatch):
    """Theirs may be of a later night than those of this machine."""
    made, target = exhibition.collection, exhibition.target
    made.write(output=target)
    exhibition.paint()
    build(made.output)
    (made.output / "summary.json").write_text("of this machine's last night")
    store = store_for(target)
    for name in ("summary.json", "failed/toy.json"):
        store.write(f"{target}/{name}", b"of a later night")
    made.content("dog").unlink()
    monkeypatch.setenv("NST_SCRATCH", str(exhibition.scratch))

    orphans(str(made.path)).remove()

    for name in ("summary.json", "failed/toy.json"):
        assert store.read(f"{target}/{name}") == b"of a later night"
