from __future__ import annotations

import hashlib
from io import BytesIO

import numpy as np
from PIL import Image

from tasks.durable import FileEntry
from tasks.suspects import near_duplicates


def published(root, pixels):
    """Write a picture of 24 × 24 grey pixels into an output; return its entry."""
    data = BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert("RGB").save(data, "PNG")
    sha256 = hashlib.sha256(data.getvalue()).hexdigest()
    (root / f"{sha256}.png").write_bytes(data.getvalue())
    return FileEntry(f"{sha256}.png", sha256, len(data.getvalue()), 24, 24)


def test_pictures_alike_at_a_glance_are_compared_closely(tmp_path):
    """Of the same mean colours everywhere: one a shade lighter is a twin, other strokes are not."""
    strokes = np.indices((24, 24)).sum(axis=0) // 2 % 2 * 80 + 80
    pictures = [strokes, 240 - strokes, strokes + 2, strokes + 30]

    entries = [published(tmp_path, pixels) for pixels in pictures]

    assert near_duplicates(tmp_path, entries) == [[0, 2]]


def test_of_no_pictures_none_are_alike(tmp_path):
    """A picture that cannot be read is passed over."""
    gone = FileEntry("gone.png", "0" * 64, 1, 24, 24)

    assert near_duplicates(tmp_path, [gone]) == []
