"""Everything that can go wrong, drawn once.

NSTError
├── RecipeError        a recipe that cannot be painted: unknown layer, dial out of range
├── ImageError         an input picture that cannot be read, or an output that cannot be encoded
├── WeightsError       a network's weights are missing, damaged or of another network
├── DivergedError      the optimisation left the finite numbers
├── in manifests: ManifestError, with all that is wrong in one; NoPairError
├── in tasks: OutputError (a folder of pictures), StorageError (inputs and buckets) and SlotError (a
│   job in its slot), each with kinds of its own; SettingsError, DeviceError, EngineError and
│   ClusterError (the machine); VideoError
└── in flows: DeadlineError, ScheduleError, EventError, RestyleError, ExistsError

Every error carries a stable ``code`` for scripts, a failure ``kind`` that decides what the night
does about it, and, where there is one, a ``remedy`` for the person who reads the report.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

FailureKind = Literal["input", "diverged", "resource", "crash", "stall", "io", "environment", "bug"]


class NSTError(Exception):
    """A problem this product understands and explains.

    Args:
        message: What is wrong, with the offending value, in one sentence.
        code: Stable word for scripts, ``E-...``; by default the class's own.
        remedy: What the person can do about it, in one sentence.
    """

    code: str = "E-NST"
    kind: FailureKind = "bug"

    def __init__(self, message: str, *, code: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the message, followed by the remedy where there is one."""
        if not self.remedy:
            return self.message
        # Behind "did you mean 'x'?" a new sentence begins.
        is_asked = self.message.endswith("?")
        remedy = self.remedy[:1].upper() + self.remedy[1:] if is_asked else self.remedy
        return f"{self.message}{' ' if is_asked else '; '}{remedy}"

    def about(self, what: str) -> Self:
        """Return the same error, said of something: a picture by its name, for example."""
        return type(self)(f"{what}: {self.message}", code=self.code, remedy=self.remedy)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep code and remedy when the error crosses a process boundary."""
        return _rebuild, (type(self), self.message, self.code, self.remedy)


def _rebuild(kind: type[NSTError], message: str, code: str, remedy: str | None) -> NSTError:
    return kind(message, code=code, remedy=remedy)


class RecipeError(NSTError):
    """A recipe that cannot be painted."""

    code = "E-RECIPE"
    kind = "input"


class ImageError(NSTError):
    """An input picture that cannot be read, or an output that cannot be encoded."""

    code = "E-IMG-DECODE"
    kind = "input"


class WeightsError(NSTError):
    """A network's weights are missing, damaged or belong to another network."""

    code = "E-WEIGHTS"
    kind = "environment"


class DivergedError(NSTError):
    """The optimisation left the finite numbers."""

    code = "E-DIVERGED"
    kind = "diverged"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or an empty string."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""
