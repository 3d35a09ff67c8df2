"""What every term says of itself: which picture it reads, what it measures, what averages."""

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
