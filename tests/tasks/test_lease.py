from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tasks import lease as leases
from tasks.lease import LOCK, STALE_AFTER, Lease
from tasks.lock import OutputLockedError
from tasks.memory_store import MemoryStore
from tasks.patience import Patience
from tasks.storage import store_for
from tasks.storage_errors import BusyError, StorageError
from tests.tasks.fault_proxy import ALWAYS, Fault, FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tasks.store import Store
    from tests.tasks.conftest import VirtualTime

TARGET = "s3://memory/spring"


@pytest.fixture
def store(clock: VirtualTime) -> MemoryStore:
    """A bucket whose clock the test moves."""
    return MemoryStore(clock=clock)


def lease(store: Store, work: Path, target: str = TARGET, **more: Any) -> Lease:
    """Return the lease of a run that paints into a local folder."""
    return Lease(store, target, work=work, manifest=f"{work.name}.yaml", **more)


class TestOneHolder:
    def test_the_second_run_is_refused_and_told_who_holds(self, store: MemoryStore, tmp_path: Path):
        """The message names manifest, process, machine and start of the first."""
        lease(store, tmp_path / "first").take()

        with pytest.raises(OutputLockedError, match=r"first\.yaml: process \d+ on .+, since 20"):
            lease(store, tmp_path / "second").take()

    def test_a_lease_that_was_given_back_is_free(self, store: MemoryStore, tmp_path: Path):
        """A run that ends leaves the prefix to the next."""
        first = lease(store, tmp_path / "first")
        first.take()
        first.release()

        lease(store, tmp_path / "second").take()

        assert b"second.yaml" in store.read(f"{TARGET}/{LOCK}")

    def test_a_run_that_continues_in_the_same_folder_goes_on_at_once(
        self, store: MemoryStore, tmp_path: Path
    ):
        """After a kill, the same command on the same machine needs no waiting."""
        lease(store, tmp_path / "first").take()

        lease(store, tmp_path / "first").take()

    def test_a_stale_lease_is_taken_over(
        self, store: MemoryStore, tmp_path: Path, clock: VirtualTime
    ):
        """Five minutes without a sign, by the store's clock, end a lease."""
        lease(store, tmp_path / "first").take()

        clock.sleep(STALE_AFTER - 1)
        with pytest.raises(OutputLockedError):
            lease(store, tmp_path / "second").take()
        clock.sleep(1)

        lease(store, tmp_path / "second").take()

    def test_a_heartbeat_keeps_a_lease(
        self, store: MemoryStore, tmp_path: Path, clock: VirtualTime
    ):
        """A run that lives all night holds its prefix all night."""
        first = lease(store, tmp_path / "first")
        first.take()

        for _ in range(10):
            clock.sleep(STALE_AFTER - 1)
            first.beat()

        with pytest.raises(OutputLockedError):
            lease(store, tmp_path / "second").take()

    def test_a_lease_that_could_not_be_had_is_taken_when_it_is_asked_for(
        self, store: MemoryStore, tmp_path: Path
    ):
        """A run that began while the bucket was away holds the prefix from its first upload on."""
        first = lease(store, tmp_path / "first")

        first.check()

        with pytest.raises(OutputLockedError, match=r"first\.yaml"):
            lease(store, tmp_path / "second").check()
        first.end()

    def test_a_lease_that_was_never_had_is_not_given_back(self, store: MemoryStore, tmp_path: Path):
        """It may be another run's."""
        lease(store, tmp_path / "first").take()

        lease(store, tmp_path / "second").end()

        assert b"first.yaml" in store.read(f"{TARGET}/{LOCK}")

    def test_a_lost_lease_is_noticed(self, store: MemoryStore, tmp_path: Path, clock: VirtualTime):
        """A run that was away for too long learns it from its next heartbeat."""
        first = lease(store, tmp_path / "first")
        first.take()
        clock.sleep(STALE_AFTER)
        lease(store, tmp_path / "second").take()

        with pytest.raises(OutputLockedError, match=r"second\.yaml"):
            first.beat()

    def test_the_loser_does_not_free_the_winners_lease(
        self, store: MemoryStore, tmp_path: Path, clock: VirtualTime
    ):
        """Only what is one's own is given back."""
        first = lease(store, tmp_path / "first")
        first.take()
        clock.sleep(STALE_AFTER)
        lease(store, tmp_path / "second").take()

        first.release()

        assert b"second.yaml" in store.read(f"{TARGET}/{LOCK}")

    def test_a_deleted_lock_is_written_again(self, store: MemoryStore, tmp_path: Path):
        """Somebody who tidies up the bucket does not end a night."""
        first = lease(store, tmp_path / "first")
        first.take()
        store.delete(f"{TARGET}/{LOCK}")

        first.beat()

        assert b"first.yaml" in store.read(f"{TARGET}/{LOCK}")

    def test_a_lock_that_nobody_can_read_still_locks(self, store: MemoryStore, tmp_path: Path):
        """Somebody else's note is respected until it is stale."""
        store.write(f"{TARGET}/{LOCK}", b"mine!")

        with pytest.raises(OutputLockedError, match="has not said which"):
            lease(store, tmp_path / "first").take()

    def test_a_lock_tells_no_secrets(self, store: MemoryStore, tmp_path: Path):
        """The lock object holds what a second operator needs, and no more."""
        lease(store, tmp_path / "first").take()

        told = json.loads(store.read(f"{TARGET}/{LOCK}"))
        assert set(told) == {"host", "pid", "started", "manifest", "claim", "beat"}


class TestTheHeart:
    def test_it_beats_while_the_body_runs(
        self, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """As a context, a lease renews itself and is given back."""
        monkeypatch.setattr(leases, "HEARTBEAT", 0.01)
        with lease(store, tmp_path / "first") as held:
            first = store.read(f"{TARGET}/{LOCK}")
            wait_until(lambda: store.read(f"{TARGET}/{LOCK}") != first)
            held.check()

        assert store.head(f"{TARGET}/{LOCK}") is None

    def test_it_tells_when_the_lease_is_lost(
        self,
        store: MemoryStore,
        tmp_path: Path,
        clock: VirtualTime,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """The spool's guard stops a run that another one has replaced."""
        monkeypatch.setattr(leases, "HEARTBEAT", 0.2)
        with lease(store, tmp_path / "first") as held:
            clock.sleep(STALE_AFTER)
            lease(store, tmp_path / "second").take()

            with pytest.raises(OutputLockedError):
                wait_until(held.check)

    def test_it_survives_an_outage(
        self, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """While the store is away, nobody can take the lease; when it is back, it is renewed."""
        monkeypatch.setattr(leases, "HEARTBEAT", 0.01)
        tried = threading.Event()

        def away(*_: object, **__: object) -> str:
            tried.set()
            raise BusyError("away")

        with lease(store, tmp_path / "first") as held:
            with monkeypatch.context() as outage:
                outage.setattr(store, "write", away)
                assert tried.wait(60)
            before = store.read(f"{TARGET}/{LOCK}")
            wait_until(lambda: store.read(f"{TARGET}/{LOCK}") != before)
            held.check()


class TestOverARealLine:
    def test_of_many_that_start_together_one_wins(self, bucket: str, tmp_path: Path):
        """Twenty rounds of two runs: exactly one winner each."""
        store = store_for("s3://any")
        hasty = Patience(sleep=lambda _: None)
        for round_ in range(20):
            target = f"{bucket}/{round_}"
            runs = [
                lease(store, tmp_path / f"{round_}-{name}", target, patience=hasty) for name in "ab"
            ]

            assert sorted(race(runs)) == ["held", "won"]

    @pytest.mark.parametrize("fault", [Fault.LOST_REPLY, Fault.SLOW_DOWN, Fault.RESET])
    def test_a_bad_line_makes_no_false_refusal(
        self, bucket: str, line: FaultProxy, tmp_path: Path, fault: Fault
    ):
        """A lease whose reply was lost is recognised as one's own."""
        store = store_for("s3://any")
        ours = lease(store, tmp_path / "first", bucket)
        line.inject(fault, method="PUT")
        ours.take()
        line.inject(fault, method="PUT")

        with pytest.raises(StorageError):
            ours.beat()
        ours.beat()

        assert b"first.yaml" in store.read(f"{bucket}/{LOCK}")

    @pytest.mark.parametrize("when", ["while taking", "later"])
    def test_a_store_without_conditions_is_looked_at_again(
        self, bucket: str, line: FaultProxy, tmp_path: Path, when: str
    ):
        """Where two runs can both write the lock, the one whose claim is gone gives way."""
        line.inject(Fault.IGNORE_CONDITIONS, times=ALWAYS)
        store = store_for("s3://any")
        lease(store, tmp_path / "second", f"{bucket}/elsewhere", sleep=abs).take()
        seconds = store.read(f"{bucket}/elsewhere/{LOCK}")

        def overwrite(_: float) -> None:
            store.write(f"{bucket}/{LOCK}", seconds)

        first = lease(
            store, tmp_path / "first", bucket, sleep=overwrite if when == "while taking" else abs
        )
        if when == "later":
            first.take()
            overwrite(0)

        with pytest.raises(OutputLockedError, match=r"second\.yaml"):
            first.take() if when == "while taking" else first.beat()

    def test_a_store_without_conditions_is_warned_of(
        self, bucket: str, line: FaultProxy, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        """The operator learns that two runs might not be told apart."""
        line.inject(Fault.IGNORE_CONDITIONS, times=ALWAYS)

        lease(store_for("s3://any"), tmp_path, bucket, sleep=abs).take()

        assert "ignores conditional writes" in caplog.text

    def test_nothing_to_ask_is_told(self, s3: str, tmp_path: Path):
        """A bucket that does not exist is not a lease that is held."""
        with pytest.raises(StorageError) as caught:
            lease(store_for("s3://any"), tmp_path, "s3://no-such-bucket/x").take()

        assert caught.value.code == "E-S3-BUCKET"


def race(runs: list[Lease]) -> list[str]:
    """Let all take their lease at the same moment; return how it went for each."""
    start = threading.Barrier(len(runs))
    results = []

    def take(run: Lease) -> None:
        start.wait(timeout=60)
        try:
            run.take()
        except OutputLockedError:
            results.append("held")
        else:
            results.append("won")

    threads = [threading.Thread(target=take, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return results


def wait_until(condition: Callable[[], object]) -> None:
    """Look again and again, for a minute at most."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)
