"""Tiles: how a picture is cut so that a network sees it piece by piece and yet exactly.

Every tile answers for its interior and is given a window around it, wide enough that whatever the
interior's cells depend on lies inside. Windows begin where the deepest layer's cells begin, so that
poolings fall into step with those of the whole picture, and borders are padded only where the
picture itself ends.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from nst_core.architectures import IMAGE, LOGITS, VGG
from nst_core.bound import measure
from nst_core.errors import RecipeError
from nst_core.octaves import size_of
from nst_core.terms import WeighedTerm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import Tensor

    from nst_core.features import Features
    from nst_core.measurements import Measurement
    from nst_core.networks import Network
    from nst_core.octaves import Size
    from nst_core.regions import Guidance
    from nst_core.terms import Term

Key = TypeVar("Key")

# Windows begin at every fourth cell at most: there the blocks of Winograd's convolutions begin too.
# Blocks out of phase would round otherwise, and now and then a maximum is the neighbour's then.
_IN_PHASE = 4


@dataclass(frozen=True)
class Span:
    """One side of a tile, in pixels of the picture: ``[start, stop)``.

    Args:
        start: Where the interior begins.
        stop: Where it ends.
        before: Where the window begins, <= start.
        after: Where it ends, >= stop.
        length: Of the picture's side.
    """

    start: int
    stop: int
    before: int
    after: int
    length: int

    def inside(self, scale: int) -> slice:
        """Return the interior's cells, counted in a layer of the window."""
        return slice((self.start - self.before) // scale, (self.stop - self.before) // scale)

    def of_all(self, scale: int) -> slice:
        """Return the interior's cells, counted in a layer of the whole picture."""
        return slice(self.start // scale, self.stop // scale)

    def share(self, scale: int) -> float:
        """Return how many of the whole layer's cells they are, in (0, 1]."""
        return (self.stop // scale - self.start // scale) / (self.length // scale)


@dataclass(frozen=True)
class Tile:
    """A part of a picture that goes through the network by itself.

    Args:
        down: Its rows.
        across: Its columns.
    """

    down: Span
    across: Span

    @property
    def pixels(self) -> int:
        """How many pixels the network sees."""
        rows, columns = self.down, self.across
        return (rows.after - rows.before) * (columns.after - columns.before)

    @property
    def is_all(self) -> bool:
        """Whether it is the whole picture."""
        return all(span.stop - span.start == span.length for span in (self.down, self.across))

    def window(self, image: Tensor) -> Tensor:
        """Return a view of what the network sees, of a (B, C, H, W) picture."""
        rows, columns = self.down, self.across
        return image[..., rows.before : rows.after, columns.before : columns.after]

    def interior(self, maps: Tensor, scale: int) -> Tensor:
        """Return the cells that the tile answers for, of its window's feature maps.

        Args:
            maps: (B, C, H', W') of the window.
            scale: Pixels to a cell of that layer.
        """
        from nst_core.kernels import cut_out

        return cut_out(maps, self.down.inside(scale), self.across.inside(scale))

    def part(self, maps: Tensor, scale: int) -> Tensor:
        """Return the same cells, of the whole picture's feature maps."""
        return maps[..., self.down.of_all(scale), self.across.of_all(scale)]

    def share(self, scale: int) -> float:
        """Return how much of a layer's mean over positions is this tile's mean, in (0, 1]."""
        return self.down.share(scale) * self.across.share(scale)


def cut(size: Size, side: int | None, network: Network, layers: Iterable[str]) -> tuple[Tile, ...]:
    """Cut a picture into tiles, row by row: of all grids, into the one that makes the least work.

    Args:
        size: (height, width) of the picture.
        side: Of a square, in pixels, that is as large as a tile's interior may be; but sides of at
            least eight cells of the deepest layer are allowed. None leaves the picture whole.
        network: Whose feature maps are wanted.
        layers: Of its layers, these.
    """
    wanted = frozenset(layers) - {IMAGE}
    halo, unit = reach(network, wanted), network.smallest_side(wanted)
    phase, (height, width) = _IN_PHASE * unit, size
    room = height * width if side is None else max(side, 2 * phase) ** 2
    grids = []
    for rows in range(1, -(-height // phase) + 1):
        # Spans are longer than even ones by a phase at most.
        down = _spans(height, height // rows + phase, unit, halo)
        across = _spans(width, room // _longest(down), unit, halo)
        if _longest(down) * _longest(across) <= room:
            grids.append((down, across))
    down, across = min(grids, key=lambda grid: _seen(grid[0]) * _seen(grid[1]))
    return tuple(Tile(rows, columns) for rows in down for columns in across)


def reach(network: Network, layers: frozenset[str]) -> int:
    """Return how far outside its own square a cell sees, in pixels, rounded up to whole cells.

    Each 3×3 convolution sees one cell further, which at its depth are so many pixels; poolings of
    2×2 cells see no further than their own square.

    Args:
        network: The row.
        layers: The deepest of them counts.
    """
    pixels, cell = 0, 1
    for name in network.down_to(layers):
        if name.startswith("conv"):
            pixels += cell
        elif name.startswith("pool"):
            cell *= 2
    return -(-pixels // cell) * cell


def scale_of(network: Network, layer: str) -> int:
    """Return how many pixels a cell of the layer is wide."""
    return network.smallest_side(frozenset({layer} - {IMAGE}))


def why_whole(network: Network, terms: Iterable[Term]) -> str | None:
    """Return why a picture must not be cut, or None if it may: the canvas itself always fits."""
    below = [term for term in terms if term.layer != IMAGE]
    if below and not isinstance(network.architecture, VGG):
        return f"{network.name} sees whole pictures; only VGGs see them in tiles"
    for term in below:
        if term.averages is None or term.layer == LOGITS:
            return f"term {term.kind} on {term.layer} judges whole pictures, not tiles"
    return None


def require_tileable(network: Network, terms: Iterable[Term]) -> None:
    """Raise unless a picture may be cut that goes through the network and is judged by the terms.

    Raises:
        RecipeError: Saying what forbids it.
    """
    if why := why_whole(network, terms):
        raise RecipeError(
            why,
            code="E-RECIPE-TILES",
            remedy="allow more memory, paint smaller, or leave that out",
        )


def measured_in(
    tile: Tile, term: Term, maps: Tensor, scale: int, guidance: Guidance | None
) -> Measurement:
    """Return what a term measures of the cells that a tile answers for.

    Args:
        tile: A part of a picture, or all of it.
        term: On the layer of the maps.
        maps: (B, C, H', W') of the tile's window.
        scale: Pixels to a cell of that layer.
        guidance: Which positions of the whole picture count; None for all alike.
    """
    cells = tile.interior(maps, scale)
    if tile.is_all:
        return measure(term, cells, guidance)
    if guidance is None or not isinstance(term, WeighedTerm):
        return term.measure(cells)
    whole = tile.down.length // scale, tile.across.length // scale
    return term.measure(cells, tile.part(guidance.at(whole), scale))


def add(sums: dict[Key, Measurement], parts: Mapping[Key, Measurement]) -> None:
    """Add what one tile contributes to the sums so far, in place; without a gradient."""
    for key, values in parts.items():
        before = sums.get(key)
        sums[key] = tuple(
            value.detach() if before is None else before[index] + value.detach()
            for index, value in enumerate(values)
        )


def measured(
    features: Features,
    image: Tensor,
    terms: Iterable[Term],
    side: int | None,
    guidance: Guidance | None = None,
) -> dict[Term, Measurement]:
    """Return what terms measure of a picture.

    Args:
        features: The network.
        image: (1, 3, H, W), RGB in [0, 1].
        terms: On layers of the network; with a ``side``, such as average what they measure.
        side: Of the tiles, see :func:`cut`.
        guidance: Of style terms, which positions count; None for all alike.
    """
    every = tuple(dict.fromkeys(terms))
    found: dict[Term, Measurement] = {}
    for tile, maps in _walk(features, image, {term.layer for term in every}, side):
        for term in every:
            scale = scale_of(features.network, term.layer)
            part = measured_in(tile, term, maps[term.layer], scale, guidance)
            add(found, {term: tuple(tile.share(scale) * value for value in part)})
    return found


def whole_maps(
    features: Features, image: Tensor, layers: Iterable[str], side: int | None
) -> dict[str, Tensor]:
    """Return a picture's feature maps as the network would give them at once.

    Args:
        features: The network.
        image: (1, 3, H, W), RGB in [0, 1].
        layers: Of the network.
        side: Of the tiles, see :func:`cut`.
    """
    found: dict[str, Tensor] = {}
    for tile, maps in _walk(features, image, frozenset(layers), side):
        for layer, part in maps.items():
            scale = scale_of(features.network, layer)
            if layer not in found:
                batch, channels = part.shape[:2]
                height, width = image.shape[-2] // scale, image.shape[-1] // scale
                # Channels-last, as the network gives them.
                found[layer] = part.new_empty(batch, height, width, channels).permute(0, 3, 1, 2)
            tile.part(found[layer], scale).copy_(tile.interior(part, scale))
    return found


def _walk(
    features: Features, image: Tensor, layers: Iterable[str], side: int | None
) -> Iterator[tuple[Tile, dict[str, Tensor]]]:
    for tile in cut(size_of(image), side, features.network, layers):
        yield tile, features(tile.window(image), layers)


def _longest(spans: Iterable[Span]) -> int:
    return max(span.stop - span.start for span in spans)


def _seen(spans: Iterable[Span]) -> int:
    return sum(span.after - span.before for span in spans)


@lru_cache(maxsize=4096)
def _spans(length: int, side: int, unit: int, halo: int) -> tuple[Span, ...]:
    """Cut one side into the fewest nearly equal spans whose windows begin in phase."""
    phase = _IN_PHASE * unit
    longest = max(side, 2 * phase)
    for count in itertools.count(-(-length // longest)):
        even = (length * index // count for index in range(1, count))
        inner = {(near - halo + phase // 2) // phase * phase + halo for near in even}
        edges = [0, *sorted(edge for edge in inner if 0 < edge <= length - unit), length]
        spans = list(itertools.pairwise(edges))
        if max(stop - start for start, stop in spans) <= longest:
            break
    return tuple(
        Span(start, stop, max(0, start - halo), min(length, stop + halo), length)
        for start, stop in spans
    )
