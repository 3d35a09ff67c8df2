"""Contact sheets of a night, to print.

Each is an A3 page at 200 dots per inch, contents down and styles across, with the
originals at the heads; what failed has its reason where its picture would be. A night that does not
fit goes on over several pages.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageOps

from tasks.catalogue import SHEETS, Catalogue, titled
from tasks.durable import write_atomic
from tasks.lettering import ALARM, INK, RULE, SOFT, encoded, font, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tasks.output import Output

DPI = 200
A3 = (3307, 2339)  # Landscape, in pixels.
_MARGIN = 120
_GAP = 24
_HEAD = 330  # Of the title and the originals above the columns.
_SIDE = 330  # Of the originals beside the rows.
_ROOM = A3[1] - 2 * _MARGIN - _HEAD  # Of the rows.
_CAPTION = 34
_MOST_COLUMNS = 9
_PAGE_BYTES = 8_000_000  # Of a page that is full of pictures, as PNG and in the PDF.


def sheet_bytes(contents: int, styles: int) -> int:
    """Return the forecast of a collection's contact sheets, PNG and PDF, in bytes.

    Args:
        contents: Of the collection.
        styles: Likewise.
    """
    return -(-styles // _MOST_COLUMNS) * -(-contents // _most_rows()) * _PAGE_BYTES


def write_contact_sheets(output: Output) -> list[Path]:
    """Write the contact sheets of every collection into ``OUT/sheets`` and return their paths.

    Args:
        output: The finished night; small copies of its pictures are made if need be.

    Returns:
        For each collection ``<collection>-1.png`` and so on, and all its pages in one PDF.

    Raises:
        NewerRecordError: A record was written by a later version of this product.
        OutputError: They could not be written.
    """
    catalogue = Catalogue(output.root, list(output.records()), output.failures())
    paths = []
    for collection in catalogue.collections:
        stem = output.root / SHEETS / collection
        pdf = BytesIO()
        # Page by page, each of 23 MB: a large collection has hundreds.
        for number, page in enumerate(contact_sheets(output.root, catalogue, collection), start=1):
            paths.append(stem.with_name(f"{collection}-{number}.png"))
            write_atomic(paths[-1], encoded(page, "PNG", dpi=(DPI, DPI)))
            goes_on = {"append": True} if number > 1 else {"title": titled(collection)}
            page.save(pdf, "PDF", resolution=float(DPI), **goes_on)
        paths.append(stem.with_name(f"{collection}.pdf"))
        write_atomic(paths[-1], [pdf.getbuffer()])
    return paths


def contact_sheets(root: Path, catalogue: Catalogue, collection: str) -> Iterator[Image.Image]:
    """Yield a collection's contact sheets, each an A3 page of 3307 × 2339 pixels.

    Args:
        root: The output's folder.
        catalogue: Of the output.
        collection: Which to show.
    """
    works = [
        work
        for work in [*catalogue.pictures, *catalogue.failures]
        if work["collection"] == collection
    ]
    contents = sorted({work["content"] for work in works}, key=_number)
    styles = sorted({work["style"] for work in works}, key=_number)
    cells: dict[tuple[int | None, int | None], list[dict[str, Any]]] = {}
    for work in works:
        cells.setdefault((work["content"], work["style"]), []).append(work)
    recipes = {work["recipe_name"] for work in works}

    across = _evenly(styles, _MOST_COLUMNS)
    # Rather somewhat smaller than on more pages, but no smaller than where columns fill a page.
    down = _evenly(contents, _most_rows())
    width, most = _width(max(3, *map(len, across))), max(1, *map(len, down))
    while most * _step(width) > _ROOM:
        width -= 1
    height = _step(width) - _GAP
    data = catalogue.data()
    number, count = 0, len(across) * len(down)
    for columns in across:
        for rows in down:
            number += 1
            title = titled(collection) + (f", {number} of {count}" if count > 1 else "")
            page = _Page(root, title)
            for x, style in enumerate(columns):
                left = _MARGIN + _SIDE + x * (width + _GAP)
                page.original(_style(data, style), (left, _MARGIN + 90, width, _HEAD - 120))
            for y, content in enumerate(rows):
                top = _MARGIN + _HEAD + y * (height + _GAP)
                page.original(_content(data, content), (_MARGIN, top, _SIDE - 50, height))
                for x, style in enumerate(columns):
                    left = _MARGIN + _SIDE + x * (width + _GAP)
                    here = cells.get((content, style), [])
                    for place, work in enumerate(here):
                        part = width // len(here)
                        box = (left + place * part, top, part - (4 if len(here) > 1 else 0), height)
                        page.work(work, box, with_recipe=len(recipes) > 1)
            yield page.image


class _Page:
    """One page being laid out; boxes are (left, top, width, height) in pixels."""

    def __init__(self, root: Path, title: str) -> None:
        self._root = root
        self.image = Image.new("RGB", A3, "white")
        self._draw = ImageDraw.Draw(self.image)
        self._draw.text((_MARGIN, _MARGIN - 40), title, INK, font(64))

    def original(self, original: dict[str, Any], box: tuple[int, int, int, int]) -> None:
        """Show an original (a blend's first two), and its name below."""
        left, top, width, height = box
        shown = original["pictures"][:2]
        for place, picture in enumerate(shown):
            part = width // len(shown)
            inner = (left + place * part, top, part - (8 if len(shown) > 1 else 0), height - 80)
            bottom = self._picture(picture["thumbnail"], inner)
        lines = wrapped(original["name"], font(26), width)[:2]
        below = bottom if shown else top
        for number, line in enumerate(lines):
            self._draw.text((left, below + 8 + number * 32), line, INK, font(26))

    def work(
        self, work: dict[str, Any], box: tuple[int, int, int, int], *, with_recipe: bool
    ) -> None:
        """Show a picture, or why there is none."""
        left, top, width, height = box
        room = (left, top, width, height - _CAPTION)
        if work["state"] == "failed":
            self._reason(work, room)
            return
        bottom = self._picture(work["thumbnail"], room)
        words = [work["recipe_name"]] if with_recipe else []
        words += [work["state"]] if work["state"] != "finished" else []
        for line in wrapped(" · ".join(words), font(22), width)[:1]:
            self._draw.text((left, bottom + 4), line, SOFT, font(22))

    def _picture(self, thumbnail: dict[str, Any] | None, box: tuple[int, int, int, int]) -> int:
        """Show a picture as large as the box allows and return where it ends."""
        left, top, width, height = box
        if thumbnail is None:
            self._draw.rectangle((left, top, left + width, top + height), outline=RULE)
            self._draw.text((left + 12, top + 12), "not to be had", SOFT, font(22))
            return top + height
        name = f"{thumbnail['stem']}-{thumbnail['widths'][min(1, len(thumbnail['widths']) - 1)]}"
        with Image.open(self._root / f"{name}.webp") as copy:
            picture = ImageOps.contain(copy.convert("RGB"), (width, height))
        self.image.paste(picture, (left, top))
        return top + picture.height

    def _reason(self, failure: dict[str, Any], box: tuple[int, int, int, int]) -> None:
        left, top, width, height = box
        self._draw.rectangle((left, top, left + width, top + height), outline=RULE, width=2)
        self._draw.text((left + 14, top + 12), "Not painted", ALARM, font(26))
        room = (height - 60) // 30
        for number, line in enumerate(wrapped(failure["message"], font(22), width - 28)[:room]):
            self._draw.text((left + 14, top + 50 + number * 30), line, SOFT, font(22))


def _width(columns: int) -> int:
    """Return how wide a picture is where so many columns fill a page."""
    return (A3[0] - 2 * _MARGIN - _SIDE) // columns - _GAP


def _most_rows() -> int:
    """Return how many rows go on a page whose columns fill it."""
    return _ROOM // _step(_width(_MOST_COLUMNS))


def _step(width: int) -> int:
    """Return how far below each other rows of such pictures stand."""
    return round(width * 0.72) + _CAPTION + _GAP


def _evenly(things: Sequence[Any], most: int) -> list[list[Any]]:
    """Return things in as few runs as possible of at most so many, about equally long."""
    runs = -(-len(things) // most)
    return [
        list(things[i * len(things) // runs : (i + 1) * len(things) // runs]) for i in range(runs)
    ]


def _number(place: int | None) -> int:
    return -1 if place is None else place


def _content(data: dict[str, Any], number: int | None) -> dict[str, Any]:
    if number is None:
        return {"name": "without a content", "pictures": []}
    content = data["contents"][number]
    return {"name": content["name"], "pictures": [content]}


def _style(data: dict[str, Any], number: int | None) -> dict[str, Any]:
    if number is None:
        return {"name": "without a style", "pictures": []}
    style: dict[str, Any] = data["styles"][number]
    return style
