"""3×3 convolution by Winograd's minimal filtering F(4×4, 3×3), in plain tensor operations.

Each 4×4 block of outputs takes 36 multiplications per pair of channels where the direct sum takes
144. The work becomes products of matrices, one per frequency, between two cheap linear transforms,
so that it pays where channels are many.

Source: Lavin & Gray 2016, section 4; the transforms by Toom and Cook's interpolation.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 4
_TILE = _BLOCK + 2

# Rows of tiles are worked through in groups whose transformed input is as large as the kernels, in
# these bounds: with less the kernels would be read too often, and it has to stay in the cache
# between the three steps.
_LEAST_GROUP, _LARGEST_GROUP = 2**21, 2**23

# For fewer tiles the kernels, four times as large as before, take longer to read than they save.
_FEWEST_TILES = 32

# Where polynomials are evaluated, beside 0 and infinity: ±each. With the first all transforms are
# small fractions; the second keep them of one size, which halves the rounding of few bits
# (Alam, Anderson, Barabasz & Gregg 2022, "Efficient Point Selection", try many).
_POINTS = {torch.float32: (1.0, 2.0), torch.bfloat16: (0.75, 1.5)}


class Kernel:
    """A 3×3 kernel as :func:`convolve` wants it: one (C_in, C_out) matrix per frequency.

    Args:
        weight: (C_out, C_in, 3, 3), fp32 or bf16. Transformed in float64 and rounded once.
    """

    def __init__(self, weight: Tensor) -> None:
        out_channels, channels = weight.shape[:2]
        _, side, _ = _sides(weight.dtype)
        kernels = weight.transpose(0, 1).reshape(channels * out_channels, 9).double()
        spread = torch.kron(side, side) @ kernels.mT
        self.channels, self.out_channels = channels, out_channels
        matrices = spread.view(_TILE**2, channels, out_channels).to(weight.dtype)
        self._matrices: Tensor | list[Tensor] = matrices
        if weight.dtype == torch.float32:
            # MKL's batched product takes twice as long on processors that are not Intel's.
            pack = torch.ops.mkldnn._reorder_linear_weight  # noqa: SLF001 # the only door
            self._matrices = [pack(matrix.mT.contiguous()) for matrix in matrices]

    def applied(self, tiles: Tensor) -> Tensor:
        """Return the products of (36, N, C_in) matrices with the kernel's, (36, N, C_out)."""
        if isinstance(self._matrices, torch.Tensor):
            return torch.bmm(tiles, self._matrices)
        multiply = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 # the only door
        pairs = zip(tiles, self._matrices, strict=True)
        return torch.stack([multiply(one, other, None, "none", [], "") for one, other in pairs])


def pays(maps: Tensor) -> bool:
    """Return whether maps are large enough for it."""
    return len(maps) * _tiles(maps.shape[-2]) * _tiles(maps.shape[-1]) >= _FEWEST_TILES


def convolve(maps: Tensor, kernel: Kernel) -> Tensor:
    """Return the 3×3 convolution of the maps with zero padding of 1 and stride 1.

    Args:
        maps: (B, C_in, H, W); fastest channels-last. Sides that are no multiple of 4 are padded.
        kernel: Of the maps' dtype.

    Returns:
        (B, C_out, H, W), channels-last.
    """
    batch, channels, height, width = maps.shape
    down, across = _tiles(height), _tiles(width)
    pad = (0, 0, 1, across * _BLOCK - width + 1, 1, down * _BLOCK - height + 1)
    padded = functional.pad(maps.permute(0, 2, 3, 1), pad)
    out = maps.new_empty(batch, down * _BLOCK, across * _BLOCK, kernel.out_channels)
    into, back = _transforms(maps.dtype, maps.device)
    fewer, more = sorted((channels, kernel.out_channels))
    row = _TILE**2 * across * more * maps.element_size()
    kernels = _TILE**2 * fewer * more * maps.element_size()
    rows = max(1, min(down, max(_LEAST_GROUP, min(kernels, _LARGEST_GROUP)) // row))
    for picture in range(batch):
        for top in range(0, down, rows):
            count = min(rows, down - top)
            _group(
                padded[picture, top * _BLOCK :],
                out[picture, top * _BLOCK : (top + count) * _BLOCK],
                kernel,
                into,
                back,
            )
    return out[:, :height, :width].permute(0, 3, 1, 2)


def _group(source: Tensor, target: Tensor, kernel: Kernel, into: Tensor, back: Tensor) -> None:
    """Convolve a few rows of tiles: from (≥ rows·4 + 2, W + 2, C) into (rows·4, W, C_out)."""
    rows, across = target.shape[0] // _BLOCK, target.shape[1] // _BLOCK
    channels, out_channels = source.shape[-1], target.shape[-1]
    down, right, _ = source.stride()
    tiles = source.as_strided(
        (_TILE, _TILE, rows, across, channels),
        (down, right, _BLOCK * down, _BLOCK * right, 1),
        source.storage_offset(),
    )
    # (36, tiles·C), transformed, multiplied per frequency, and transformed back to (16, tiles·O).
    spread = into @ tiles.reshape(_TILE**2, -1)
    applied = kernel.applied(spread.view(_TILE**2, rows * across, channels))
    blocks = back @ applied.view(_TILE**2, -1)
    shape = (_BLOCK, _BLOCK, rows, across, out_channels)
    target.view(rows, _BLOCK, across, _BLOCK, out_channels).copy_(
        blocks.view(shape).permute(2, 0, 3, 1, 4)
    )


def _tiles(side: int) -> int:
    return -(-side // _BLOCK)


@functools.cache
def _transforms(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return both transforms over whole tiles, (36, 36) and (16, 36)."""
    into, _, back = _sides(dtype)
    return torch.kron(into, into).to(device, dtype), torch.kron(back, back).to(device, dtype)


@functools.cache
def _sides(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Return the transforms of one side, of input (6, 6), kernel (6, 3) and output (4, 6).

    A product of polynomials is interpolated from its values at the points; the correlation that a
    convolution of networks is, is that product's transpose.
    """
    low, high = _POINTS[dtype]
    points = torch.tensor([0, low, -low, high, -high], dtype=torch.float64)

    def values(count: int) -> Tensor:
        """Return the powers of each point, and of infinity only the highest."""
        at_infinity = torch.eye(count, dtype=torch.float64)[-1:]
        return torch.cat([points[:, None] ** torch.arange(count), at_infinity])

    into = torch.linalg.inv(values(_TILE)).mT
    # The input's rows are brought to one size, which the kernel's take over.
    size = into.abs().amax(1, keepdim=True)
    return into / size, values(3) * size, values(_BLOCK).mT
