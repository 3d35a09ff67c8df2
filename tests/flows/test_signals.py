from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from flows.signals import Signals
from tests.waiting import until

INSIST = """
import os, signal, threading
from flows.signals import Signals
with Signals(leave=threading.Event().wait, kill=lambda: print("killed", flush=True)):
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.{second})
    print("not reached", flush=True)
"""

LEAVE = """
import signal
from flows.signals import leave_on_sigterm
leave_on_sigterm()
try:
    print("ready", flush=True)
    signal.pause()
finally:
    print("tidied up", flush=True)
"""


CUT_SHORT = """
import os, signal, threading
from flows.display import LiveDisplay
from flows.signals import Signals
from rich.console import Console
with LiveDisplay(Console(stderr=True)), Signals(leave=threading.Event().wait, kill=int):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.fixture
def left():
    """Tells that everything was asked to leave."""
    return threading.Event()


def send(number):
    """Send a signal to this process; the main thread handles it before this returns."""
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_asks_to_leave_and_names_the_exit_code(left, number, code):
    """Nothing is raised: the run goes on until it has saved itself."""
    with Signals(leave=left.set, kill=pytest.fail) as signals:
        send(number)

        assert left.wait(60)
        assert signals.code == code


def test_without_a_signal_there_is_no_exit_code(left):
    """A run that nobody interrupted ends with a code of its own."""
    with Signals(leave=left.set, kill=pytest.fail) as signals:
        assert signals.code is None

    assert not left.is_set()


def test_leaving_does_not_hold_up_the_handler():
    """What is asked to leave may take its time; the main thread goes on."""
    go = threading.Event()
    with Signals(leave=go.wait, kill=pytest.fail) as signals:
        send(signal.SIGTERM)

        assert signals.code == 143
        assert not signals.have_let_go(0.0)
        go.set()
        until(lambda: signals.have_let_go(0.0))


def test_letting_go_is_counted_from_the_end_of_leaving(left):
    """A second after everything has left, the rest is not waited for."""
    with Signals(leave=left.set, kill=pytest.fail) as signals:
        send(signal.SIGTERM)
        until(lambda: signals.have_let_go(0.0))

        assert not signals.have_let_go(3600)


def test_what_handled_signals_before_does_so_again(left):
    """The handlers are this run's, and go with it."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Signals(leave=left.set, kill=pytest.fail):
        assert signal.getsignal(signal.SIGINT) != before[0]

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize(("second", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_the_second_signal_ends_the_process_at_once(second, code):
    """Even if what was asked to leave never does."""
    ended = subprocess.run(
        [sys.executable, "-c", INSIST.format(second=second)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (code, "killed\n")


def test_before_painting_sigterm_ends_the_process_tidily():
    """Everything that was entered is left, and the exit code is 143."""
    process = subprocess.Popen([sys.executable, "-c", LEAVE], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.terminate()

    assert process.communicate()[0] == "tidied up\n"
    assert process.returncode == 143


def test_whoever_insists_gets_the_terminal_back():
    """The table hides the cursor; cut short, it shows it again."""
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        ended = subprocess.run(
            [sys.executable, "-c", CUT_SHORT],
            stderr=theirs,
            env=os.environ | {"TERM": "xterm"},
            check=False,
        )
        os.close(theirs)
        written = screen.read(65536)

    assert ended.returncode == 130
    assert written.rfind(b"\x1b[?25h") > written.rfind(b"\x1b[?25l") >= 0
