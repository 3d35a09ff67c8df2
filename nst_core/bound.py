"""A term bound to what it compares with, at one octave: what an objective is a sum of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nst_core.architectures import LOGITS
from nst_core.octaves import size_of
from nst_core.terms import Wasserstein, WeighedTerm

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.measurements import Measurement
    from nst_core.regions import Guidance
    from nst_core.terms import Term


@dataclass(frozen=True, eq=False)
class Bound:
    """One summand of an objective.

    Args:
        name: Unique among the summands; the column of the loss log.
        term: What is compared.
        target: With what.
        share: Factor on the term's weight.
        guidance: Which positions count; None for all alike.
    """

    name: str
    term: Term
    target: Measurement = ()
    share: float = 1.0
    guidance: Guidance | None = None

    @property
    def layer(self) -> str:
        """Where it is compared."""
        return self.term.layer

    @property
    def weight(self) -> float:
        """The term's, by its share."""
        return self.term.weight * self.share

    def loss(self, maps: Tensor) -> Tensor:
        """Return the weighted loss of a whole picture's maps at its layer, a scalar."""
        if isinstance(self.term, Wasserstein) and self.guidance is None:
            return self.weight * self.term.loss_of_maps(maps, self.target)
        measured = measure(self.term, maps, self.guidance)
        return self.weight * self.term.loss(measured, self.target)


def measure(term: Term, maps: Tensor, guidance: Guidance | None) -> Measurement:
    """Return what a term measures of a whole picture.

    Args:
        term: On the layer of the maps.
        maps: (B, C, H, W); or scores, (B, K), which have no positions to weigh.
        guidance: Which positions count; terms that cannot weigh them see all alike.
    """
    if guidance is None or term.layer == LOGITS or not isinstance(term, WeighedTerm):
        return term.measure(maps)
    return term.measure(maps, guidance.at(size_of(maps)))
