import random
import threading

import pytest
import safetensors.torch
import torch

from nst_core.octave_run import Snapshot
from tasks.checkpoints import CheckpointFolder, Pace
from tasks.durable import sha256_file

PAIR = "3f" * 32
OTHER_PAIR = "a0" * 32


def at(octave=0, step=100, tensors=None):
    """Return where a synthesis stands."""
    return Snapshot(octave, step, tensors or {"canvas": torch.rand(1, 3, 8, 8)})


class Clock:
    """A clock that goes when told to."""

    now = 1000.0

    def __call__(self):
        """Tell the time."""
        return self.now


@pytest.fixture
def folder(tmp_path):
    """The checkpoints of a pair."""
    return CheckpointFolder(tmp_path, PAIR, algorithm_version=1)


def files(folder):
    """Return the names of the files of a pair, the oldest first."""
    return sorted(path.name for path in folder.folder.iterdir())


def test_there_is_no_checkpoint_at_first(folder):
    """A pair that was never begun starts from the beginning."""
    assert folder.latest() is None


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8]
)
def test_tensors_come_back_bit_for_bit(folder, dtype):
    """Of every type that an optimiser or a generator keeps."""
    tensor = (torch.randn(5, 7) * 100).to(dtype)
    folder.save(at(tensors={"state": tensor, "nothing": torch.empty(0, dtype=dtype)}))

    tensors = folder.latest().snapshot.tensors

    assert tensors["state"].dtype == dtype
    assert torch.equal(tensors["state"], tensor)
    assert tensors["nothing"].shape == (0,)


def test_tensors_may_share_memory(folder):
    """An octave's base may be the very canvas, and a state a part of a larger one."""
    whole = torch.rand(4, 4)
    folder.save(at(tensors={"canvas": whole, "base": whole, "row": whole[1], "t": whole.T}))

    tensors = folder.latest().snapshot.tensors

    assert torch.equal(tensors["base"], whole)
    assert torch.equal(tensors["t"], whole.T)


def test_place_losses_and_notes_come_back(folder):
    """With floats exact, NaN and infinity included."""
    losses = [{"step": 1, "total": 0.1 + 0.2, "gram": 1e-310}]
    folder.save(at(octave=2, step=7), losses=losses, notes={"degraded": ["adam"]})

    checkpoint = folder.latest()

    assert (checkpoint.snapshot.octave, checkpoint.snapshot.step) == (2, 7)
    assert checkpoint.losses == losses
    assert checkpoint.notes == {"degraded": ["adam"]}


def test_the_name_tells_place_and_digest(folder):
    """A checkpoint proves itself by its name."""
    folder.save(at(octave=1, step=400))

    (path,) = folder.folder.iterdir()

    assert path.name == f"octave1-step000400.{sha256_file(path)[:16]}.safetensors"


def test_the_latest_is_the_furthest(folder):
    """A later octave's first step comes after an earlier octave's last."""
    folder.save(at(octave=9, step=900))
    folder.save(at(octave=10, step=1))

    assert folder.latest().snapshot.octave == 10


def test_two_are_kept(folder):
    """The older one is for the case that the newer is damaged."""
    for step in range(1, 6):
        folder.save(at(step=step))

    assert [name[:19] for name in files(folder)] == ["octave0-step000004.", "octave0-step000005."]


def test_saving_twice_in_one_place_keeps_the_one_before(folder):
    """A deadline may come right after a save."""
    folder.save(at(step=1))
    snapshot = at(step=2)
    folder.save(snapshot)
    folder.save(snapshot)

    assert len(files(folder)) == 2


def test_nothing_is_left_after_publishing(folder):
    """The pair's folder goes, too."""
    folder.save(at())

    folder.remove()

    assert not folder.folder.exists()


def test_removing_nothing_is_fine(folder):
    """A pair may be finished before its first checkpoint."""
    folder.remove()

    assert folder.latest() is None


@pytest.fixture
def newer(folder):
    """The newer of two checkpoints, at steps 1 and 2: its path and its bytes."""
    folder.save(at(step=1))
    folder.save(at(step=2))
    path = folder.folder / files(folder)[-1]
    return path, path.read_bytes()


def test_two_hundred_cuts_are_noticed(folder, newer, caplog):
    """A checkpoint cut anywhere is passed over for the one before it."""
    path, data = newer
    for place in range(200):
        path.write_bytes(data[: len(data) * place // 200])

        assert folder.latest().snapshot.step == 1

    assert caplog.text.count("it is damaged") == 200


def test_two_hundred_flipped_bits_are_noticed(folder, newer):
    """One bit anywhere is enough."""
    path, data = newer
    chance = random.Random(7)
    for _ in range(200):
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)

        assert folder.latest().snapshot.step == 1


def test_a_whole_checkpoint_is_no_false_alarm(folder, newer):
    """The very bytes that were saved are taken up."""
    path, data = newer
    path.write_bytes(data)

    assert folder.latest().snapshot.step == 2


def test_two_damaged_checkpoints_are_none(folder):
    """Then the pair begins anew."""
    for step in (1, 2):
        folder.save(at(step=step))
    for path in folder.folder.iterdir():
        path.write_bytes(path.read_bytes()[:-1])

    assert folder.latest() is None


def test_a_damaged_checkpoint_does_not_crowd_out_good_ones(folder):
    """Once found, it is removed: two good ones are kept again."""
    folder.save(at(step=100))
    folder.save(at(step=300))
    (folder.folder / files(folder)[-1]).write_bytes(b"")
    folder.latest()
    folder.save(at(step=200))

    assert [name[:18] for name in files(folder)] == ["octave0-step000100", "octave0-step000200"]


@pytest.mark.parametrize(
    "stranger",
    [{"pair_id": OTHER_PAIR, "algorithm_version": 1}, {"pair_id": PAIR, "algorithm_version": 2}],
)
def test_a_strangers_checkpoint_is_not_taken_up(folder, tmp_path, stranger, caplog):
    """Not that of another pair or another algorithm, even under a right name."""
    other = CheckpointFolder(tmp_path / "elsewhere", **stranger)
    other.save(at())
    folder.folder.mkdir()
    for path in other.folder.iterdir():
        path.rename(folder.folder / path.name)

    assert folder.latest() is None
    assert "belongs to another pair or another version" in caplog.text


def test_a_file_that_is_no_checkpoint_is_not_taken_up(folder):
    """A whole safetensors file of someone else's is refused."""
    folder.folder.mkdir()
    draft = folder.folder / "draft"
    safetensors.torch.save_file({"canvas": torch.rand(2)}, draft)
    draft.rename(folder.folder / f"octave0-step000001.{sha256_file(draft)[:16]}.safetensors")

    assert folder.latest() is None


def test_other_files_are_left_alone(folder):
    """Temporary files of a killed process are cleared away elsewhere."""
    folder.save(at())
    leftover = folder.folder / ".octave0-step000001.x.safetensors.17.0a0a0a0a.tmp"
    leftover.write_bytes(b"half")

    assert folder.latest() is not None
    folder.remove()
    assert leftover.exists()


def test_a_disk_that_refuses_is_no_reason_to_stop_painting(tmp_path, caplog):
    """The pair goes on without that checkpoint, and the log says so."""
    (tmp_path / "file").write_bytes(b"")
    folder = CheckpointFolder(tmp_path / "file", PAIR, algorithm_version=1)

    assert folder.save(at()) is False
    assert "no checkpoint at octave0-step000100" in caplog.text


@pytest.mark.parametrize("pair_id", ["", "..", "../" * 21 + "x", PAIR.upper(), PAIR + "\n"])
def test_only_pair_ids_name_folders(tmp_path, pair_id):
    """No checkpoint is written outside its folder."""
    with pytest.raises(ValueError, match="no pair id"):
        CheckpointFolder(tmp_path, pair_id, algorithm_version=1)


def test_two_threads_may_save_and_read_at_once(folder):
    """Whoever reads while others save gets a whole checkpoint; then two are left."""
    value = {step: torch.full((64,), float(step)) for step in range(1, 60)}
    folder.save(at(step=1, tensors={"canvas": value[1]}))
    wrong = []

    def save(steps):
        for step in steps:
            folder.save(at(step=step, tensors={"canvas": value[step]}))

    def read():
        while any(writer.is_alive() for writer in writers):
            found = (checkpoint := folder.latest()) and checkpoint.snapshot
            if found is None or not torch.equal(found.tensors["canvas"], value[found.step]):
                wrong.append(found)

    writers = [threading.Thread(target=save, args=(range(n, 60, 2),)) for n in (2, 3)]
    reader = threading.Thread(target=read)
    for thread in (*writers, reader):
        thread.start()
    for thread in (*writers, reader):
        thread.join()

    assert wrong == []
    assert folder.latest().snapshot.step == 59


def test_a_checkpoint_is_due_before_a_minute_is_at_risk():
    """With steps of 7 s, at 56 s: one more would make it 63."""
    clock = Clock()
    pace = Pace(60, clock=clock)
    due = []
    for step in range(1, 10):
        clock.now += 7
        if pace.is_due():
            due.append(step)
            with pace.saving():
                clock.now += 0.1

    assert due == [8]


def test_checkpoints_cost_five_percent_at_most():
    """A dear checkpoint is made more seldom."""
    clock = Clock()
    pace = Pace(60, clock=clock)
    spent = 0.0
    for _ in range(20_000):
        clock.now += 1
        if pace.is_due():
            with pace.saving():
                clock.now += 15
            spent += 15

    total = clock.now - Clock.now
    assert 0.04 < spent / total <= 0.05


def test_at_most_a_minute_is_lost_where_that_can_be_afforded():
    """Whatever a step takes, no more than a minute passes between two cheap checkpoints."""
    for seconds in (0.3, 1, 4, 17, 29):
        clock = Clock()
        pace = Pace(60, clock=clock)
        saved, gaps = clock.now, []
        for _ in range(500):
            clock.now += seconds
            gaps.append(clock.now - saved)
            if pace.is_due():
                with pace.saving():
                    clock.now += 0.2
                saved = clock.now

        assert max(gaps) <= 60 + 0.2


def test_a_failed_checkpoint_counts_as_its_cost():
    """A disk that fails slowly is not asked at every step."""
    clock = Clock()
    pace = Pace(60, clock=clock)
    clock.now += 60

    def fail_slowly():
        with pace.saving():
            clock.now += 10
            raise OSError("slow")

    with pytest.raises(OSError, match="slow"):
        fail_slowly()
    clock.now += 60

    assert not pace.is_due()
