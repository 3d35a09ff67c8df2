from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.memory_store import MemoryStore
from tasks.probe import probe
from tasks.s3_store import S3Store
from tasks.settings import Settings
from tasks.storage_errors import RefusedError, StorageError
from tests.tasks.fault_proxy import ALWAYS, Fault, FaultProxy

if TYPE_CHECKING:
    from tasks.store import Store


def test_a_good_store_heeds_conditions(store: Store, bucket: str):
    """A prefix that allows everything is told to be fit for a night."""
    assert probe(store, f"{bucket}/spring") is True


@pytest.mark.parametrize(
    ("fault", "times"), [(Fault.IGNORE_CONDITIONS, ALWAYS), (Fault.NOT_IMPLEMENTED, 1)]
)
def test_a_store_without_conditions_is_found_out(
    bucket: str, line: FaultProxy, fault: Fault, times: int
):
    """Conditions that are ignored silently, or refused, are told from those that are heeded."""
    line.inject(fault, method="PUT", times=times)

    # A store of its own: it remembers what it found out.
    assert probe(S3Store(Settings.from_environment()), f"{bucket}/spring") is False


def test_nothing_is_left(store: Store, bucket: str):
    """What the probe put there, it takes away."""
    probe(store, f"{bucket}/spring")

    assert list(store.listing(bucket)) == []


@pytest.mark.parametrize("method", ["PUT", "HEAD", "GET", "DELETE"])
def test_each_right_that_is_missing_is_found(
    store: Store, bucket: str, line: FaultProxy, method: str
):
    """Put, look, list and delete are each tried; what is denied is an error before the night."""
    line.inject(Fault.ACCESS_DENIED, method=method, times=ALWAYS)

    with pytest.raises(RefusedError) as caught:
        probe(store, f"{bucket}/spring")

    assert caught.value.code == "E-S3-ACCESS"


def test_a_missing_bucket_is_found(store: Store):
    """A mistyped bucket is named."""
    with pytest.raises(StorageError) as caught:
        probe(store, "s3://no-such-bucket/spring")

    assert caught.value.code == "E-S3-BUCKET"


def test_a_store_that_loses_what_it_is_given_is_found():
    """A store that says yes and keeps something else is not trusted with a night."""

    class Forgetful(MemoryStore):
        def holds(self, location: str, data: bytes) -> bool:
            return False

    with pytest.raises(RefusedError) as caught:
        probe(Forgetful(), "s3://memory/spring")

    assert caught.value.code == "E-S3-DAMAGED"
