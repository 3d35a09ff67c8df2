"""From a recipe with axes to its variants, each an ordinary recipe with a name of its own."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from manifests.recipes import manner_for, members, mistakes
from manifests.sweep_labels import label, variant_name
from nst_core.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from manifests.problems import Path
    from manifests.recipe_entry import RecipeEntry
    from manifests.sweep_entry import RecipeFamily
    from nst_core.preset_types import Axes
    from nst_core.recipe import Recipe


@dataclass(frozen=True)
class Variant:
    """One recipe of those that an entry stands for.

    Args:
        name: For people and file names; the entry's own where there are no axes.
        axes: Where it stands among the others; empty where it is the only one.
        entry: What a manifest without axes would say.
        recipe: How to paint.
        manner: Whose dials are turned; None for none.
    """

    name: str
    axes: Axes
    entry: RecipeEntry
    recipe: Recipe
    manner: str | None = None


def variants(
    name: str, family: RecipeFamily, labels: Mapping[str, str] | None = None
) -> Iterator[Variant]:
    """Yield every combination of the values along a family's axes, the last axis fastest.

    Args:
        name: Of the family.
        family: A recipe's entry, with axes or without.
        labels: Of the style, whose manner it is painted in.

    Raises:
        RecipeError: A combination cannot be painted.
    """
    swept = family.axes
    for point in product(*swept.values()):
        entry = family.model_copy(update={**dict(zip(swept, point, strict=True)), "sweep": None})
        here = tuple((axis, label(value)) for axis, value in zip(swept, point, strict=True))
        manner = manner_for(entry, labels or {})
        for member in members(entry, manner):
            axes = (*here, *member.axes)
            yield Variant(variant_name(name, axes), axes, entry, member.recipe, manner)


def family_mistakes(family: RecipeFamily) -> Iterator[tuple[Path, RecipeError]]:
    """Yield why a family cannot be painted, each reason with its place in the entry.

    What the entry says beside its axes comes first; then each value of an axis by itself; last,
    combinations of them.
    """
    own = family.model_copy(update={"sweep": None})
    try:
        list(members(own))
    except RecipeError as error:
        yield from list(mistakes(own)) or [((), error)]
        return
    told = False
    for axis, values in family.axes.items():
        for place, value in enumerate(values):
            try:
                list(members(own.model_copy(update={axis: value})))
            except RecipeError as error:
                told = True
                yield ("sweep", axis, place), error
    if not told:
        try:
            list(variants("", family))
        except RecipeError as error:
            yield ("sweep",), error
