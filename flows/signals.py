"""Signals of a run: the first asks everything to save itself and leave, the second insists."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from flows.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

# Begins a line below a table that is cut short, and shows the cursor, which the table hides.
_CURSOR = b"\n\x1b[?25h"
_STANDARD_ERROR = 2

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def leave_on_sigterm() -> None:
    """Have SIGTERM end this process as Ctrl-C does: everything is let go of in its order."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.TERMINATED))


class Signals:
    """Handles SIGINT and SIGTERM while it is entered; in the main thread only.

    Args:
        leave: Called in a thread of its own at the first signal; it must not raise.
        kill: Called at the second, after which the process ends at once.
    """

    def __init__(self, leave: Callable[[], None], kill: Callable[[], None]) -> None:
        self._leave = leave
        self._kill = kill
        self._caught: signal.Signals | None = None
        self._left = math.inf
        self._before: dict[signal.Signals, Any] = {}

    @property
    def code(self) -> ExitCode | None:
        """The exit code that the caught signal means, or None."""
        return None if self._caught is None else ExitCode(128 + self._caught)

    def have_let_go(self, seconds: float) -> bool:
        """Return whether what was asked to leave did so, and so many seconds ago."""
        return time.monotonic() - self._left >= seconds

    def __enter__(self) -> Self:
        """Install the handlers."""
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Put back what was there."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: object) -> None:
        if self._caught is None:
            self._caught = signal.Signals(number)
            threading.Thread(target=self._ask_to_leave, name="leave", daemon=True).start()
        else:
            self._kill()
            if os.isatty(_STANDARD_ERROR):
                os.write(_STANDARD_ERROR, _CURSOR)
            os._exit(128 + number)

    def _ask_to_leave(self) -> None:
        self._leave()
        self._left = time.monotonic()
