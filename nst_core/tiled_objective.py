"""The objective of a picture whose feature maps do not fit into memory, evaluated tile by tile.

Nothing is approximated. Gram matrices and moments are means over positions, so that a picture's
are those of its tiles, weighted by their shares; a mean squared difference is such a mean itself.
Two passes give the whole picture's gradient: the first sums the means up, from which follow every
term's loss and its gradient to the mean; the second sends that gradient back through each tile and
adds what arrives at the tile's window to the picture's gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from nst_core.architectures import IMAGE
from nst_core.octaves import size_of
from nst_core.tiles import add, cut, measured_in, require_tileable, scale_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from nst_core.bound import Bound
    from nst_core.features import Features
    from nst_core.measurements import Measurement
    from nst_core.tiles import Tile
    from nst_core.transforms import Seen


class TiledObjective:
    """The same as :class:`nst_core.objective.Objective`, in less memory and about twice the time.

    Terms on the canvas itself see it whole, one after the other.

    Attributes:
        latest: Every term's weighted loss at the last evaluation, to name the term of a divergence.

    Args:
        features: The network.
        terms: What is summed up. A term that reads the content and averages its loss has, for a
            target, tensors over all positions of the whole picture's layer.
        side: Of the tiles' interiors, in pixels.

    Raises:
        RecipeError: The network, or a term, sees whole pictures only.
    """

    def __init__(self, features: Features, terms: Sequence[Bound], side: int) -> None:
        require_tileable(features.network, [bound.term for bound in terms])
        self._features = features
        self._names = [bound.name for bound in terms]
        self._whole = [bound for bound in terms if bound.layer == IMAGE]
        self._averaged = [
            _Averaged(bound, scale_of(features.network, bound.layer))
            for bound in terms
            if bound.layer != IMAGE
        ]
        self._side = side
        self.latest: Mapping[str, Tensor] = {}

    def parts(self, image: Tensor, seen: Seen | None = None) -> dict[str, Tensor]:
        """Return every term's weighted loss, by name; without a gradient.

        Args:
            image: (B, 3, H, W), RGB in [0, 1].
            seen: What happens to the image before the network sees it.
        """
        with torch.no_grad():
            shown = image if seen is None else seen(image)
            return self._losses(image, self._survey(shown, self._averaged))

    def __call__(self, image: Tensor, seen: Seen | None = None) -> tuple[Tensor, Tensor]:
        """Return the objective, a scalar, and its gradient, (B, 3, H, W).

        Args:
            image: (B, 3, H, W), RGB in [0, 1].
            seen: What happens to the image before the network sees it.
        """
        image = image.detach().requires_grad_()
        with torch.enable_grad():
            shown = image if seen is None else seen(image)
        means, slope = self._means_and_slope(shown.detach())
        (gradient,) = torch.autograd.grad(shown, image, slope)
        for bound in self._whole:
            gradient += _gradient(bound, image)
        self.latest = self._losses(image, means)
        return torch.stack(list(self.latest.values())).sum(), gradient

    def _means_and_slope(self, image: Tensor) -> tuple[dict[str, Measurement], Tensor]:
        """Return the whole picture's means, and the gradient of what follows from them."""
        # The gradient to a loss that is a mean itself is known without a first pass.
        means = self._survey(image, [bound for bound in self._averaged if not bound.is_local])
        sent = {bound.name: bound.gradient(means.get(bound.name, ())) for bound in self._averaged}
        slope = torch.zeros_like(image)
        for tile in self._tiles(image):
            window = tile.window(image).requires_grad_()
            with torch.enable_grad():
                found = self._found(window, tile, self._averaged)
                (arrived,) = torch.autograd.grad(_sum_along(found, sent), window)
            tile.window(slope).add_(arrived)
            local = {bound.name: found[bound.name] for bound in self._averaged if bound.is_local}
            add(means, local)
        return means, slope

    def _tiles(self, image: Tensor) -> tuple[Tile, ...]:
        layers = {bound.layer for bound in self._averaged}
        return cut(size_of(image), self._side, self._features.network, layers) if layers else ()

    def _survey(self, image: Tensor, terms: Sequence[_Averaged]) -> dict[str, Measurement]:
        """Return the whole picture's means, by the terms' names; without a gradient."""
        means: dict[str, Measurement] = {}
        with torch.no_grad():
            for tile in self._tiles(image) if terms else ():
                add(means, self._found(tile.window(image), tile, terms))
        return means

    def _found(
        self, window: Tensor, tile: Tile, terms: Sequence[_Averaged]
    ) -> dict[str, Measurement]:
        """Return what one tile adds to the means."""
        maps = self._features(window, {bound.layer for bound in terms})
        return {bound.name: bound.average(maps[bound.layer], tile) for bound in terms}

    def _losses(self, image: Tensor, means: Mapping[str, Measurement]) -> dict[str, Tensor]:
        """Return the weighted losses in the order of the terms."""
        with torch.no_grad():
            losses = {bound.name: bound.loss(image) for bound in self._whole}
            losses |= {bound.name: bound.loss(means[bound.name]) for bound in self._averaged}
        return {name: losses[name] for name in self._names}


def _gradient(bound: Bound, image: Tensor) -> Tensor:
    """Return the gradient of a summand on the canvas itself."""
    leaf = image.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(bound.loss(leaf), leaf)
    return gradient


@dataclass(frozen=True, eq=False)
class _Averaged:
    """A summand of which something is a mean over the positions of its layer."""

    bound: Bound
    scale: int

    @property
    def name(self) -> str:
        return self.bound.name

    @property
    def layer(self) -> str:
        return self.bound.layer

    @property
    def is_local(self) -> bool:
        """Whether that is its loss, and not what it measures."""
        return self.bound.term.averages == "loss"

    def average(self, maps: Tensor, tile: Tile) -> Measurement:
        """Return the mean over a tile's interior, times the tile's share of the picture."""
        bound = self.bound
        measured = measured_in(tile, bound.term, maps, self.scale, bound.guidance)
        if self.is_local:
            target = bound.target
            if bound.term.reads == "content":  # the only one with a value at each position
                target = tuple(tile.part(values, self.scale) for values in target)
            measured = (bound.term.loss(measured, target),)
        return tuple(tile.share(self.scale) * value for value in measured)

    def loss(self, mean: Measurement) -> Tensor:
        """Return the weighted loss of the whole picture."""
        bound = self.bound
        return bound.weight * (mean[0] if self.is_local else bound.term.loss(mean, bound.target))

    def gradient(self, mean: Measurement) -> tuple[Tensor | float, ...]:
        """Return the weighted loss's gradient to the whole picture's mean."""
        if self.is_local:
            return (self.bound.weight,)
        leaves = tuple(value.detach().requires_grad_() for value in mean)
        with torch.enable_grad():
            return torch.autograd.grad(self.loss(leaves), leaves, materialize_grads=True)


def _sum_along(
    averages: Mapping[str, Measurement], slopes: Mapping[str, Sequence[Tensor | float]]
) -> Tensor:
    """Return the scalar whose gradient is that of the objective, within one tile."""
    along = [
        (value * slope).sum()
        for name, values in averages.items()
        for value, slope in zip(values, slopes[name], strict=True)
    ]
    return torch.stack(along).sum()
