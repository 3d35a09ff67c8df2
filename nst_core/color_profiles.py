"""Embedded ICC profiles → sRGB, the one colour space of this product."""

from __future__ import annotations

import functools
import io
import struct
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageCms
from torch.nn.functional import grid_sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nst_core.image_samples import Floats

# How Pillow calls the colours that a profile can speak of; other profiles are not for pictures.
_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}

# Nodes per axis of the table for fine samples: 255 / 51 is whole, so 8 bits hold every node.
_NODES = 52

# What Little CMS, asked through Pillow, makes of a damaged or unfit profile.
_BROKEN = (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError)
_TAKEN_FOR_SRGB = "the embedded colour profile is damaged or of another kind: colours as in sRGB"


@functools.cache
def srgb_profile() -> bytes:
    """Return the sRGB profile that every picture of ours carries, always the same bytes."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)  # its date of creation, else now
    return bytes(profile)


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """Return a picture of 8 bits per channel in sRGB, as L or RGB, and warnings.

    Args:
        image: L, RGB, CMYK or LAB.
        profile: The ICC profile of its colours. Without one, or with a broken one, grey and RGB
            are taken for sRGB, and CMYK for plain complements.
    """
    notes: tuple[str, ...] = ()
    try:
        if image.mode == "LAB" or (profile and image.mode == "CMYK"):
            image = _converted(image, profile)
        elif profile and image.mode == "L":
            if (table := _table(_ramp(), profile)) is not None:
                image = image.convert("RGB").point(table.T.ravel().tolist())
        elif profile and _table(_cube(), profile) is not None:
            image = _converted(image, profile)
    except _BROKEN:
        notes = (_TAKEN_FOR_SRGB,)
    return (image if image.mode in ("L", "RGB") else image.convert("RGB")), notes


def to_srgb_deep(color: Floats, profile: bytes | None) -> tuple[Floats, tuple[str, ...]]:
    """Return samples finer than 8 bits in sRGB, and warnings.

    Pillow lets Little CMS work with 8 bits only. So it is asked for the nodes of a table, between
    which the samples are interpolated: smooth gradients stay smooth.

    Args:
        color: (H, W, 1 or 3) in [0, 1].
        profile: As for `to_srgb`.

    Returns:
        (H, W, 1 or 3) in [0, 1]; colours are good to 1/255, and untouched if they are sRGB.
    """
    if not profile:
        return color, ()
    grey = color.shape[2] == 1
    try:
        table = _table(_ramp() if grey else _cube(), profile)
    except _BROKEN:
        return color, (_TAKEN_FOR_SRGB,)
    if table is None:
        return color, ()
    values = table.astype(np.float32) / np.float32(255)
    if grey:
        places = np.linspace(0, 1, len(values))
        channels = [np.interp(color[:, :, 0], places, channel) for channel in values.T]
        return np.stack(channels, axis=2).astype(np.float32), ()
    # As (1, 3, blue, green, red): grid_sample takes the last axis for its first coordinate.
    volume = torch.from_numpy(values.T).reshape(1, 3, _NODES, _NODES, _NODES)
    wanted = torch.from_numpy(color)[None, None] * 2 - 1
    found = grid_sample(volume, wanted, padding_mode="border", align_corners=True)
    return found[0, :, 0].permute(1, 2, 0).numpy(), ()


def _table(nodes: Image.Image, profile: bytes) -> NDArray[np.uint8] | None:
    """Return (nodes, 3) sRGB values of colours in the profile; None if they are sRGB already."""
    before = np.asarray(nodes.convert("RGB")).reshape(-1, 3)
    # Without its shortcuts, Little CMS is twenty times slower, but right in the darks too.
    exact = _converted(nodes, profile, ImageCms.Flags.NOOPTIMIZE)
    after = np.asarray(exact).reshape(-1, 3)
    return None if np.abs(after.astype(np.int16) - before).max() <= 1 else after


def _converted(
    image: Image.Image,
    profile: bytes | None,
    flags: ImageCms.Flags = ImageCms.Flags.NONE,
) -> Image.Image:
    """Return the picture in sRGB as Little CMS has it; without a profile it is CIELAB."""
    source = ImageCms.ImageCmsProfile(
        io.BytesIO(profile) if profile else ImageCms.createProfile("LAB")
    )
    mode = _MODES[source.profile.xcolor_space.strip()]
    if (image.mode, mode) == ("L", "RGB"):
        image = image.convert("RGB")
    if image.mode != mode:
        raise ValueError(f"a profile of {mode} for a picture of {image.mode}")
    transform = ImageCms.buildTransform(
        source,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags | ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None
    return converted


@functools.cache
def _ramp() -> Image.Image:
    """Return all greys of 8 bits."""
    return Image.fromarray(np.arange(256, dtype=np.uint8)[None])


@functools.cache
def _cube() -> Image.Image:
    """Return colours from the whole RGB cube, red changing fastest."""
    steps = np.linspace(0, 255, _NODES).astype(np.uint8)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return Image.fromarray(np.stack([red, green, blue], axis=-1).reshape(_NODES, -1, 3))
