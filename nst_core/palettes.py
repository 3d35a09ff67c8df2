"""A picture in the colours of others: their palette, and what is nearest to it in that palette."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from nst_core.images import resize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_COLORS = 16
_ROUNDS = 25
_SIDE = 64
# Pixels whose distances to all colours are looked at together: of a print, all would be gigabytes.
_PIECE = 1 << 18
# How far a colour may lie from another and still be mixed with it, in units of Oklab: about four
# differences that an eye just sees.
_SOFTNESS = 0.04

# Linear sRGB → cone responses → (after a cube root) lightness and two opponent colours;
# B. Ottosson, "A perceptual color space for image processing", 2020.
_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
# Where sRGB's curve leaves its straight part, in encoded and in linear values; IEC 61966-2-1.
_KNEE, _LINEAR_KNEE = 0.04045, 0.0031308
_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def to_oklab(picture: Tensor) -> Tensor:
    """Return the colours of a picture in Oklab, where distances are as eyes see them.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1].

    Returns:
        (H·W, 3).
    """
    values = picture.flatten(2)[0].mT
    linear = torch.where(values <= _KNEE, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    cones = (linear @ values.new_tensor(_TO_CONES).mT).clamp_min(0)
    return cones.pow(1 / 3) @ values.new_tensor(_TO_LAB).mT


def from_oklab(colors: Tensor) -> Tensor:
    """Return colours of Oklab, (N, 3), as sRGB, (N, 3), clamped to [0, 1]."""
    cones = (colors @ torch.linalg.inv(colors.new_tensor(_TO_LAB)).mT) ** 3
    linear = (cones @ torch.linalg.inv(colors.new_tensor(_TO_CONES)).mT).clamp(0, 1)
    return torch.where(
        linear <= _LINEAR_KNEE, linear * 12.92, 1.055 * linear.clamp_min(1e-9) ** (1 / 2.4) - 0.055
    ).clamp(0, 1)


def palette(pictures: Sequence[Tensor]) -> Tensor:
    """Return the colours that pictures are painted with: means of clusters, (K, 3) in Oklab.

    The first is the mean of all, each next starts where the others are farthest; rare but vivid
    colours have a place so.

    Args:
        pictures: Each (1, 3, H, W), RGB in [0, 1].
    """
    # On the CPU in float64: the same palette on every device.
    small = [resize(picture.cpu().double(), (_SIDE, _SIDE)) for picture in pictures]
    colors = torch.cat([to_oklab(picture) for picture in small])
    chosen = colors.mean(0, keepdim=True)
    for _ in range(_COLORS - 1):
        apart = torch.cdist(colors, chosen).amin(1)
        chosen = torch.cat([chosen, colors[apart.argmax()][None]])
    for _ in range(_ROUNDS):
        nearest = torch.cdist(colors, chosen).argmin(1)
        counts = torch.bincount(nearest, minlength=len(chosen)).clamp_min(1)
        sums = torch.zeros_like(chosen).index_add(0, nearest, colors)
        is_used = torch.bincount(nearest, minlength=len(chosen))[:, None] > 0
        chosen = torch.where(is_used, sums / counts[:, None], chosen)
    return chosen


def restrict(picture: Tensor, chosen: Tensor) -> Tensor:
    """Return the picture in the colours of a palette, mixed only where they are close.

    Args:
        picture: (1, 3, H, W), RGB in [0, 1].
        chosen: The palette, (K, 3) in Oklab.
    """
    chosen = chosen.to(picture)
    restricted = torch.empty_like(picture, memory_format=torch.contiguous_format)
    pieces = (torch.split(pixels.flatten(2), _PIECE, dim=-1) for pixels in (picture, restricted))
    for piece, filled in zip(*pieces, strict=True):
        apart = torch.cdist(to_oklab(piece[..., None]), chosen).square()
        shares = torch.softmax(-apart / (2 * _SOFTNESS**2), dim=1)
        filled.copy_(from_oklab(shares @ chosen).mT)
    return restricted
