"""Statistics of feature maps: pure functions."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from nst_core.hardware import one_thread
from nst_core.kernels import MeanSquaredDifference, Moments

if TYPE_CHECKING:
    from torch import Tensor

_PIECE = 4096
"""Positions that are compared with a guide's at a time."""


def moments(maps: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return mean and second raw moment of the feature vectors over all positions.

    Args:
        maps: (B, C, H, W).
        weights: How much each position counts, (1, 1, H, W), >= 0, on average 1; None for all
            alike.

    Returns:
        (B, C) and (B, C, C), at least fp32 whatever the maps' dtype.
    """
    # Left out, not None: without weights there is not one instruction more.
    mean, second = Moments.apply(maps) if weights is None else Moments.apply(maps, weights)
    return mean, second


def gram_matrix(maps: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return F Fᵀ / (H·W): Gatys, Ecker & Bethge 2016, eq. 3, over the number of positions.

    Args:
        maps: (B, C, H, W).
        weights: As of :func:`moments`; their roots are the guidance channels of Gatys et al. 2017.

    Returns:
        (B, C, C), at least fp32 whatever the maps' dtype.
    """
    return moments(maps, weights)[1]


def widened(values: Tensor) -> Tensor:
    """Return the values in at least fp32, in which sums over positions are taken."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def mean_squared_difference(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean squared difference of all values, a scalar summed over the batch.

    Args:
        one: (B, ...).
        other: (B, ...) or (1, ...).

    Returns:
        A scalar, at least fp32 whatever the values' dtype.
    """
    mean: Tensor = MeanSquaredDifference.apply(one, other)
    return mean


def best_matches(vectors: Tensor, guide: Tensor) -> Tensor:
    """Return for every vector the one of the guide with which its inner product is largest.

    Args:
        vectors: (B, C, N).
        guide: (1, C, M).

    Returns:
        (B, C, N), columns of the guide.
    """
    columns = guide[0].to(vectors.dtype)
    # All N·M products at once would be gigabytes at sizes that people paint.
    best = [(piece.mT @ columns).argmax(-1) for piece in torch.split(vectors, _PIECE, dim=-1)]
    return columns[:, torch.cat(best, dim=-1)].transpose(0, 1)


def weighted(values: Tensor, weights: Tensor | None) -> Tensor:
    """Return values at every position times how much the position counts.

    Args:
        values: (B, C, N).
        weights: As of :func:`moments`.
    """
    return values if weights is None else values * weights.reshape(1, 1, -1).to(values.dtype)


def ranked(values: Tensor, bins: int, weights: Tensor | None = None) -> Tensor:
    """Return sorted values as the means of ``bins`` groups of equal size: their quantiles.

    Args:
        values: (B, K, N).
        bins: Groups; fewer values than groups are repeated.
        weights: As of :func:`moments`: groups are of equal weight then, and a value on the
            border of two belongs to both by its shares.

    Returns:
        (B, K, bins), growing along the last.
    """
    if weights is not None:
        return _ranked_by_weight(values, bins, weights.reshape(-1).to(values.dtype))
    groups: Tensor = functional.adaptive_avg_pool1d(values.sort(-1).values, bins)
    return groups


def _ranked_by_weight(values: Tensor, bins: int, weights: Tensor) -> Tensor:
    """Cut the integral of the quantile function in ``bins`` pieces of equal width."""
    values, order = values.sort(-1)
    # Only differences from a middle value are summed up, so that little is rounded.
    middle = values.detach().mean(-1, keepdim=True)
    width = weights[order] / weights.sum()
    stops = width.cumsum(-1)
    below = functional.pad((width * (values - middle)).cumsum(-1), (1, 0))
    edges = torch.arange(1, bins, dtype=values.dtype, device=values.device) / bins
    place = torch.searchsorted(stops, edges.expand(*stops.shape[:-1], -1).contiguous())
    place = place.clamp_max(values.shape[-1] - 1)
    # An edge lies within one value's width: so much of it is on this side.
    before = edges - functional.pad(stops, (1, 0)).gather(-1, place)
    inner = below.gather(-1, place) + before * (values - middle).gather(-1, place)
    sums = torch.cat([torch.zeros_like(middle), inner, below[..., -1:]], -1)
    return sums.diff(dim=-1) * bins + middle


@cache
def _directions(count: int, channels: int) -> Tensor:
    seeded = torch.Generator().manual_seed(0)
    drawn = torch.randn(count, channels, generator=seeded, dtype=torch.float64)
    unit: Tensor = drawn / drawn.norm(dim=1, keepdim=True)
    return unit


def directions(count: int, like: Tensor) -> Tensor:
    """Return unit vectors, (count, C), evenly drawn and always the same ones.

    Args:
        count: How many.
        like: (B, C, N), whose C, dtype and device they have.
    """
    return _directions(count, like.shape[1]).to(like)


def covariance(mean: Tensor, second: Tensor, *, ridge: float = 0.0) -> Tensor:
    """Return second - mean·meanᵀ + ridge·I, (B, C, C).

    Args:
        mean: (B, C).
        second: Second raw moment, (B, C, C).
        ridge: Added to the diagonal.
    """
    spread = second - mean[..., :, None] * mean[..., None, :]
    if not ridge:
        return spread
    return spread + ridge * torch.eye(spread.shape[-1], dtype=spread.dtype, device=spread.device)


def symmetric_root(matrix: Tensor) -> Tensor:
    """Return the symmetric square root of a positive semi-definite matrix, (B, C, C).

    Computed in float64, since small eigenvalues matter, and on the CPU, since not every device has
    float64; it is taken once per style.
    """
    with one_thread():
        values, vectors = torch.linalg.eigh(matrix.cpu().double())
    root: Tensor = (vectors * values.clamp_min(0).sqrt()[..., None, :]) @ vectors.mT
    return root.to(matrix)


def wasserstein_floor(spread: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Return the floor f and the least value that smoothing leaves of the Wasserstein distance.

    For eigenvalues c of the style's covariance, f = smoothing·‖C*²‖_F, and
    min over Σ of tr Σ + tr C* - 2 tr (R Σ R + f)^½ is the sum of -f/c where c² > f (reached at
    σ = c - f/c) and of c - 2√f elsewhere (reached at σ = 0).

    Args:
        spread: Covariance C*, (B, C, C).
        smoothing: Relative floor, >= 0.

    Returns:
        Two (B,) tensors.
    """
    with one_thread():
        values = torch.linalg.eigvalsh(spread.cpu().double())
    values = values.clamp_min(torch.finfo(torch.float64).tiny)
    floor = smoothing * torch.linalg.vector_norm(values.square(), dim=-1, keepdim=True)
    reached = torch.where(values.square() > floor, -floor / values, values - 2 * floor.sqrt())
    return floor[..., 0].to(spread), reached.sum(-1).to(spread)


def total_variation(pixels: Tensor, stencil: Literal["nine-point", "squared"]) -> Tensor:
    """Return how much neighbouring pixels differ, a scalar summed over the batch.

    ``nine-point``: 2·(Δx²/3 + Δy²/3 + Δ↘²/12 + Δ↗²/12), each a mean, edges repeated (crowsonkb).
    ``squared``: ½·Σ(Δx² + Δy²) in 0..255 units (Johnson's neural-style).

    Args:
        pixels: (B, 3, H, W), RGB in [0, 1].
        stencil: Which of the two.
    """
    if stencil == "squared":
        across = (pixels[..., :, 1:] - pixels[..., :, :-1]).square().sum()
        down = (pixels[..., 1:, :] - pixels[..., :-1, :]).square().sum()
        return (across + down) * (255**2 / 2)
    # Colour by colour: on a canvas that fills the memory, three at once would not fit beside it.
    return torch.stack([_nine_point(plane) for plane in pixels.unbind(1)]).mean()


def _nine_point(plane: Tensor) -> Tensor:
    pixels = plane[:, None]
    padded = functional.pad(pixels, (1, 1, 1, 1), "replicate")
    across = mean_squared_difference(padded[..., 1:-1, 2:], pixels)
    down = mean_squared_difference(padded[..., 2:, 1:-1], pixels)
    falling = mean_squared_difference(padded[..., 1:, 1:], padded[..., :-1, :-1])
    rising = mean_squared_difference(padded[..., :-1, 1:], padded[..., 1:, :-1])
    return 2 * ((across + down) / 3 + (falling + rising) / 12)
