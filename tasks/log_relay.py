"""Warnings of another process, on their way to the log that a person reads."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tasks.redaction import RedactingFilter

if TYPE_CHECKING:
    from collections.abc import Callable


class LogRelay(logging.Handler):
    """Hands warnings on, formatted and without secrets.

    Args:
        send: Receives the logger's name, the level and the text.
    """

    def __init__(self, send: Callable[[str, int, str], object]) -> None:
        super().__init__(logging.WARNING)
        self._send = send
        self.addFilter(RedactingFilter())

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        self._send(record.name, record.levelno, self.format(record))
