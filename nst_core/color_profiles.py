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
    if profile or image.mode == "LAB":
        try:
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
    nodes = _ramp() if color.shape[2] == 1 else _cube()
    try:
        table = _converted(nodes, profile)
    except _BROKEN:
        return color, (_TAKEN_FOR_SRGB,)
    if table is nodes:
        return color, ()
    values = np.asarray(table.convert("RGB"), np.float32) / np.float32(255)
    if nodes.mode == "L":
        places = np.linspace(0, 1, len(values[0]))
        channels = [np.interp(color[:, :, 0], places, channel) for channel in values[0].T]
        return np.stack(channels, axis=2).astype(np.float32), ()
    volume = torch.from_numpy(values).view(1, _NODES, _NODES, _NODES, 3).permute(0, 4, 1, 2, 3)
    # The last axis of the volume is red, as grid_sample takes x, y, z for the last axes first.
    wanted = torch.from_numpy(color)[None, None] * 2 - 1
    found = grid_sample(volume, wanted, padding_mode="border", align_corners=True)
    return found[0, :, 0].permute(1, 2, 0).numpy(), ()


def _converted(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the picture in sRGB: itself if that is what its profile says, else as RGB."""
    source = ImageCms.ImageCmsProfile(
        io.BytesIO(profile) if profile else ImageCms.createProfile("LAB")
    )
    mode = _MODES[source.profile.xcolor_space.strip()]
    transform = ImageCms.buildTransform(
        source,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if mode in ("L", "RGB"):
        probe = _ramp() if mode == "L" else _cube()
        before = np.asarray(probe.convert("RGB"), np.int16)
        after = np.asarray(ImageCms.applyTransform(probe, transform), np.int16)
        if np.abs(after - before).max() <= 1:
            return image
    colored = image.convert("RGB") if (image.mode, mode) == ("L", "RGB") else image
    converted = ImageCms.applyTransform(colored, transform)  # raises if its mode is another one
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
