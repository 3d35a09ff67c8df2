"""A collection that goes to a bucket, or comes from one."""

from __future__ import annotations

import json
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

import pytest

from flows import threads
from flows import uploading as uploads
from flows.exit_codes import ExitCode
from flows.run import codes
from flows.uploading import Uploading, drain
from tasks.catalogue import Catalogue
from tasks.durable import NotWritableError, OutputError
from tasks.gallery import build
from tasks.lock import OutputLockedError
from tasks.output import Output
from tasks.staging import staging_folder
from tasks.storage import store_for
from tasks.storage_errors import InputError, RefusedError
from tasks.upload import Drained
from tests.flows.command import Nst
from tests.flows.toy_collection import Guest, ToyCollection, draw
from tests.tasks.fault_proxy import ALWAYS, Fault
from tests.waiting import shared, until


class Exhibition:
    """A toy collection whose output is a bucket, on one machine.

    Args:
        collection: The collection.
        target: ``s3://bucket/prefix``.
    """

    def __init__(self, collection, target):
        self.collection = collection
        self.target = target
        self.scratch = collection.folder / "scratch"
        self.root = collection.output = staging_folder(target, self.scratch)

    @contextmanager
    def night(self, **options):
        """Open a night, with its way to the bucket."""
        with (
            self.collection.night(**options) as night,
            Uploading(night, self.target, source="toy.yaml") as uploading,
        ):
            yield night, uploading

    def paint(self, **options):
        """Go through a night; return the states of its pairs, and what came of the uploads."""
        with self.night(**options) as (night, uploading):
            threads.paint(night)
            drained = uploading.finish()
            return {o.planned.pair.content_name: o.state for o in night.outcomes}, drained

    def objects(self):
        """Return the pairs' objects in the bucket, with their bytes."""
        store = store_for(self.target)
        return {
            info.location.removeprefix(f"{self.target}/"): store.read(info.location)
            for info in store.listing(f"{self.target}/toy/")
        }

    def files(self):
        """Return the pairs' files on this machine, with their bytes."""
        return {f"toy/{path.name}": path.read_bytes() for path in self.root.glob("toy/*")}


@pytest.fixture
def exhibition(bucket, toy):
    """A collection of two pairs that goes to a bucket."""
    return Exhibition(toy(), f"{bucket}/spring")


def puts(line):
    """Return the names of the pairs' objects that were put, in order."""
    paths = [seen.path for seen in line.seen if seen.method == "PUT" and "/toy/" in seen.path]
    return [path.rpartition("/")[2] for path in paths]


# Out


def test_every_pair_is_uploaded(exhibition):
    """What is in the bucket is what is here, byte for byte."""
    states, drained = exhibition.paint()

    assert states == {"cat": "complete", "dog": "complete"}
    assert (len(drained.uploaded), drained.waiting) == (2, ())
    assert len(exhibition.objects()) == 6
    assert exhibition.objects() == exhibition.files()


def test_each_record_is_put_after_its_files(exhibition, line):
    """Whoever finds a record in the bucket finds a finished picture."""
    exhibition.paint()

    for content in ("cat", "dog"):
        own = [name for name in puts(line) if name.startswith(content)]
        assert [name.partition(".")[2] for name in own] == ["png", "losses.csv", "json"]


def test_a_pair_is_uploaded_while_others_are_painted(bucket, toy):
    """What is finished does not wait for the end of the night."""
    exhibition = Exhibition(toy(contents=("cat", "tarries")), f"{bucket}/spring")
    with exhibition.night(slots=2) as (night, uploading), ThreadPoolExecutor(1) as thread:
        painting = thread.submit(threads.paint, night)
        until(lambda: [name for name in exhibition.objects() if fnmatch(name, "toy/cat*.json")])

        assert not painting.done()
        exhibition.collection.release()
        painting.result()
        assert len(uploading.finish().uploaded) == 2


def test_the_next_night_uploads_nothing_again(exhibition, line):
    """What has gone has gone."""
    exhibition.paint()
    line.seen.clear()

    states, drained = exhibition.paint()

    assert set(states.values()) == {"kept"}
    assert drained.uploaded == ()
    assert puts(line) == []


def test_failed_pairs_stay_out_of_the_bucket(bucket, toy):
    """Only what is finished is shown."""
    exhibition = Exhibition(toy(contents=("cat", "diverges")), f"{bucket}/spring")

    states, _ = exhibition.paint()

    assert states == {"cat": "complete", "diverges": "failed"}
    assert all(name.startswith("toy/cat--") for name in exhibition.objects())


# A store in trouble


def test_an_outage_delays_and_loses_nothing(exhibition, line):
    """The store refuses for a while; all is uploaded at the end, and painted once."""
    line.inject(Fault.UNAVAILABLE, times=3, method="PUT", key="*/toy/*")
    guest = Guest()

    states, drained = exhibition.paint(guest=guest)

    assert set(states.values()) == {"complete"}
    assert drained.waiting == ()
    assert [event["stage"] for _, event in guest.events if "stage" in event] == ["reading"] * 2


def test_what_could_not_go_waits_for_the_next_night(exhibition, line):
    """A store that is down to the end costs no picture: the next run uploads, paints nothing."""
    line.inject(Fault.UNAVAILABLE, times=ALWAYS, method="PUT", key="*/toy/*")
    with exhibition.night() as (night, uploading):
        threads.paint(night)
        night.renderer.stop()
        assert len(uploading.finish().waiting) == 2
    line.heal()

    states, drained = exhibition.paint()

    assert set(states.values()) == {"kept"}
    assert len(drained.uploaded) == 2
    assert exhibition.objects() == exhibition.files()


def test_what_waits_can_be_uploaded_without_a_night(exhibition, line, monkeypatch):
    """`nst upload` drains the spool, and brings the page that shows it."""
    line.inject(Fault.UNAVAILABLE, times=ALWAYS, method="PUT", key="*/toy/*")
    with exhibition.night() as (night, uploading):
        threads.paint(night)
        night.renderer.stop()
        uploading.finish()
    line.heal()
    monkeypatch.setenv("NST_SCRATCH", str(exhibition.scratch))
    build(exhibition.root)

    drained = drain(exhibition.target)

    assert (len(drained.uploaded), drained.waiting) == (2, ())
    assert exhibition.objects() == exhibition.files()
    page = store_for(exhibition.target).read(f"{exhibition.target}/index.html")
    assert page == (exhibition.root / "index.html").read_bytes()


def test_an_upload_of_what_was_never_painted_here_is_no_success(exhibition, monkeypatch):
    """With a slip in the prefix, what waits would go on waiting."""
    monkeypatch.setenv("NST_SCRATCH", str(exhibition.scratch))

    with pytest.raises(OutputError) as caught:
        drain(f"{exhibition.target}-x")

    assert caught.value.code == "E-OUT-MISSING"


def test_an_upload_of_a_folder_is_refused():
    """There is nowhere to bring it."""
    with pytest.raises(InputError, match="'out' is no bucket's address; say s3://bucket/prefix"):
        drain("out")


def test_a_store_that_is_mended_during_the_night_gets_everything(exhibition, line):
    """Who was refused once asks again when there is more to bring."""
    line.inject(Fault.ACCESS_DENIED, times=1, method="PUT", key="*/toy/*")

    _, drained = exhibition.paint()

    assert drained.waiting == ()
    assert exhibition.objects() == exhibition.files()


def test_a_store_that_refuses_does_not_stop_the_painting(exhibition, line):
    """Everything is painted; the answer is kept, and the pictures wait."""
    line.inject(Fault.ACCESS_DENIED, times=ALWAYS, method="PUT", key="*/toy/*")

    states, drained = exhibition.paint()

    assert set(states.values()) == {"complete"}
    assert len(drained.waiting) == 2
    assert isinstance(drained.stopped, RefusedError)


def test_what_nobody_thought_of_does_not_look_like_success(exhibition, monkeypatch, caplog):
    """Whatever ends the uploads, what is not in the bucket waits, and the log says why."""

    def burn(*_):
        raise LookupError("nobody thought of this")

    with exhibition.night() as (night, uploading):
        monkeypatch.setattr(night.output, "record_files", burn)
        threads.paint(night)
        until(lambda: "nobody thought of this" in caplog.text)
        monkeypatch.undo()
        drained = uploading.finish()

    assert len(drained.waiting) == 2
    assert drained.uploaded == ()


def away(line, monkeypatch):
    """Take the bucket away from all who have no patience."""
    line.inject(Fault.UNAVAILABLE, times=ALWAYS)
    monkeypatch.setattr(uploads, "_FIRST_SECONDS", 0.0)


def test_a_bucket_that_is_away_when_a_night_begins_delays_only_the_uploads(
    exhibition, line, monkeypatch, caplog
):
    """What this machine has painted is known, so new pairs are painted, and go when they can."""
    exhibition.paint()
    draw(exhibition.collection.content("eel"))
    away(line, monkeypatch)
    with exhibition.night() as (night, uploading):
        threads.paint(night)
        line.heal()
        drained = uploading.finish()

    states = {o.planned.pair.content_name: o.state for o in night.outcomes}
    assert states == {"cat": "kept", "dog": "kept", "eel": "complete"}
    assert "painting begins, and what is painted waits here" in caplog.text
    assert (len(drained.uploaded), drained.waiting) == (1, ())
    assert exhibition.objects() == exhibition.files()


def test_a_bucket_that_was_never_seen_is_waited_for(exhibition, line, monkeypatch, caplog):
    """Finished pictures may lie there, and none is painted twice."""
    exhibition.paint()
    shutil.rmtree(exhibition.root)
    away(line, monkeypatch)
    with ThreadPoolExecutor(1) as thread:
        night = thread.submit(exhibition.paint)
        until(lambda: "nothing is painted before it answers" in caplog.text)
        line.heal()
        states, _ = night.result()

    assert set(states.values()) == {"kept"}


def test_who_comes_back_to_a_prefix_that_another_run_holds_uploads_nothing(
    exhibition, tmp_path, line, monkeypatch
):
    """The pictures wait here, and the page there stays the other's."""
    exhibition.paint()
    draw(exhibition.collection.content("eel"))
    with another_machine(exhibition, tmp_path / "other").night():
        away(line, monkeypatch)
        with exhibition.night() as (night, uploading):
            threads.paint(night)
            line.heal()
            line.seen.clear()
            drained = uploading.finish()
            (exhibition.root / "index.html").write_text("mine")
            uploading.pages()
            asked = {seen.method for seen in line.seen}

    assert isinstance(drained.stopped, OutputLockedError)
    assert len(drained.waiting) == 1
    assert asked == {"GET", "HEAD"}


def test_a_lease_does_not_outlive_a_start_that_failed(exhibition, tmp_path, monkeypatch):
    """A folder that cannot take what is in the bucket leaves the prefix to others."""
    exhibition.paint()
    shutil.rmtree(exhibition.root)
    exhibition.root.mkdir(parents=True)
    (exhibition.root / "toy").write_text("in the way of the collection's folder")
    with pytest.raises(NotWritableError), exhibition.night():
        pass

    states, _ = another_machine(exhibition, tmp_path / "other").paint()

    assert set(states.values()) == {"kept"}


# Two machines


def another_machine(exhibition, folder):
    """Return the same collection on a machine that has painted nothing."""
    collection = ToyCollection(folder)
    return Exhibition(collection, exhibition.target)


def test_two_machines_do_not_paint_into_one_prefix(exhibition, tmp_path):
    """The second is refused, and told who holds the first's lease."""
    other = another_machine(exhibition, tmp_path / "other")
    with exhibition.night(), pytest.raises(OutputLockedError, match=r"toy\.yaml"), other.night():
        pass


def test_another_machine_goes_on_when_the_first_has_ended(exhibition, tmp_path, line):
    """The lease is given back, and what is in the bucket is kept there."""
    exhibition.paint()
    line.seen.clear()

    states, drained = another_machine(exhibition, tmp_path / "other").paint()

    assert set(states.values()) == {"kept"}
    assert drained.waiting == ()
    assert puts(line) == []


# The local folder is gone


def test_without_the_local_folder_everything_is_kept(exhibition):
    """The bucket's records tell what is finished; it comes back, and nothing is painted."""
    exhibition.paint()
    before = exhibition.files()
    shutil.rmtree(exhibition.root)
    guest = Guest()

    states, _ = exhibition.paint(guest=guest)

    assert set(states.values()) == {"kept"}
    assert guest.events == []
    assert exhibition.files() == before


def test_what_another_machine_has_painted_is_kept_beside_failures_of_ones_own(
    bucket, toy, tmp_path
):
    """A folder that has seen a failure looks as closely at what comes from the bucket."""
    here = Exhibition(toy("here", contents=("diverges",)), f"{bucket}/spring")
    here.paint()
    Exhibition(toy("there", contents=("cat",)), here.target).paint()
    shutil.copy(tmp_path / "there/photos/cat.png", here.collection.content("cat"))

    states, _ = here.paint()

    assert states == {"cat": "kept", "diverges": "failed"}


def test_a_picture_that_is_damaged_in_the_bucket_is_painted_again(exhibition):
    """Bytes that are not those of the record do not come back as a finished pair."""
    exhibition.paint()
    good = exhibition.files()
    shutil.rmtree(exhibition.root)
    name = next(name for name in good if fnmatch(name, "toy/cat*.png"))
    store_for(exhibition.target).write(
        f"{exhibition.target}/{name}", good[name][:-1] + bytes([good[name][-1] ^ 1])
    )

    states, _ = exhibition.paint()

    assert states == {"cat": "complete", "dog": "kept"}
    assert exhibition.files()[name] == good[name]
    assert exhibition.objects() == exhibition.files()


# In


@pytest.fixture
def remote(bucket, toy):
    """A collection whose photos and paintings lie in a bucket."""
    collection = toy()
    store = store_for(bucket)
    for path in (*collection.folder.glob("photos/*"), *collection.folder.glob("paintings/*")):
        store.write(f"{bucket}/{path.parent.name}/{path.name}", path.read_bytes())
        path.unlink()
    collection.write(
        content_sets={"photos": [f"{bucket}/photos/"]},
        style_sets={"paintings": [f"{bucket}/paintings/*.png"]},
    )
    return collection


def test_pictures_come_from_a_bucket(remote, bucket):
    """Records name their addresses; the pairs are those of the same bytes on a disk."""
    outcomes = remote.paint()

    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "cat": "complete",
        "dog": "complete",
    }
    record = remote.record(outcomes["cat"])
    assert (record.content, record.styles[0].location) == (
        f"{bucket}/photos/cat.png",
        f"{bucket}/paintings/monet.png",
    )


def test_the_gallery_shows_pictures_that_came_from_a_bucket(remote, monkeypatch):
    """The photo and the painting stand beside what was made of them, as those of a disk do."""
    remote.paint()
    monkeypatch.setenv("NST_SCRATCH", str(remote.folder / "scratch"))

    data = Catalogue(remote.output, list(Output(remote.output).records()), []).data()

    originals = [*data["contents"], *data["styles"][0]["pictures"]]
    assert [original["thumbnail"] is None for original in originals] == [False] * 3


def test_pictures_come_once(remote, line):
    """The next night looks whether they have changed, and reads them from its cache."""
    remote.paint()
    line.seen.clear()

    outcomes = remote.paint()

    assert {outcome.state for outcome in outcomes.values()} == {"kept"}
    assert not [seen for seen in line.seen if seen.method == "GET" and "/photos/c" in seen.path]


def test_a_broken_object_costs_only_its_pair(remote, bucket):
    """As a broken file does."""
    store = store_for(bucket)
    store.write(f"{bucket}/photos/cat.png", store.read(f"{bucket}/photos/cat.png")[:-200])

    outcomes = remote.paint()

    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "cat": "failed",
        "dog": "complete",
    }


def test_an_outage_while_pictures_come_is_waited_for(remote, line):
    """A store that comes back costs no pair."""
    line.inject(Fault.SLOW_DOWN, times=2, method="GET", key="*/photos/*.png")

    outcomes = remote.paint()

    assert {outcome.state for outcome in outcomes.values()} == {"complete"}


def test_stopped_while_pictures_come_a_night_leaves_all_pairs(remote, line):
    """What could not be fetched in time has not failed."""
    line.inject(Fault.UNAVAILABLE, times=ALWAYS, method="GET", key="*/photos/*.png")
    with remote.night() as night, ThreadPoolExecutor(1) as thread:
        painting = thread.submit(threads.paint, night)
        until(lambda: [seen for seen in line.seen if "/photos/" in seen.path])
        night.renderer.stop()
        painting.result(30)

    assert not [outcome for outcome in night.outcomes if outcome.state != "left"]
    assert Output(remote.output).failures() == []


# Pictures in a bucket that is away


@pytest.fixture
def half(remote, bucket):
    """Two photos in a bucket and one on this machine; the painting is on this machine too."""
    draw(remote.folder / "eel.png")
    draw(remote.folder / "hokusai.png")
    write_half(remote, bucket, ["hokusai.png"])
    return remote


def write_half(collection, bucket, paintings):
    """Write its manifest, with these paintings."""
    photos = [f"{bucket}/photos/cat.png", f"{bucket}/photos/dog.png", "eel.png"]
    collection.write(content_sets={"photos": photos}, style_sets={"paintings": paintings})


def impatient(monkeypatch):
    """Wait for no bucket."""
    monkeypatch.setattr("flows.night._SECONDS_FOR_PICTURES", 0.0)
    monkeypatch.setattr("flows.night._LONGEST_WAIT", 0.0)


@contextmanager
def cut_off(collection, line):
    """Open a night whose bucket goes away once it is known what there is to paint."""
    with collection.night() as night:
        line.inject(Fault.UNAVAILABLE, times=ALWAYS)
        yield night


def test_what_can_be_had_is_painted_while_a_bucket_is_away(half, line, monkeypatch):
    """The other pairs are left, not failed: the next night tries them again."""
    impatient(monkeypatch)
    with cut_off(half, line) as night:
        threads.paint(night)

    assert [(o.planned.pair.content_name, o.state) for o in night.outcomes] == [
        ("cat", "left"),
        ("dog", "left"),
        ("eel", "complete"),
    ]
    assert night.outcomes[0].failure.code == "E-S3-BUSY"
    assert codes(night, None, Drained()) == [ExitCode.ENVIRONMENT]
    assert Output(half.output).failures() == []
    line.heal()
    states = {name: outcome.state for name, outcome in half.paint().items()}
    assert states == {"cat": "complete", "dog": "complete", "eel": "kept"}


def test_pictures_that_come_late_are_painted_in_the_same_night(half, line, monkeypatch):
    """Once everything else is painted, the bucket is waited for."""
    monkeypatch.setattr("flows.night._SECONDS_FOR_PICTURES", 0.0)
    guest = Guest()
    with half.night(guest=guest) as night, ThreadPoolExecutor(1) as thread:
        line.inject(Fault.UNAVAILABLE, times=ALWAYS)
        painting = thread.submit(threads.paint, night)
        until(lambda: [o for o in guest.ended_ if o.state == "complete"])
        line.heal()
        painting.result()

    assert [outcome.state for outcome in night.outcomes] == ["complete"] * 3
    assert codes(night, None, Drained()) == []


def test_pictures_that_came_before_are_painted_from_though_their_bucket_is_away(
    half, bucket, line, monkeypatch, caplog
):
    """With a new painting, as they were when they last came; that is said once."""
    impatient(monkeypatch)
    half.paint()
    draw(half.folder / "monet.png")
    write_half(half, bucket, ["hokusai.png", "monet.png"])
    with cut_off(half, line) as night:
        threads.paint(night)

    states = [outcome.state for outcome in night.outcomes]
    assert sorted(states) == ["complete"] * 3 + ["kept"] * 3
    assert caplog.text.count("as they last came") == 1


def test_a_bucket_that_refuses_its_pictures_stops_no_others(half, line):
    """However many they are."""
    with half.night() as night:
        line.inject(Fault.ACCESS_DENIED, times=ALWAYS)
        threads.paint(night)

    assert [outcome.state for outcome in night.outcomes] == ["left", "left", "complete"]
    assert codes(night, None, Drained()) == [ExitCode.ENVIRONMENT]


# The command


@pytest.fixture
def gallery(bucket, tmp_path, environ, monkeypatch):
    """Run the command for a real collection that goes to a bucket; `nst` starts, `run` waits."""
    collection = ToyCollection(tmp_path, contents=("cat",))
    collection.write(output=f"{bucket}/spring")
    environ = environ | {"NST_SCRATCH": str(tmp_path / "scratch")}
    monkeypatch.setattr(
        collection, "output", staging_folder(f"{bucket}/spring", Path(environ["NST_SCRATCH"]))
    )
    commands = []

    def start(*arguments, **variables):
        commands.append(Nst(*arguments, folder=tmp_path, environ=environ | variables))
        return commands[-1]

    yield Exhibition(collection, f"{bucket}/spring"), start
    for command in commands:
        command.process.kill()
        command.process.wait()


@pytest.mark.slow
def test_a_run_into_a_bucket_shows_its_page_there(gallery):
    """Exit code 0; pictures, summary and page are in the bucket, and with the folder gone kept."""
    exhibition, nst = gallery
    command = nst("run", "toy.yaml", "--json")
    assert command.end() == 0, command.stderr
    store = store_for(exhibition.target)
    summary = json.loads(store.read(f"{exhibition.target}/summary.json"))

    assert summary == command.summary
    assert store.head(f"{exhibition.target}/{summary['pairs'][0]['picture']}")
    assert store.head(f"{exhibition.target}/index.html")
    shutil.rmtree(exhibition.root)
    again = nst("run", "toy.yaml")
    assert again.end() == 0, again.stderr
    assert "toy: kept 1" in again.stdout


@pytest.mark.slow
def test_a_run_that_cannot_upload_exits_with_6(gallery, line):
    """Painted but not uploaded; `nst upload` brings it there later."""
    exhibition, nst = gallery
    line.inject(Fault.ACCESS_DENIED, times=ALWAYS, method="PUT", key="*/toy/*")
    command = nst("run", "toy.yaml", "--json")

    assert command.end() == 6, command.stderr
    assert command.summary["complete"] == 1
    assert "Not uploaded yet: 1 picture." in (exhibition.root / "summary.md").read_text()
    line.heal()
    assert nst("upload", exhibition.target).end() == 0
    assert exhibition.objects() == exhibition.files()


@pytest.mark.slow
def test_sigterm_while_uploading_ends_a_run_within_10_seconds(gallery, line):
    """A store that does not answer keeps nobody waiting, however patient boto3 is."""
    exhibition, nst = gallery
    line.inject(Fault.BLACK_HOLE, times=ALWAYS, method="PUT", key="*/toy/*")
    command = nst("run", "toy.yaml", "--json", NST_S3_READ_TIMEOUT=None, NST_S3_ATTEMPTS=None)
    until(lambda: command.has_ended or "complete cat" in command.stderr)
    until(lambda: puts(line))

    code, seconds, left_over = command.send(signal.SIGTERM)

    assert (code, left_over) == (143, []), command.stderr
    assert seconds < shared(10)
    assert command.summary["complete"] == 1
    assert "Not uploaded yet: 1 picture." in (exhibition.root / "summary.md").read_text()
