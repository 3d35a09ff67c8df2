"""What a command tells on standard error: lines for people, or JSON for machines."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

from rich.logging import RichHandler

from flows.console import standard_error
from tasks.redaction import RedactingFilter

#: Set to ``json``, every log line is one JSON object.
VARIABLE = "NST_LOG"


class JsonFormatter(logging.Formatter):
    """One JSON object per line, from records that a `RedactingFilter` has seen."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if record.exc_text:  # without secrets, as the filter has left it
            told["error"] = record.exc_text
        return json.dumps(told, ensure_ascii=False)


def configure() -> None:
    """Send log lines to standard error, without secrets, as ``NST_LOG`` wants them."""
    handler: logging.Handler
    if os.environ.get(VARIABLE) == "json":
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonFormatter())
    else:
        handler = RichHandler(console=standard_error(), show_path=False, show_time=False)
        handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(RedactingFilter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
