"""What focus does: each pair painted with all places alike, and with its subject in focus.

    python benchmarks/focus.py docs/focus.webp PHOTO:PAINTING [PHOTO:PAINTING ...] [--size 384]

A row has the photo with its painting, what stands out in the photo, and the two pictures; both
are as legible as each other, by the sketches that find their content weights.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image

from nst_core.dials import Dials, turn
from nst_core.focus import objects, saliency, seen_small, small_size
from nst_core.image_writing import encode
from nst_core.images import decode
from nst_core.pictures import Pictures, Style
from nst_core.presets import preset
from nst_core.studio import Studio
from nst_core.synthesis import synthesize

if TYPE_CHECKING:
    from torch import Tensor

GALLERY = preset("gallery").recipe
HEIGHT, SMALL, GAP = 256, 120, 8


def shown(pixels: Tensor, height: int) -> Image.Image:
    """Return pixels as an image of that height."""
    image = Image.open(io.BytesIO(encode(pixels)))
    width = round(image.width * height / image.height)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def row(photo: Path, painting: Path, size: int, studio: Studio) -> Image.Image:
    """Return a pair's row."""
    content, style = (decode(path.read_bytes()).pixels for path in (photo, painting))
    features = studio.features(GALLERY)
    small = seen_small(content, small_size(content, features))
    standing_out = saliency(small, objects(small, features))
    pictures = Pictures(content, [Style(style, key=str(painting))])
    painted = []
    for focus in (0.0, GALLERY.focus):
        found = synthesize(turn(GALLERY, Dials(size=size, focus=focus)), pictures, studio=studio)
        painted.append(found.image)
        print(f"{photo.stem} × {painting.stem}, focus {focus:g}: {found.content_factor:.2f}")
    originals = shown(content, SMALL), shown(style, HEIGHT - SMALL - GAP)
    large = [shown(standing_out.expand(-1, 3, -1, -1) / standing_out.max(), HEIGHT)]
    large += [shown(image, HEIGHT) for image in painted]
    column = Image.new("RGB", (max(each.width for each in originals), HEIGHT), "white")
    column.paste(originals[0], (0, 0))
    column.paste(originals[1], (0, SMALL + GAP))
    return side_by_side([column, *large])


def side_by_side(images: list[Image.Image]) -> Image.Image:
    """Return images of one height next to each other."""
    width = sum(image.width + GAP for image in images) - GAP
    whole = Image.new("RGB", (width, images[0].height), "white")
    left = 0
    for image in images:
        whole.paste(image, (left, 0))
        left += image.width + GAP
    return whole


def main() -> None:
    """Paint the pairs and write the sheet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("sheet", type=Path)
    parser.add_argument("pairs", nargs="+", metavar="PHOTO:PAINTING")
    parser.add_argument("--size", type=int, default=384)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    studio = Studio("cpu")
    rows = [row(*map(Path, pair.split(":")), arguments.size, studio) for pair in arguments.pairs]
    width = max(each.width for each in rows)
    whole = Image.new("RGB", (width, len(rows) * (HEIGHT + GAP) - GAP), "white")
    for index, each in enumerate(rows):
        left = (width - each.width) // 2
        whole.paste(each, (left, index * (HEIGHT + GAP)))
    whole.save(arguments.sheet, quality=85)


if __name__ == "__main__":
    main()
