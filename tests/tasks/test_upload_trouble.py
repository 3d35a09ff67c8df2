"""Uploading over a bad line, and past kills, loses nothing and never makes a record lie."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tasks.memory_store import MemoryStore
from tasks.output import Output
from tasks.patience import Patience
from tasks.s3_store import S3Store
from tasks.settings import Settings
from tasks.staging import remote_records
from tasks.storage_errors import BusyError, RefusedError
from tasks.upload import Spool
from tests.tasks.fault_proxy import ALWAYS, Fault, FaultProxy
from tests.tasks.painted_pairs import painted
from tests.tasks.uploads import MINUTE, TARGET, first_record, puts, stems, whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tasks.store import Store
    from tests.tasks.conftest import VirtualTime

WHAT_PASSES = [
    (method, fault)
    for method in ("HEAD", "PUT")
    for fault in (
        Fault.SLOW_DOWN,
        Fault.UNAVAILABLE,
        Fault.INTERNAL_ERROR,
        Fault.EXPIRED_TOKEN,
        Fault.BLACK_HOLE,
        Fault.RESET,
        Fault.LOST_REPLY,
        Fault.SLOW,
        Fault.FLIP_UP,
    )
    if (method, fault) != ("HEAD", Fault.FLIP_UP)
]


class TestOverABadLine:
    @pytest.mark.parametrize("trouble", WHAT_PASSES, ids=str)
    def test_everything_arrives_in_the_end(
        self,
        single: Output,
        store: Store,
        target: str,
        line: FaultProxy,
        patience: Patience,
        *,
        trouble: tuple[str, Fault],
    ):
        """Whatever passes is waited for: nothing wrong, nothing missing, no false conflict."""
        method, fault = trouble
        line.inject(fault, method=method, times=2)

        drained = Spool(single, store, target, patience=patience).drain()

        assert (drained.waiting, drained.failed, drained.stopped) == ((), {}, None)
        assert whole(store, target) == stems(single)

    def test_a_lost_reply_that_boto_retries_is_no_conflict(
        self,
        single: Output,
        target: str,
        line: FaultProxy,
        patience: Patience,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """boto3 repeats a write that was carried out and is told 412; the object is ours."""
        monkeypatch.setenv("NST_S3_ATTEMPTS", "3")
        store = S3Store(Settings.from_environment())
        line.inject(Fault.LOST_REPLY, method="PUT", key="*.png")

        drained = Spool(single, store, target, patience=patience).drain()

        assert (sorted(drained.uploaded), drained.failed) == (stems(single), {})
        assert whole(store, target) == stems(single)

    def test_an_outage_of_half_an_hour_loses_nothing(
        self,
        single: Output,
        store: Store,
        target: str,
        line: FaultProxy,
        *,
        patience: Patience,
        clock: VirtualTime,
    ):
        """The spool comes back a minute after the store does, at the latest."""
        line.inject(Fault.UNAVAILABLE, times=ALWAYS)

        def sleep(seconds: float) -> None:
            clock.sleep(seconds)
            if clock.now >= 30 * MINUTE:
                line.heal()

        drained = Spool(single, store, target, patience=replace(patience, sleep=sleep)).drain()

        assert sorted(drained.uploaded) == stems(single) == whole(store, target)
        assert 30 * MINUTE <= clock.now <= 31 * MINUTE
        assert max(clock.naps) <= MINUTE

    def test_an_outage_to_the_end_leaves_the_spool(
        self,
        single: Output,
        store: Store,
        target: str,
        line: FaultProxy,
        patience: Patience,
    ):
        """What could not go by the deadline waits, and goes with the next run."""
        line.inject(Fault.UNAVAILABLE, times=ALWAYS)
        hasty = replace(patience, deadline=5 * MINUTE)

        drained = Spool(single, store, target, patience=hasty).drain()
        line.heal()
        next_night = Spool(single, store, target).drain()

        assert isinstance(drained.stopped, BusyError)
        assert sorted(drained.waiting) == sorted(next_night.uploaded) == stems(single)
        assert whole(store, target) == stems(single)

    def test_expired_credentials_are_renewed_once_a_minute(
        self,
        single: Output,
        store: Store,
        target: str,
        line: FaultProxy,
        *,
        patience: Patience,
        clock: VirtualTime,
    ):
        """Uploads pause until somebody has logged in again."""
        line.inject(Fault.EXPIRED_TOKEN, times=3, method="PUT")

        drained = Spool(single, store, target, patience=patience).drain()

        assert sorted(drained.uploaded) == stems(single)
        assert clock.naps == [MINUTE] * 3

    def test_a_new_login_is_noticed(
        self,
        single: Output,
        store: Store,
        target: str,
        line: FaultProxy,
        *,
        patience: Patience,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """After a pause, the credentials that are there by then are used."""
        line.inject(Fault.EXPIRED_TOKEN, method="PUT")

        def log_in(_: float) -> None:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SECOND")

        Spool(single, store, target, patience=replace(patience, sleep=log_in)).drain()

        assert "Credential=SECOND" in line.seen[-1].headers["authorization"]

    def test_a_refusal_stops_at_once(
        self,
        single: Output,
        store: Store,
        target: str,
        line: FaultProxy,
        *,
        patience: Patience,
        clock: VirtualTime,
    ):
        """Access denied is for a person; the night is not spent on it."""
        line.inject(Fault.ACCESS_DENIED, method="PUT", times=ALWAYS)

        drained = Spool(single, store, target, patience=patience).drain()

        assert isinstance(drained.stopped, RefusedError)
        assert (drained.stopped.code, clock.naps, len(puts(line))) == ("E-S3-ACCESS", [], 1)

    def test_a_missing_bucket_stops_at_once(self, single: Output, store: Store):
        """A bucket that does not exist is named."""
        drained = Spool(single, store, "s3://no-such-bucket/spring").drain()

        assert drained.stopped
        assert (drained.stopped.code, len(drained.waiting)) == ("E-S3-BUCKET", 1)

    def test_a_store_that_ignores_conditions_gets_the_same(
        self, single: Output, store: Store, target: str, line: FaultProxy, patience: Patience
    ):
        """Where conditions are ignored, looking first does what they would have done."""
        line.inject(Fault.IGNORE_CONDITIONS, times=ALWAYS)
        Spool(single, store, target, patience=patience).drain()
        shutil.rmtree(single.work)
        line.seen.clear()

        Spool(single, store, target, patience=patience).drain()

        assert whole(store, target) == stems(single)
        assert puts(line) == []

    def test_one_pair_in_trouble_does_not_hold_up_the_others(
        self, output: Output, store: Store, target: str, line: FaultProxy, patience: Patience
    ):
        """Pairs take turns, should it be one of them that the store cannot take."""
        line.inject(Fault.INTERNAL_ERROR, method="PUT", key="*photo-0*", times=ALWAYS)
        hasty = replace(patience, deadline=5 * MINUTE)

        drained = Spool(output, store, target, patience=hasty).drain()

        assert len(drained.uploaded) == 2
        assert drained.waiting == (first_record(output).stem,)


class Killed(BaseException):
    """The process ends here."""


class MortalStore(MemoryStore):
    """A bucket whose user dies at one of its changes: right before it or right after it."""

    def __init__(self, clock: VirtualTime) -> None:
        super().__init__(clock=clock)
        self.changes_to_live = -1
        self.die_before = False

    def write(self, location: str, data: bytes, **conditions: Any) -> str:
        """Write, or die."""
        return self._change(partial(super().write, location, data, **conditions))

    def delete(self, location: str) -> None:
        """Delete, or die."""
        self._change(partial(super().delete, location))

    def _change(self, act: Callable[[], Any]) -> Any:
        self.changes_to_live -= 1
        if self.changes_to_live == 0 and self.die_before:
            raise Killed
        done = act()
        if self.changes_to_live == 0:
            raise Killed
        return done


class TestKills:
    @pytest.mark.parametrize("die_before", [True, False])
    @pytest.mark.parametrize("change", range(1, 9))
    def test_a_kill_at_any_change_loses_nothing(
        self, tmp_path: Path, clock: VirtualTime, change: int, *, die_before: bool
    ):
        """Whenever the run dies, no record in the bucket lies, and the next run completes it."""
        output, store = Output(tmp_path), MortalStore(clock)
        patience = Patience(clock=clock, sleep=clock.sleep)
        painted(0, draft=True, seconds=2.0).publish(output)
        Spool(output, store, TARGET, patience=patience).drain()
        # The draft's record goes, two files and the final record come; then another pair's four.
        final = painted(0)._replace(extras={"frames.webp": b"better frames"})
        final.publish(output)
        painted(1).publish(output)
        store.changes_to_live, store.die_before = change, die_before

        with pytest.raises(Killed):
            Spool(output, store, TARGET, patience=patience).drain()
        finished = whole(store, TARGET)
        drained = Spool(output, store, TARGET, patience=patience).drain()

        assert set(finished) <= set(stems(output)) == set(whole(store, TARGET))
        assert drained.waiting == ()
        assert not any(record.draft for record in remote_records(store, TARGET))
