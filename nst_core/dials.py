"""The dials people turn on a preset, and what each does to the recipe."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from nst_core.activations import Activation, Guide, Unit
from nst_core.architectures import IMAGE, LOGITS
from nst_core.errors import RecipeError
from nst_core.networks import network
from nst_core.optimizers import LBFGS, Adam, NormalizedGradient
from nst_core.recipe import OBJECTS, Recipe
from nst_core.style_statistics import Statistic, with_statistic
from nst_core.terms import Term, TotalVariation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nst_core.networks import Pooling, Precision
    from nst_core.recipe import Color, Start


_GROUPS = ("content", "style", "dream")


@dataclass(frozen=True, kw_only=True)
class Dials:
    """What a manifest may change on a preset; None leaves the preset's own.

    Args:
        size: Of the finished picture, in pixels, measured as the preset measures it.
        steps: Optimiser steps per octave, coarsest first; the last number serves the rest. Given,
            they are all made, whatever the preset's patience.
        legibility: How well the subject is to be seen, up to 1, whatever the style; or ``off``,
            which a content or style weight also means.
        focus: How much more the content counts where its subject is; 0 for all places alike.
        content_weight: Factor on the preset's content weights; 2 keeps more of the photo.
        style_weight: Factor on the preset's style weights; 2 paints more strongly.
        tv_weight: Factor on the preset's total variation; 2 lays the paint smoother.
        style_scale: Size of the strokes; 2 paints with strokes twice as large.
        color: Whose colours.
        start: The first canvas (``init`` in manifests).
        mix: With ``start: mix``, the share of noise.
        seed: Of everything random.
        content_layers: Layer → relative weight; the terms' total weight stays.
        style_layers: Layer → relative weight; the terms' total weight stays.
        dream_layers: Layer → relative weight of what is to grow; the total weight stays.
        statistic: What of a style is compared; the new terms weigh about as the old ones did.
        unit: Class by its ImageNet name or id, or channel of another layer, of unit terms.
        network: Whose features are compared.
        pooling: Between the network's blocks.
        optimizer: ``lbfgs`` or ``adam`` at their defaults.
        precision: Of the feature maps.
    """

    size: int | None = None
    steps: tuple[int, ...] | None = None
    legibility: float | Literal["off"] | None = None
    focus: float | None = None
    content_weight: float | None = None
    style_weight: float | None = None
    tv_weight: float | None = None
    style_scale: float | None = None
    color: Color | None = None
    start: Start | None = None
    mix: float | None = None
    seed: int | None = None
    content_layers: Mapping[str, float] | None = None
    style_layers: Mapping[str, float] | None = None
    dream_layers: Mapping[str, float] | None = None
    statistic: Statistic | None = None
    unit: int | str | None = None
    network: str | None = None
    pooling: Pooling | None = None
    optimizer: Literal["lbfgs", "adam"] | None = None
    precision: Precision | None = None


# Dials that are fields of a recipe, and nothing else has to be done about.
_PLAIN = frozenset(field.name for field in fields(Dials)) & {
    field.name for field in fields(Recipe)
} - {"optimizer", "legibility"}


def turn(recipe: Recipe, dials: Dials) -> Recipe:
    """Return the recipe with the dials turned.

    Raises:
        RecipeError: The result cannot be painted; see :class:`nst_core.recipe.Recipe`.
    """
    terms = recipe.terms
    for group in _GROUPS:
        weights = getattr(dials, f"{group}_layers")
        if weights is not None:
            terms = _on_layers(terms, group, weights)
    if dials.statistic is not None:
        terms = with_statistic(terms, dials.statistic, network(dials.network or recipe.network))
    if dials.unit is not None:
        terms = _with_unit(terms, dials.unit, dials.network or recipe.network)
    factors = {
        "content": dials.content_weight,
        "style": dials.style_weight,
        "total_variation": dials.tv_weight,
    }
    terms = tuple(
        term
        if (factor := factors.get(_group(term))) is None
        else replace(term, weight=term.weight * factor)
        for term in terms
    )
    octaves = replace(
        recipe.octaves,
        size=recipe.octaves.size if dials.size is None else dials.size,
        steps=recipe.octaves.steps if dials.steps is None else dials.steps,
        patience=recipe.octaves.patience if dials.steps is None else None,
    )
    optimizer = recipe.optimizer
    if dials.optimizer is not None and dials.optimizer != optimizer.kind:
        optimizer = LBFGS() if dials.optimizer == "lbfgs" else Adam()
    plain = {name: value for name in _PLAIN if (value := getattr(dials, name)) is not None}
    sees = OBJECTS in network(dials.network or recipe.network).layers
    if not (sees and any(term.weight and term.reads == "content" for term in terms)):
        plain.setdefault("focus", 0.0)  # unasked for, no reason to refuse what has no use for it
    return replace(
        recipe,
        terms=terms,
        octaves=octaves,
        optimizer=optimizer,
        legibility=_legibility(recipe, dials),
        **plain,
    )


def paced(recipe: Recipe, name: str) -> Recipe:
    """Return a preset's recipe with steps as long as another network wants them.

    Raises:
        RecipeError: No such network.
    """
    if not isinstance(recipe.optimizer, NormalizedGradient):
        return recipe
    factor = network(name).gain / network(recipe.network).gain
    return replace(recipe, optimizer=recipe.optimizer.lengthened(factor))


def _legibility(recipe: Recipe, dials: Dials) -> float | None:
    """Return the legibility to paint at; None where the weights are to stay as they are given."""
    if dials.legibility is not None:
        return None if dials.legibility == "off" else dials.legibility
    is_weighed = dials.content_weight is not None or dials.style_weight is not None
    return None if is_weighed else recipe.legibility


def _on_layers(
    terms: tuple[Term, ...], group: str, weights: Mapping[str, float]
) -> tuple[Term, ...]:
    """Replace the terms of a group by ones on other layers, same total weight."""
    old = [term for term in terms if _group(term) == group]
    if not old:
        raise RecipeError(f"the recipe has no {group} term whose layers could be set")
    if not sum(weights.values()) > 0:
        raise RecipeError(f"the weights of the {group} layers add up to 0")
    share = sum(term.weight for term in old) / sum(weights.values())
    first: Any = old[0]  # one of those with a layer to set
    new = [replace(first, layer=layer, weight=weight * share) for layer, weight in weights.items()]
    at = terms.index(old[0])
    kept = [term for term in terms if term not in old]
    return (*kept[:at], *new, *kept[at:])


def _group(term: Term) -> str:
    """Return what the dials call the terms of this kind; pixels' terms have no layer to set."""
    if isinstance(term, Activation | Guide | Unit):
        return "dream"
    if isinstance(term, TotalVariation):
        return term.kind
    return "" if term.layer == IMAGE else term.reads


def _with_unit(terms: tuple[Term, ...], unit: int | str, name: str) -> tuple[Term, ...]:
    """Return the terms asking for another unit, a class of that network by its name or id."""
    if not any(isinstance(term, Unit) for term in terms):
        raise RecipeError("the recipe has no unit term whose unit could be set")

    def index(layer: str) -> int:
        if layer == LOGITS:
            return network(name).class_index(unit)
        if isinstance(unit, str):
            raise RecipeError(f"unit is '{unit}'; the channels of {layer} have numbers, no names")
        return unit

    return tuple(
        replace(term, unit=index(term.layer)) if isinstance(term, Unit) else term for term in terms
    )
