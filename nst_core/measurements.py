"""What terms share: words for what they say of themselves, and the two commonest ways to judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

    Measurement = tuple[Tensor, ...]
    """What is measured of feature maps, or of a target, as tensors."""

Reads = Literal["content", "style", "nothing"]
"""The picture that a term compares with."""

Averages = Literal["measurement", "loss"]
"""What of a term is a mean over the positions of its layer: what it measures, or its loss.

Such terms judge pictures of any size, tile by tile; one of which neither is sees whole pictures."""


class Compared:
    """A term that asks for the very measurement of its target."""

    def target(self, measured: Measurement) -> Measurement:
        """Return what was measured of the target's picture."""
        return measured

    def loss(self, measured: Measurement, target: Measurement) -> Tensor:
        """Return the mean squared difference, a scalar summed over the batch."""
        from nst_core.statistics import mean_squared_difference

        return mean_squared_difference(measured[0], target[0])


class Untargeted:
    """A term that judges what it measures by itself."""

    def target(self, measured: Measurement) -> Measurement:
        """Return nothing."""
        del measured
        return ()
