"""What a job in a slot is given, and the ways in which it can end other than well.

A job is a function ``main(job, emit, stop)`` that runs in a worker process. It reports progress
through ``emit`` and looks at ``stop`` between two steps; asked to stop, it saves its work and
raises `Stopped`. Whatever else goes wrong reaches the flow's thread as one `SlotError`, whose
``kind`` decides what is done about the pair.
"""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nst_core.errors import FailureKind, NSTError

if TYPE_CHECKING:
    from collections.abc import Mapping

Emit = Callable[[dict[str, Any]], None]


class StopFlag:
    """Tells a job to save its work and leave.

    One attribute and no lock: signal handlers set it.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Ask the job to stop."""
        self._is_set = True

    def is_set(self) -> bool:
        """Return whether the job was asked to stop."""
        return self._is_set


Entry = Callable[[dict[str, Any], Emit, StopFlag], Any]


class Stopped(Exception):  # noqa: N818 - like KeyboardInterrupt: nothing went wrong
    """A job was asked to leave and did, or never started; what it saved, it continues from.

    Not an `NSTError`: the pair has not failed, it is left for the next run.
    """


class SlotError(NSTError):
    """A job that ended badly in its slot.

    Args:
        message: What happened.
        code: Stable word for scripts.
        remedy: What the person can do about it.
        progress: The job's last event, or None where there was none.
        details: What an engineer wants to see: a traceback, the stacks of a stuck worker, the end
            of a dead one's log.
    """

    code = "E-SLOT"
    kind: FailureKind = "crash"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        remedy: str | None = None,
        progress: Mapping[str, Any] | None = None,
        details: str = "",
    ) -> None:
        super().__init__(message, code=code, remedy=remedy)
        self.progress = progress
        self.details = details

    def __reduce__(self) -> tuple[object, ...]:
        """Keep every attribute when the error crosses a process boundary."""
        return (*super().__reduce__(), self.__dict__)


class JobError(SlotError):
    """The job raised; ``kind``, ``code``, ``message`` and ``remedy`` are those of its error.

    Args:
        message: What the job's error says.
        kind: The job's error's, or what the error of a library amounts to.
        code: See `SlotError`.
        remedy: See `SlotError`.
        details: The job's traceback.
    """

    code = "E-BUG"

    def __init__(
        self,
        message: str,
        *,
        kind: FailureKind = "bug",
        code: str | None = None,
        remedy: str | None = None,
        details: str = "",
    ) -> None:
        super().__init__(message, code=code, remedy=remedy, details=details)
        self.kind = kind


class SlotDied(SlotError):  # noqa: N818 - says what happened, like every error of a slot
    """The worker process died in the middle of the job."""

    code = "E-SLOT-DIED"


class SlotStalled(SlotError):  # noqa: N818
    """The job gave no sign of life for too long, and its worker was killed."""

    code = "E-SLOT-STALLED"
    kind = "stall"


class SlotUnusable(SlotError):  # noqa: N818
    """The worker process did not come up, so that no job can run in its slot."""

    code = "E-SLOT-UNUSABLE"
    kind = "environment"


_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
_NO_DEVICE = ("no CUDA GPUs", "no NVIDIA driver", "no CUDA-capable device", "CUDA driver version")
# After one of these, every later call to the card fails in the same process.
_LOST_DEVICE = ("CUDA error", "cuDNN error", "CUBLAS_STATUS", "CUDNN_STATUS")

_ERRNO_KINDS: Mapping[int | None, FailureKind] = {
    errno.ENOMEM: "resource",
    errno.ENOSPC: "environment",
    errno.EDQUOT: "environment",
    errno.EROFS: "environment",
    errno.EIO: "io",
    errno.ESTALE: "io",
    errno.ETIMEDOUT: "io",
}

_LONGEST_TRACEBACK = 20_000


def explain(error: Exception) -> JobError:
    """Return an exception of a job as the error that crosses to the flow, traceback included."""
    details = "".join(traceback.format_exception(error))[-_LONGEST_TRACEBACK:]
    if isinstance(error, NSTError):
        return JobError(
            error.message, kind=error.kind, code=error.code, remedy=error.remedy, details=details
        )
    kind, code, remedy = _judge(error)
    return JobError(
        f"{type(error).__name__}: {error}", kind=kind, code=code, remedy=remedy, details=details
    )


def _judge(error: Exception) -> tuple[FailureKind, str, str | None]:
    """Return kind, code and remedy of an exception that is not ours."""
    kind: FailureKind = "bug"
    # torch tells its errors apart by their texts; its one class for memory is known by name, as
    # this module must not import torch.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        kind = "resource"
    elif isinstance(error, OSError):
        kind = _ERRNO_KINDS.get(error.errno, "bug")
    elif isinstance(error, RuntimeError):
        kind = _judge_text(str(error))
    return (kind, *_ADVICE[kind])


def _judge_text(text: str) -> FailureKind:
    text = text.casefold()
    kinds: tuple[tuple[FailureKind, tuple[str, ...]], ...] = (
        ("resource", _OUT_OF_MEMORY),
        ("environment", _NO_DEVICE),
        ("crash", _LOST_DEVICE),
    )
    return next((k for k, marks in kinds if any(m.casefold() in text for m in marks)), "bug")


_ADVICE: Mapping[FailureKind, tuple[str, str | None]] = {
    "resource": ("E-MEMORY", "use fewer slots, a smaller size or a machine with more memory"),
    "environment": ("E-ENVIRONMENT", "mend the machine, then run the same command again"),
    "crash": ("E-DEVICE-LOST", None),
    "io": ("E-IO", "run the same command again"),
    "bug": ("E-BUG", None),
}
