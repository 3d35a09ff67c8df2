"""When a descent has gone astray: numbers that are none, and an objective that left for good."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from nst_core.errors import DivergedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

# An objective that stays so many times above the one its octave began with does not come back.
_EXPLODED = 1000.0
_STEPS_IN_A_ROW = 10


def require_sound(
    history: Sequence[Tensor], canvas: Tensor, parts: Mapping[str, Tensor], place: str
) -> None:
    """Raise before anyone could keep a canvas from which no picture can come any more.

    Args:
        history: The octave's objectives so far, the latest last; one at least.
        canvas: After the step.
        parts: The latest objective by terms.
        place: Which step that was, for people.

    Raises:
        DivergedError: An objective or a canvas that is not finite, or an objective that has been a
            thousand times the octave's first for ten steps.
    """
    loss, exploded = history[-1], _exploded(history)
    # One look at the device for all that may be wrong.
    if torch.isfinite(loss + canvas.sum()) & ~exploded:
        return
    wrong = [name for name, part in parts.items() if not torch.isfinite(part)]
    if not math.isfinite(loss.item()):
        what = f"loss became {loss.item()}"
    elif exploded:
        what = f"loss exploded from {history[0].item():.3g} to {loss.item():.3g}"
    else:
        what = "canvas left the finite numbers"
    raise DivergedError(
        f"{what} in {place}" + (f", term {wrong[0]}" if wrong else ""),
        remedy="lower that term's weight or the optimiser's step",
    )


def _exploded(history: Sequence[Tensor]) -> Tensor:
    """Tell whether the objective left for good what it was; a single step may climb."""
    first, late = history[0].abs(), torch.stack(list(history[-_STEPS_IN_A_ROW:]))
    return (late.min() > _EXPLODED * first) & (first > 0)
