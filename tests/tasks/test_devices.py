import math
import subprocess
import sys

import pytest

from tasks.devices import (
    DeviceError,
    SlotSpec,
    arrange,
    cgroup_cores,
    count_cards,
    count_cores,
    find_devices,
    worker_environment,
)


def cards(cuda=0, mps=0):
    """Count devices as a machine with so many would."""
    return lambda: {"cuda": cuda, "mps": mps}


def slots_on(device, *, cards=None, **given):
    """Return the slots on the devices that a ``--device`` means."""
    return arrange(find_devices(device, cards), **given)


def test_a_cpu_has_a_single_threaded_slot_per_core():
    """Small pictures are painted fastest one to a core."""
    assert slots_on("cpu", cores=3) == [
        SlotSpec("cpu-0", "cpu", 1, cores=3),
        SlotSpec("cpu-1", "cpu", 1, cores=3),
        SlotSpec("cpu-2", "cpu", 1, cores=3),
    ]


def test_fewer_cpu_slots_share_the_cores():
    """A single large picture may use all cores."""
    assert slots_on("cpu", slots=1, cores=8) == [SlotSpec("cpu", "cpu", 8, cores=8)]


def test_slots_of_many_threads_are_few():
    """All of them together keep the cores busy, and no more than that."""
    slots = slots_on("cpu", threads=3, cores=8)

    assert [spec.threads for spec in slots] == [3, 3]
    assert len(slots_on("cpu", threads=16, cores=8)) == 1


def test_threads_can_be_chosen():
    """Who wants a certain number of threads gets it."""
    assert [spec.threads for spec in slots_on("cpu", slots=2, threads=3, cores=8)] == [3, 3]


def test_each_card_has_a_slot():
    """All cards are used, and the cores are shared out."""
    assert slots_on("cuda", cards=cards(cuda=2), cores=16) == [
        SlotSpec("cuda0", "cuda:0", 8),
        SlotSpec("cuda1", "cuda:1", 8),
    ]


def test_named_cards_have_slots():
    """Only those that were named, in that order, once."""
    specs = slots_on("cuda:2,cuda:0,cuda:2", cards=cards(cuda=3), cores=4)

    assert [spec.device for spec in specs] == ["cuda:2", "cuda:0"]


def test_cards_can_have_several_slots():
    """More slots than cards go round the cards, under names of their own."""
    specs = slots_on("cuda", slots=4, cards=cards(cuda=2), cores=4)

    assert [spec.device for spec in specs] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert len({spec.name for spec in specs}) == 4


@pytest.mark.parametrize(
    ("found", "devices"),
    [
        (cards(cuda=1), ["cuda:0"]),
        (cards(mps=1), ["mps"]),
        (cards(), ["cpu", "cpu"]),
    ],
)
def test_auto_takes_the_best_there_is(found, devices):
    """Cards before Apple's graphics before the CPU."""
    assert [spec.device for spec in slots_on("auto", cards=found, cores=2)] == devices


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "cuda:0,cuda:1", "mps"])
def test_a_device_that_is_not_there_is_refused(device):
    """Naming what there is instead."""
    with pytest.raises(DeviceError, match=r"finds (cuda:0|no card)"):
        find_devices(device, cards(cuda=0 if device == "cuda" else 1))


def test_a_device_nobody_knows_is_refused():
    """With the nearest that is known."""
    with pytest.raises(DeviceError, match="no device 'cuda0'; did you mean 'cuda:0'"):
        find_devices("cuda0", cards(cuda=1))


def test_the_cpu_asks_for_no_cards():
    """Nothing is spent on finding cards that nobody wants."""

    def unwanted():
        raise AssertionError

    assert find_devices("cpu", unwanted) == ["cpu"]


def test_torch_is_not_imported_here():
    """The process of the flow stays light."""
    code = "import sys; from tasks.devices import *; count_cards(); print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "torch" not in done.stdout.split()


def test_a_broken_torch_is_reported(monkeypatch, tmp_path):
    """What torch's import says is passed on, rather than taken for a machine without cards."""
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.13: cannot open')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("tasks.devices._may_have_cards", lambda: True)

    with pytest.raises(DeviceError, match=r"libcudart.so.13: cannot open"):
        count_cards()


def test_torch_is_asked_for_its_devices(monkeypatch, tmp_path):
    """Its answer is the last line, whatever it prints before."""
    (tmp_path / "torch.py").write_text(
        "print('a warning')\n"
        "class card: total_memory = 7\n"
        "class cuda:\n"
        "    device_count = lambda: 3; is_available = lambda: True\n"
        "    get_device_properties = lambda index: card\n"
        "class backends:\n    class mps: is_available = lambda: False\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("tasks.devices._may_have_cards", lambda: True)

    assert count_cards() == {"cuda": 3, "mps": 0, "bytes": 7}


def test_there_is_a_core():
    """This machine has one, at least."""
    assert count_cores() >= 1


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/job/step\n", {"job/cpu.max": "400000 100000", "job/step/cpu.max": "max 100000"}, 4),
        ("0::/\n", {}, math.inf),
        (
            "5:memory:/m\n3:cpu,cpuacct:/c\n",
            {"cpu/c/cpu.cfs_quota_us": "200000", "cpu/c/cpu.cfs_period_us": "100000"},
            2,
        ),
        (
            "3:cpu,cpuacct:/c\n",
            {"cpu/c/cpu.cfs_quota_us": "-1", "cpu/c/cpu.cfs_period_us": "100000"},
            math.inf,
        ),
    ],
)
def test_a_containers_share_of_the_cpu_is_known(tmp_path, membership, files, cores):
    """The narrowest of the nested groups counts, in either version of cgroups."""
    (tmp_path / "membership").write_text(membership)
    for name, text in files.items():
        path = tmp_path / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    assert cgroup_cores(tmp_path / "mount", tmp_path / "membership") == cores


def test_a_cpu_worker_sees_no_card():
    """A CPU slot never takes memory on a card."""
    environ = worker_environment(SlotSpec("cpu", "cpu", 1), {"CUDA_VISIBLE_DEVICES": "0,1"})

    assert environ["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.parametrize(
    ("visible", "device", "card"),
    [(None, "cuda:1", "1"), ("4,6", "cuda:1", "6"), ("GPU-0a, GPU-0b", "cuda:1", "GPU-0b")],
)
def test_a_worker_sees_its_own_card_only(visible, device, card):
    """The N-th card is the N-th of those that a cluster's scheduler gave us."""
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}

    seen = worker_environment(SlotSpec("cuda1", device, 4), environ)["CUDA_VISIBLE_DEVICES"]

    assert seen == card


def test_a_worker_counts_its_threads_from_the_start():
    """The libraries below torch read the number of threads when they are loaded."""
    environ = worker_environment(SlotSpec("cpu", "cpu", 3), {"OMP_NUM_THREADS": "64", "HOME": "/h"})

    assert (environ["OMP_NUM_THREADS"], environ["MKL_NUM_THREADS"]) == ("3", "3")
    assert environ["HOME"] == "/h"


@pytest.mark.parametrize(
    ("name", "chosen"), [("OMP_WAIT_POLICY", "PASSIVE"), ("GOMP_SPINCOUNT", "1000")]
)
def test_a_workers_threads_soon_sleep_while_they_wait(name, chosen):
    """On a machine that is busy with other things, spinning threads would starve each other."""
    waits = [
        worker_environment(SlotSpec("cpu", "cpu", 4), environ)[name]
        for environ in ({}, {name: "another"})
    ]

    assert waits == [chosen, "another"]


@pytest.mark.parametrize(
    ("cores", "slots", "threads"),
    [
        (4, None, [3, 2, 1, 1]),
        (2, None, [2, 1]),
        (1, None, [1]),
        (16, None, [8, 8, 5, 4, 3, 2, 2, 2, 1]),
        (8, 2, [7, 4]),
        (4, 1, [4]),
    ],
)
def test_slots_that_paint_share_the_cores(cores, slots, threads):
    """One alone leaves a core to other work, and none gets fewer than it has beside all others."""
    slot = arrange(["cpu"], slots=slots, cores=cores)[0]

    assert [slot.threads_among(count) for count in range(1, len(threads) + 1)] == threads


def test_threads_that_a_person_has_fixed_stay():
    """The same number of threads gives the same bytes, however many slots paint."""
    slot = arrange(["cpu"], threads=1, cores=4)[0]

    assert slot.threads_among(1) == 1


def test_slots_on_cards_share_no_cores():
    """Their threads wait for the card."""
    slots = arrange(["cuda:0", "cuda:1"], cores=16)

    assert [slot.threads_among(1) for slot in slots] == [8, 8]


def test_a_workers_large_blocks_come_in_large_pages():
    """Unless whoever runs the machine has decided otherwise."""
    asked = [
        worker_environment(SlotSpec("cpu", "cpu", 4), environ)["THP_MEM_ALLOC_ENABLE"]
        for environ in ({}, {"THP_MEM_ALLOC_ENABLE": "0"})
    ]

    assert asked == ["1", "0"]
