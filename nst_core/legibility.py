"""Legibility: how well the subject of a painting can be named."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from nst_core.blurring import blurred
from nst_core.colors import luma
from nst_core.focus import objects, saliency, seen_small, small_size
from nst_core.octaves import size_of
from nst_core.regions import laid_out

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.features import Features
    from nst_core.pictures import Pictures
    from nst_core.recipe import Recipe
    from nst_core.studio import Studio

# Of the edges that people see at arm's length, as shares of the side: blur before the gradient,
# and neighbourhood over which its directions are gathered.
_FINE, _COARSE = 1 / 80, 1 / 40


def legibility(
    picture: Tensor,
    content: Tensor,
    features: Features,
    painted: Tensor | None = None,
    *,
    focus: float = 0.0,
) -> float:
    """Return how well what the content shows can be seen in a picture of it, up to 1.

    The geometric mean of two correlations, either of which alone disagrees with eyes: of the
    directions of edges, whichever side of them is the darker (a woodcut may turn light into dark),
    and of the maps of `relu5_1` (a field of strokes along the right directions is no dog). Where
    edges agree less than objects, objects alone count: on a smooth ground every stroke is an edge
    that the photo has not, and a weight that keeps those out leaves the photo, with grain.

    Before that exception, over 12 pairs whose best weight was chosen by eye, the weight found lay
    within a factor of 1.5 of it (root mean square); one weight for all would lie within 2.6.

    Args:
        picture: (1, 3, H, W), RGB in [0, 1].
        content: (1, 3, H', W'), of the same aspect.
        features: Of a VGG.
        painted: How much each place counts, (1, 1, H, W) in [0, 1]: where nothing is painted, all
            would be legible; None for all alike.
        focus: Of the painting; see :mod:`nst_core.focus`. Here places count by the root of what
            they count there, since the ground is looked at, too: with all of it, ears and tails
            went under.

    Returns:
        0 for nothing in common, 1 for the content itself.
    """
    size = small_size(content, features)
    one, other = (seen_small(pixels, size) for pixels in (picture, content))
    of_one, of_other = (objects(pixels, features) for pixels in (one, other))
    places = painted
    if focus:
        salient = saliency(other, of_other) ** (focus / 2)
        places = salient if painted is None else salient * _fitted(painted, salient)
    edges = _cosine(_directions(one), _directions(other), places)
    one, other = (maps - _mean(maps, places) for maps in (of_one, of_other))
    things = _cosine(one, other, places)
    return math.sqrt(max(0.0, edges, things) * max(0.0, things))


def legibility_of(picture: Tensor, pictures: Pictures, recipe: Recipe, studio: Studio) -> float:
    """Return how legible a picture is where its recipe paints; see :func:`legibility`.

    Args:
        picture: (1, 3, H, W), RGB in [0, 1].
        pictures: What it was painted from, a content among them.
        recipe: How it was painted; its network judges.
        studio: Where to judge.
    """
    assert pictures.content is not None
    content = pictures.content.to(studio.device)
    layout = laid_out(recipe, pictures, size_of(content), studio.device)
    painted = None if layout is None else layout.painted
    features = studio.features(recipe)
    return legibility(picture, content, features, painted, focus=recipe.focus)


def _directions(pixels: Tensor) -> Tensor:
    """Return the directions of edges, as vectors of the doubled angle and the edges' energy.

    Doubled, since an edge from light to dark runs like one from dark to light (Bigün & Granlund
    1987).

    Args:
        pixels: (1, 3, H, W).

    Returns:
        (1, 2, H - 2, W - 2).
    """
    side = math.sqrt(pixels.shape[-2] * pixels.shape[-1])
    grey = _blurred(luma(pixels), side * _FINE)
    across = grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]
    down = grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]
    doubled = torch.cat([across.square() - down.square(), 2 * across * down], 1)
    return _blurred(doubled, side * _COARSE)


def _blurred(values: Tensor, deviation: float) -> Tensor:
    width = 2 * math.ceil(3 * deviation) + 1
    room = min(values.shape[-2:])
    width = min(width, 2 * ((room - 1) // 2) + 1)
    return blurred(values, width, deviation)


def _mean(values: Tensor, places: Tensor | None) -> Tensor:
    if places is None:
        return values.mean((2, 3), keepdim=True)
    weights = _fitted(places, values)
    return (values * weights).sum((2, 3), keepdim=True) / weights.sum()


def _cosine(one: Tensor, other: Tensor, places: Tensor | None) -> float:
    if places is not None:
        one, other = (values * _fitted(places, values).sqrt() for values in (one, other))
    return float(functional.cosine_similarity(one.flatten(), other.flatten(), dim=0))


def _fitted(places: Tensor, values: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(places.to(values), size_of(values))
