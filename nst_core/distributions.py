"""Style terms beside Gram matrices and covariances: how the values themselves are distributed.

All three are squared distances over the number of channels, as :class:`nst_core.terms.Wasserstein`
is, so that a weight means about the same for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from nst_core.measurements import Compared

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.measurements import Averages, Measurement, Reads


@dataclass(frozen=True, kw_only=True)
class MeanStd:
    """Mean and standard deviation of every channel: mean((m - m*)² + (s - s*)²).

    The squared 2-Wasserstein distance if channels were independent Gaussians. It knows nothing of
    which features come together; colours and contrasts are taken over, strokes hardly.

    Args:
        layer: Where to compare, e.g. ``relu1_1``.
        weight: Factor in the objective, >= 0.

    Source: Li, Wang, Liu & Hou 2017, "Demystifying Neural Style Transfer", section 4.2; there each
    squared difference is weighted by itself.
    """

    kind: Literal["mean_std"] = "mean_std"
    layer: str
    weight: float = 1.0

    reads: ClassVar[Reads] = "style"
    averages: ClassVar[Averages] = "measurement"

    def measure(self, maps: Tensor, weights: Tensor | None = None) -> Measurement:
        """Return mean and mean square, (B, C) each: both add up over pictures."""
        from nst_core.statistics import weighted, widened

        values = widened(maps).flatten(2)
        return weighted(values, weights).mean(-1), weighted(values.square(), weights).mean(-1)

    def target(self, measured: Measurement) -> Measurement:
        """Return the style's mean and standard deviation."""
        mean, square = measured
        return mean, _deviation(mean, square)

    def loss(self, measured: Measurement, target: Measurement) -> Tensor:
        """Return the squared distance over C, a scalar summed over the batch."""
        mean, square = measured
        style_mean, style_deviation = target
        apart = (mean - style_mean).square() + (_deviation(mean, square) - style_deviation).square()
        return apart.mean(-1).sum()


@dataclass(frozen=True, kw_only=True)
class Histogram(Compared):
    """The distribution of every channel: squared 2-Wasserstein distance in one dimension, averaged.

    Values of each channel are sorted and averaged in ``bins`` groups of equal size; the groups of
    canvas and style are compared in order. That is what matching a histogram moves values by.

    Args:
        layer: Where to compare, e.g. ``relu1_1``.
        weight: Factor in the objective, >= 0.
        bins: Groups of equal size.

    Source: Risser, Wilmot & Barnes 2017, "Stable and Controllable Neural Texture Synthesis and
    Style Transfer Using Histogram Losses", eq. 4; there canvas values meet matched ones.
    """

    kind: Literal["histogram"] = "histogram"
    layer: str
    weight: float = 1.0
    bins: int = 256

    reads: ClassVar[Reads] = "style"
    averages: ClassVar[Averages | None] = None

    def measure(self, maps: Tensor, weights: Tensor | None = None) -> Measurement:
        """Return the groups' means, (B, C, bins); of several pictures, they average well."""
        from nst_core.statistics import ranked, widened

        return (ranked(widened(maps).flatten(2), self.bins, weights),)


@dataclass(frozen=True, kw_only=True)
class SlicedWasserstein(Compared):
    """The distribution of feature vectors, seen from many directions.

    The squared 2-Wasserstein distance in one dimension of the vectors' projections, averaged over
    directions. Directions are drawn once from a fixed seed, so that the objective is the same in
    every step and a line of steps can descend it; the source draws anew in each.

    Args:
        layer: Where to compare, e.g. ``relu1_1``.
        weight: Factor in the objective, >= 0.
        directions: How many; None takes as many as there are channels.
        bins: Groups of equal size, as of :class:`Histogram`.

    Source: Heitz, Vanhoey, Chambon & Belcour 2021, "A Sliced Wasserstein Loss for Neural Texture
    Synthesis", eq. 3.
    """

    kind: Literal["sliced_wasserstein"] = "sliced_wasserstein"
    layer: str
    weight: float = 1.0
    directions: int | None = None
    bins: int = 256

    reads: ClassVar[Reads] = "style"
    averages: ClassVar[Averages | None] = None

    def measure(self, maps: Tensor, weights: Tensor | None = None) -> Measurement:
        """Return the groups' means along every direction, (B, directions, bins)."""
        from nst_core.statistics import directions, ranked, widened

        vectors = widened(maps).flatten(2)
        seen_from = directions(self.directions or vectors.shape[1], vectors)
        return (ranked(seen_from @ vectors, self.bins, weights),)


def _deviation(mean: Tensor, square: Tensor) -> Tensor:
    # The root of a flat channel has no slope; this little has none that matters.
    return (square - mean.square()).clamp_min(0).add(1e-8).sqrt()
