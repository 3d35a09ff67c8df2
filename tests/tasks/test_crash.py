"""Publishing is interrupted at every step it takes: killed, refused, unplugged."""

from __future__ import annotations

import errno
import os
import random
import signal
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from nst_core.errors import DivergedError
from tasks.durable import Disk, DiskFullError, OutputError
from tasks.lock import hold
from tasks.output import Output
from tasks.records import Record
from tasks.sealed import RecordError, is_sealed
from tasks.verify import verify
from tests.tasks import painted_pairs
from tests.tasks.power_loss import Recorder, crashes

# Threads of other tests' servers do not matter: a forked child touches nothing of theirs.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
STEPS = [name for name in vars(Disk) if not name.startswith("_")]
NUMBERS = (0, 1)
painted = cache(painted_pairs.painted)
PAIR_IDS = [painted(number).painting.pair_id for number in NUMBERS]


@pytest.fixture
def tmp_path():
    """Give a folder in memory where there is one: order is proven here, not the disk's patience."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


class Unsynced(Disk):
    """A disk that leaves syncing to the kernel, which survives our being killed."""

    def fsync(self, descriptor):
        """Leave the content to the kernel."""

    def fsync_dir(self, folder):
        """Leave the names to the kernel."""


class Interrupted(Unsynced):
    """A disk that asks, with the number and name of each step, before it takes it."""

    def __init__(self, before):
        self._before = before
        self.taken = 0
        for step in STEPS:
            setattr(self, step, partial(self._step, step))

    def _step(self, step, *arguments):
        self.taken += 1
        self._before(self.taken, step, *arguments)
        return getattr(Unsynced, step)(self, *arguments)


def night(root, disk, *, seconds=1.0, drafts=False):
    """Paint two pairs, as a run does: first as drafts where wanted, one after a failed try."""
    with hold(root / ".work", manifest="spring.yaml", disk=disk):
        output = Output(root, disk=disk)
        output.recover()
        output.ledger.note("run_start")
        for number in NUMBERS if drafts else ():
            painted(number, seconds=0.5, draft=True).publish(output)
        for number, pair_id in zip(NUMBERS, PAIR_IDS, strict=True):
            finished = output.record_of(pair_id)
            if not finished or finished.draft:
                if number:
                    output.fail(painted(number).failed(DivergedError("NaN")))
                painted(number, seconds=seconds).publish(output)
        output.ledger.note("run_end")


def steps_of_a_night(root):
    """Return how many steps an undisturbed night takes."""
    disk = Interrupted(lambda *_: None)
    night(root, disk)
    return disk.taken


def assert_no_record_lies(root):
    """Every record that reads names files that are there, byte for byte."""
    output = Output(root)
    records = list(root.glob("spring/*--*.json"))
    for path in records:
        record = Record.decode(path.read_bytes(), name=path.name)
        assert output.is_finished(record, rehash=True)
    return {output.record_of(pair_id).pair_id for pair_id in PAIR_IDS if output.record_of(pair_id)}


def assert_the_next_night_finishes(root):
    """The same command again finishes all, repaints nothing finished, and leaves no trace."""
    finished = assert_no_record_lies(root)

    night(root, Unsynced(), seconds=2.0)

    output = Output(root)
    assert {record.pair_id for record in output.records()} == set(PAIR_IDS)
    assert {r.pair_id for r in output.records() if r.seconds == 1.0} == finished
    assert verify(output).findings == ()
    assert output.failures() == []
    assert not [path.name for path in root.rglob("*") if path.name.endswith(".tmp")]


def test_killed_at_every_step_the_same_command_finishes(tmp_path):
    """SIGKILL before each step, and half-way through each write, costs nothing finished."""

    def kill(at, taken, step, *arguments):
        if taken == at:
            if step == "write":
                descriptor, data = arguments
                os.write(descriptor, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

    total = steps_of_a_night(tmp_path / "undisturbed")
    assert total > 80
    for at in range(1, total + 1):
        root = tmp_path / str(at)
        child = os.fork()
        if not child:
            try:
                night(root, Interrupted(partial(kill, at)))
            finally:
                os._exit(1)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL

        assert_the_next_night_finishes(root)


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, DiskFullError), (errno.EIO, OutputError)]
)
def test_refused_at_every_step_the_same_command_finishes(tmp_path, number, error, lasting):
    """A full disk or a failing one, once or from then on, ends in our error and no damage."""

    def refuse(at, taken, step, *arguments):
        if taken == at or (lasting and taken > at):
            if step == "close":
                os.close(*arguments)
            raise OSError(number, os.strerror(number))

    errors = []
    total = steps_of_a_night(tmp_path / "undisturbed")
    for at in range(1, total + 1):
        root = tmp_path / str(at)
        try:
            night(root, Interrupted(partial(refuse, at)))
        except OutputError as refusal:
            errors.append(type(refusal))

        assert_the_next_night_finishes(root)
    # All but the last few: a run that cannot remove its own signature has finished all the same.
    assert set(errors) == {error}
    assert len(errors) >= total - 3


def test_a_failed_step_can_be_tried_again_at_once(tmp_path):
    """After any single failure the same output object publishes the pair at the second try."""

    def refuse(at, taken, *_):
        if taken == at:
            raise OSError(errno.EIO, "Input/output error")

    root = tmp_path / "undisturbed"
    disk = Interrupted(lambda *_: None)
    painted(0).publish(Output(root, disk=disk))
    for at in range(1, disk.taken + 1):
        output = Output(tmp_path / str(at), disk=Interrupted(partial(refuse, at)))
        with pytest.raises(OutputError):
            painted(0).publish(output)

        painted(0, seconds=2.0).publish(output)

        assert verify(output).damaged == ()
        assert output.record_of(PAIR_IDS[0])


class Unplugged(BaseException):
    """The process is gone; nothing it does after this has an effect."""


class Mortal(Recorder):
    """A recording disk that from some step on does nothing but raise."""

    def __init__(self, life):
        super().__init__()
        self._life = life
        for step in STEPS:
            setattr(self, step, partial(self._step, step))

    def _step(self, step, *arguments):
        self._life -= 1
        if self._life < 0:
            if step == "close":
                os.close(*arguments)
            raise Unplugged
        return getattr(Recorder, step)(self, *arguments)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Give the root and the steps of a night in which drafts are painted, then pictures."""
    root = tmp_path_factory.mktemp("recorded")
    disk = Recorder()
    night(root, disk, drafts=True)
    return root, disk.steps


@cache
def whole_files():
    """Return the hashes of all that a night with drafts publishes beside the records."""
    pairs = [painted(number, seconds=seconds) for number in NUMBERS for seconds in (0.5, 1.0)]
    return {
        sha256(data).hexdigest()
        for pair in pairs
        for data in (pair.picture, pair.losses, *pair.extras.values())
    }


def lies(image):
    """Return what is wrong in a crash state: torn files, records of what is not there."""
    wrong = []
    hashes = {path: sha256(data).hexdigest() for path, data in image.items()}
    whole = whole_files()
    for path, data in image.items():
        if path.parent.name != "spring" or path.name.startswith("."):
            continue
        if path.suffix != ".json":
            wrong += [f"{path.name} is torn"] if hashes[path] not in whole else []
            continue
        try:
            record = Record.decode(data, name=path.name)
        except RecordError:
            wrong.append(f"{path.name} is torn")
            continue
        wrong += [] if is_sealed(data) else [f"{path.name} is altered"]
        root = path.parent.parent
        wrong += [
            f"{path.name} lies about {entry.file}"
            for entry in record.files.values()
            if hashes.get(root / entry.file) != entry.sha256
        ]
    return wrong


def lying_states(steps, *, outcomes=8):
    """Return how many of the crash states after each of the steps lie, and how many there are."""
    chance = random.Random(1)
    states = [
        image
        for length in range(len(steps) + 1)
        for image in crashes(steps[:length], chance, outcomes)
    ]
    return sum(bool(lies(image)) for image in states), len(states)


def test_no_power_cut_makes_a_record_lie(recorded):
    """In no crash state is a file under its final name torn, or a record without its files."""
    lying, states = lying_states(recorded[1])

    assert states > 1000
    assert lying == 0


def without(name):
    """Return an edit of recorded steps that leaves one kind out."""
    return lambda steps: [step for step in steps if step.name != name]


def record_first(steps):
    """Write each record before the files it names."""
    steps = list(steps)
    for given in [s for s in steps if s.name == "rename" and s.target.suffix == ".json"]:
        if given.target.parent.name != "spring":
            continue
        begin = next(i for i, s in enumerate(steps) if s.name == "create" and s.path == given.path)
        end = next(i for i, s in enumerate(steps) if i > begin and s.name == "fsync_dir") + 1
        block = steps[begin:end]
        del steps[begin:end]
        stem = given.target.stem
        first = max(
            i
            for i, s in enumerate(steps[:begin])
            if s.name == "create" and s.path.name.startswith(f".{stem}.png.")
        )
        steps[first:first] = block
    return steps


def in_place(steps):
    """Write every file under its final name from the start."""
    final = {step.path: step.target for step in steps if step.name == "rename"}
    return [
        step._replace(path=final.get(step.path, step.path)) if step.name == "create" else step
        for step in steps
        if step.name != "rename"
    ]


def old_record_left(steps):
    """Leave a draft's record in place while its files are replaced."""
    return [
        step for step in steps if not (step.name == "unlink" and step.path.parent.name == "spring")
    ]


@pytest.mark.parametrize(
    "broken",
    [without("fsync"), without("fsync_dir"), record_first, in_place, old_record_left],
    ids=["no file fsync", "no folder fsync", "record first", "in place", "old record left"],
)
def test_the_simulator_catches_a_broken_recipe(recorded, broken):
    """Each way of doing it wrong leads to states that lie: the proof above has teeth."""
    lying, _ = lying_states(broken(recorded[1]))

    assert lying > 0


def test_what_was_published_survives_every_power_cut(tmp_path):
    """Once publish has returned, its record and files are in every crash state."""
    disk = Recorder()
    output = Output(tmp_path, disk=disk)
    chance = random.Random(2)
    for number in NUMBERS:
        record = painted(number).publish(output)
        for image in crashes(disk.steps, chance, 50):
            assert image[tmp_path / record.file] == record.encode()
            assert lies(image) == []


def test_after_every_power_cut_the_next_night_finishes(tmp_path, recorded):
    """Whatever is left, the same command finishes, and nothing finished is painted again."""
    original, steps = recorded
    chance = random.Random(3)
    for length in range(0, len(steps) + 1, 3):
        for outcome, image in enumerate(crashes(steps[:length], chance, 3)):
            root = tmp_path / f"{length}-{outcome}"
            for path, data in image.items():
                place = root / path.relative_to(original)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)

            night(root, Unsynced(), seconds=2.0)

            output = Output(root)
            assert {record.pair_id for record in output.records() if not record.draft} == set(
                PAIR_IDS
            )
            assert verify(output).damaged == ()
            assert not list(root.rglob("*.conflict-*"))


def test_a_power_cut_after_a_kill_takes_back_nothing_that_was_kept(tmp_path):
    """What a killed run had renamed but not synced is durable once the next run has begun."""
    total = steps_of_a_night(tmp_path / "undisturbed")
    chance = random.Random(4)
    for life in range(total):
        root = tmp_path / str(life)
        disk = Mortal(life)
        with pytest.raises(Unplugged):
            night(root, disk)
        disk._life = 10**6
        night(root, disk, seconds=2.0)
        finished = [record.encode() for record in Output(root).records()]
        assert len(finished) == 2

        for image in crashes(disk.steps, chance, 4):
            assert [data for data in finished if data not in image.values()] == []
