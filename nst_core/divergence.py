"""When a descent has diverged: NaN or infinity, or an objective that does not come down again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from nst_core.errors import DivergedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

# An objective that stays so many times above the one its octave began with does not come back.
_EXPLODED = 1000.0
_STEPS_IN_A_ROW = 10


@dataclass(frozen=True, eq=False)
class Traces:
    """What a step leaves to be judged by, on the device.

    Args:
        parts: The objective by terms, before the move.
        total: Sum of the canvas after the move.
    """

    parts: Mapping[str, Tensor]
    total: Tensor


def require_sound(history: Sequence[Tensor], latest: Sequence[Traces], octave: int) -> None:
    """Raise before anyone could keep a canvas from which no picture can come any more.

    It looks at the device once for all steps since it was last asked: a host that looked after
    every step would leave the device without work meanwhile.

    Args:
        history: The octave's objectives so far, the latest last.
        latest: Of the steps that were not looked at before, one at least.
        octave: Index, to say where.

    Raises:
        DivergedError: An objective or a canvas that is not finite, or an objective that has been a
            thousand times the octave's first for ten steps.
    """
    losses, totals = history[-len(latest) :], [traces.total for traces in latest]
    exploded = _exploded(history)
    if torch.isfinite(torch.stack([*losses, *totals])).all() & ~exploded:
        return
    first = len(history) - len(latest) + 1
    for step, (loss, traces) in enumerate(zip(losses, latest, strict=True), start=first):
        if not torch.isfinite(loss):
            wrong = [name for name, part in traces.parts.items() if not torch.isfinite(part)]
            named = f", term {wrong[0]}" if wrong else ""
            raise _diverged(f"loss became {loss.item()}", octave, step, named)
        if not torch.isfinite(traces.total):
            raise _diverged("canvas left the finite numbers", octave, step)
    what = f"loss exploded from {history[0].item():.3g} to {losses[-1].item():.3g}"
    raise _diverged(what, octave, len(history))


def _diverged(what: str, octave: int, step: int, term: str = "") -> DivergedError:
    return DivergedError(
        f"{what} in octave {octave + 1}, step {step}{term}",
        remedy="lower that term's weight or the optimiser's step",
    )


def _exploded(history: Sequence[Tensor]) -> Tensor:
    """Tell whether the objective left for good what it was; a single step may climb."""
    first, late = history[0].abs(), torch.stack(list(history[-_STEPS_IN_A_ROW:]))
    return (late.min() > _EXPLODED * first) & (first > 0)
