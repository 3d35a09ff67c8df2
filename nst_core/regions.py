"""Regions: each style paints its own places of the content, and what no style paints is a photo.

Recipes know nothing of regions; masks belong to pictures. In each octave every style term is bound
once per region, its statistics taken over the positions of the region only: each position has a
weight, Gatys' squared guidance channel, and every statistic of this product is one of weighted
positions.

A region's losses weigh as much as the region is large, so that a brush is as heavy in a small one
as in a large one, and two regions of one style are painted as strongly as the whole would be
(Gatys et al. weigh all regions alike).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from nst_core.errors import RecipeError
from nst_core.images import resize
from nst_core.masks import REST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

    from nst_core.octaves import Size
    from nst_core.pictures import Pictures
    from nst_core.recipe import Recipe

# Of the picture. Below, it is no region but rounding.
_LEAST_SHARE = 1e-6
# Of a style's region that must be left without its edge; if it is narrower, the edge stays.
_LEAST_INSIDE = 0.05


@dataclass(frozen=True, eq=False)
class Layout:
    """Where on the canvas each region lies, at one octave.

    Args:
        masks: Of the regions that are painted, by name: (1, 1, H, W) in [0, 1], which add up to
            no more than 1 anywhere.
    """

    masks: Mapping[str, Tensor]

    @classmethod
    def of(cls, regions: Mapping[str, Tensor], painted: Iterable[str], size: Size) -> Layout:
        """Lay regions out on a canvas; where they overlap, they share.

        Args:
            regions: Masks of the content's regions by name, (1, 1, H', W') in [0, 1].
            painted: Names of those that have styles; ``rest`` is what lies in none of them.
            size: (height, width) of the canvas.

        Raises:
            RecipeError: E-RECIPE-REGION, there is no region of a name, or nothing is left of it.
        """
        names = list(dict.fromkeys(painted))
        for name in names:
            if name not in regions and name != REST:
                raise RecipeError(
                    f"the content has no region '{name}'; it has {', '.join(regions) or 'none'}",
                    code="E-RECIPE-REGION",
                )
        counted = regions if REST in names else {name: regions[name] for name in names}
        fitted = {name: resize(mask, size, "bilinear") for name, mask in counted.items()}
        total = sum(fitted.values(), next(iter(fitted.values())).new_zeros(()))
        shared = {name: mask / total.clamp_min(1) for name, mask in fitted.items()}
        shared[REST] = 1 - total.clamp_max(1)
        for name in names:
            if shared[name].mean() < _LEAST_SHARE:
                raise RecipeError(
                    f"nothing is left of region '{name}': other regions cover it",
                    code="E-RECIPE-REGION",
                    remedy="leave it out, or mend the masks",
                )
        return cls({name: shared[name] for name in names})

    @cached_property
    def painted(self) -> Tensor | None:
        """How much of each place is painted, (1, 1, H, W); None if all of every place is."""
        total = torch.cat(tuple(self.masks.values())).sum(0, keepdim=True).clamp_max(1)
        # The masks' own values are rounded to 8 bits in files.
        return None if total.min() > 1 - 1 / 512 else total

    def over(self, picture: Tensor, content: Tensor) -> Tensor:
        """Return the picture where it is painted and the content elsewhere, (1, 3, H, W)."""
        if self.painted is None:
            return picture
        return torch.lerp(content, picture, self.painted.expand_as(picture))

    def within(self, gradient: Tensor) -> Tensor:
        """Return what a gradient to the picture with its content is to the picture alone."""
        return gradient if self.painted is None else gradient * self.painted


@dataclass(frozen=True, eq=False)
class Guidance:
    """How much each position counts for a region, at any layer.

    On the canvas a cell belongs to a region by as much as its square does. All of the canvas is
    painted then, and soft edges stay soft; taking only cells that lie inside, as Gatys et al. do,
    leaves strips unpainted that are as wide as the deepest layer's cells. From a style's region
    the cells along its edge are left out, as they see what is beyond it, and that would be asked
    of the canvas too: on relu5_1 of VGG-19, 21 % of the way to the neighbour's statistics, 12 %
    without one row of cells, and more again without two, which then are missed themselves. A
    region too narrow to have an inside counts whole.

    Args:
        mask: (1, 1, H, W), >= 0, of the picture that is measured, at any size.
        inside: Whether cells along the edge are left out.

    Source: Gatys et al. 2017, section 4, eqs. 5-7; ΣT² = 1 there, here mean(T²) = 1.
    """

    mask: Tensor
    inside: bool = False
    _known: dict[Size, Tensor] = field(default_factory=dict, init=False, repr=False)

    def at(self, size: Size) -> Tensor:
        """Return how much each position of a layer of that size counts, on average 1.

        Args:
            size: (height, width) of the layer's maps of the whole picture.

        Returns:
            (1, 1, height, width), >= 0.
        """
        if size not in self._known:
            self._known[size] = self._weights(size)
        return self._known[size]

    def _weights(self, size: Size) -> Tensor:
        covered = functional.adaptive_avg_pool2d(self.mask, size)
        if self.inside:
            inner = -functional.max_pool2d(-covered, 3, 1, 1)
            if inner.sum() >= _LEAST_INSIDE * covered.sum():
                covered = inner
        return covered / covered.mean()


def laid_out(recipe: Recipe, pictures: Pictures, size: Size, device: torch.device) -> Layout | None:
    """Return where the styles' regions lie on a canvas; None if all styles paint all of it.

    Args:
        recipe: By which they paint.
        pictures: The styles, and the regions of the content.
        size: (height, width) of the canvas.
        device: Where it is painted.

    Raises:
        RecipeError: E-RECIPE-REGION, the recipe can paint no regions, only some styles have one,
            or there is nothing of one.
    """
    painted = [style.region for style in pictures.styles if style.region]
    if not painted or "style" not in recipe.reads:
        return None
    if why := recipe.against_regions:
        raise RecipeError(why, code="E-RECIPE-REGION")
    if len(painted) < len(pictures.styles):
        raise RecipeError("some styles paint regions and some do not", code="E-RECIPE-REGION")
    masks = {name: mask.to(device) for name, mask in pictures.regions.items()}
    return Layout.of(masks, painted, size)
