"""Legibility of a collection's pictures: one sheet to look at, and how far the values spread.

    python benchmarks/legibility.py OUT [--sheet docs/legibility.webp] [--across 6]

OUT holds pictures of a recipe with a `legibility`. Under each stands what it reached, and by how
much its content weight was multiplied. For comparison every pair is sketched once at the recipe's
own weight: that is what one weight for all gives.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image, ImageDraw, ImageFont

from nst_core.images import decode
from nst_core.legibility import legibility_of
from nst_core.pictures import Pictures, Style
from nst_core.sketches import sketch_of
from nst_core.studio import Studio
from nst_core.synthesis import synthesize
from tasks.output import Output
from tasks.recorded_recipes import recipe_in

if TYPE_CHECKING:
    from tasks.records import Record

CELL = 200
LINE = 16


def at_own_weight(record: Record, studio: Studio) -> float:
    """Return the legibility of a pair's sketch at the weight that the recipe has for all."""
    recipe = replace(recipe_in(record), log_every=1000)
    assert record.content is not None
    content = decode(Path(record.content).read_bytes()).pixels
    styles = [
        Style(decode(Path(style.location).read_bytes()).pixels, style.sha256, style.weight)
        for style in record.styles
    ]
    pictures = Pictures(content, styles)
    sketch = synthesize(sketch_of(recipe, 1), pictures, studio=studio)
    return legibility_of(sketch.image, pictures, recipe, studio)


def sheet(records: list[Record], root: Path, across: int) -> Image.Image:
    """Return all pictures side by side, each with its values."""
    font = ImageFont.load_default(11)
    rows = -(-len(records) // across)
    whole = Image.new("RGB", (across * CELL, rows * (CELL + LINE)), "white")
    draw = ImageDraw.Draw(whole)
    for index, record in enumerate(records):
        left, top = index % across * CELL, index // across * (CELL + LINE)
        with Image.open(root / record.files["picture"].file) as picture:
            shown = picture.convert("RGB")
        shown.thumbnail((CELL - 4, CELL - 4), Image.Resampling.LANCZOS)
        whole.paste(shown, (left, top + CELL - 4 - shown.height))
        found = record.legibility
        assert found is not None
        told = f"{found.reached:.2f}, weight {found.content_factor:.2g}"
        draw.text((left, top + CELL - 3), told, fill="black", font=font)
    return whole


def spread(values: list[float]) -> str:
    """Return mean, standard deviation and range as text."""
    return (
        f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"
        f" ({min(values):.2f} to {max(values):.2f})"
    )


def main() -> None:
    """Print the spreads, and write the sheet where one is wanted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--across", type=int, default=6)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    records = [record for record in Output(arguments.output).records() if record.legibility]
    records.sort(key=lambda record: (record.style_name, record.content_name))
    if arguments.sheet:
        sheet(records, arguments.output, arguments.across).save(arguments.sheet, quality=82)
    reached = [record.legibility.reached for record in records if record.legibility]
    print(f"{len(records)} pictures, weights found: {spread(reached)}", flush=True)
    studio = Studio("cpu")
    print(f"one weight for all: {spread([at_own_weight(each, studio) for each in records])}")


if __name__ == "__main__":
    main()
