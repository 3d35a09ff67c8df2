from __future__ import annotations

import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nst_core.dials import Dials, turn
from nst_core.octaves import Octaves
from nst_core.presets import preset
from tasks.calibration import Cost, Speed, _measured, remembered_at, speeds
from tasks.devices import arrange
from tasks.settings import SettingsError
from tasks.slots import SlotPool
from tests.waiting import until

GALLERY = preset("gallery").recipe
SPEED = Speed(step=Cost(1, 0.01), setup=Cost(100, 0), row=Cost(1000, 0), ceiling=1e9, bf16=False)


def test_a_pair_takes_its_steps_its_octaves_and_its_log():
    """Each octave is set up, stepped through, and logged at its first step and every so many."""
    octaves = Octaves(size=40, smallest=20, ratio=2.0, steps=(10, 20))
    recipe = replace(GALLERY, octaves=octaves, log_every=10, legibility=None)

    steps = 10 * (1 + 0.01 * 20 * 20) + 20 * (1 + 0.01 * 40 * 40)
    assert SPEED.seconds(recipe, (50, 50)) == pytest.approx(steps + 2 * 100 + (2 + 3) * 1000)


def test_what_costs_the_same_is_measured_once():
    """Sizes, steps and weights make no other kind of recipe; networks and precisions do."""
    specs, scratch = arrange(["cpu"], slots=1, threads=1), Path("scratch")
    asked = remembered_at(scratch, specs, GALLERY)
    alike = turn(GALLERY, Dials(size=1024, content_weight=0.5, steps=10))
    others = [replace(GALLERY, precision="fp32"), preset("pastiche").recipe]

    assert remembered_at(scratch, specs, alike) == asked
    assert len({asked, *(remembered_at(scratch, specs, other) for other in others)}) == 3


def test_a_slot_alone_is_measured_alone():
    """It has the cores of the others, and is faster for that."""
    specs, scratch = arrange(["cpu"], cores=4), Path("scratch")

    asked = {remembered_at(scratch, specs[:count], GALLERY) for count in (1, 2, 3, 4)}

    assert len(asked) == 4


def test_share_of_the_ceiling_counts_both_ways():
    """A step as fast as convolutions by themselves is at 1: 0.5 Mflop per pixel and way."""
    flops = 2 * 9 * (3 * 64 + 64 * 64 + (64 * 128 + 128 * 128) / 4)
    flops += 2 * 9 * (128 * 256 + 3 * 256 * 256) / 16
    flops += 2 * 9 * ((256 * 512 + 3 * 512 * 512) / 64 + 512 * 512 / 256)
    speed = replace(SPEED, step=Cost(0, 2 * flops / 1e9))

    assert speed.share(GALLERY, 1000) == pytest.approx(1)


@pytest.fixture
def ctrl_c():
    """Ctrl-C is heard, also where whoever began the tests has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_waits_for_no_measurement(tmp_path):
    """A command that was told to end measures nothing to its end."""
    specs, paths = arrange(["cpu"], slots=2, threads=1), [Path(__file__).parent]
    with SlotPool(specs, "toy_jobs:sleep_for_ever", logs=tmp_path, paths=paths) as pool:

        def interrupt():
            until(lambda: not pool._idle)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        pool.warm()
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            _measured(pool, GALLERY, ((8, 8), (16, 16)))

        assert pool.pids == []


def test_nothing_is_measured_where_it_cannot_be_remembered(tmp_path):
    """The folder, the reason and the remedy are told, before a process is started."""
    (scratch := tmp_path / "scratch").touch()

    with pytest.raises(SettingsError) as caught:
        speeds(arrange(["cpu"], slots=1, threads=1), scratch, [GALLERY])

    assert str(caught.value) == (
        f"the scratch folder {scratch} cannot be written: {scratch} is a file;"
        " let NST_SCRATCH name a folder on a local disk that you may write to"
    )


@pytest.mark.parametrize(("load", "measurements"), [(3.1, 1), (3.5, 2)], ids=["quiet", "busy"])
def test_what_was_measured_beside_other_work_is_soon_measured_again(
    tmp_path, monkeypatch, load: float, measurements: int
):
    """A forecast from a machine's busy hour would be wrong for good."""
    measured = []
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("os.getloadavg", lambda: (load, load, load))
    monkeypatch.setattr(
        "tasks.calibration._measured", lambda *_: measured.append(SPEED) or measured[-1]
    )
    specs = arrange(["cpu"], slots=1, threads=1)
    speeds(specs, tmp_path, [GALLERY])
    later = time.time() + 3600
    monkeypatch.setattr("tasks.calibration.time.time", lambda: later)

    assert speeds(specs, tmp_path, [GALLERY]).of(GALLERY) == SPEED
    assert len(measured) == measurements
