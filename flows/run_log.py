"""The Logs tab of a run in Prefect: how it began, how each pair ended, how it ended.

Lines are kept and sent together, with the progress: each alone would be a request to the server.
"""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from flows.display import beginning, describe
from flows.observing import Observer
from manifests.wording import printable
from tasks.redaction import redact

if TYPE_CHECKING:
    from flows.night import Night
    from flows.observing import Outcome

_LEVELS = {"complete": logging.INFO, "failed": logging.ERROR, "left": logging.WARNING}
# More lines than somebody reads; the report counts them all.
_MOST = 500


class RunLog(Observer):
    """Lines that wait to be sent; an observer of a night, or told what to say."""

    def __init__(self) -> None:
        self._waiting: deque[dict[str, Any]] = deque()
        self._said = 0

    @classmethod
    def of(cls, night: Night) -> Self:
        """Return the log of a night from now on."""
        log = cls()
        night.observers.append(log)
        return log

    def opened(self, night: Night) -> None:
        """The night knows its pairs."""
        self.say(beginning(night))

    def ended(self, outcome: Outcome) -> None:
        """A pair came to its end; one that was kept is no news."""
        if outcome.state in _LEVELS and self._said < _MOST:
            self.say(f"{outcome.state} {describe(outcome)}", level=_LEVELS[outcome.state])

    def say(self, line: str, *, level: int = logging.INFO) -> None:
        """Keep a line, without secrets, for the next :meth:`send`."""
        self._said += 1
        self._waiting.append(
            {
                "name": "nst-gallery",
                "level": level,
                "message": redact(printable(line)),
                "timestamp": datetime.now(UTC).isoformat(),
            }
        )

    def send(self) -> None:
        """Send what waits, as lines of the flow run that this is called in.

        Raises:
            Exception: Whatever Prefect's client raises.
        """
        from prefect import runtime  # noqa: PLC0415 # a night begins before Prefect is there
        from prefect.client.orchestration import get_client  # noqa: PLC0415

        run = {"flow_run_id": runtime.flow_run.id}
        lines = [self._waiting.popleft() | run for _ in range(len(self._waiting))]
        if lines:
            with get_client(sync_client=True) as client:
                client.create_logs(lines)
