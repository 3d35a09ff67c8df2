"""Comparison sheets: what the variants of one recipe make of one content and one style.

Each variant stands where its axes say: the last axis runs across, the others down; the pictures on
the way, where they were kept, stand small below their picture.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageOps

from manifests.naming import slug
from manifests.sweep_labels import called
from nst_core.errors import ImageError
from tasks.catalogue import SHEETS
from tasks.durable import write_atomic
from tasks.lettering import ALARM, INK, RULE, SOFT, encoded, font, wrapped
from tasks.sheets import DPI
from tasks.thumbnails import Thumbnails, decoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from manifests.pairs import Pair, Sheet
    from nst_core.preset_types import Axes
    from tasks.output import Output
    from tasks.records import Record

_MOST_ACROSS = 6
_CELL = 420
_MARGIN = 60
_GAP = 18
_TITLE = 90
_SIDE = 260
_HEAD = 40
_STEP = 24
_CELL_BYTES = 400_000  # Of a picture and its share of the rest, as PNG and in the PDF.


@dataclass(frozen=True)
class Line:
    """One line of a sheet.

    Args:
        head: What the line has in common, to its left.
        columns: What stands above each picture.
        records: The pictures; None where one is not painted.
    """

    head: str
    columns: tuple[str, ...]
    records: tuple[Record | None, ...]


def comparison_bytes(pictures: int) -> int:
    """Return the forecast of all comparison sheets that show so many pictures, in bytes."""
    return pictures * _CELL_BYTES


def write_comparisons(
    output: Output, collection: str, works: Iterable[tuple[Pair, Record | None]]
) -> list[Path]:
    """Write every comparison sheet of a collection into ``OUT/sheets`` and return their paths.

    Args:
        output: Where the pictures lie.
        collection: Its name.
        works: Its pairs with the records of those that are painted.

    Returns:
        For each sheet ``<collection>.<recipe>--<content>--<style>.png`` and the same as a PDF.

    Raises:
        OutputError: They could not be written.
    """
    sheets: dict[Sheet, list[tuple[Axes, Record | None]]] = {}
    for pair, record in works:
        for sheet, axes in pair.sheets:
            sheets.setdefault(sheet, []).append((axes, record))
    thumbnails = Thumbnails(output.root)
    paths: list[Path] = []
    names = Counter[str]()
    for sheet, shown in sheets.items():
        originals = _originals(output.root, sheet, [record for _, record in shown], thumbnails)
        page = comparison(output.root, heading(sheet), originals, lines(shown))
        words = [word for word in (sheet.recipe, sheet.content_name, sheet.style_name) if word]
        name = f"{collection}.{'--'.join(map(slug, words))}"
        names[name] += 1
        if names[name] > 1:  # other pictures of the same names
            name += f"-{names[name]}"
        for kind, options in (("PNG", {"dpi": (DPI, DPI)}), ("PDF", {"resolution": DPI})):
            paths.append(output.root / SHEETS / f"{name}.{kind.lower()}")
            write_atomic(paths[-1], encoded(page, kind, **options))
    return paths


def heading(sheet: Sheet) -> str:
    """Return what stands above a sheet."""
    names = ", after ".join(name for name in (sheet.content_name, sheet.style_name) if name)
    return f"{sheet.recipe}: {names}" if names else sheet.recipe


def lines(shown: Sequence[tuple[Axes, Record | None]]) -> list[Line]:
    """Return pictures in lines: the last axis across, all others down.

    A single axis that is too long for a line goes on in the next.

    Args:
        shown: Where each picture stands; the order is that of the values along the axes.
    """
    down: dict[Axes, dict[str, Record | None]] = {}
    for axes, record in shown:
        down.setdefault(axes[:-1], {})[called(*axes[-1])] = record
    found = []
    for axes, across in down.items():
        head = ", ".join(called(*each) for each in axes)
        columns = list(across)
        wide = len(columns) if len(down) > 1 else _MOST_ACROSS
        for start in range(0, len(columns), wide):
            here = tuple(columns[start : start + wide])
            found.append(Line(head, here, tuple(across[column] for column in here)))
    return found


def comparison(
    root: Path, title: str, originals: Sequence[Image.Image], shown: Sequence[Line]
) -> Image.Image:
    """Return a sheet.

    Args:
        root: The output's folder.
        title: Above everything.
        originals: Small, in the upper left.
        shown: Line by line.
    """
    across = max(len(line.columns) for line in shown)
    cells = [[_cell(root, record) for record in line.records] for line in shown]
    heights = [_HEAD + max(cell.height for cell in row) + _GAP for row in cells]
    reaching = sum(original.height + _GAP for original in originals)
    page = Image.new(
        "RGB",
        (
            2 * _MARGIN + _SIDE + across * (_CELL + _GAP),
            2 * _MARGIN + _TITLE + max(sum(heights), reaching + _HEAD),
        ),
        "white",
    )
    draw = ImageDraw.Draw(page)
    room = page.width - 2 * _MARGIN
    size = next((size for size in (44, 32, 24) if font(size).getlength(title) <= room), 18)
    draw.text((_MARGIN, _MARGIN), "".join(wrapped(title, font(size), room)[:1]), INK, font(size))
    top = _MARGIN + _TITLE
    beside = top + _HEAD
    for original in originals:
        page.paste(original, (_MARGIN, beside))
        beside += original.height + _GAP
    for line, row, height in zip(shown, cells, heights, strict=True):
        _letter_beside(draw, line.head, top, beside)
        for place, (column, cell) in enumerate(zip(line.columns, row, strict=True)):
            left = _MARGIN + _SIDE + place * (_CELL + _GAP)
            draw.text((left, top + 4), _cut(column), INK, font(26))
            page.paste(cell, (left, top + _HEAD))
        top += height
    return page


def _letter_beside(draw: ImageDraw.ImageDraw, head: str, top: int, below: int) -> None:
    """Write what a line has in common to its left, below the originals if they reach that far."""
    start = max(top + _HEAD, below)
    for number, text in enumerate(wrapped(head, font(26), _SIDE - _GAP)):
        draw.text((_MARGIN, start + number * 32), text, INK, font(26))


def _cell(root: Path, record: Record | None) -> Image.Image:
    """Return a picture with those on the way to it below, or a frame that says there is none."""
    picture = _small(root / record.files["picture"].file, _CELL) if record else None
    if record is None or picture is None:
        empty = Image.new("RGB", (_CELL, _CELL * 3 // 4), "white")
        draw = ImageDraw.Draw(empty)
        draw.rectangle((0, 0, empty.width - 1, empty.height - 1), outline=RULE, width=2)
        draw.text((14, 12), "Not to be had" if record else "Not painted", ALARM, font(26))
        return empty
    if record.draft:
        draw = ImageDraw.Draw(picture)
        draw.text((14, 12), "draft", ALARM, font(26), stroke_width=4, stroke_fill="white")
    steps = _spread(list(record.frames))
    if not steps:
        return picture
    width = (_CELL - (len(steps) - 1) * 4) // len(steps)
    strip = {
        step: small for step in steps if (small := _small(root / record.frames[step].file, width))
    }
    tallest = max((frame.height for frame in strip.values()), default=0)
    cell = Image.new("RGB", (_CELL, picture.height + 6 + tallest + _STEP), "white")
    cell.paste(picture, (0, 0))
    draw = ImageDraw.Draw(cell)
    for place, (step, frame) in enumerate(strip.items()):
        left = place * (width + 4)
        cell.paste(frame, (left, picture.height + 6))
        draw.text((left, picture.height + 8 + tallest), f"step {step}", SOFT, font(16))
    return cell


def _spread(steps: Sequence[int]) -> list[int]:
    """Return as many of the steps as stand in a strip, the first and the last among them."""
    if len(steps) <= _MOST_ACROSS:
        return list(steps)
    last = len(steps) - 1
    return [steps[round(place * last / (_MOST_ACROSS - 1))] for place in range(_MOST_ACROSS)]


def _originals(
    root: Path, sheet: Sheet, records: Sequence[Record | None], thumbnails: Thumbnails
) -> list[Image.Image]:
    """Return the content and the styles of a sheet, small, as far as they are to be had."""
    hashes: dict[str, str] = {}
    for record in records:
        if record is not None:
            hashes |= record.originals
    wanted = [sheet.content, *sheet.styles[:2]]
    found = []
    for location in wanted:
        if location is not None and (sha256 := hashes.get(location)):
            copy = thumbnails.of(sha256, [location])
            small = copy and _small(root / copy.file(copy.widths[0]), _SIDE - _GAP)
            found += [small] if small else []
    return found


def _small(path: Path, width: int) -> Image.Image | None:
    """Return a picture at a width, at most twice as high; None if it cannot be had."""
    try:
        image = decoded(path.read_bytes())
    except (ImageError, OSError):
        return None
    return ImageOps.contain(image, (width, 2 * width), method=Image.Resampling.LANCZOS)


def _cut(text: str) -> str:
    return wrapped(text, font(26), _CELL)[0] if text else ""
