"""The page is written anew while a night goes on, and holds up nothing."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from flows import run
from flows.signals import Signals


@pytest.fixture(autouse=True)
def due_at_once(monkeypatch, server):
    """The page is due as soon as the pairs are known."""
    monkeypatch.setattr(run, "_REFRESH_SECONDS", 0.0)
    monkeypatch.setenv("PREFECT_API_URL", server.url)


def test_sigterm_does_not_wait_for_the_page(toy):
    """Of thousands of pictures it takes minutes, which a run that is to leave does not have."""
    made = toy(contents=("tarries",))
    began, released = threading.Event(), threading.Event()

    def write():
        began.set()
        released.wait()

    def terminate():
        began.wait()
        os.kill(os.getpid(), signal.SIGTERM)

    with (
        made.night() as night,
        Signals(leave=night.renderer.stop, kill=pytest.fail) as signals,
    ):
        threading.Thread(target=terminate).start()
        run._paint(night, {"manifest": str(made.path)}, signals, write)

        assert signals.code == 143
    released.set()
    assert [outcome.state for outcome in night.outcomes] == ["left"]


def test_a_page_that_cannot_be_written_costs_no_picture(toy, caplog):
    """It is told, and the painting goes on."""
    made = toy(contents=("cat",))

    def write():
        raise LookupError("no page today")

    with made.night() as night, Signals(leave=pytest.fail, kill=pytest.fail) as signals:
        run._paint(night, {"manifest": str(made.path)}, signals, write)

    assert [outcome.state for outcome in night.outcomes] == ["complete"]
    assert "no page today" in caplog.text
