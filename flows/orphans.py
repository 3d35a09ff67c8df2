"""No painting without somebody who looks after it."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the kernel send this process SIGTERM when its parent dies, however it dies.

    A night that was started by a schedule then saves itself and leaves, instead of painting on
    beside the night that the restarted schedule begins. Other systems than Linux know no such wish.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
