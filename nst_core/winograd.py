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

from nst_core.octaves import size_of

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.octaves import Size

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
    """A 3×3 kernel as it is used here: one (C_in, C_out) matrix per frequency.

    Args:
        weight: (C_out, C_in, 3, 3), fp32 or bf16. Transformed in float64 and rounded once.
        bias: (C_out,), or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        out_channels, channels = weight.shape[:2]
        _, side, _ = _sides(weight.dtype)
        kernels = weight.transpose(0, 1).reshape(channels * out_channels, 9).double()
        spread = torch.kron(side, side) @ kernels.mT
        self.channels, self.out_channels = channels, out_channels
        self._bias = bias
        matrices = spread.view(_TILE**2, channels, out_channels).to(weight.dtype)
        self._matrices: Tensor | list[Tensor] = matrices
        if weight.dtype == torch.float32:
            # MKL's batched product takes twice as long on processors that are not Intel's.
            pack = torch.ops.mkldnn._reorder_linear_weight  # noqa: SLF001 # the only door
            self._matrices = [pack(matrix.mT.contiguous()) for matrix in matrices]

    def applied(self, tiles: Tensor) -> Tensor:
        """Return the products of (36, N, C_in) matrices with the kernel's, (36, N, C_out).

        A bias is one matrix more: the transform back adds it to every value.
        """
        rows = _TILE**2 if self._bias is None else _TILE**2 + 1
        found = tiles.new_empty(rows, tiles.shape[1], self.out_channels)
        products = found[: _TILE**2]
        if self._bias is not None:
            found[-1] = self._bias
        if isinstance(self._matrices, torch.Tensor):
            torch.bmm(tiles, self._matrices, out=products)
            return found
        multiply = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 # the only door
        for tile, matrix, room in zip(tiles, self._matrices, products, strict=True):
            room.copy_(multiply(tile, matrix, None, "none", [], ""))
        return found


def pays(maps: Tensor) -> bool:
    """Return whether maps are large enough for it."""
    return len(maps) * _tiles(maps.shape[-2]) * _tiles(maps.shape[-1]) >= _FEWEST_TILES


def rectified(maps: Tensor, kernel: Kernel) -> Tensor:
    """Return the positive part of the 3×3 convolution with zero padding of 1 and stride 1.

    Args:
        maps: (B, C_in, H, W); fastest channels-last. Sides that are no multiple of 4 are padded.
        kernel: Of the maps' dtype.

    Returns:
        (B, C_out, H, W), channels-last.
    """
    frame, room = _framed(maps)
    room.copy_(maps)
    return _convolved(frame, size_of(maps), kernel, rectify=True)


def back(gradient: Tensor, out: Tensor, kernel: Kernel) -> Tensor:
    """Return the gradient to the maps of :func:`rectified`.

    Args:
        gradient: To what it returned, (B, C_out, H, W).
        out: What it returned.
        kernel: The reversed one, without a bias.

    Returns:
        (B, C_in, H, W), channels-last.
    """
    frame, room = _framed(gradient)
    # Straight into the frame: one pass over memory for what would be three.
    torch.ops.aten.threshold_backward.grad_input(gradient, out, 0, grad_input=room)
    return _convolved(frame, size_of(gradient), kernel, rectify=False)


def _framed(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return whole tiles with zeros around, (B, H' + 2, W' + 2, C), and the room for the maps."""
    batch, channels, height, width = maps.shape
    down, across = (_tiles(side) * _BLOCK + 2 for side in (height, width))
    frame = maps.new_empty(batch, down, across, channels)
    # Only these: to clear the room, too, would be another pass over memory.
    borders = frame[:, :1], frame[:, height + 1 :], frame[:, :, :1], frame[:, :, width + 1 :]
    for border in borders:
        border.zero_()
    return frame, frame[:, 1 : height + 1, 1 : width + 1].permute(0, 3, 1, 2)


def _convolved(frame: Tensor, size: Size, kernel: Kernel, *, rectify: bool) -> Tensor:
    """Return the convolution of what is framed, or its positive part."""
    batch = len(frame)
    down, across = (_tiles(side) for side in size)
    out = frame.new_empty(batch, down * _BLOCK, across * _BLOCK, kernel.out_channels)
    fewer, more = sorted((kernel.channels, kernel.out_channels))
    row = _TILE**2 * across * more * frame.element_size()
    kernels = _TILE**2 * fewer * more * frame.element_size()
    rows = max(1, min(down, max(_LEAST_GROUP, min(kernels, _LARGEST_GROUP)) // row))
    for source, target in zip(frame, out, strict=True):
        for top in range(0, down, rows):
            count = min(rows, down - top)
            blocks = _group(source[top * _BLOCK :], (count, across), kernel)
            room = target[top * _BLOCK : (top + count) * _BLOCK]
            room.view(blocks.shape).copy_(blocks)
            if rectify:  # while it is in the cache; in one pass with the above it takes longer
                room.relu_()
    return out[:, : size[0], : size[1]].permute(0, 3, 1, 2)


def _group(source: Tensor, tiles: Size, kernel: Kernel) -> Tensor:
    """Return the first rows of tiles convolved, (rows, 4, across, 4, C_out).

    Args:
        source: (≥ rows·4 + 2, across·4 + 2, C_in).
        tiles: (rows, across).
        kernel: Of the source's dtype.
    """
    rows, across = tiles
    into, home = _transforms(source.dtype, source.device)
    down, right, _ = source.stride()
    spread = source.as_strided(
        (_TILE, _TILE, rows, across, kernel.channels),
        (down, right, _BLOCK * down, _BLOCK * right, 1),
        source.storage_offset(),
    )
    # (36, tiles·C), transformed, multiplied per frequency, and transformed back to (16, tiles·O).
    transformed = into @ spread.reshape(_TILE**2, -1)
    applied = kernel.applied(transformed.view(_TILE**2, rows * across, kernel.channels))
    blocks = home[:, : len(applied)] @ applied.flatten(1)
    shape = (_BLOCK, _BLOCK, rows, across, kernel.out_channels)
    return blocks.view(shape).permute(2, 0, 3, 1, 4)


def _tiles(side: int) -> int:
    return -(-side // _BLOCK)


@functools.cache
def _transforms(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return both transforms over whole tiles, (36, 36) and (16, 37): a bias comes as it is."""
    into, _, back = _sides(dtype)
    with_bias = functional.pad(torch.kron(back, back), (0, 1), value=1.0)
    return torch.kron(into, into).to(device, dtype), with_bias.to(device, dtype)


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
