"""How long to wait before asking a store again, and when to stop asking.

boto3 gives up within seconds, a night's outage lasts half an hour. So whoever needs a store to
answer tries again until a deadline, waiting a random time that grows from 1 s to 60 s (full jitter:
callers that failed together do not come back together).
"""

from __future__ import annotations

import math
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeVar

from tasks.storage_errors import BusyError, ExpiredError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.store import Store

Answer = TypeVar("Answer")

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0


@dataclass(frozen=True)
class Patience:
    """Trying again until a deadline.

    Args:
        deadline: Moment of ``clock``, in seconds, from which nothing is tried again.
        called_off: Set, it ends every wait at once (the night is being stopped).
        clock: Gives seconds that only ever grow.
        sleep: Waits so many seconds; by default, on ``called_off``.
        share: Gives the random share of a wait, in [0, 1).
    """

    deadline: float = math.inf
    called_off: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] | None = None
    share: Callable[[], float] = random.random

    @classmethod
    def lasting(cls, seconds: float) -> Self:
        """Return the patience for so many seconds from now."""
        return cls(deadline=time.monotonic() + seconds)

    @property
    def over(self) -> bool:
        """Whether nothing more is to be tried."""
        return self.called_off.is_set() or self.clock() >= self.deadline

    def wait(self, error: StorageError, failures: int) -> bool:
        """Wait for a store to recover, if that may help.

        Args:
            error: How it failed.
            failures: How many times running, this one included.

        Returns:
            Whether to try again. If not, the error is final: it does not pass, or time is up.
        """
        if isinstance(error, ExpiredError):
            seconds = _LONGEST_WAIT  # for a person, or a token service
        elif isinstance(error, BusyError):
            seconds = self.share() * min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(failures - 1, 10))
        else:
            return False
        if self.clock() + seconds >= self.deadline:
            return False
        (self.sleep or self.called_off.wait)(seconds)
        return not self.over


def insist(action: Callable[[], Answer], store: Store, patience: Patience) -> Answer:
    """Do something with a store, again and again if need be.

    Args:
        action: What to do; must bear repeating.
        store: Renewed when its credentials have expired.
        patience: How long.

    Returns:
        What the action returned.

    Raises:
        StorageError: The last one, when patience ends or the error does not pass.
    """
    failures = 0
    while True:
        try:
            return action()
        except StorageError as error:
            failures += 1
            if not patience.wait(error, failures):
                raise
            if isinstance(error, ExpiredError):
                store.renew()
