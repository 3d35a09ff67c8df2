"""One statistic of styles in place of another, at a weight that paints about as strongly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nst_core.distributions import Histogram, MeanStd, SlicedWasserstein
from nst_core.errors import RecipeError
from nst_core.terms import Gram, StyleTerm, Term, Wasserstein

if TYPE_CHECKING:
    from nst_core.networks import Network

Statistic = Literal["gram", "wasserstein", "mean-std", "histogram", "sliced-wasserstein"]

_DISTANCES: dict[str, type[Wasserstein | MeanStd | Histogram | SlicedWasserstein]] = {
    "wasserstein": Wasserstein,
    "mean-std": MeanStd,
    "histogram": Histogram,
    "sliced-wasserstein": SlicedWasserstein,
}

# The distances are of one scale: between photos and paintings the Wasserstein distance is 1 to 2.5
# times any other on relu1_1 to relu4_1, since it alone sees how channels vary together.
# Gram matrices hold squares of activations, and their squared difference fourth powers; all others
# are squared distances. Between a photo and a painting, the Wasserstein distance times the square
# of the layer's mean activation is this many times the difference of the Gram matrices: 0.5 to 1.5
# on relu1_1 to relu5_1 of the VGG-19s, at 200 px.
_GRAM_RATIO = 0.8


def with_statistic(
    terms: tuple[Term, ...], statistic: Statistic, network: Network
) -> tuple[Term, ...]:
    """Return terms whose style terms compare another statistic; those that do already stay.

    Args:
        terms: Of a recipe.
        statistic: What is to be compared.
        network: On whose layers; its activations say what a Gram matrix weighs.

    Raises:
        RecipeError: The recipe has no style term.
    """
    if not any(isinstance(term, StyleTerm) for term in terms):
        raise RecipeError("the recipe has no style term whose statistic could be set")
    return tuple(
        _of(statistic, term, network) if isinstance(term, StyleTerm) else term for term in terms
    )


def _of(statistic: Statistic, term: StyleTerm, network: Network) -> Term:
    # What a distance of weight 1 weighs as a difference of Gram matrices.
    factor = _GRAM_RATIO / network.activation(term.layer) ** 2
    channels = network.channels(term.layer)
    as_gram = factor if not isinstance(term, Gram) else 1.0
    if isinstance(term, Gram) and term.divide_by == "chw":
        as_gram /= channels**2
    if statistic == "gram":
        if isinstance(term, Gram):
            return term
        return Gram(layer=term.layer, weight=term.weight * as_gram)
    kind = _DISTANCES[statistic]
    if isinstance(term, kind):
        return term
    as_distance = as_gram / factor
    return kind(layer=term.layer, weight=term.weight * as_distance)
