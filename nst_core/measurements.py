"""What terms share: the words in which they describe themselves, and two ways to compare."""

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

Either can be summed up tile by tile; a term without such a mean needs the whole picture at once."""


class Compared:
    """A term that compares what it measures with the same measurement of its target."""

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
