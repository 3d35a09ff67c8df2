"""Focus: a content counts most where its subject is.

A face is a thirtieth of a portrait with helmet and flag: what style and content agree on for the
suit leaves it a grimace, and what it takes to keep the face leaves suit and sky a photo. So places
are weighed by how much they stand out at the layer that tells objects apart, which is where people
look: at faces and heads, at the castle and not at its lake. By eye over 25 pairs, at one and the
same legibility, subjects keep their faces, and what is around them is painted more boldly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from nst_core.octaves import scaled, size_of
from nst_core.recipe import OBJECTS
from nst_core.regions import Guidance
from nst_core.sketches import SIDE

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.features import Features
    from nst_core.pictures import Pictures
    from nst_core.recipe import Recipe
    from nst_core.studio import Studio


def focused(recipe: Recipe, pictures: Pictures, studio: Studio) -> Guidance | None:
    """Return how much each place of a pair's content counts; None where all count alike.

    Args:
        recipe: Its focus and its network.
        pictures: The content among them.
        studio: Where to look at it.
    """
    if not recipe.focus:
        return None
    assert pictures.content is not None
    features = studio.features(recipe)
    content = seen_small(pictures.content.to(studio.device), small_size(pictures.content, features))
    return Guidance(saliency(content, objects(content, features)) ** recipe.focus)


def small_size(content: Tensor, features: Features) -> tuple[int, int]:
    """Return the (height, width) at which a content and pictures of it are looked at."""
    height, width = scaled(size_of(content), SIDE, "area")
    smallest = features.network.smallest_side(frozenset({OBJECTS}))
    return max(height, smallest), max(width, smallest)


def seen_small(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Return pixels at another size, (1, 3, H, W), RGB in [0, 1]."""
    return functional.interpolate(
        pixels.float(), size, mode="bicubic", antialias=True, align_corners=False
    ).clamp(0, 1)


def objects(pixels: Tensor, features: Features) -> Tensor:
    """Return the maps that tell objects apart, (1, C, H/16, W/16)."""
    with torch.no_grad():
        return features(pixels, [OBJECTS])[OBJECTS].float()


def saliency(pixels: Tensor, maps: Tensor) -> Tensor:
    """Return how much each place stands out: how far its features lie from their mean.

    What is all over a picture, a meadow or a wall, is in the mean.

    Args:
        pixels: (1, 3, H, W), RGB in [0, 1].
        maps: Of its objects.

    Returns:
        (1, 1, H, W), >= 0; on a plain surface, where nothing does, 1 everywhere.
    """
    apart = torch.linalg.vector_norm(maps - maps.mean((2, 3), keepdim=True), dim=1, keepdim=True)
    mean = apart.mean()
    relative = torch.where(mean > 0, apart / mean, torch.ones_like(apart))
    return functional.interpolate(relative, size_of(pixels), mode="bilinear", align_corners=False)
