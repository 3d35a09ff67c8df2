"""The coarse-to-fine walk: at which sizes a picture is painted, and how long at each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Size = tuple[int, int]
"""(height, width) in pixels."""


def size_of(pixels: Tensor) -> Size:
    """Return the (height, width) of a picture, or of its maps, (…, H, W)."""
    return pixels.shape[-2], pixels.shape[-1]


Measure = Literal["longest", "area"]


@dataclass(frozen=True)
class Octave:
    """One scale of the walk.

    Args:
        size: Of the canvas.
        side: What ``Octaves.size`` is at this scale, in pixels.
        steps: Optimiser steps here.
        zoom: How much of the octave before is enlarged to this one: all of it (1), or its middle.
    """

    size: Size
    side: int
    steps: int
    zoom: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Octaves:
    """The sizes of a coarse-to-fine walk and the steps at each.

    From ``size`` downwards each octave is ``ratio`` times smaller, while it is at least
    ``smallest``; they are painted from the coarsest up.

    Args:
        size: Of the finished picture, in pixels, >= 16.
        measure: ``longest``: ``size`` is the longest side; ``area``: the picture has ``size``²
            pixels.
        smallest: No octave below this side, in pixels; None paints at the final size only.
        ratio: Between neighbouring octaves, > 1.
        steps: Per octave from the coarsest up; the last number serves all further octaves.
        carry: What goes from one octave to the next: ``change`` adds the upsampled change to the
            finer content, so that detail of the photo returns at each scale; ``image`` upsamples
            the canvas itself.
        enough: An octave ends when the objective has fallen to this; None never.
        patience: An octave ends when ten steps lowered the objective by less than this share of
            it, > 0; asked after 20 steps, 30, 40 and so on. None never.
        zooms: Further octaves at the final size, each of which paints on the middle of the
            picture before it, enlarged: the journey into a dream.
        zoom: Factor of that enlargement, > 1.
    """

    size: int = 512
    measure: Measure = "longest"
    smallest: int | None = None
    ratio: float = math.sqrt(2)
    steps: tuple[int, ...] = (500,)
    carry: Literal["change", "image"] = "image"
    enough: float | None = None
    patience: float | None = None
    zooms: int = 0
    zoom: float = 1.05

    def sides(self) -> tuple[int, ...]:
        """Return ``size`` at each octave, coarsest first."""
        sides = [self.size]
        if self.smallest is not None:
            while (side := round(self.size / self.ratio ** len(sides))) >= self.smallest:
                sides.append(side)
        return (*reversed(sides), *[self.size] * self.zooms)

    def steps_at(self, index: int) -> int:
        """Return the steps of an octave, counted from the coarsest."""
        return self.steps[min(index, len(self.steps) - 1)]

    def plan(self, picture: Size) -> tuple[Octave, ...]:
        """Return the octaves for a picture of this (height, width), coarsest first."""
        sides = self.sides()
        return tuple(
            Octave(
                size=scaled(picture, side, self.measure),
                side=side,
                steps=self.steps_at(index),
                zoom=self.zoom if index >= len(sides) - self.zooms else 1.0,
            )
            for index, side in enumerate(sides)
        )


def scaled(picture: Size, side: int, measure: Measure) -> Size:
    """Return the (height, width) that keeps the aspect of ``picture`` at this side.

    Args:
        picture: (height, width) of the original.
        side: Longest side in pixels, or the square root of the area.
        measure: Which of the two ``side`` is.
    """
    height, width = picture
    factor = side / (max(picture) if measure == "longest" else math.sqrt(height * width))
    return max(1, round(height * factor)), max(1, round(width * factor))
