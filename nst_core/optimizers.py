"""How the canvas is changed: descent methods as values.

``start(picture, canvas)`` gives the running method, which holds the state; see
:mod:`nst_core.descent` and :mod:`nst_core.ascent`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from nst_core.octaves import size_of

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.canvases import Canvas
    from nst_core.descent import Descent


@dataclass(frozen=True, kw_only=True)
class LBFGS:
    """Limited-memory BFGS on pixels kept in gamut, one evaluation per step and no line search.

    Two bounds in pixels take the line search's place: the very first step moves the canvas by
    ``first_step`` on average, and no step moves any pixel by more than ``largest_step``. Where a
    step would leave the gamut it ends at its border, values that descent would have beyond are
    held there, and a pair holds the move that was made and what it changed where it was made.

    Args:
        history: Pairs of vectors kept; each pair costs 24 bytes per pixel, or 12 where memory is
            short.
        first_step: Mean absolute change of the canvas in the first step, in units of [0, 1].
        largest_step: Largest change of any pixel in a step, in units of [0, 1].
        scaling: What the first guess of the inverse Hessian is a multiple of: ``measured`` learns
            from the moves how curved the objective is along each frequency, colour and place;
            ``uniform`` is the identity, or the canvas's spectral filter.

    Source: Nocedal & Wright 2006, algorithm 7.4; which values are held as Bertsekas 1982
    ("Projected Newton methods"); for ``measured`` see :class:`nst_core.metrics.MeasuredMetric`.
    """

    kind: Literal["lbfgs"] = "lbfgs"
    history: int = 50
    first_step: float = 0.01
    largest_step: float = 0.5
    scaling: Literal["measured", "uniform"] = "measured"

    def start(
        self, picture: Tensor, canvas: Canvas, steps: int = 0, *, rounded: bool = False
    ) -> Descent:
        """Return the running method on a (B, 3, H, W) start picture; it needs no plan of steps.

        ``rounded`` keeps pairs in bfloat16, at 12 bytes per pixel.
        """
        from nst_core.descent import LBFGSDescent
        from nst_core.metrics import MeasuredMetric, UniformMetric

        del steps
        size = size_of(picture)
        view = canvas.view(size, picture)
        measured = self.scaling == "measured"
        metric = MeasuredMetric(size, picture, canvas.spectral) if measured else UniformMetric(view)
        return LBFGSDescent(self, picture, view, metric, rounded=rounded)


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

    def start(
        self, picture: Tensor, canvas: Canvas, steps: int = 0, *, rounded: bool = False
    ) -> Descent:
        """Return the running method on a (B, 3, H, W) start picture; it needs no plan of steps.

        It keeps no pairs that could be ``rounded``.
        """
        from nst_core.descent import AdamDescent

        del steps, rounded
        return AdamDescent(self, picture, canvas.view(size_of(picture), picture))


@dataclass(frozen=True, kw_only=True)
class NormalizedGradient:
    """A step along the gradient, of a length that does not depend on the gradient's.

    Pixels are kept in gamut. After its step the canvas may be regularised towards what looks
    like a picture; rate and blur may run linearly from a first to a last value over an octave.

    Args:
        rate: Step in units of [0, 1], per unit of the normalised gradient. With ``norm: progress``
            the rise of the objective that is aimed at.
        last_rate: At the octave's end; None keeps ``rate``.
        norm: What the gradient is divided by: the ``mean`` of its absolute values, its standard
            ``deviation`` (after subtracting the mean), ``none``, or for ``progress`` its squared
            norm, so that the objective would rise by ``rate`` if it were linear.
        largest_rate: Bound of the factor on the gradient with ``norm: progress``.
        smoothing: Coefficient k of a smoothing of the gradient by three Gaussians of ½σ, σ and
            2σ pixels, σ rising from k to k + 2 over the octave; 0 is none.
        decay: Share of its distance from mid-grey that the canvas loses in each step, 0 to 1.
        blur: Standard deviation of a Gaussian blur of the canvas, in pixels; 0 is none.
        last_blur: At the octave's end; None keeps ``blur``.
        blur_every: Steps between two blurs, of which the first step has one.
        small_norm: Percentage of pixels, those nearest to mid-grey, that become it in each step.
        small_contribution: Percentage of pixels, those that matter least to the objective, that
            become mid-grey in each step.

    Source: step and jitter of Google's deepdream notebook, 2015; smoothing after
    gordicaleksa/pytorch-deepdream; decay, blur and the two percentages of Yosinski et al. 2015
    ("Understanding Neural Networks Through Deep Visualization"), section 3, there around the
    mean picture.
    """

    kind: Literal["normalized_gradient"] = "normalized_gradient"
    rate: float = 1.5 / 255
    last_rate: float | None = None
    norm: Literal["mean", "deviation", "none", "progress"] = "mean"
    largest_rate: float = 1.0
    smoothing: float = 0.0
    decay: float = 0.0
    blur: float = 0.0
    last_blur: float | None = None
    blur_every: int = 1
    small_norm: float = 0.0
    small_contribution: float = 0.0

    def lengthened(self, factor: float) -> NormalizedGradient:
        """Return the method with steps so many times as long, where a gradient's length counts."""
        if self.norm in {"mean", "deviation"}:
            return self
        return replace(
            self,
            rate=self.rate * factor,
            last_rate=None if self.last_rate is None else self.last_rate * factor,
            largest_rate=self.largest_rate * factor,
        )

    def start(
        self, picture: Tensor, canvas: Canvas, steps: int = 0, *, rounded: bool = False
    ) -> Descent:
        """Return the running method on a (B, 3, H, W) start picture, for an octave of ``steps``.

        It keeps no pairs that could be ``rounded``.
        """
        from nst_core.ascent import GradientAscent

        del rounded
        return GradientAscent(self, picture, canvas.view(size_of(picture), picture), steps)


Optimizer = LBFGS | Adam | NormalizedGradient
