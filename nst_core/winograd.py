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

from nst_core.hardware import has_grouped_products
from nst_core.octaves import size_of

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.octaves import Size

_BLOCK = 4
_TILE = _BLOCK + 2

# As many tiles are worked through at a time: with fewer the kernels would be read too often, and
# with more a group would not stay in the cache between the three steps. Products are of multiples
# of the smaller number, for which kernels have one layout: see hardware.has_grouped_products.
_GROUP, _TILES_AT_ONCE = 192, 64

# For fewer tiles the kernels, four times as large as before, take longer to read than they save.
_FEWEST_TILES = 32

# Where polynomials are evaluated, beside 0 and infinity: ±each. With the first all transforms are
# small fractions; the second keep them of one size, which halves the rounding of few bits
# (Alam, Anderson, Barabasz & Gregg 2022, "Efficient Point Selection", try many).
_POINTS = {torch.float32: (1.0, 2.0), torch.bfloat16: (0.75, 1.5)}


class Kernel:
    """A 3×3 kernel as it is used here: one (C_out, C_in) matrix per frequency.

    Args:
        weight: (C_out, C_in, 3, 3), fp32 or bf16. Transformed in float64 and rounded once.
        bias: (C_out,), or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.out_channels, self.channels = weight.shape[:2]
        _, side, back = _sides(weight.dtype)
        kernels = weight.reshape(self.out_channels * self.channels, 9).double()
        spread = (torch.kron(side, side) @ kernels.mT).to(weight.dtype)
        matrices = spread.view(_TILE**2, self.out_channels, self.channels)
        added: Tensor | None = None
        if bias is not None:
            # Of all that the transform back makes 1 everywhere, the least.
            one = torch.linalg.pinv(back).sum(1)
            added = torch.outer(torch.kron(one, one), bias.double()).to(weight.dtype)
        products = _Grouped if has_grouped_products() else _OneByOne
        self._products = products(matrices, added)

    def applied(self, tiles: Tensor) -> Tensor:
        """Return the products of (N, 36, C_in) vectors with the kernel's, (N, 36, C_out).

        The bias is added in such shares that the transform back adds it to every value.

        Args:
            tiles: N is a multiple of 64.
        """
        return self._products(tiles)


class _OneByOne:
    """The products of (N, 36, C_in) vectors with (36, C_out, C_in) matrices, and (36, C_out)."""

    def __init__(self, matrices: Tensor, added: Tensor | None) -> None:
        pack = torch.ops.mkldnn._reorder_linear_weight  # noqa: SLF001 # the only door
        self._packed = [pack(matrix) for matrix in matrices]
        self._added = [None] * len(matrices) if added is None else list(added)
        self._out_channels = matrices.shape[1]

    def __call__(self, tiles: Tensor) -> Tensor:
        found = tiles.new_empty(*tiles.shape[:2], self._out_channels)
        multiply = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 # the only door
        for index, (matrix, added) in enumerate(zip(self._packed, self._added, strict=True)):
            found[:, index] = multiply(tiles[:, index], matrix, added, "none", [], "")
        return found


class _Grouped:
    """The same as one convolution of single positions: its groups of channels are frequencies."""

    def __init__(self, matrices: Tensor, added: Tensor | None) -> None:
        count, out_channels, channels = matrices.shape
        kernel = matrices.reshape(count * out_channels, channels, 1, 1)
        size = [1, count * channels, 1, _GROUP]
        pack = torch.ops.mkldnn._reorder_convolution_weight  # noqa: SLF001 # the only door
        self._packed = pack(kernel, [0, 0], [1, 1], [1, 1], count, size)
        self._added = None if added is None else added.flatten()

    def __call__(self, tiles: Tensor) -> Tensor:
        count, frequencies, _ = tiles.shape
        maps = tiles.view(1, 1, count, -1).permute(0, 3, 1, 2)
        around, ones = [0, 0], [1, 1]
        convolve = torch.ops.mkldnn._convolution_pointwise  # noqa: SLF001 # the only door
        found: Tensor = convolve(
            maps, self._packed, self._added, around, ones, ones, frequencies, "none", [], ""
        )
        return found.permute(0, 2, 3, 1).view(count, frequencies, -1)


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
    groups = -(-down // max(1, _GROUP // across))
    rows = -(-down // groups)  # alike: a last group of few tiles would read the kernels for little
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
    """Return the first rows of tiles convolved, (rows, 4, across, 4·C_out).

    Args:
        source: (≥ rows·4 + 2, across·4 + 2, C_in).
        tiles: (rows, across).
        kernel: Of the source's dtype.
    """
    rows, across = tiles
    into, home = _transforms(source.dtype, source.device)
    down, right, _ = source.stride()
    spread = source.as_strided(
        (rows, across, _TILE, _TILE * kernel.channels),
        (_BLOCK * down, _BLOCK * right, down, 1),
        source.storage_offset(),
    )
    count = rows * across
    filled = -(-count // _TILES_AT_ONCE) * _TILES_AT_ONCE
    vectors = source.new_empty(filled, _TILE**2, kernel.channels)
    vectors[:count].view(spread.shape).copy_(spread)
    applied = kernel.applied(torch.bmm(into.expand(filled, -1, -1), vectors))[:count]
    blocks = torch.bmm(home.expand(count, -1, -1), applied)
    return blocks.view(rows, across, _BLOCK, _BLOCK * kernel.out_channels).transpose(1, 2)


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
