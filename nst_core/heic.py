"""HEIC, in which telephones save their photos: read where its extra is installed."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

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
