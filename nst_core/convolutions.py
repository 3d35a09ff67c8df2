"""3×3 convolutions with frozen weights: the plain one, and the fast one beside it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from nst_core import winograd

if TYPE_CHECKING:
    from torch import Tensor


class DirectConvolution:
    """The convolution as torch computes it: the reference.

    Args:
        weight: (C_out, C_in, 3, 3).
        bias: (C_out,).
        border: What lies outside the maps: ``zeros`` or ``replicate``.
    """

    def __init__(self, weight: Tensor, bias: Tensor, border: str = "zeros") -> None:
        self._weight = weight.contiguous(memory_format=torch.channels_last)
        self._bias = bias
        self._border = border

    def __call__(self, maps: Tensor) -> Tensor:
        """Return the convolution of (B, C_in, H, W) maps, (B, C_out, H, W)."""
        if self._border == "replicate":
            maps = functional.pad(maps, (1, 1, 1, 1), "replicate")
            return functional.conv2d(maps, self._weight, self._bias)
        return functional.conv2d(maps, self._weight, self._bias, padding=1)

    def rectified(self, maps: Tensor) -> Tensor:
        """Return the convolution's positive part."""
        return self(maps).relu_()


class WinogradConvolution(DirectConvolution):
    """The same by :mod:`nst_core.winograd`, equal to fp32 rounding; zeros outside the maps.

    Args:
        weight: (C_out, C_in, 3, 3).
        bias: (C_out,).
        border: See :class:`DirectConvolution`; only ``zeros`` is computed the fast way.
    """

    # Transformed at first use: layers deeper than any term looks cost neither time nor memory.
    @cached_property
    def _forward(self) -> Tensor:
        return winograd.transformed_kernel(self._weight)

    @cached_property
    def _backward(self) -> Tensor:
        # The gradient of a convolution is a convolution with the mirrored, transposed kernel.
        return winograd.transformed_kernel(self._weight.flip(2, 3).transpose(0, 1))

    def rectified(self, maps: Tensor) -> Tensor:
        """Return the convolution's positive part."""
        if self._border != "zeros":
            return super().rectified(maps)
        rectified: Tensor = _WinogradReLU.apply(maps, self._bias, self._forward, self._backward)
        return rectified


class _WinogradReLU(torch.autograd.Function):
    """max(0, W * F + b); keeps nothing but its own result for the way back."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, bias: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
        """Return the rectified convolution."""
        out = winograd.convolve(maps, forward).add_(bias.view(-1, 1, 1)).relu_()
        ctx.save_for_backward(out, backward)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the gradient to the maps."""
        out, backward = ctx.saved_tensors
        through = torch.ops.aten.threshold_backward(gradient, out, 0)
        return winograd.convolve(through, backward), None, None, None
