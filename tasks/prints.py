"""Prints: finished pictures, painted again at the size of paper.

A print is a pair like any other. Its first canvas is the finished picture, its walk begins where
that one's ended and goes on to the print's size, so that the composition stays and the paint gets
finer; everything else is as its record tells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from manifests.pairs import Mask, Origin, OutputFormat, Pair, StylePicture
from nst_core.errors import RecipeError
from nst_core.octaves import Octaves
from nst_core.sketches import weighted
from tasks.recorded_recipes import recipe_in

if TYPE_CHECKING:
    from pathlib import Path

    from manifests.papers import Paper
    from manifests.picture_sources import MaskSource
    from nst_core.recipe import Recipe
    from tasks.records import Record

# Between the octaves of a print. Coarser than a painting's own, whose small steps find the forms;
# here they are found.
_RATIO = 2.0
# At the finished size, where there is nothing to do, and at each octave from there.
_STEPS = (1, 8, 6)
# How many times a style may be enlarged; see `larger`.
_STYLE_ENLARGED = 2.0
# Below, there is no room for another octave.
_LEAST = 1.2
# What the formats can hold, in pixels a side.
_LARGEST = {"webp": 16_383}
_LARGEST_SIDE = 32_768
_SUFFIX = " print"


@dataclass(frozen=True)
class PrintSize:
    """How large prints become.

    Args:
        size: Longest side in pixels; None where the paper decides.
        paper: The sheet that the print fits on; None where the size is given.
        dpi: Dots per inch on paper, as the file will claim.
    """

    size: int | None = None
    paper: Paper | None = None
    dpi: int = 300

    def longest_side(self, width: int, height: int) -> int:
        """Return the longest side, in pixels, of the print of a picture of this size."""
        if self.paper is not None:
            return self.paper.longest_side(width / height, dpi=self.dpi)
        assert self.size is not None
        return self.size


def print_of(record: Record, root: Path, wanted: PrintSize) -> Pair:
    """Return the pair that paints a finished picture again, larger.

    Args:
        record: Of the finished picture.
        root: The output that it lies in.
        wanted: How large.

    Raises:
        RecipeError: E-PRINT-DRAFT, E-PRINT-SIZE: it is a draft, or no smaller than its print;
            E-RECIPE-RECORD: its recipe is of another version of this product.
    """
    if record.draft:
        raise RecipeError(
            f"{record.stem} is only a draft so far",
            code="E-PRINT-DRAFT",
            remedy="refine it first: the command that painted it goes on",
        )
    picture = record.files["picture"]
    width, height = picture.width, picture.height
    if not width or not height:
        raise RecipeError(f"the record of {record.stem} tells no size", code="E-PRINT-SIZE")
    longest = wanted.longest_side(width, height)
    output = OutputFormat(**(record.output | {"dpi": wanted.dpi, "frames": None, "video": None}))  # type: ignore[arg-type] # as it was recorded
    largest = min(_LARGEST.get(output.format, _LARGEST_SIDE), _LARGEST_SIDE)
    if not _LEAST * max(width, height) <= longest <= largest:
        raise RecipeError(
            f"{record.stem} has {width} × {height} px and cannot become a print of {longest} px",
            code="E-PRINT-SIZE",
            remedy=f"choose a size from {math.ceil(_LEAST * max(width, height))} to {largest} px",
        )
    location = str(root / picture.file)
    masks = [*(region.mask for region in record.regions), *(style.mask for style in record.styles)]
    expected = record.originals | {mask.location: mask.sha256 for mask in masks if mask}
    return Pair(
        content=record.content,
        styles=tuple(
            StylePicture(
                location=style.location,
                weight=style.weight,
                region=style.region,
                mask=_mask(style.mask) if style.mask else None,
            )
            for style in record.styles
        ),
        regions=tuple((region.name, _mask(region.mask)) for region in record.regions),
        start=location,
        recipe_name=record.recipe_name.removesuffix(_SUFFIX) + _SUFFIX,
        recipe=larger(_as_found(record), longest / max(width, height)),
        output=output,
        content_name=record.content_name,
        style_name=record.style_name,
        labels=record.labels,
        credits=record.credits,
        origin=Origin(record.collection, record.stem, record.pair_id, picture.sha256),
        expected=expected | {location: picture.sha256},
    )


def _as_found(record: Record) -> Recipe:
    """Return the recipe with the weights that the picture was painted by; nothing is left to find.

    Raises:
        RecipeError: E-RECIPE-RECORD: it is of another version of this product.
    """
    recipe, found = recipe_in(record), record.legibility
    return weighted(recipe, found.content_factor) if found else recipe


def _mask(mask: MaskSource) -> Mask:
    return Mask(mask.location, mask.color, mask.feather)


def larger(recipe: Recipe, factor: float) -> Recipe:
    """Return the recipe that goes on from a finished picture to one that is larger.

    Args:
        recipe: By which it was painted.
        factor: Of its sides, at least 1.2.
    """
    before = recipe.octaves.size
    size = round(before * factor)
    steps = max(1, round(math.log(factor) / math.log(_RATIO)))
    octaves = Octaves(
        size=size,
        measure=recipe.octaves.measure,
        smallest=before,
        ratio=(size / before) ** (1 / steps),
        steps=_STEPS,
        # A journey has left the photo's place: what lies there is no change of it.
        carry="image" if recipe.octaves.zooms else recipe.octaves.carry,
    )
    if recipe.canvas.kind == "fourier":  # holds all scales, and is painted at one size
        octaves = replace(octaves, smallest=None, steps=(sum(_STEPS),))
    # A style enlarged beyond its own paint would make the print as blurred as itself.
    most = _STYLE_ENLARGED if recipe.enlarge_style is True else recipe.enlarge_style
    return replace(recipe, start="picture", octaves=octaves, enlarge_style=most)
