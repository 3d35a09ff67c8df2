"""Sketches: small paintings that find the content weight at which a pair is as legible as asked.

At one weight some styles swallow their subject and others barely touch it, so that no number means
the same for every pair. Legibility does; see :mod:`nst_core.legibility`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from nst_core.architectures import IMAGE
from nst_core.networks import network
from nst_core.octaves import Octaves

if TYPE_CHECKING:
    from collections.abc import Callable

    from nst_core.octaves import Octave, Size
    from nst_core.recipe import Recipe

SIDE = 160
"""Of a square of a sketch's area, in pixels; all pictures are judged at this size."""

SKETCHES = 5
"""At most; most pairs are found with three."""

# Coarse to fine like a painting: at one size alone, steps that swallow the subject come late.
_STEPS = (15, 10)
_RATIO = math.sqrt(2)

# Beyond, what shows nothing in particular would be left unpainted for its sake.
_LARGEST = 12.0
_CLOSE = 0.015
# By how much legibility rises, about, when the content weight is multiplied by e; it differs from
# pair to pair. A guess for the second sketch; later ones go by those before them.
_SLOPE = 0.08


def find(target: float, sketched: Callable[[float], float]) -> float:
    """Return the factor whose sketch comes nearest to a legibility.

    Args:
        target: The legibility wanted, in [0, 1].
        sketched: Returns a sketch's legibility from its factor on the content weights.
    """
    most = math.log(_LARGEST)
    tried: list[tuple[float, float]] = []  # legibility, logarithm of the factor
    guess = 0.0
    for _ in range(SKETCHES):
        tried.append((sketched(math.exp(guess)), guess))
        if abs(tried[-1][0] - target) < _CLOSE:
            break
        guess = min(max(_next(target, tried), -most), most)
        if any(abs(guess - before) < _CLOSE for _, before in tried):
            break
    _, best = min(tried, key=lambda one: abs(one[0] - target))
    return math.exp(best)


def sketch_of(recipe: Recipe, factor: float) -> Recipe:
    """Return the recipe of a sketch: small, in few steps, from the content.

    Args:
        recipe: Of the painting.
        factor: On its content weights.
    """
    return replace(
        weighted(recipe, factor),
        start="content",
        octaves=_octaves(recipe),
        log_every=max(_STEPS),
    )


def weighted(recipe: Recipe, factor: float) -> Recipe:
    """Return the recipe with its content weights multiplied, and nothing left to find."""
    terms = tuple(
        replace(term, weight=term.weight * factor) if term.kind == "content" else term
        for term in recipe.terms
    )
    return replace(recipe, terms=terms, legibility=None)


def expected(recipe: Recipe, picture: Size) -> tuple[Octave, ...]:
    """Return what the sketches of most pairs take, for forecasts; nothing where none are painted.

    Args:
        recipe: Of the painting.
        picture: (height, width) of the content.
    """
    return () if recipe.legibility is None else _octaves(recipe).plan(picture) * 3


def require_room(recipe: Recipe, picture: Size) -> None:
    """Raise unless the network can see a picture at every size at which it is sketched or painted.

    Args:
        recipe: Of the painting.
        picture: (height, width) of the content.

    Raises:
        RecipeError: E-RECIPE-SIZE, an octave is too small.
    """
    layers = frozenset(term.layer for term in recipe.terms if term.weight) - {IMAGE}
    for octave in (*recipe.octaves.plan(picture), *expected(recipe, picture)):
        network(recipe.network).require_size(octave.size, layers)


def _octaves(recipe: Recipe) -> Octaves:
    """Return the walk of a sketch, which is neither larger nor longer than the painting's."""
    size = min(SIDE, recipe.octaves.size)
    steps = tuple(min(steps, max(recipe.octaves.steps)) for steps in _STEPS)
    smallest = max(16, math.floor(size / _RATIO))
    return Octaves(
        size=size, measure="area", smallest=smallest, ratio=_RATIO, steps=steps, carry="change"
    )


def _next(target: float, tried: list[tuple[float, float]]) -> float:
    """Return the logarithm of the next factor: between the nearest on both sides, or further on."""
    below = max((one for one in tried if one[0] < target), default=None)
    above = min((one for one in tried if one[0] >= target), default=None)
    if below is None or above is None:
        (reached, at), slope = tried[-1], _SLOPE
        if len(tried) > 1 and (run := at - tried[-2][1]):
            slope = max((reached - tried[-2][0]) / run, _SLOPE / 4)
        return at + (target - reached) / slope
    share = (target - below[0]) / (above[0] - below[0])
    return below[1] + share * (above[1] - below[1])
