"""What buckets held when they were last seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.fetching import fetch, recalled
from tasks.recalling import remembering
from tasks.settings import Settings
from tasks.storage import store_for
from tasks.storage_errors import BusyError, RefusedError
from tests.tasks.fault_proxy import ALWAYS, Fault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tasks.fault_proxy import FaultProxy


@pytest.fixture
def photos(bucket: str) -> str:
    """A folder of a bucket with two photos."""
    for name in ("cat.png", "dog.png"):
        store_for(bucket).write(f"{bucket}/photos/{name}", name.encode())
    return f"{bucket}/photos/"


def test_a_folder_is_known_while_its_bucket_is_away(
    photos: str, line: FaultProxy, caplog: pytest.LogCaptureFixture
):
    """As it was when it was last seen, and that is said."""
    settings = Settings.from_environment()
    seen = remembering(settings)(photos)
    line.inject(Fault.UNAVAILABLE, times=ALWAYS)

    assert remembering(settings, seconds=0)(photos) == seen
    assert "what it held when it was last seen is taken" in caplog.text


def test_a_folder_that_was_never_seen_is_not_known(photos: str, line: FaultProxy):
    """Which pairs there are cannot be said."""
    line.inject(Fault.UNAVAILABLE, times=ALWAYS)

    with pytest.raises(BusyError):
        remembering(Settings.from_environment(), seconds=0)(photos)


def test_one_picture_needs_no_list(photos: str, line: FaultProxy):
    """Its address says it all."""
    line.inject(Fault.UNAVAILABLE, times=ALWAYS)

    found = remembering(Settings.from_environment(), seconds=0)(f"{photos}cat.png")

    assert found == [f"{photos}cat.png"]


def test_what_is_remembered_is_the_latest(photos: str, bucket: str, line: FaultProxy):
    """A photo that was added is among them."""
    settings = Settings.from_environment()
    remembering(settings)(photos)
    store_for(bucket).write(f"{photos}eel.png", b"eel")
    seen = remembering(settings)(photos)
    line.inject(Fault.UNAVAILABLE, times=ALWAYS)

    assert remembering(settings, seconds=0)(photos) == seen
    assert len(seen) == 3


def test_a_bucket_that_refuses_is_not_away(photos: str, line: FaultProxy):
    """It will say the same tomorrow."""
    settings = Settings.from_environment()
    remembering(settings)(photos)
    line.inject(Fault.ACCESS_DENIED, times=ALWAYS)

    with pytest.raises(RefusedError):
        remembering(settings, seconds=0)(photos)


def test_a_disk_is_asked_each_time(tmp_path: Path):
    """What lies there is there."""
    (tmp_path / "cat.png").touch()

    assert remembering(Settings.from_environment())(str(tmp_path)) == [str(tmp_path / "cat.png")]


def test_a_picture_is_recalled_as_it_was_last_fetched(photos: str, bucket: str, tmp_path: Path):
    """The latest of its versions; nothing of one that never came."""
    fetch(f"{photos}cat.png", tmp_path)
    store_for(bucket).write(f"{photos}cat.png", b"a better cat")
    latest = fetch(f"{photos}cat.png", tmp_path)

    assert recalled(f"{photos}cat.png", tmp_path) == latest
    assert recalled(f"{photos}dog.png", tmp_path) is None
