"""A collection that goes to a bucket: from this machine, from others, and back."""

from __future__ import annotations

import json
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import pytest

from flows import threads
from tasks.lock import OutputLockedError
from tasks.staging import staging_folder
from tasks.storage import store_for
from tests.flows.command import Nst
from tests.flows.exhibitions import Exhibition, another_machine, puts
from tests.flows.toy_collection import Guest, ToyCollection
from tests.tasks.fault_proxy import ALWAYS, Fault
from tests.waiting import shared, until

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


# Two machines


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
    refused = nst("upload", exhibition.target, "--json")
    assert refused.end() == 6
    assert "AccessDenied" in refused.stderr
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
    told = (exhibition.root / "summary.md").read_text()
    assert "Not uploaded yet: 1 picture." in told
    assert f"'nst upload {exhibition.target}' brings it up to date" in told
