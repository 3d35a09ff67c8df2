from __future__ import annotations

import math

import pytest

from tasks.devices import SlotSpec
from tasks.memory import available_memory, memory_of_slot

CPU = [SlotSpec(f"cpu{index}", "cpu", 1) for index in range(2)]
CARD = [SlotSpec("cuda0", "cuda:0", 1)]
KIB = 1024


@pytest.fixture
def machine(tmp_path):
    """A machine of 1,000 KiB without cgroups, and its empty file systems."""
    proc, mount = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    mount.mkdir()
    (proc / "meminfo").write_text("MemTotal:  9000 kB\nMemAvailable:    1000 kB\n")
    (proc / "self" / "cgroup").write_text("")
    return proc, mount


def limited(folder, limit, used, files=0, *, version=2):
    """Make a folder a cgroup's."""
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }[version]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {files}\n")


def test_slots_on_a_cpu_share_what_is_there():
    """With a fifth left to others."""
    assert memory_of_slot(CPU, available=1000) == 400


def test_a_persons_limit_counts():
    """For each slot, whatever there is."""
    assert memory_of_slot(CPU, limit=700, available=1000) == 700


@pytest.mark.parametrize(("specs", "available"), [(CARD, 1000.0), (CPU, math.inf)])
def test_a_card_is_asked_by_the_slot_itself(specs, available):
    """And where a system does not tell, nothing is known."""
    assert memory_of_slot(specs, available=available) is None


def test_the_machine_has_some_memory():
    """The real one tells."""
    assert available_memory() > 0


def test_without_cgroups_the_machine_counts(machine):
    """What it can give without swapping."""
    proc, mount = machine

    assert available_memory(mount, proc) == 1000 * KIB


@pytest.mark.parametrize(
    ("version", "line", "folder"),
    [(2, "0::/a/b", "a/b"), (1, "7:memory:/a/b", "memory/a/b")],
)
def test_a_cgroup_may_allow_less(machine, version: int, line: str, folder: str):
    """What it holds of files gives way."""
    proc, mount = machine
    (proc / "self" / "cgroup").write_text(f"3:cpu:/elsewhere\n{line}\n" if version == 1 else line)
    limited(mount / folder, 500 * KIB, 300 * KIB, 100 * KIB, version=version)

    assert available_memory(mount, proc) == 300 * KIB


def test_the_tightest_cgroup_counts(machine):
    """A group is bound by those it lies in."""
    proc, mount = machine
    (proc / "self" / "cgroup").write_text("0::/a/b\n")
    limited(mount / "a" / "b", "max", 300 * KIB)
    limited(mount / "a", 400 * KIB, 300 * KIB)

    assert available_memory(mount, proc) == 100 * KIB


def test_slots_on_one_card_share_its_memory_out_beforehand():
    """Each would find it free at first, and both would take it."""
    shared = [SlotSpec(f"cuda0-{lap}", "cuda:0", 1, sharers=2) for lap in range(2)]

    assert memory_of_slot(shared, of_card=lambda: 100_000) == 42_500
    assert memory_of_slot(shared, limit=7, of_card=lambda: 100_000) == 7
