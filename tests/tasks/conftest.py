from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tasks.devices import SlotSpec
from tasks.output import Output
from tasks.patience import Patience
from tasks.slots import SlotPool
from tasks.storage import store_for
from tests.tasks.painted_pairs import painted

if TYPE_CHECKING:
    from tasks.store import Store
    from tests.tasks.fault_proxy import FaultProxy


class VirtualTime:
    """A clock that only moves when somebody sleeps on it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> VirtualTime:
    """Virtual time, from 0."""
    return VirtualTime()


@pytest.fixture
def patience(clock: VirtualTime) -> Patience:
    """Eight hours of patience in virtual time."""
    return Patience(8 * 3600, clock=clock, sleep=clock.sleep, share=lambda: 0.9)


@pytest.fixture
def threads():
    """Threads in the flow's place."""
    with ThreadPoolExecutor(8) as executor:
        yield executor


@pytest.fixture
def make_pool(tmp_path, threads):
    """Make pools of toy slots; at the end they are stopped, and only then the threads joined."""
    pools = []

    def make(slots=1, entry="toy_jobs:main", cores=0, **options):
        folder = Path(__file__).parent
        specs = [SlotSpec(f"cpu-{index}", "cpu", 1, cores=cores) for index in range(slots)]
        options = {"grace": 2.0, "paths": [folder], "logs": tmp_path / "logs"} | options
        pool = SlotPool(specs, entry, **options)
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.stop(0)


@pytest.fixture
def output(tmp_path: Path) -> Output:
    """A folder with three finished pairs."""
    output = Output(tmp_path / "out")
    for number in range(3):
        painted(number).publish(output)
    return output


@pytest.fixture
def single(tmp_path: Path) -> Output:
    """A folder with one finished pair."""
    output = Output(tmp_path / "single")
    painted(0).publish(output)
    return output


@pytest.fixture
def target(bucket: str) -> str:
    """Where the folder goes."""
    return f"{bucket}/shows/spring"


@pytest.fixture
def store(line: FaultProxy) -> Store:
    """The bucket at the far end of the line."""
    return store_for("s3://any")
