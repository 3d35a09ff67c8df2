"""Encoded bytes ↔ pixels, and pixels from one size to another.

The door to pictures: `decode` gives every one of them as RGB in sRGB, upright and opaque, whatever
the file held; `encode` gives it back as a file that carries nothing of its inputs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from PIL import Image, ImageColor
from torch.nn.functional import interpolate

from nst_core.color_profiles import to_srgb, to_srgb_deep
from nst_core.errors import ImageError
from nst_core.image_reading import MAX_PIXELS, Header, inspect, read
from nst_core.image_writing import Format, animate, encode, read_provenance
from nst_core.octaves import Size

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Format",
    "Header",
    "Picture",
    "Resampling",
    "Size",
    "animate",
    "decode",
    "encode",
    "inspect",
    "read_provenance",
    "resize",
]

Resampling = Literal["bicubic", "bilinear", "lanczos"]

# EXIF orientation → are the sides swapped first, which axes of (3, H, W) are mirrored then.
_UPRIGHT: dict[int, tuple[bool, tuple[int, ...]]] = {
    2: (False, (2,)),
    3: (False, (1, 2)),
    4: (False, (1,)),
    5: (True, ()),
    6: (True, (2,)),
    7: (True, (1, 2)),
    8: (True, (1,)),
}


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture.

    Args:
        pixels: (1, 3, H, W) float32, sRGB RGB in [0, 1].
        sha256: Of the encoded bytes it was decoded from.
        warnings: What a person should know about how it was read.
    """

    pixels: Tensor
    sha256: str
    warnings: tuple[str, ...] = ()


def decode(data: bytes, *, background: str = "white", max_pixels: int = MAX_PIXELS) -> Picture:
    """Return the first frame of a PNG, JPEG, WebP, TIFF, BMP or HEIC, as a viewer would show it.

    EXIF rotation is applied, colours are converted to sRGB, transparency is laid over the
    background, 16 bits are kept, floats are scaled.

    Args:
        data: The encoded picture.
        background: What shows through: a colour's name or #rrggbb.
        max_pixels: Larger pictures are refused from their header.

    Raises:
        ImageError: Nothing else, whatever the bytes; the codes are those of `image_faults`, and
            E-IMG-BACKGROUND.
    """
    behind = _color(background)
    source = read(data, max_pixels=max_pixels)
    color, alpha, _ = source.samples
    if isinstance(color, Image.Image):
        image, notes = to_srgb(color, source.profile)
        pixels = _planes(torch.from_numpy(np.array(image))).div_(255)
    else:
        samples, notes = to_srgb_deep(color, source.profile)
        pixels = _planes(torch.from_numpy(samples))
    if alpha is not None:
        pixels = torch.lerp(behind, pixels, torch.from_numpy(alpha))
    if source.orientation in _UPRIGHT:
        sideways, mirrored = _UPRIGHT[source.orientation]
        pixels = (pixels.transpose(1, 2) if sideways else pixels).flip(mirrored)
    return Picture(
        pixels=pixels.clamp_(0, 1)[None],
        sha256=hashlib.sha256(data).hexdigest(),
        warnings=source.warnings + notes,
    )


def resize(pixels: Tensor, size: Size, how: Resampling = "bicubic") -> Tensor:
    """Return pixels at another size, antialiased when they shrink, as Pillow does it.

    Args:
        pixels: (B, C, H, W) in [0, 1], on any device.
        size: (height, width) wanted, in pixels.
        how: Lanczos is computed by Pillow itself, on the CPU and without gradients.

    Returns:
        (B, C, height, width), clamped to [0, 1]; the same values if the size is the same.
    """
    if tuple(pixels.shape[2:]) == tuple(size):
        return pixels.clamp(0, 1)
    if how == "lanczos":
        return _lanczos(pixels, size).clamp(0, 1)
    resized = interpolate(pixels, size=size, mode=how, align_corners=False, antialias=True)
    return resized.clamp(0, 1)


def _lanczos(pixels: Tensor, size: Size) -> Tensor:
    height, width = size
    planes = pixels.detach().flatten(0, 1).float().cpu().numpy()
    resized = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS))
        for plane in planes
    ]
    return torch.from_numpy(np.stack(resized)).view(*pixels.shape[:2], *size).to(pixels)


def _planes(samples: Tensor) -> Tensor:
    """Return (3, H, W) float32 of its own memory from (H, W) or (H, W, 1 or 3)."""
    stacked = samples.view(*samples.shape[:2], -1).permute(2, 0, 1)
    return torch.empty(3, *samples.shape[:2]).copy_(stacked)


def _color(name: str) -> Tensor:
    try:
        rgb = ImageColor.getrgb(name)[:3]
    except ValueError as error:
        raise ImageError(
            f"background '{name}' is no colour",
            code="E-IMG-BACKGROUND",
            remedy="give a name such as 'white' or 'slategray', or '#rrggbb'",
        ) from error
    return torch.tensor(rgb, dtype=torch.float32).view(3, 1, 1) / 255
