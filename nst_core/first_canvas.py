"""What the canvas shows before the first step of an octave: the start, or the octave before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from nst_core.images import resize

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.octaves import Octave, Size
    from nst_core.pictures import Pictures
    from nst_core.recipe import Recipe


def first_picture(
    recipe: Recipe, pictures: Pictures, content: Tensor | None, size: Size, device: torch.device
) -> Tensor:
    """Return what a painting begins with, (1, 3, H, W).

    Args:
        recipe: Its start.
        pictures: Bring the picture to start from, if that is it.
        content: At the canvas's size, in the colours that are painted; or None.
        size: (height, width) of the canvas.
        device: Where it is painted.
    """
    if recipe.start == "content":
        assert content is not None
        return content
    if recipe.start == "picture":
        assert pictures.start is not None
        return resize(pictures.start.to(device), size, recipe.resampling)
    # Drawn on the CPU, so that a seed means the same on every device.
    seeded = torch.Generator().manual_seed(recipe.seed)
    noise = recipe.canvas.noise_picture(size, recipe.noise, seeded).to(device)
    if recipe.start == "mix":
        assert content is not None
        return torch.lerp(content, noise, recipe.mix)
    return noise


def carried(
    recipe: Recipe, picture: Tensor, base: Tensor | None, content: Tensor | None, octave: Octave
) -> Tensor:
    """Return the picture of the octave before, or its change of the content, at this octave.

    Args:
        recipe: What it carries.
        picture: Of the octave before, (1, 3, H', W').
        base: The content there, or None.
        content: The content here, (1, 3, H, W), or None.
        octave: This one.
    """
    size = octave.size
    if octave.zoom > 1:
        return _enlarged(_middle(picture, octave.zoom), size).clamp(0, 1)
    if recipe.octaves.carry == "change" and base is not None and content is not None:
        return (content + _enlarged(picture - base, size)).clamp(0, 1)
    return _enlarged(picture, size).clamp(0, 1)


def _middle(picture: Tensor, zoom: float) -> Tensor:
    for dimension, side in enumerate(picture.shape[-2:], start=2):
        inner = max(1, round(side / zoom))
        picture = picture.narrow(dimension, round((side - inner) / 2), inner)
    return picture


def _enlarged(pixels: Tensor, size: Size) -> Tensor:
    return functional.interpolate(pixels, size, mode="bicubic", align_corners=False)
