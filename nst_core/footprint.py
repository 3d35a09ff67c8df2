"""How much memory and work painting takes, and how to paint with less; known without torch.

An evaluation of the objective keeps every feature map for the way back; L-BFGS keeps its pairs of
vectors; the canvas, its gradients and the content's maps are there in any case. Where that is more
than a slot may take, the picture goes through the network in tiles, which changes nothing but the
time. Where tiles would be so small that the work doubles, the history is kept in half as many bits;
if that is not enough, it is shortened too. A record tells both.

On a CPU a step is faster where the process keeps what it frees for the next one, which takes more
memory; see :func:`nst_core.hardware.keep_freed_memory`.

The figures are measured on a CPU (`benchmarks/tiles.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from nst_core.architectures import IMAGE
from nst_core.networks import network
from nst_core.optimizers import LBFGS
from nst_core.tiles import cut, scale_of, why_whole

if TYPE_CHECKING:
    from nst_core.networks import Network
    from nst_core.octaves import Octave, Size
    from nst_core.recipe import Recipe
    from nst_core.terms import Term

# The process, its libraries, and the network with its transformed kernels, in bf16 and in fp32.
_BASE = {2: 1.2e9, 4: 1.4e9}
# Of the maps that are kept: gradients on their way back, copies in other layouts.
_OVERHEAD = 1.3
# Maps of the largest layer that are there at once when the way back comes to it.
_AT_ONCE = 4
# Times that, where what is freed stays with the process: holes that nothing fits into.
_HOLES = 2.15
# What the C library keeps where all large blocks are given back.
_SLACK = 0.2e9
# A way forward by itself, and another with its way back, which takes as long.
_TWO_PASSES = 3 / 2
# A canvas of three fp32 channels.
_CANVAS = 12
# Content, canvas, last gradient, last move, next gradient and the metric, or what Adam keeps.
_STANDING = 6 * _CANVAS
# What judging or moving the whole canvas takes for a moment.
_PASSING = 7 * _CANVAS
# A pair of L-BFGS vectors.
_PAIR = 2 * _CANVAS

# Fewer pairs than these are hardly better than none.
_FEWEST_PAIRS = 4
# Sides of tiles: below the smallest nearly all work is done twice and more.
_TILES = range(128, 4097, 64)
# Before tiles cost more than so many times the whole picture's work, a history is rounded and cut:
# ten pairs of fifty paint within 1 % of the same objective.
_GOOD_WORK = 2.0


@dataclass(frozen=True)
class Memory:
    """What an octave may take.

    Args:
        limit: Bytes of a slot's process, without the pictures it has read; None for no limit.
        frugal: Whether to take no more than a quarter of what feature maps would take at once:
            the estimate was too low here.
        bf16: Whether maps are bfloat16 here where a recipe leaves it open.
    """

    limit: float | None = None
    frugal: bool = False
    bf16: bool = False


UNLIMITED = Memory()
"""As much as it takes."""


@dataclass(frozen=True)
class Working:
    """How an octave is painted in the memory there is.

    Args:
        tile: Side of the tiles in pixels, or None for the whole picture at once.
        history: Pairs of vectors that L-BFGS keeps; 0 for other optimisers.
        is_rounded: Whether it keeps them in bfloat16.
        is_shortened: Whether these are fewer than the recipe wants, or rounded.
        keeps_freed: Whether there is room for the process to keep the memory that it frees.
        bytes: Forecast of the process's peak, without the pictures it has read.
        work: How many times the work of the whole picture an evaluation is.
    """

    tile: int | None
    history: int
    is_rounded: bool
    is_shortened: bool
    keeps_freed: bool
    bytes: float
    work: float


def working(recipe: Recipe, octave: Octave, memory: Memory = UNLIMITED) -> Working:
    """Return how to paint an octave; if there is no way within the limit, the most frugal one.

    It depends on nothing but its arguments, so that an interrupted painting goes on as it began.

    Args:
        recipe: Its network, terms and optimiser count.
        octave: The canvas and the steps.
        memory: What there is.
    """
    need = _Need.of(recipe, octave, bf16=memory.bf16)
    limit = math.inf if memory.limit is None else memory.limit
    sides = need.sides()
    if memory.frugal and sides:
        least = need.window(sides[0])
        sides = [side for side in sides if need.window(side) <= max(least, need.pixels / 4)]
    elif need.bytes(None, need.wanted) <= limit or not sides:
        keeps = not memory.frugal and need.bytes(None, need.wanted, keeps_freed=True) <= limit
        return need.working(None, need.history_within(limit, None), keeps_freed=keeps)
    good = next((side for side in sides if need.work(side) <= _GOOD_WORK), sides[-1])
    history = need.history_within(limit, good)
    fitting = [side for side in sides if need.bytes(side, history) <= limit]
    return need.working(max(fitting, default=sides[0]), history, keeps_freed=False)


def shortened(recipe: Recipe, history: int) -> Recipe:
    """Return the recipe with an L-BFGS history no longer than that."""
    optimizer = recipe.optimizer
    if not isinstance(optimizer, LBFGS) or history >= optimizer.history:
        return recipe
    return replace(recipe, optimizer=replace(optimizer, history=max(1, history)))


def operations(recipe: Recipe) -> float:
    """Return the floating-point operations of an evaluation's convolutions, per pixel.

    There and back, each output summed up directly.

    Args:
        recipe: Of a VGG.
    """
    row = network(recipe.network)
    layers = frozenset(term.layer for term in recipe.terms if term.weight) - {IMAGE}
    total, before = 0.0, 3
    for layer in row.down_to(layers):
        if layer.startswith("conv"):
            channels = row.channels(layer)
            total += 2 * 9 * before * channels / scale_of(row, layer) ** 2
            before = channels
    return 2 * total


@dataclass(frozen=True)
class _History:
    """How many pairs of vectors L-BFGS keeps, and whether in bfloat16."""

    pairs: int
    is_rounded: bool = False

    @property
    def bytes(self) -> float:
        """Of each pixel."""
        return self.pairs * _PAIR / (2 if self.is_rounded else 1)


@dataclass(frozen=True)
class _Need:
    """What an octave takes by its parts, in bytes."""

    size: Size
    network: Network
    terms: tuple[Term, ...]
    wanted: _History
    element: int

    @classmethod
    def of(cls, recipe: Recipe, octave: Octave, *, bf16: bool) -> _Need:
        is_half = recipe.precision == "bf16" or (recipe.precision == "auto" and bf16)
        wanted = recipe.optimizer.history if isinstance(recipe.optimizer, LBFGS) else 0
        return cls(
            size=octave.size,
            network=network(recipe.network),
            terms=tuple(term for term in recipe.terms if term.weight),
            wanted=_History(min(wanted, max(0, octave.steps - 1))),
            element=2 if is_half else 4,
        )

    @property
    def pixels(self) -> int:
        return self.size[0] * self.size[1]

    @property
    def layers(self) -> frozenset[str]:
        return frozenset(term.layer for term in self.terms) - {IMAGE}

    def sides(self) -> list[int]:
        """Return the tiles there are to choose from, smallest first."""
        if why_whole(self.network, self.terms) or not self.layers:
            return []
        return [side for side in _TILES if side**2 < self.pixels]

    def window(self, side: int | None) -> int:
        """Return the pixels of the largest piece that goes through the network."""
        return self._seen(side)[0]

    def work(self, side: int | None) -> float:
        """Return how many times the work of the whole picture an evaluation is."""
        return 1.0 if side is None else _TWO_PASSES * self._seen(side)[1] / self.pixels

    def _seen(self, side: int | None) -> tuple[int, int]:
        return _seen(self.size, side, self.network, self.layers)

    def bytes(self, side: int | None, history: _History, *, keeps_freed: bool = False) -> float:
        """Return the peak: what is there all the time, and what comes and goes."""
        standing = self.pixels * (_STANDING + self._content() + history.bytes)
        maps = self.window(side) * self._per_pixel()
        maps = _HOLES * maps if keeps_freed else maps + _SLACK
        if side is None:
            maps += self.pixels * _CANVAS
        return _BASE[self.element] + standing + max(maps, self.pixels * _PASSING + _SLACK)

    def history_within(self, limit: float, side: int | None) -> _History:
        """Return the best history that fits beside tiles of a side, the least if none does."""
        most = self.wanted.pairs
        least = _History(min(_FEWEST_PAIRS, most), is_rounded=most > 0)
        rounded = (_History(pairs, is_rounded=True) for pairs in range(most, least.pairs, -1))
        each = (self.wanted, *rounded)
        return next((one for one in each if self.bytes(side, one) <= limit), least)

    def working(self, tile: int | None, history: _History, *, keeps_freed: bool) -> Working:
        return Working(
            tile=tile,
            history=history.pairs,
            is_rounded=history.is_rounded,
            is_shortened=history != self.wanted,
            keeps_freed=keeps_freed,
            bytes=self.bytes(tile, history, keeps_freed=keeps_freed),
            work=self.work(tile),
        )

    def _content(self) -> float:
        """Return the content's maps per pixel of the canvas."""
        layers = {term.layer for term in self.terms if term.reads == "content"} - {IMAGE}
        return sum(self._of_layer(layer) for layer in layers)

    def _of_layer(self, layer: str) -> float:
        cells = scale_of(self.network, layer) ** 2
        return self.network.channels(layer) * self.element / cells

    def _per_pixel(self) -> float:
        """Return what an evaluation keeps of a pixel for the way back, and handles beside it."""
        names = [name for name in self.network.down_to(self.layers) if name[:4] in {"conv", "pool"}]
        each = [self._of_layer(name) for name in names]
        return max(_OVERHEAD * sum(each), _AT_ONCE * max(each, default=0.0))


@lru_cache(maxsize=1024)
def _seen(
    size: Size, side: int | None, network: Network, layers: frozenset[str]
) -> tuple[int, int]:
    """Return how many pixels go through the network: at most at once, and in all."""
    pieces = [tile.pixels for tile in cut(size, side, network, layers)]
    return max(pieces), sum(pieces)
