"""The autograd functions that make it fast, each beside its plain twin in the tests.

Each replaces a backward pass that autograd would derive less cheaply; none changes a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from nst_core.hardware import has_onednn, one_thread

if TYPE_CHECKING:
    from torch import Tensor


_PIECE = 1 << 12
"""Positions that a CPU copies at a time; all at once they would double the memory of the maps."""


class Moments(torch.autograd.Function):
    """Mean (B, C) and second raw moment F Fᵀ / N (B, C, C) of (B, C, H, W) maps.

    The moment is symmetric, so that one matrix product goes back instead of two, and the mean's
    gradient rides along in it. Channels-last maps are read in place. Both are at least fp32.

    With weights, (1, 1, H, W) and >= 0, every position counts as often as its weight says. They
    are given, not painted: no gradient goes back to them.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and moment."""
        ctx.save_for_backward(maps, weights)
        vectors = _as_vectors(maps)
        if weights is not None:
            return _weighted_moments(vectors, weights.reshape(1, -1, 1))
        count = vectors.shape[1]
        ones = vectors.new_ones(len(vectors), 1, count)
        return _summed(ones, vectors)[:, 0] / count, _summed(vectors.mT, vectors) / count

    @staticmethod
    def backward(ctx: Any, to_mean: Tensor, to_moment: Tensor) -> tuple[Tensor, None]:
        """Return ((G + Gᵀ) F + g) / N, times the weights."""
        maps, weights = ctx.saved_tensors
        batch, channels, height, width = maps.shape
        vectors = _as_vectors(maps)
        count = vectors.shape[1]
        both = ((to_moment + to_moment.mT) / count).to(maps.dtype)
        back = product(vectors, both, (to_mean / count).to(maps.dtype))
        if weights is not None:
            back = back.mul_(weights.reshape(1, -1, 1).to(back.dtype))
        return back.view(batch, height, width, channels).permute(0, 3, 1, 2), None


def _summed(one: Tensor, other: Tensor) -> Tensor:
    """Return the product of (B, L, N) and (B, N, M) matrices, (B, L, M), in at least fp32.

    A product of bf16 matrices comes rounded to bf16. The covariance is a small difference of such
    products: it would be off by 1 % near the optimum, and its gradient by 10 %. So the product is
    taken twice: rounded, and what rounding left of it, which is in bf16 to 2⁻¹⁷ of the whole.
    """
    if one.dtype == torch.bfloat16:
        if one.is_cuda:
            return torch.bmm(one, other, out_dtype=torch.float32)
        rounded = torch.bmm(one, other)
        return torch.baddbmm(rounded, one, other, beta=-1).float().add_(rounded)
    if one.device.type != "cpu":
        return one @ other
    total = one.new_zeros(len(one), one.shape[1], other.shape[2])
    pieces = zip(torch.split(one, _PIECE, 2), torch.split(other, _PIECE, 1), strict=True)
    for piece, of_other in pieces:
        total.add_(product(piece, of_other))
    return total


def _weighted_moments(vectors: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return Σ wₙ xₙ / N, (B, C), and Σ wₙ xₙ xₙᵀ / N, (B, C, C), of (B, N, C) vectors.

    The root of the weights goes to either side, so that the moment is symmetric to the last bit.
    """
    accumulated = torch.promote_types(vectors.dtype, torch.float32)
    batch, count, channels = vectors.shape
    roots = weights.to(accumulated).sqrt().expand(batch, -1, -1)
    mean = vectors.new_zeros(batch, 1, channels, dtype=accumulated)
    moment = vectors.new_zeros(batch, channels, channels, dtype=accumulated)
    for start in range(0, count, _PIECE):
        root = roots[:, start : start + _PIECE]
        scaled = vectors[:, start : start + _PIECE].to(accumulated) * root
        mean.baddbmm_(root.mT, scaled)
        moment.baddbmm_(scaled.mT, scaled)
    return mean[:, 0] / count, moment / count


class MeanSquaredDifference(torch.autograd.Function):
    """The mean over all values but the batch, summed over the batch; in at least fp32.

    The difference is found anew for the way back: kept, it would take as much room as the values,
    and on a canvas that fills the memory that is what there is not.
    """

    @staticmethod
    def forward(ctx: Any, one: Tensor, other: Tensor) -> Tensor:
        """Return the mean, of (B, ...) and (B, ...) or (1, ...) values."""
        ctx.save_for_backward(one, other)
        # Not mean by mean: to flatten maps that lie channels-last would copy them.
        return _difference(one, other).square_().sum() * (len(one) / one.numel())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Return the gradients to both."""
        one, other = ctx.saved_tensors
        back = _difference(one, other).mul_(2 * gradient * one.shape[0] / one.numel())
        to_one, to_other = ctx.needs_input_grad
        return (
            back.to(one.dtype) if to_one else None,
            back.neg().sum_to_size(other.shape).to(other.dtype) if to_other else None,
        )


def _difference(one: Tensor, other: Tensor) -> Tensor:
    accumulated = torch.promote_types(one.dtype, torch.float32)
    return one.to(accumulated) - other.to(accumulated)


class _MaxPooled(torch.autograd.Function):
    """The largest of each 2×2 positions; keeps nothing but the maps, which are kept in any case.

    Where each maximum was is found anew for the way back: in 8 bytes it takes more room than the
    maximum itself, and in bf16 a quarter of all that is kept.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:
        """Return the maxima."""
        ctx.save_for_backward(maps)
        return functional.max_pool2d(maps, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Return the gradient to the maps."""
        (maps,) = ctx.saved_tensors
        _, places = functional.max_pool2d(maps, 2, return_indices=True)
        back: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(
            gradient,
            maps,
            kernel_size=[2, 2],
            stride=[2, 2],
            padding=[0, 0],
            dilation=[1, 1],
            ceil_mode=False,
            indices=places,
        )
        return back


def max_pooled(maps: Tensor) -> Tensor:
    """Return the largest of each 2×2 positions of (B, C, H, W) maps, (B, C, H // 2, W // 2)."""
    pooled: Tensor = _MaxPooled.apply(maps)
    return pooled


class _CutOut(torch.autograd.Function):
    """Some rows and columns of maps, whose gradient lies as the maps do: channels-last.

    Autograd's own comes channel by channel, and to add that to the others' takes a sixth of the
    time of a tile.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, rows: slice, columns: slice) -> Tensor:
        """Return a view of them."""
        ctx.shape, ctx.rows, ctx.columns = maps.shape, rows, columns
        return maps[..., rows, columns]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient to all of the maps: nothing but that in its place."""
        batch, channels, height, width = ctx.shape
        back = gradient.new_zeros(batch, height, width, channels).permute(0, 3, 1, 2)
        back[..., ctx.rows, ctx.columns] = gradient
        return back, None, None


def cut_out(maps: Tensor, rows: slice, columns: slice) -> Tensor:
    """Return some rows and columns of (B, C, H, W) maps, as a view."""
    part: Tensor = _CutOut.apply(maps, rows, columns)
    return part


class _TraceOfRoot(torch.autograd.Function):
    """tr (R Σ R + f·I)^½ with the gradient ½ R (R Σ R + f·I)^-½ R."""

    @staticmethod
    def forward(ctx: Any, spread: Tensor, root: Tensor, floor: Tensor) -> Tensor:
        """Return the trace, (B,)."""
        between = product(product(root, spread), root)
        trace, slope = _root_trace((between + between.mT) / 2, floor, around=root)
        ctx.save_for_backward(slope)
        return trace

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient to Σ."""
        (slope,) = ctx.saved_tensors
        return gradient[..., None, None] / 2 * slope, None, None


def trace_of_root(spread: Tensor, root: Tensor, floor: Tensor) -> Tensor:
    """Return tr (R Σ R + f·I)^½, the overlap term of the 2-Wasserstein distance.

    Args:
        spread: Covariance Σ of the canvas, (B, C, C).
        root: Symmetric root R of the style's covariance, (B, C, C).
        floor: f, (B,), >= 0.

    Returns:
        (B,), with the exact gradient to Σ.
    """
    trace: Tensor = _TraceOfRoot.apply(spread, root, floor)
    return trace


class _TraceOfRootOfFew(torch.autograd.Function):
    """The same for Σ = Fᵀ F / N of N < C centred vectors, through the N×N matrix F C* Fᵀ / N.

    It has the eigenvalues of R Σ R; those that are missing are 0, and give √f each. The gradient to
    the vectors is (K + f·I)^-½ F C* / N.
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, style: Tensor, floor: Tensor) -> Tensor:
        """Return the trace, (B,)."""
        count, channels = vectors.shape[-2:]
        seen = product(vectors, style)
        between = product(seen, vectors.mT) / count
        trace, slope = _root_trace((between + between.mT) / 2, floor, around=None)
        ctx.save_for_backward(product(slope, seen) / count)
        return trace + (channels - count) * floor.sqrt()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient to the vectors."""
        (slope,) = ctx.saved_tensors
        return gradient[..., None, None] * slope, None, None


def trace_of_root_of_few(vectors: Tensor, style: Tensor, floor: Tensor) -> Tensor:
    """Return :func:`trace_of_root` of vectors that are fewer than their channels.

    Args:
        vectors: Centred feature vectors, (B, N, C), N <= C.
        style: The style's covariance C*, (B, C, C).
        floor: f, (B,), >= 0.

    Returns:
        (B,), with the exact gradient to the vectors.
    """
    trace: Tensor = _TraceOfRootOfFew.apply(vectors, style, floor)
    return trace


def _root_trace(matrix: Tensor, floor: Tensor, around: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return tr (M + f·I)^½, (B,), and A (M + f·I)^-½ Aᵀ, (B, C, C); NaN if M is not finite."""
    if matrix.device.type != "cpu":
        trace, inverse_root = _by_newton_schulz(matrix, floor)
        return trace, inverse_root if around is None else around @ inverse_root @ around.mT
    if not matrix.isfinite().all():  # LAPACK would refuse it, and nobody could say which term it is
        return torch.full_like(floor, torch.nan), torch.full_like(matrix, torch.nan)
    with one_thread():
        values, vectors = torch.linalg.eigh(matrix)
    smallest = torch.finfo(matrix.dtype).tiny
    roots = (values.clamp_min(0) + floor[..., None]).clamp_min(smallest).sqrt()
    turned = vectors if around is None else product(around, vectors)
    return roots.sum(-1), product(turned / roots[..., None, :], turned.mT)


def product(one: Tensor, other: Tensor, each: Tensor | None = None) -> Tensor:
    """Return the matrix product of (B, L, M) and (B, M, N) matrices, without a gradient.

    MKL's fp32 product runs at half of what processors that are not Intel's can do; oneDNN's does
    not, and adds to every row without a pass over memory.

    Args:
        one: (B, L, M).
        other: (B, M, N).
        each: What to add to every row, (B, N).
    """
    if len(one) != 1 or not has_onednn(one.dtype, one.device):
        return one @ other if each is None else torch.baddbmm(each[:, None], one, other)
    multiply = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 # the only door
    row = None if each is None else each[0]
    found: Tensor = multiply(one[0], other[0].mT, row, "none", [], "")
    return found[None]


def _by_newton_schulz(matrix: Tensor, floor: Tensor, steps: int = 18) -> tuple[Tensor, Tensor]:
    """The same by matrix products alone: eigendecompositions are slow or missing on GPUs.

    Near the optimum the floor bounds the condition by 1/δ (5·10⁴), for which 18 coupled iterations
    converge (Higham 2008, eq. 6.35). On a canvas that varies a hundred times more than its style,
    the roots of the smallest eigenvalues come out too large, which only damps their pull.
    """
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    shifted = matrix + floor[..., None, None] * identity
    norm = torch.linalg.matrix_norm(shifted)[..., None, None]
    root, inverse = shifted / norm, identity.expand_as(shifted)
    for _ in range(steps):
        correction = (3 * identity - inverse @ root) / 2
        root, inverse = root @ correction, correction @ inverse
    trace = (root * norm.sqrt()).diagonal(dim1=-2, dim2=-1).sum(-1)
    return trace, inverse / norm.sqrt()


def _as_vectors(maps: Tensor) -> Tensor:
    """Return (B, H·W, C); a view where the maps are channels-last."""
    batch, channels, height, width = maps.shape
    return maps.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
