"""HEIC, in which telephones save their photos: read where its extra is installed."""

from __future__ import annotations

import io
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

IS_READ = find_spec("pillow_heif") is not None

FORMAT = "HEIF"
"""What Pillow calls it."""

SUFFIXES = frozenset({".heic", ".heif"})

REMEDY = "pip install 'nst-gallery[heic]', or save as JPEG"


@cache
def let_in() -> None:
    """Teach Pillow to read it; that takes a while, so not before such a photo is met."""
    import pillow_heif  # noqa: PLC0415

    # Of all that such a file holds, the photo alone; and threads are the slots' matter.
    pillow_heif.register_heif_opener(
        thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
    )


def bits_of(image: Image.Image) -> int:
    """Return the bits of each sample in an opened HEIC: 8, 10 or 12; 8 for other pictures."""
    return int(image.info.get("bit_depth", 8)) if image.format == FORMAT else 8


def deep_color(data: bytes, bits: int) -> NDArray[np.float32]:
    """Return colour whole; Pillow by itself keeps the high 8 bits.

    Args:
        data: The encoded picture.
        bits: What `bits_of` says of it.

    Returns:
        (H, W, 3 or 4) in [0, 1], RGB and transparency where there is some.
    """
    import pillow_heif  # noqa: PLC0415

    words = np.asarray(pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False))
    # They come as the high bits of 16.
    return (words >> (16 - bits)).astype(np.float32) / np.float32(2**bits - 1)


def notes_on(image: Image.Image) -> tuple[str, ...]:
    """Return what a person should know of an opened HEIC's colours."""
    # Of ITU-T H.273: how much light a sample stands for.
    transfer = (image.info.get("nclx_profile") or {}).get("transfer_characteristics")
    name = {16: "PQ", 18: "HLG"}.get(transfer or 0)
    if name is None or image.info.get("icc_profile"):
        return ()
    return (f"an HDR photo ({name}) is read as if it were sRGB, paler than it is meant",)
