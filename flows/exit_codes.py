"""Exit codes: what a script may rely on. An unknown non-zero code is a failure."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from nst_core.errors import NSTError
from tasks.lock import OutputLockedError

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """How a command ended."""

    COMPLETE = 0
    INTERNAL = 1
    USAGE = 2
    FAILED_PAIRS = 3
    ENVIRONMENT = 4
    NOT_UPLOADED = 6
    DEADLINE = 10
    LOCKED = 11
    INTERRUPTED = 130
    TERMINATED = 143


#: Kinds of failures that the machine or a store is to blame for: the same command continues.
OF_MACHINE = frozenset({"environment", "io", "resource"})

# If several apply, the first of these is the answer. For one manifest 11 and 2 come alone, before
# anything began; among several they tell what a person has to see to.
_GRAVEST_FIRST = (
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
    ExitCode.INTERNAL,
    ExitCode.USAGE,
    ExitCode.LOCKED,
    ExitCode.ENVIRONMENT,
    ExitCode.NOT_UPLOADED,
    ExitCode.DEADLINE,
    ExitCode.FAILED_PAIRS,
    ExitCode.COMPLETE,
)


def gravest(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the one code that several ends amount to."""
    return min(codes, key=_GRAVEST_FIRST.index, default=ExitCode.COMPLETE)


def ends_a_round(code: ExitCode) -> bool:
    """Tell whether after this end of one manifest, the next ones are not to be begun."""
    return is_interruption(code) or code is ExitCode.DEADLINE


def is_interruption(code: ExitCode) -> bool:
    """Tell whether a signal ended it, so that the command is to end too."""
    return code in {ExitCode.INTERRUPTED, ExitCode.TERMINATED}


def of_error(error: BaseException) -> ExitCode:
    """Return the code of an error that ended a command."""
    match error:
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case SystemExit():  # SIGTERM, before a run is there to save anything
            return ExitCode.TERMINATED
        case OutputLockedError():
            return ExitCode.LOCKED
        case NSTError() if error.kind in OF_MACHINE:
            return ExitCode.ENVIRONMENT
        case NSTError() if error.kind == "input":
            return ExitCode.USAGE
        case _:
            return ExitCode.INTERNAL
