"""New and changed pictures are noticed once they have settled."""

from __future__ import annotations

import os

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.run import RunOptions
from flows.watching import EVENT, Difference, EventError, Lookout, emit, fingerprints, tend
from tasks.storage import store_for
from tests.flows.toy_collection import draw
from tests.waiting import until


@pytest.fixture
def lookout(toy):
    """A look at a toy collection, whose pictures as they are now are known."""
    made = toy()
    found = Lookout(str(made.path))
    found.remember(found.look())
    return found


def test_where_nothing_happens_nothing_is_noticed(lookout):
    """Two looks at the same pictures are equal."""
    assert not lookout.difference(lookout.look())


def test_what_is_painted_elsewhere_is_no_new_photo(toy, tmp_path):
    """A watch whose output lies among the photos would never come to rest."""
    made = toy()
    sets = {"photos": ["photos/**/*.png"]}
    made.write(content_sets=sets)
    found = Lookout(str(made.path), output=str(tmp_path / "toy" / "photos" / "out"))
    found.remember(found.look())
    draw(tmp_path / "toy" / "photos" / "out" / "toy" / "cat--wave.png")

    assert not found.difference(found.look())


def test_everything_is_new_to_the_first_look(toy):
    """A watch that starts on an unpainted manifest has it painted."""
    made = toy()

    found = Lookout(str(made.path))
    assert len(found.difference(found.look()).new) == 4  # manifest and pictures


def test_a_new_painting_is_noticed(lookout, tmp_path):
    """Dropped into the folder of a style set, it is new and nothing else is."""
    draw(tmp_path / "toy" / "paintings" / "turner.png")

    noticed = lookout.difference(lookout.look())

    assert noticed == Difference(new=(str(tmp_path / "toy" / "paintings" / "turner.png"),))


def test_a_changed_and_a_removed_photo_are_noticed(lookout, tmp_path):
    """Each by its name."""
    draw(tmp_path / "toy" / "photos" / "cat.png", size=(20, 20))
    (tmp_path / "toy" / "photos" / "dog.png").unlink()

    noticed = lookout.difference(lookout.look())

    assert [one.rpartition("/")[2] for one in noticed.changed] == ["cat.png"]
    assert [one.rpartition("/")[2] for one in noticed.gone] == ["dog.png"]


def test_the_manifest_itself_counts(lookout, tmp_path):
    """Another recipe is a reason to paint."""
    path = tmp_path / "toy" / "toy.yaml"
    path.write_text(f"{path.read_text()}\n# another line\n")

    assert lookout.difference(lookout.look()).changed == (str(path),)


def test_a_picture_that_still_grows_is_waited_for(lookout):
    """A look counts once nothing has changed for so long."""
    looks = [{"a": "1"}, {"a": "2"}, {"a": "3"}, {"a": "3"}]
    waits = []

    seen = lookout.settled(7.0, wait=waits.append, look=lambda: looks.pop(0))

    assert (seen, waits, looks) == ({"a": "3"}, [7.0, 7.0, 7.0], [])


def test_a_torn_book_is_none(lookout, tmp_path):
    """What was seen is forgotten, and painting finds out that all is kept."""
    next((tmp_path / "toy" / "out" / ".work").glob("seen-*")).write_text("{")

    assert lookout.difference(lookout.look()).new


def test_objects_of_a_bucket_are_told_apart_by_one_listing(bucket):
    """Changed bytes are another etag; objects that nobody asked for are not looked at."""
    store = store_for(bucket)
    for name in ("a", "b", "c"):
        store.write(f"{bucket}/art/{name}.png", name.encode())
    wanted = [f"{bucket}/art/a.png", f"{bucket}/art/b.png", f"{bucket}/art/none.png"]
    before = fingerprints(wanted)
    store.write(f"{bucket}/art/b.png", b"other")

    noticed = Difference.between(before, fingerprints(wanted))

    assert (sorted(before), noticed) == (wanted[:2], Difference(changed=(wanted[1],)))


def test_without_a_server_no_event_is_told(lookout, monkeypatch):
    """And nobody waits for one."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)

    assert not emit(lookout, Difference(new=("a",)))


def test_what_nobody_is_told_of_is_not_forgotten(toy, monkeypatch):
    """Where painting is left to a server's trigger and no server is named, the next look tells."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    lookout = Lookout(str(toy().path))

    with pytest.raises(EventError, match="there is no Prefect server"):
        tend(lookout, RunOptions(), settle=0.0, paint=False)

    assert lookout.difference(lookout.look())


def test_a_server_is_told_what_has_changed(lookout, server, monkeypatch):
    """The event names collection, manifest and pictures, for a deployment's trigger."""
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    with temporary_settings({PREFECT_API_URL: server.url}):
        assert emit(lookout, Difference(new=("/art/turner.png",)))

    asked = {"filter": {"event": {"name": [EVENT]}}}

    def told():
        answer = httpx.post(f"{server.url}/events/filter", json=asked, timeout=60)
        return answer.json().get("events")

    event = until(told)[0]
    assert event["resource"]["prefect.resource.id"] == "nst.collection.toy"
    assert event["payload"]["new"] == ["/art/turner.png"]
    assert os.path.samefile(event["payload"]["manifest"], lookout.source)  # noqa: PTH121


def test_a_server_that_is_not_there_is_an_error(lookout, monkeypatch):
    """Or a scan that paints nothing itself would forget what nobody was told of."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(EventError, match="could not be told"),
    ):
        emit(lookout, Difference(new=("a",)))
