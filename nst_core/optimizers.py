"""How the canvas is changed: two descent methods as values.

``start(canvas)`` gives the running method, which holds the state; see :mod:`nst_core.descent`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.canvases import Pixels
    from nst_core.descent import Descent


@dataclass(frozen=True, kw_only=True)
class LBFGS:
    """Limited-memory BFGS, one evaluation per step and no line search.

    Two bounds in pixels take the line search's place: the very first step moves the canvas by
    ``first_step`` on average, and no step moves any pixel by more than ``largest_step``.

    Args:
        history: Pairs of vectors kept; each pair costs 24 bytes per pixel.
        first_step: Mean absolute change of the canvas in the first step, in units of [0, 1].
        largest_step: Largest change of any pixel in a step, in units of [0, 1].

    Source: Nocedal & Wright 2006, algorithm 7.4.
    """

    kind: Literal["lbfgs"] = "lbfgs"
    history: int = 50
    first_step: float = 0.01
    largest_step: float = 0.5

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    def start(self, canvas: Tensor, seen_through: Pixels) -> Descent:
        """Return the running method on a (B, 3, H, W) start canvas."""
        from nst_core.descent import LBFGSDescent

        return LBFGSDescent(self, canvas, seen_through.filter(canvas))


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Adam on pixels kept in gamut, with an averaged iterate as the picture.

    Args:
        rate: Step size in units of [0, 1].
        betas: Decay of the first and second moment estimates.
        average: Decay of the exponential average of iterates that is delivered, bias-corrected;
            0 delivers the last iterate.
        warm: Carry the moment estimates, resampled, into the next octave.

    Source: Kingma & Ba 2015, algorithm 1; averaging and warm start as crowsonkb.
    """

    kind: Literal["adam"] = "adam"
    rate: float = 0.02
    betas: tuple[float, float] = (0.9, 0.99)
    average: float = 0.99
    warm: bool = True

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    def start(self, canvas: Tensor, seen_through: Pixels) -> Descent:
        """Return the running method on a (B, 3, H, W) start canvas."""
        from nst_core.descent import AdamDescent

        return AdamDescent(self, canvas, seen_through.filter(canvas))


Optimizer = LBFGS | Adam
