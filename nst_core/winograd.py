"""3×3 convolution by Winograd's minimal filtering F(4×4, 3×3), in plain tensor operations.

Each 4×4 block of outputs takes 36 multiplications per pair of channels where the direct sum takes
144. The work becomes one batched matrix product between two cheap linear transforms, so that it
pays where matrix products are fast and fp32 is the best the hardware has.

Source: Lavin & Gray 2016, section 4; points 0, ±1, ±2, ∞.
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

# Rows of tiles are worked through in groups whose transformed input is about this large: it has to
# stay in the cache between the three steps.
_GROUP_BYTES = 2**21

_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUT = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


def transformed_kernel(weight: Tensor) -> Tensor:
    """Return the kernel as :func:`convolve` wants it: (36, C_in, C_out).

    Args:
        weight: (C_out, C_in, 3, 3). Transformed in float64 and rounded once.
    """
    side = torch.tensor(_KERNEL, dtype=torch.float64, device=weight.device)
    out_channels, channels = weight.shape[:2]
    kernels = weight.transpose(0, 1).reshape(channels * out_channels, 9).double()
    spread = torch.kron(side, side) @ kernels.mT
    return spread.view(_TILE**2, channels, out_channels).to(weight.dtype)


def convolve(maps: Tensor, kernel: Tensor) -> Tensor:
    """Return the 3×3 convolution of the maps with zero padding of 1 and stride 1.

    Args:
        maps: (B, C_in, H, W); fastest channels-last. Sides that are no multiple of 4 are padded.
        kernel: From :func:`transformed_kernel`.

    Returns:
        (B, C_out, H, W), channels-last.
    """
    batch, channels, height, width = maps.shape
    down, across = -(-height // _BLOCK), -(-width // _BLOCK)
    pad = (0, 0, 1, across * _BLOCK - width + 1, 1, down * _BLOCK - height + 1)
    padded = functional.pad(maps.permute(0, 2, 3, 1), pad)
    out = maps.new_empty(batch, down * _BLOCK, across * _BLOCK, kernel.shape[2])
    into, back = _transforms(maps.dtype, maps.device)
    widest = max(channels, kernel.shape[2]) * maps.element_size()
    rows = max(1, min(down, _GROUP_BYTES // (_TILE**2 * across * widest)))
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


def _group(source: Tensor, target: Tensor, kernel: Tensor, into: Tensor, back: Tensor) -> None:
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
    product = torch.bmm(spread.view(_TILE**2, rows * across, channels), kernel)
    blocks = back @ product.view(_TILE**2, -1)
    shape = (_BLOCK, _BLOCK, rows, across, out_channels)
    target.view(rows, _BLOCK, across, _BLOCK, out_channels).copy_(
        blocks.view(shape).permute(2, 0, 3, 1, 4)
    )


@functools.cache
def _transforms(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return both transforms over whole tiles, (36, 36) and (16, 36)."""
    one_side = [torch.tensor(matrix, dtype=torch.float64) for matrix in (_INPUT, _OUTPUT)]
    into, back = (torch.kron(matrix, matrix).to(device, dtype) for matrix in one_side)
    return into, back
