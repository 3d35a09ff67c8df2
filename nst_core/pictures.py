"""The pictures that a recipe reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nst_core.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from nst_core.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Style:
    """One style picture of a pair.

    Args:
        pixels: (1, 3, H, W), RGB in [0, 1].
        key: Names the pixels and the mask, e.g. by their SHA-256; targets are remembered under it.
        weight: Its share when several are blended, > 0.
        region: Of the content, the one that it paints; empty for all of it.
        mask: Which of its own places count, (1, 1, H', W') in [0, 1]; None for all.
    """

    pixels: Tensor
    key: str
    weight: float = 1.0
    region: str = ""
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        """Refuse a share that cannot be normalised.

        Raises:
            RecipeError: A weight that is not positive and finite.
        """
        if not 0 < self.weight < math.inf:
            raise RecipeError(
                f"a style's weight is {self.weight}; it must be positive", code="E-RECIPE-RANGE"
            )


@dataclass(frozen=True, eq=False)
class Pictures:
    """What a recipe reads.

    Args:
        content: (1, 3, H, W), RGB in [0, 1]; gives the painting its aspect. Without one, the
            painting is square.
        styles: In the order of the pair.
        start: The first canvas, for recipes with ``start: picture``.
        regions: Masks of the content's regions by name, (1, 1, H, W) in [0, 1], at any size.
            Styles with regions paint these, and all else stays as in the content.
    """

    content: Tensor | None = None
    styles: Sequence[Style] = ()
    start: Tensor | None = None
    regions: Mapping[str, Tensor] = field(default_factory=dict)

    def require_for(self, recipe: Recipe) -> None:
        """Refuse a recipe that reads more than these.

        Raises:
            RecipeError: Naming what is missing.
        """
        given = {
            "content": self.content is not None,
            "style": bool(self.styles),
            "picture": self.start is not None,
        }
        called = {"picture": "start"}
        missing = sorted(called.get(name, name) for name in recipe.reads if not given[name])
        if missing:
            raise RecipeError(
                f"the recipe reads a {' and a '.join(missing)} picture that was not given",
                code="E-RECIPE-PICTURES",
            )
