"""Masks: pictures that say which places of another picture belong to a region.

Known without torch as far as sizes go, so that a check of many pictures starts at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nst_core.errors import ImageError
from nst_core.octaves import size_of

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.octaves import Size

# JPEG and the edges of brushes shift a colour that was painted as one; by so much, of [0, 1].
_SAME_COLOR = 0.1
# Behind the transparent parts of a mask: nothing is selected there.
BACKGROUND = "black"
REST = "rest"
"""The region of all places that belong to no other."""


def require_fit(mask: Size, picture: Size) -> None:
    """Raise unless a mask has its picture's aspect ratio, to a pixel.

    Args:
        mask: (height, width) in pixels.
        picture: Likewise.

    Raises:
        ImageError: E-IMG-MASK, the sides differ by more than a pixel from those of a mask that
            was scaled along.
    """
    height, width = mask
    if (
        abs(height - picture[0] * width / picture[1]) <= 1
        or abs(width - picture[1] * height / picture[0]) <= 1
    ):
        return
    raise ImageError(
        f"the mask has {width}×{height} px, its picture {picture[1]}×{picture[0]}: these are not"
        " the same shape",
        code="E-IMG-MASK",
        remedy="make the mask from the picture itself, at any scale but uncropped",
    )


def mask_of(pixels: Tensor, *, color: str | None = None, feather: float = 0) -> Tensor:
    """Return how much each place belongs to the region that a picture marks.

    Args:
        pixels: The mask as a picture, (1, 3, H, W), RGB in [0, 1].
        color: The places of this colour (a name or ``#rrggbb``), give or take 25 of 255 in each
            channel; None takes how light a place is.
        feather: How far an edge fades to either side, in pixels of the mask; >= 0.

    Returns:
        (1, 1, H, W) in [0, 1].

    Raises:
        ImageError: E-IMG-MASK, no place belongs to it.
    """
    from PIL import ImageColor

    if color is None:
        mask = pixels.mean(1, keepdim=True)
    else:
        wanted = pixels.new_tensor(ImageColor.getrgb(color)[:3]).view(1, 3, 1, 1) / 255
        mask = ((pixels - wanted).abs().amax(1, keepdim=True) <= _SAME_COLOR).to(pixels.dtype)
    if not mask.any():
        marked = "is all black" if color is None else f"has no pixel of the colour '{color}'"
        raise ImageError(
            f"the mask {marked}: nothing belongs to its region",
            code="E-IMG-MASK",
            remedy="mark the region in it" if color is None else "name the colour as it is there",
        )
    return _feathered(mask, feather) if feather else mask


def _feathered(mask: Tensor, feather: float) -> Tensor:
    """Blur by a Gaussian of which 95 % lie within the feather."""
    from torch.nn.functional import interpolate, pad

    from nst_core.blurring import blurred

    # A wide blur of a large mask takes minutes; at a scale of some pixels it is the same blur.
    size = size_of(mask)
    shrunk = max(1, min(int(feather / 8), *(side // 2 for side in size)))
    small = interpolate(mask, [max(1, side // shrunk) for side in size], mode="area")
    sigma = feather / 2 / shrunk
    reach = round(3 * sigma) + 1
    padded = pad(small, (reach,) * 4, mode="replicate")
    width = 2 * reach + 1
    soft = blurred(padded, width, sigma)[..., reach:-reach, reach:-reach]
    return interpolate(soft, size, mode="bilinear", align_corners=False).clamp(0, 1)
