"""3×3 convolutions with frozen weights: the plain one, and the fast ones beside it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from nst_core import winograd
from nst_core.hardware import has_onednn, winograd_pays

if TYPE_CHECKING:
    from torch import Tensor


# The size of the maps for which kernels are packed. It sets their layout, not the result: what is
# painted first must not decide it.
_TYPICAL_SIDE = 256


def frozen_convolution(weight: Tensor, bias: Tensor, border: str = "zeros") -> DirectConvolution:
    """Return the convolution in the form that is fastest here; see :class:`DirectConvolution`."""
    if winograd_pays(weight.shape, weight.dtype, weight.device):
        return WinogradConvolution(weight, bias, border)
    if has_onednn(weight.dtype, weight.device):
        return FusedConvolution(weight, bias, border)
    return DirectConvolution(weight, bias, border)


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


class FusedConvolution(DirectConvolution):
    """The same with the rectifier inside oneDNN's convolution, and kernels packed once.

    Args:
        weight: (C_out, C_in, 3, 3).
        bias: (C_out,).
        border: See :class:`DirectConvolution`.
    """

    # Packed at first use: layers deeper than any term looks cost neither time nor memory.
    @cached_property
    def _packed(self) -> Tensor:
        return _packed(self._weight)

    @cached_property
    def _packed_back(self) -> Tensor:
        return _packed(_reversed(self._weight))

    def rectified(self, maps: Tensor) -> Tensor:
        """Return the convolution's positive part."""
        padding = 1
        if self._border == "replicate":
            maps, padding = functional.pad(maps, (1, 1, 1, 1), "replicate"), 0
        rectified: Tensor = _Rectified.apply(maps, self, padding)
        return rectified

    def forth(self, maps: Tensor, padding: int) -> Tensor:
        """Return the rectified convolution, without a gradient.

        Args:
            maps: (B, C_in, H, W).
            padding: Zeros on each side, 0 or 1.
        """
        return _pointwise(maps, self._packed, self._bias, padding, "relu")

    def back(self, gradient: Tensor, out: Tensor, padding: int) -> Tensor:
        """Return the gradient to the maps.

        Args:
            gradient: To what came forth, (B, C_out, H, W).
            out: What came forth.
            padding: As on the way forth.
        """
        through = torch.ops.aten.threshold_backward(gradient, out, 0)
        return _pointwise(through, self._packed_back, None, 2 - padding, "none")


class WinogradConvolution(FusedConvolution):
    """The same by :mod:`nst_core.winograd` where maps are large enough: equal to its rounding.

    Args:
        weight: (C_out, C_in, 3, 3).
        bias: (C_out,).
        border: See :class:`DirectConvolution`; only ``zeros`` is computed this way.
    """

    @cached_property
    def _kernel(self) -> winograd.Kernel:
        return winograd.Kernel(self._weight, self._bias)

    @cached_property
    def _kernel_back(self) -> winograd.Kernel:
        return winograd.Kernel(_reversed(self._weight))

    def forth(self, maps: Tensor, padding: int) -> Tensor:
        """Return the rectified convolution."""
        if not (padding and winograd.pays(maps)):
            return super().forth(maps, padding)
        return winograd.rectified(maps, self._kernel)

    def back(self, gradient: Tensor, out: Tensor, padding: int) -> Tensor:
        """Return the gradient to the maps."""
        if not (padding and winograd.pays(gradient)):
            return super().back(gradient, out, padding)
        return winograd.back(gradient, out, self._kernel_back)


class _Rectified(torch.autograd.Function):
    """max(0, W * F + b); keeps nothing but its own result for the way back."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, convolution: FusedConvolution, padding: int) -> Tensor:
        """Return the rectified convolution."""
        out = convolution.forth(maps, padding)
        ctx.save_for_backward(out)
        ctx.convolution, ctx.padding = convolution, padding
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient to the maps."""
        (out,) = ctx.saved_tensors
        return ctx.convolution.back(gradient, out, ctx.padding), None, None


def _reversed(weight: Tensor) -> Tensor:
    """Return the kernel of the way back: a convolution's gradient is one with this kernel."""
    return weight.flip(2, 3).transpose(0, 1)


def _packed(weight: Tensor) -> Tensor:
    """Return a (C_out, C_in, 3, 3) kernel as :func:`_pointwise` reads it fastest."""
    kernel = weight.contiguous(memory_format=torch.channels_last)
    typical = [1, weight.shape[1], _TYPICAL_SIDE, _TYPICAL_SIDE]
    ones = [1, 1]
    pack = torch.ops.mkldnn._reorder_convolution_weight  # noqa: SLF001 # the only door
    packed: Tensor = pack(kernel, ones, ones, ones, 1, typical)
    return packed


def _pointwise(
    maps: Tensor, kernel: Tensor, bias: Tensor | None, padding: int, then: str
) -> Tensor:
    """Return oneDNN's convolution of (B, C_in, H, W) maps, and what follows it value by value."""
    around, ones = [padding, padding], [1, 1]
    laid_out = maps.contiguous(memory_format=torch.channels_last)
    convolve = torch.ops.mkldnn._convolution_pointwise  # noqa: SLF001 # the only door
    convolved: Tensor = convolve(laid_out, kernel, bias, around, ones, ones, 1, then, [], "")
    return convolved
