"""Paper: names, custom sheets, and what fits on them."""

from __future__ import annotations

import pytest

from manifests.papers import PAPERS, Paper, paper
from nst_core.errors import RecipeError


@pytest.mark.parametrize(("text", "sheet"), [("a3", (297, 420)), (" Letter ", (215.9, 279.4))])
def test_a_name_means_its_sheet(text, sheet):
    """In any case, with spaces around."""
    assert paper(text) == Paper(*sheet)


@pytest.mark.parametrize(
    ("text", "sheet"),
    [("300x400mm", (300, 400)), ("30 × 40 cm", (300, 400)), ("12x16.5in", (304.8, 419.1))],
)
def test_a_sheet_may_be_of_any_size(text, sheet):
    """In millimetres, centimetres or inches."""
    found = paper(text)

    assert (found.width, found.height) == pytest.approx(sheet)


@pytest.mark.parametrize("text", ["a33", "300x400", "0x400mm", "1x1mm", "9" * 400 + "x1mm", ""])
def test_no_paper_is_refused(text):
    """With the names that there are."""
    with pytest.raises(RecipeError, match="a3") as refused:
        paper(text)

    assert refused.value.code == "E-PRINT-PAPER"


def test_a_picture_of_the_sheets_shape_fills_it():
    """A3 at 300 dots per inch is 4961 px long."""
    assert paper("a3").longest_side(420 / 297, dpi=300) == 4960


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize("aspect", [0.2, 0.7, 1.0, 1.5, 6.0])
def test_a_picture_fits_on_its_sheet(name, aspect):
    """Neither side is longer than the sheet's, and one of them is as long, to the pixel."""
    sheet = paper(name)
    dots = sorted(side / 25.4 * 150 for side in (sheet.width, sheet.height))

    long = sheet.longest_side(aspect, dpi=150)
    short = long / max(aspect, 1 / aspect)

    assert long <= dots[1] + 1e-3
    assert short <= dots[0] + 1e-3
    assert dots[1] - long < 1 or dots[0] - short < 1
