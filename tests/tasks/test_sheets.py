from __future__ import annotations

import re

import pytest
from PIL import Image, ImageFont

from tasks.catalogue import Catalogue
from tasks.output import Output
from tasks.sheets import (
    A3,
    contact_sheets,
    sheet_bytes,
    wrapped,
    write_contact_sheets,
)
from tests.tasks.toy_gallery import hang, originals, pair, publish


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A night of 24 pairs: 23 painted, one failed."""
    return hang(tmp_path_factory.mktemp("night") / "out", frames=0)


def pages(output):
    """Return an output's contact sheets."""
    catalogue = Catalogue(output.root, list(output.records()), output.failures())
    return list(contact_sheets(output.root, catalogue, "spring-show"))


def inked(image, box):
    """Return whether anything is drawn in a box (left, top, right, bottom)."""
    part = image.crop(box).convert("L")
    return part.getextrema()[0] < 250


def test_a_night_is_written_as_pictures_and_as_one_document(night):
    """Each page is a PNG of A3 at 200 dots per inch, and all of them one PDF."""
    png, pdf = write_contact_sheets(night)

    with Image.open(png) as page:
        assert (page.size, round(page.info["dpi"][0])) == (A3, 200)
    assert (png.name, pdf.name) == ("spring-show-1.png", "spring-show.pdf")
    assert pdf.read_bytes().startswith(b"%PDF")


def test_the_document_has_a3_pages(night):
    """A page of the PDF is 420 by 297 mm."""
    pdf = write_contact_sheets(night)[-1].read_bytes()

    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf)
    assert box
    assert [round(float(points) / 72 * 25.4) for points in box.groups()] == [420, 297]


def test_every_row_and_column_is_drawn(night):
    """Four contents in six styles fill a page down to its last row and column."""
    (page,) = pages(night)

    assert inked(page, (120, 450, 400, 700))
    assert inked(page, (2760, 450, 3180, 700))
    assert not inked(page, (0, 0, A3[0], 70))


def test_a_failure_says_so_in_its_cell(night, tmp_path):
    """The failed pair's cell differs from a page on which the pair was never planned."""
    with_failure = pages(night)[0]
    without = pages(hang(tmp_path / "out", frames=0, failing=()))[0]

    assert with_failure.size == without.size
    assert with_failure.tobytes() != without.tobytes()


def test_a_large_night_goes_on_over_several_pages(tmp_path):
    """Twenty styles take more than one page, none of which is empty."""
    output = Output(tmp_path / "out")
    content = next(iter(originals(tmp_path / "photos", ["cat"]).items()))
    for number in range(20):
        publish(output, pair(number, content, (f"style {number}", f"/s{number}")), number)

    sheets = pages(output)

    assert len(sheets) == 3
    assert all(inked(sheet, (450, 450, 900, 700)) for sheet in sheets)


@pytest.mark.parametrize(("contents", "expected"), [(3, 1), (6, 1), (7, 2)])
def test_what_fits_on_one_page_is_not_torn_apart(tmp_path, contents, expected):
    """Few columns leave room for many rows; the forecast knows how many."""
    output = Output(tmp_path / "out")
    for number in range(contents):
        names = (f"photo {number}", f"/photos/{number}.jpg"), ("Woodcut", "/art/woodcut.jpg")
        publish(output, pair(number, *names), number)

    assert len(pages(output)) == expected
    assert sheet_bytes(contents, 1) == expected * sheet_bytes(1, 1)


def test_two_recipes_share_a_cell(tmp_path):
    """Pictures of one content in one style by two recipes stand side by side."""
    output = Output(tmp_path / "out")
    content = next(iter(originals(tmp_path / "photos", ["cat"]).items()))
    style = next(iter(originals(tmp_path / "art", ["dots"]).items()))
    for number, recipe in enumerate(("evening", "dream")):
        publish(output, pair(number, content, style, recipe_name=recipe), number)

    (page,) = pages(output)

    assert inked(page, (450, 450, 700, 700))


def test_pictures_without_content_have_a_row(tmp_path):
    """A texture, painted from no photo, is on the sheet as well."""
    output = Output(tmp_path / "out")
    style = next(iter(originals(tmp_path / "art", ["dots"]).items()))
    painting = pair(1, ("", None), style)
    publish(output, painting, 1)

    (page,) = pages(output)

    assert inked(page, (450, 450, 700, 700))


def test_text_is_wrapped_to_its_room():
    """Lines fit; a word that does not is cut."""
    font = ImageFont.load_default(20)
    lines = wrapped("a short word and incomprehensibilities-without-end-or-measure", font, 120)

    assert lines[0].startswith("a short")
    assert lines[-1].endswith("…")
    assert max(map(font.getlength, lines)) <= 120
