"""Sheets to print: their typeface and colours, lines of text, and the finished file."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import ImageFont

if TYPE_CHECKING:
    from PIL import Image

INK, SOFT, RULE, ALARM = "#1d1b18", "#66615a", "#c9c4ba", "#8f2d1c"


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Return text in lines that fit; a word that does not fit a line is cut.

    Args:
        text: Of one paragraph.
        font: What it will be drawn in.
        width: Of a line, in pixels.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        cut = word
        while len(cut) > 1 and font.getlength(cut) > width:
            cut = f"{cut[:-2]}…"
        lines.append(cut)
    return lines


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return the sheets' typeface at a size in pixels."""
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return found


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return an image as a file of a kind, such as ``PNG`` or ``PDF``."""
    data = BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()
