"""The objective: terms bound to the pictures they compare with, at one octave."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from nst_core.activations import Guide
from nst_core.architectures import IMAGE
from nst_core.bound import Bound, measure
from nst_core.colorings import RECOLORED, recolored
from nst_core.graphs import GraphedObjective
from nst_core.images import resize
from nst_core.octaves import size_of
from nst_core.regions import Guidance
from nst_core.terms import StyleTerm, term_names
from nst_core.tiled_objective import TiledObjective
from nst_core.tiles import measured, require_tileable, whole_maps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from nst_core.features import Features
    from nst_core.images import Resampling
    from nst_core.measurements import Measurement
    from nst_core.octaves import Octave, Size
    from nst_core.pictures import Style
    from nst_core.recipe import Recipe
    from nst_core.regions import Layout
    from nst_core.studio import Studio
    from nst_core.terms import Term
    from nst_core.transforms import Seen


class Objective:
    """The weighted sum of a recipe's terms for one pair at one octave.

    Attributes:
        latest: Every term's weighted loss at the last evaluation, to name the term of a divergence.

    Args:
        features: The network.
        terms: What is summed up; see :func:`bind`.
    """

    def __init__(self, features: Features, terms: Sequence[Bound]) -> None:
        self._features = features
        self._terms = terms
        self._layers = frozenset(bound.layer for bound in terms)
        self.latest: Mapping[str, Tensor] = {}

    def parts(self, image: Tensor, seen: Seen | None = None) -> dict[str, Tensor]:
        """Return every term's weighted loss, by name; they add up to the objective.

        Args:
            image: (B, 3, H, W), RGB in [0, 1].
            seen: What happens to the image before the network sees it.
        """
        maps = self._features(image if seen is None else seen(image), self._layers)
        if IMAGE in maps:
            maps[IMAGE] = image
        return {bound.name: bound.loss(maps[bound.layer]) for bound in self._terms}

    def __call__(self, image: Tensor, seen: Seen | None = None) -> tuple[Tensor, Tensor]:
        """Return the objective, a scalar, and its gradient, (B, 3, H, W).

        Args:
            image: (B, 3, H, W), RGB in [0, 1].
            seen: What happens to the image before the network sees it.
        """
        image = image.detach().requires_grad_()
        with torch.enable_grad():
            parts = self.parts(image, seen)
            total = torch.stack(list(parts.values())).sum()
            (gradient,) = torch.autograd.grad(total, image)
        self.latest = {name: part.detach() for name, part in parts.items()}
        return total.detach(), gradient


def bind(
    recipe: Recipe,
    studio: Studio,
    octave: Octave,
    content: Tensor | None,
    styles: Sequence[Style],
    *,
    tile: int | None = None,
    layout: Layout | None = None,
    focus: Guidance | None = None,
) -> Objective | GraphedObjective | TiledObjective:
    """Measure the pictures at this octave and return the objective.

    Args:
        recipe: Its terms, style scale and resampling.
        studio: Gives the network, remembers style targets.
        octave: Sets the canvas size.
        content: Already at the canvas size, (1, 3, H, W), or None.
        styles: At their own sizes.
        tile: Side of the tiles in which pictures go through the network, in pixels, or None for
            whole pictures. It changes the memory needed, and of the result only the rounding.
        layout: Where the styles' regions lie on the canvas; None if all styles paint all of it.
        focus: How much each place of the content counts; None for all alike.

    Raises:
        RecipeError: Tiles are asked for, and the network or a term sees whole pictures only.
    """
    features = studio.features(recipe)
    named = [
        (name, term)
        for name, term in zip(term_names(recipe.terms), recipe.terms, strict=True)
        if term.weight
    ]
    if tile is not None:
        require_tileable(features.network, [term for _, term in named])
    with torch.no_grad():
        of_content = _ContentTargets(recipe, features, content, tile, focus)
        of_style = _StyleTargets(recipe, studio, features, octave, content, styles, tile)
        of_regions = [] if layout is None else list(_by_region(of_style, layout))
        terms: list[Bound] = []
        for name, term in named:
            if layout is not None and isinstance(term, StyleTerm):
                for region, guidance, of_region in of_regions:
                    share = guidance.mask.mean().item()
                    target = of_region(term)
                    terms.append(Bound(f"{name}@{region}", term, target, share, guidance))
            elif term.reads == "nothing":
                terms.append(Bound(name, term))
            elif term.reads == "content":
                terms.append(Bound(name, term, of_content(term), guidance=focus))
            else:
                terms.append(Bound(name, term, of_style(term)))
    if tile is not None:
        return TiledObjective(features, terms, tile)
    objective = Objective(features, terms)
    return GraphedObjective(objective) if studio.graphs and not recipe.transforms else objective


def _by_region(
    of_style: _StyleTargets, layout: Layout
) -> Iterator[tuple[str, Guidance, _StyleTargets]]:
    """Yield every region's name, where it lies, and targets from the styles that paint it."""
    for name, mask in layout.masks.items():
        styles = [style for style in of_style.styles if style.region == name]
        yield name, Guidance(mask), replace(of_style, styles=styles, region=mask)


def style_size(recipe: Recipe, octave: Octave, style: Size, smallest: int) -> Size:
    """Return the (height, width) at which a style picture is measured for this octave.

    Args:
        recipe: Its ``style_size`` or ``style_fit``, ``style_scale`` and ``enlarge_style``.
        octave: The canvas.
        style: (height, width) of the style picture.
        smallest: Side below which the network has no features.
    """
    height, width = style
    if recipe.style_size is not None:
        factor = recipe.style_size / max(style)
    elif recipe.style_fit == "area":
        factor = math.sqrt(octave.size[0] * octave.size[1] / (height * width))
    else:
        factor = max(octave.size) / max(style)
    factor *= recipe.style_scale
    if recipe.enlarge_style is not True:
        factor = min(factor, max(1.0, recipe.enlarge_style))
    return max(smallest, round(height * factor)), max(smallest, round(width * factor))


@dataclass(frozen=True, eq=False)
class _ContentTargets:
    """Targets of the content terms, from one pass through the network."""

    recipe: Recipe
    features: Features
    content: Tensor | None
    tile: int | None
    focus: Guidance | None

    def __call__(self, term: Term) -> Measurement:
        return term.target(measure(term, self._maps[term.layer], self.focus))

    @cached_property
    def _maps(self) -> dict[str, Tensor]:
        assert self.content is not None
        layers = _layers(self.recipe, "content")
        return whole_maps(self.features, self.content, layers, self.tile)


@dataclass(frozen=True, eq=False)
class _StyleTargets:
    """Targets of the style terms: one pass per picture, and none for what is remembered.

    Within a region of the canvas, whose mask is given, they are those of its own styles.
    """

    recipe: Recipe
    studio: Studio
    features: Features
    octave: Octave
    content: Tensor | None
    styles: Sequence[Style]
    tile: int | None
    region: Tensor | None = None

    def __call__(self, term: Term) -> Measurement:
        recipe = self.recipe
        if recipe.color in RECOLORED:
            return self._measured(term)  # belongs to this content alone
        styles = tuple(
            (style.key, style.weight, size)
            for style, size in zip(self.styles, self._sizes, strict=True)
        )
        network = (recipe.network, recipe.pooling, recipe.border, self.features.dtype)
        # Tiles round otherwise, and what is painted must not depend on what was painted before it.
        key = (styles, recipe.resampling, network, self.tile, replace(term, weight=1.0))
        return self.studio.remember(key, lambda: self._measured(term))

    def _measured(self, term: Term) -> Measurement:
        """Return the target of the pictures' measurements together."""
        every = [measurements[term] for measurements in self._measurements]
        if isinstance(term, Guide):  # positions of all pictures, none of them weighed
            return term.target(tuple(torch.cat(parts, -1) for parts in zip(*every, strict=True)))
        total = sum(style.weight for style in self.styles)
        weighted = [
            [part * (style.weight / total) for part in parts]
            for style, parts in zip(self.styles, every, strict=True)
        ]
        return term.target(
            tuple(torch.stack(parts).sum(0) for parts in zip(*weighted, strict=True))
        )

    @cached_property
    def _measurements(self) -> list[dict[Term, Measurement]]:
        """What every term measures of each picture; the maps would be too large to be kept."""
        return [
            self._measured_of(style, size)
            for style, size in zip(self.styles, self._sizes, strict=True)
        ]

    def _measured_of(self, style: Style, size: Size) -> dict[Term, Measurement]:
        terms = [term for term in self.recipe.terms if term.weight and term.reads == "style"]
        mask = None if style.mask is None else self._fitted(style.mask, size, "bilinear")
        pixels = self._prepared(self._fitted(style.pixels, size, self.recipe.resampling), mask)
        guidance = None if mask is None else Guidance(mask, inside=True)
        return measured(self.features, pixels, terms, self.tile, guidance)

    @cached_property
    def _sizes(self) -> list[Size]:
        layers = _layers(self.recipe, "style") - {IMAGE}
        smallest = self.features.network.smallest_side(layers)
        return [
            style_size(self.recipe, self.octave, size_of(style.pixels), smallest)
            for style in self.styles
        ]

    def _fitted(self, pixels: Tensor, size: Size, how: Resampling) -> Tensor:
        return resize(pixels.to(self.features.device), size, how)

    def _prepared(self, pixels: Tensor, mask: Tensor | None) -> Tensor:
        if self.content is None:
            return pixels
        return recolored(self.recipe.color, pixels, self.content, places=(mask, self.region))


def _layers(recipe: Recipe, reads: str) -> frozenset[str]:
    return frozenset(term.layer for term in recipe.terms if term.weight and term.reads == reads)
