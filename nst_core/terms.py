"""The terms of an objective: what a picture is asked to be.

A term measures the canvas's feature maps at one layer and says, as one number to *minimise*, how
far that measurement is from a target; what is to grow (:mod:`nst_core.activations`) is negated.
The target is the same measurement of the content picture or of the style pictures, averaged by
their weights when there are several; so one picture, several pictures and a blended set are one
mechanism. Terms without a picture (total variation, gamut) judge the canvas by itself.

What a style term measures can be measured within a region, and a content compared most where its
subject is: positions have weights then, see :mod:`nst_core.regions` and :mod:`nst_core.focus`.

A term is its own configuration: adding one is a class here, its name in :data:`Term` and a row in
the test grid. Terms are values and import no torch by themselves, so that manifests are read and
planned in a process that never loads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from nst_core.activations import Activation, Guide, Unit
from nst_core.architectures import IMAGE
from nst_core.distributions import Histogram, MeanStd, SlicedWasserstein
from nst_core.measurements import Compared, Untargeted

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.measurements import Averages, Measurement, Reads


@dataclass(frozen=True, kw_only=True)
class Content(Compared):
    """Mean squared difference of feature maps from the content's, position by position.

    Gatys, Ecker & Bethge 2016, eq. 1, but averaged over the C·H·W values instead of halved and
    summed, so that a weight means the same at every size.

    Args:
        layer: Where to compare, e.g. ``relu4_2``.
        weight: Factor in the objective, >= 0.
    """

    kind: Literal["content"] = "content"
    layer: str = "relu4_2"
    weight: float = 1.0

    reads: ClassVar[Reads] = "content"
    averages: ClassVar[Averages] = "loss"

    def measure(self, maps: Tensor, weights: Tensor | None = None) -> Measurement:
        """Return the maps, (B, C, H, W), times the roots of the positions' weights."""
        return (maps if weights is None else maps * weights.sqrt().to(maps.dtype),)


@dataclass(frozen=True, kw_only=True)
class Gram(Compared):
    """Mean squared difference of Gram matrices.

    Gatys, Ecker & Bethge 2016, eqs. 3-5. The Gram matrix is divided by the number of positions
    H·W (``divide_by: hw``, the authors' later code) or of values C·H·W (``chw``, neural-style),
    and the squared difference averaged over its C² entries.

    Args:
        layer: Where to compare, e.g. ``relu1_1``.
        weight: Factor in the objective, >= 0.
        divide_by: What the Gram matrix is divided by.
    """

    kind: Literal["gram"] = "gram"
    layer: str
    weight: float = 1.0
    divide_by: Literal["hw", "chw"] = "hw"

    reads: ClassVar[Reads] = "style"
    averages: ClassVar[Averages] = "measurement"

    def measure(self, maps: Tensor, weights: Tensor | None = None) -> Measurement:
        """Return the Gram matrix, (B, C, C)."""
        from nst_core.statistics import gram_matrix

        gram = gram_matrix(maps, weights)
        return (gram / gram.shape[-1] if self.divide_by == "chw" else gram,)


@dataclass(frozen=True, kw_only=True)
class Wasserstein:
    """Squared 2-Wasserstein distance of the layers' features, seen as Gaussians, per channel.

    mean((m - m*)²) + (tr C* + tr Σ - 2 tr (R Σ R + f·I)^½ - least) / C, with mean m and
    covariance Σ of the C-dimensional feature vectors over all positions, R = C*^½, and the floor
    f = ``smoothing``·‖C*²‖. With f = 0 this is the exact distance, which pulls on directions in
    which the style hardly varies: it paints noise and breaks down in reduced precision. ``least``
    is what the first three summands can reach, so that the loss is never negative.

    Args:
        layer: Where to compare, e.g. ``relu1_1``.
        weight: Factor in the objective, >= 0.
        ridge: Added to the diagonal of the style's covariance, in squared activation units.
        smoothing: Relative floor under the eigenvalues whose roots are taken.

    Source: Olkin & Pukelsheim 1982 for the distance; crowsonkb/style-transfer-pytorch for its use
    and weights (there through an unconverged Newton-Schulz iteration, here in closed form).
    """

    kind: Literal["wasserstein"] = "wasserstein"
    layer: str
    weight: float = 1.0
    ridge: float = 1e-4
    smoothing: float = 2e-5

    reads: ClassVar[Reads] = "style"
    averages: ClassVar[Averages] = "measurement"

    def measure(self, maps: Tensor, weights: Tensor | None = None) -> Measurement:
        """Return mean (B, C) and second raw moment (B, C, C): both add up over pictures."""
        from nst_core.statistics import moments

        return moments(maps, weights)

    def target(self, measured: Measurement) -> Measurement:
        """Return the style's mean, tr C* - least, C*, its root, and the floor."""
        from nst_core.statistics import covariance, symmetric_root, wasserstein_floor

        mean, second = measured
        spread = covariance(mean, second, ridge=self.ridge)
        floor, least = wasserstein_floor(spread, self.smoothing)
        return mean, _trace(spread) - least, spread, symmetric_root(spread), floor

    def loss(self, measured: Measurement, target: Measurement) -> Tensor:
        """Return the squared distance over C, a scalar summed over the batch."""
        from nst_core.kernels import trace_of_root
        from nst_core.statistics import covariance

        mean, second = measured
        *_, style_root, floor = target
        spread = covariance(mean, second)
        return _distance(mean, _trace(spread), trace_of_root(spread, style_root, floor), target)

    def loss_of_maps(self, maps: Tensor, target: Measurement) -> Tensor:
        """Return the same of (B, C, H, W) maps; cheaper where positions are fewer than channels."""
        from nst_core.kernels import trace_of_root_of_few
        from nst_core.statistics import widened

        count = maps.shape[-2] * maps.shape[-1]
        if count >= maps.shape[1]:
            return self.loss(self.measure(maps), target)
        vectors = widened(maps).flatten(2).mT
        mean = vectors.mean(1)
        centred = vectors - mean[:, None]
        _, _, style_spread, _, floor = target
        overlap = trace_of_root_of_few(centred, style_spread, floor)
        return _distance(mean, centred.square().sum((1, 2)) / count, overlap, target)


def _distance(mean: Tensor, spread: Tensor, overlap: Tensor, target: Measurement) -> Tensor:
    """Return the squared distance over C, from the mean, the trace of Σ and the overlap term."""
    style_mean, style_trace, *_ = target
    apart = spread + style_trace - 2 * overlap
    return ((mean - style_mean).square().mean(-1) + apart / mean.shape[-1]).sum()


def _trace(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1).sum(-1)


@dataclass(frozen=True, kw_only=True)
class TotalVariation(Untargeted):
    """Differences of neighbouring pixels: the price of noise.

    Args:
        weight: Factor in the objective, >= 0.
        stencil: ``nine-point``: mean squared differences along both axes and both diagonals
            (Crowson); ``squared``: half the summed squared differences along both axes in 0..255
            units (Johnson's neural-style).
    """

    kind: Literal["total_variation"] = "total_variation"
    weight: float = 1.0
    stencil: Literal["nine-point", "squared"] = "nine-point"

    layer: ClassVar[str] = IMAGE
    reads: ClassVar[Reads] = "nothing"
    averages: ClassVar[Averages | None] = None

    def measure(self, maps: Tensor) -> Measurement:
        """Return the canvas, (B, 3, H, W), RGB in [0, 1]."""
        return (maps,)

    def loss(self, measured: Measurement, target: Measurement) -> Tensor:
        """Return the variation, a scalar summed over the batch."""
        from nst_core.statistics import total_variation

        del target
        return total_variation(measured[0], self.stencil)


@dataclass(frozen=True, kw_only=True)
class Gamut(Untargeted):
    """Mean squared distance of pixels from what a file can hold, [0, 1].

    The picture that people receive is clipped. An optimum found without regard to that loses most
    of what it gained when it is saved; a canvas that stays inside loses nothing.
    Every optimiser here stays inside by itself, so that this is 0; older records have it.

    Args:
        weight: Factor in the objective, >= 0.
    """

    kind: Literal["gamut"] = "gamut"
    weight: float = 1.0

    layer: ClassVar[str] = IMAGE
    reads: ClassVar[Reads] = "nothing"
    averages: ClassVar[Averages | None] = None

    def measure(self, maps: Tensor) -> Measurement:
        """Return the canvas, (B, 3, H, W), RGB."""
        return (maps,)

    def loss(self, measured: Measurement, target: Measurement) -> Tensor:
        """Return the mean squared violation, a scalar summed over the batch."""
        from nst_core.statistics import mean_squared_difference

        del target
        (pixels,) = measured
        return mean_squared_difference(pixels, pixels.detach().clamp(0, 1))


StyleTerm = Gram | Wasserstein | MeanStd | Histogram | SlicedWasserstein
"""What compares statistics over positions."""

WeighedTerm = Content | StyleTerm
"""What measures positions each of which may have a weight."""

Term = Content | StyleTerm | Activation | Guide | Unit | TotalVariation | Gamut


def term_names(terms: tuple[Term, ...]) -> tuple[str, ...]:
    """Return one unique column name per term, ``kind_layer``; a repeated one counts up."""
    names: list[str] = []
    for term in terms:
        base = term.kind if term.layer == IMAGE else f"{term.kind}_{term.layer}"
        seen = sum(name == base or name.startswith(f"{base}#") for name in names)
        names.append(f"{base}#{seen + 1}" if seen else base)
    return tuple(names)
