"""What a preset is: a recipe with a name, or a family of recipes that belong on one sheet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nst_core.recipe import Recipe

Axes = tuple[tuple[str, str], ...]
"""Where a recipe stands among its family: name of each axis, and its value there as text."""


@dataclass(frozen=True)
class Member:
    """One recipe of a family.

    Args:
        axes: Where it stands; every member of a family has the same axes.
        recipe: What is painted there.
    """

    axes: Axes
    recipe: Recipe


@dataclass(frozen=True)
class Preset:
    """A named recipe.

    Args:
        recipe: What it stands for; of a family, its first.
        summary: What it is good for, in one line.
        source: Paper or code that its numbers come from.
        frames: Steps after which a picture is worth keeping; 0 is the start.
        family: Recipes that a pair is painted by, all of them, to be seen side by side; empty
            where it is just the one.
    """

    recipe: Recipe
    summary: str
    source: str
    frames: tuple[int, ...] = ()
    family: tuple[Member, ...] = ()

    @property
    def reads(self) -> frozenset[str]:
        """Which pictures its recipes read, together."""
        recipes = [member.recipe for member in self.family] or [self.recipe]
        return frozenset[str]().union(*(recipe.reads for recipe in recipes))
