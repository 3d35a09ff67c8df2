"""Ending a night together with the process that started it."""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import sys
import threading
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
# The parent's process number, for the processes that it starts.
_PARENT = "_NST_PARENT"


def be_known_as_parent() -> None:
    """Let the processes that this one starts find out whether it is dead already."""
    os.environ[_PARENT] = str(os.getpid())


def answer_to_parent_alone() -> None:
    """Have this process leave when its parent asks it to, or dies, and for nobody else.

    A night that was started by a schedule then saves itself and leaves when the schedule is killed,
    instead of painting on beside the night that the restarted schedule begins. A Ctrl-C that is
    meant for the schedule does not reach the night twice, which would end it at once: the schedule
    passes it on. Other systems than Linux do not tell of a parent's death.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # somebody calls the flow from a program of their own
    with suppress(PermissionError):  # it leads its process group already
        os.setsid()
    if sys.platform == "linux":
        # One signal for each thread of the parent, as the kernel has it; SIGTERM would insist.
        signal.signal(signal.SIGUSR1, _leave_once)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1)
        parent = str(os.getppid())
        if os.environ.get(_PARENT, parent) != parent:  # it died while this process was starting
            _leave_once()


_asked = itertools.count()


def _leave_once(*_: object) -> None:
    # Counting is one step, between whose halves the next of these signals cannot come in. Setting
    # a handler is not: it first lets in those that wait.
    if next(_asked) == 0:
        os.kill(os.getpid(), signal.SIGTERM)
