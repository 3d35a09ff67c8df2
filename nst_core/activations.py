"""The terms that grow what a network sees: dreams, guided dreams, and pictures of units.

An objective is minimised, so that each of these returns what is to grow with a minus.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from nst_core.measurements import Untargeted

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.measurements import Averages, Measurement, Reads


@dataclass(frozen=True, kw_only=True)
class Activation(Untargeted):
    """Mean squared activation of a layer, negated: whatever the layer sees, it sees more of.

    Args:
        layer: What is to grow, e.g. ``inception4c``.
        weight: Factor in the objective, >= 0.
        channels: Which of the layer's channels; empty takes all.
        margin: Positions at each edge that do not count, >= 0.

    Source: Mordvintsev, Olah & Tyka 2015 ("Inceptionism"), whose gradient is the activation
    itself; the mean over values so that weights of several layers compare, and the margin, after
    the Keras example.
    """

    kind: Literal["activation"] = "activation"
    layer: str
    weight: float = 1.0
    channels: tuple[int, ...] = ()
    margin: int = 0

    reads: ClassVar[Reads] = "nothing"

    @property
    def averages(self) -> Averages | None:
        """The loss, unless edges are left out: a tile has edges that the picture has not."""
        return None if self.margin else "loss"

    def measure(self, maps: Tensor) -> Measurement:
        """Return the channels that count, (B, C', H', W')."""
        if self.channels:
            maps = maps[:, list(self.channels)]
        # A map too small to have an inside counts whole.
        if self.margin and min(maps.shape[-2:]) > 2 * self.margin:
            maps = maps[..., self.margin : -self.margin, self.margin : -self.margin]
        return (maps,)

    def loss(self, measured: Measurement, target: Measurement) -> Tensor:
        """Return minus the mean square, a scalar summed over the batch."""
        from nst_core.statistics import widened

        del target
        return -widened(measured[0]).square().flatten(1).mean(1).sum()


@dataclass(frozen=True, kw_only=True)
class Guide:
    """How well feature maps agree with those of a guide picture, negated: a controlled dream.

    The guide takes the style's place in a pair.

    Args:
        layer: Where to compare, e.g. ``inception3b``.
        weight: Factor in the objective, >= 0.
        by: ``match``: every position wants to be like the one position of the guide that it is
            most like, the mean over positions of maxⱼ ⟨xᵢ, yⱼ⟩ / C. ``channels``: what the guide
            shows most of grows most, Σ w_c·mean(x_c²) with w_c the guide's share of activation in
            channel c.

    Source: ``match``: "Controlling dreams" in Google's deepdream notebook, 2015; ``channels``:
    kesara/deepdreamer's way with a guide.
    """

    kind: Literal["guide"] = "guide"
    layer: str
    weight: float = 1.0
    by: Literal["match", "channels"] = "match"

    reads: ClassVar[Reads] = "style"
    averages: ClassVar[Averages | None] = None

    def measure(self, maps: Tensor) -> Measurement:
        """Return the feature vectors of all positions, (B, C, H·W)."""
        return (maps.flatten(2),)

    def target(self, measured: Measurement) -> Measurement:
        """Return the guide's vectors, or its channels' shares (B, C, 1)."""
        (vectors,) = measured
        if self.by == "match":
            return measured
        sums = vectors.float().abs().sum(-1, keepdim=True)
        return (sums / sums.sum(1, keepdim=True).clamp_min(1e-12),)

    def loss(self, measured: Measurement, target: Measurement) -> Tensor:
        """Return minus the agreement, a scalar summed over the batch."""
        (vectors,), (guide,) = measured, target
        if self.by == "channels":
            return -(guide * vectors.float().square()).mean(-1).sum()
        from nst_core.statistics import best_matches

        matches = best_matches(vectors.detach(), guide)
        return -(vectors.float() * matches.float()).mean((1, 2)).sum()


@dataclass(frozen=True, kw_only=True)
class Unit(Untargeted):
    """The activation of one unit, negated: what excites it most.

    Args:
        unit: Class of a classifier's ``logits``, or channel of any other layer, from 0.
        layer: Where the unit is.
        weight: Factor in the objective, >= 0.
        at: For channels of feature maps: the mean over ``all`` positions, or the one at the
            ``center``.

    Source: Simonyan, Vedaldi & Zisserman 2014, eq. 1, without its penalty; scores before the
    softmax, which would be raised by lowering other classes.
    """

    kind: Literal["unit"] = "unit"
    unit: int
    layer: str = "logits"
    weight: float = 1.0
    at: Literal["all", "center"] = "all"

    reads: ClassVar[Reads] = "nothing"

    @property
    def averages(self) -> Averages | None:
        """What is measured, where that is a mean."""
        return "measurement" if self.at == "all" else None

    def measure(self, maps: Tensor) -> Measurement:
        """Return the unit's activation, (B,)."""
        from nst_core.statistics import widened

        chosen = widened(maps[:, self.unit])
        if chosen.ndim == 1:
            return (chosen,)
        if self.at == "all":
            return (chosen.mean((1, 2)),)
        return (chosen[:, chosen.shape[1] // 2, chosen.shape[2] // 2],)

    def loss(self, measured: Measurement, target: Measurement) -> Tensor:
        """Return minus the activation, a scalar summed over the batch."""
        del target
        return -measured[0].sum()
