"""Trying a pair again: the recipe of a later try, and the results that make one necessary."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nst_core.errors import DivergedError
from nst_core.images import resize
from nst_core.octaves import size_of
from nst_core.optimizers import LBFGS, Adam, NormalizedGradient
from tasks.attempts import MEMORY_LADDER

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.pictures import Pictures
    from nst_core.recipe import Recipe
    from nst_core.synthesis import Synthesis

RUNG = {name: rung for rung, name in enumerate(MEMORY_LADDER, start=1)}
"""How far down the memory ladder each way to do with less stands."""

_SHORT_HISTORY = 8


def adapted(recipe: Recipe, *, gentler: int, frugal: int) -> Recipe:
    """Return the recipe with smaller steps, or in less memory; the record says that it was so.

    Args:
        recipe: As the manifest has it.
        gentler: How often the optimiser's steps are to be halved.
        frugal: Rungs down the memory ladder.
    """
    optimizer = recipe.optimizer
    if isinstance(optimizer, LBFGS):
        optimizer = replace(
            optimizer,
            first_step=optimizer.first_step / 2**gentler,
            largest_step=optimizer.largest_step / 4**gentler,
        )
        if frugal >= RUNG["short history"]:
            optimizer = replace(optimizer, history=min(optimizer.history, _SHORT_HISTORY))
        if frugal >= RUNG["adam"]:
            return replace(recipe, optimizer=Adam(rate=0.02 / 2**gentler))
    else:
        optimizer = replace(optimizer, rate=optimizer.rate / 2**gentler)
        if isinstance(optimizer, NormalizedGradient) and optimizer.last_rate is not None:
            optimizer = replace(optimizer, last_rate=optimizer.last_rate / 2**gentler)
    return replace(recipe, optimizer=optimizer)


def require_painting(synthesis: Synthesis, pictures: Pictures, recipe: Recipe) -> None:
    """Raise if what came out is no painting, though every number was finite.

    Args:
        synthesis: What came out.
        pictures: What it was painted from.
        recipe: How.

    Raises:
        DivergedError: One flat colour, or the content picture itself.
    """
    image = synthesis.image.float().cpu()
    if pictures.content is None or "style" not in recipe.reads:
        return
    content = resize(pictures.content, size_of(image), recipe.resampling)
    if _spread(image) < 1 / 255 < _spread(content) / 4:
        raise DivergedError("the painting came out as one flat colour", code="E-DIVERGED-FLAT")
    if recipe.start == "content" and (image - content).abs().max() < 1 / 255:
        raise DivergedError(
            "the painting came out as the untouched photo",
            code="E-DIVERGED-UNCHANGED",
            remedy="raise style_weight or steps",
        )


def _spread(image: Tensor) -> float:
    """Return the largest standard deviation of a channel: nought for one colour, grey or not."""
    return image.std(dim=(-2, -1)).max().item()
