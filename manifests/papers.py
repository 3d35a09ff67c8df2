"""Paper: its names, and how large a picture fits on it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nst_core.errors import RecipeError, did_you_mean

MM_PER_INCH = 25.4

_MM = {"mm": 1.0, "cm": 10.0, "in": MM_PER_INCH}
_CUSTOM = re.compile(r"(\d{1,5}(?:\.\d{1,3})?) ?[x×] ?(\d{1,5}(?:\.\d{1,3})?) ?(mm|cm|in)")
_SMALLEST_MM, _LARGEST_MM = 10.0, 10_000.0

# Millimetres; ISO 216, and ANSI/ASME Y14.1 in inches.
PAPERS: dict[str, tuple[float, float]] = {
    "a0": (841, 1189),
    "a1": (594, 841),
    "a2": (420, 594),
    "a3": (297, 420),
    "a4": (210, 297),
    "a5": (148, 210),
    "a6": (105, 148),
    "b1": (707, 1000),
    "b2": (500, 707),
    "b3": (353, 500),
    "b4": (250, 353),
    "b5": (176, 250),
    "letter": (215.9, 279.4),
    "legal": (215.9, 355.6),
    "tabloid": (279.4, 431.8),
}


@dataclass(frozen=True)
class Paper:
    """A sheet, whichever way it is turned.

    Args:
        width: In millimetres; ``height`` likewise.
    """

    width: float
    height: float

    def longest_side(self, aspect: float, *, dpi: int) -> int:
        """Return the longest side, in pixels, of the largest picture that fits on the sheet.

        Args:
            aspect: Width over height of the picture; the sheet is turned as the picture lies.
            dpi: Dots per inch.
        """
        long, short = max(self.width, self.height), min(self.width, self.height)
        fits = min(long, short * max(aspect, 1 / aspect))
        return int(fits / MM_PER_INCH * dpi + 1e-6)


def paper(text: str) -> Paper:
    """Return the sheet that a text means: a name such as ``a3``, or ``300x400mm``, ``12x16in``.

    Raises:
        RecipeError: E-PRINT-PAPER, naming the nearest name.
    """
    wanted = text.strip().casefold()
    if wanted in PAPERS:
        return Paper(*PAPERS[wanted])
    if match := _CUSTOM.fullmatch(wanted):
        sides = [float(match[1]) * _MM[match[3]], float(match[2]) * _MM[match[3]]]
        if all(_SMALLEST_MM <= side <= _LARGEST_MM for side in sides):
            return Paper(*sides)
    raise RecipeError(
        f"no paper {text!r}{did_you_mean(wanted, PAPERS)}",
        code="E-PRINT-PAPER",
        remedy=f"write {', '.join(PAPERS)}, or a size such as 300x400mm or 12x16in",
    )
