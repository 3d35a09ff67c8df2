"""Comparison sheets: what the variants of a recipe make of one content and one style."""

from __future__ import annotations

import pytest
from PIL import Image

from manifests.pairs import Pair, Sheet, StylePicture
from nst_core.presets import preset
from tasks.catalogue import Catalogue
from tasks.comparisons import Line, comparison, heading, lines, write_comparisons
from tasks.gallery import build
from tasks.output import Output
from tests.tasks.toy_gallery import originals, pair, publish


def axes(**values):
    return tuple(values.items())


@pytest.fixture
def output(tmp_path):
    return Output(tmp_path / "out")


@pytest.fixture
def cat(tmp_path):
    return next(iter(originals(tmp_path / "photos", ["cat"]).items()))


@pytest.fixture
def dots(tmp_path):
    return next(iter(originals(tmp_path / "art", ["dots"], seed=9).items()))


def works(output, content, style, values, *, frames=0):
    """Publish a pair for each value along an axis; return the pairs with their records."""
    sheet = Sheet(
        recipe="tests",
        content=content[1],
        styles=(style[1],),
        content_name=content[0],
        style_name=style[0],
    )
    return [
        (
            Pair(
                content=content[1],
                styles=(StylePicture(style[1]),),
                recipe_name=f"tests {value}",
                recipe=preset("gallery").recipe,
                sheets=((sheet, axes(style_weight=str(value))),),
            ),
            publish(output, pair(number, content, style), number, frames=frames),
        )
        for number, value in enumerate(values)
    ]


def test_every_sheet_is_a_picture_and_a_document(output, cat, dots):
    """Named after the collection, the recipe and the originals."""
    paths = write_comparisons(output, "show", works(output, cat, dots, [0.5, 1, 2]))

    assert [path.name for path in paths] == [
        "show.tests--cat--dots.png",
        "show.tests--cat--dots.pdf",
    ]
    assert paths[1].read_bytes().startswith(b"%PDF")


def test_pairs_of_no_sweep_make_no_sheet(output, cat, dots):
    """They are on the contact sheet."""
    (alone, record), *_ = works(output, cat, dots, [1])
    plain = Pair(content=alone.content, styles=alone.styles, recipe_name="x", recipe=alone.recipe)

    assert write_comparisons(output, "show", [(plain, record)]) == []


def test_sheets_of_the_same_names_do_not_meet(output, tmp_path, dots):
    """Two photos called cat, in two folders, have a sheet each."""
    cats = [
        next(iter(originals(tmp_path / folder, ["cat"], seed=number).items()))
        for number, folder in enumerate(("a", "b"))
    ]
    shown = [work for cat in cats for work in works(output, cat, dots, [1, 2])]

    names = [path.name for path in write_comparisons(output, "show", shown)]

    assert len(set(names)) == 4
    assert "show.tests--cat--dots-2.png" in names


def test_the_last_axis_runs_across():
    """All others go down."""
    shown = [
        (axes(layers=layers, weight=weight), None) for layers in ("low", "high") for weight in "123"
    ]

    assert lines(shown) == [
        Line("low", ("weight 1", "weight 2", "weight 3"), (None,) * 3),
        Line("high", ("weight 1", "weight 2", "weight 3"), (None,) * 3),
    ]


def test_a_long_axis_goes_on_in_the_next_line():
    """A sheet of a dozen weights stays as broad as a screen."""
    assert [len(line.columns) for line in lines([(axes(w=str(n)), None) for n in range(8)])] == [
        6,
        2,
    ]


def test_pictures_on_the_way_stand_below(output, cat, dots):
    """The sheet is higher by their strip."""
    plain = [record for _, record in works(output, cat, dots, [1])]
    emerging = [record for _, record in works(output, cat, dots, [1, 2], frames=5)[1:]]
    heights = [
        comparison(output.root, "", [], [Line("", ("1",), (record,))]).height
        for record in (*plain, *emerging)
    ]

    assert heights[0] < heights[1]


def test_what_is_not_painted_has_a_frame(output, cat, dots):
    """So that the others keep their places."""
    (_, record), *_ = works(output, cat, dots, [1])
    sheet = comparison(output.root, "", [], [Line("", ("1", "2"), (None, record))])

    assert sheet.getpixel((60 + 260, 60 + 90 + 40)) != (255, 255, 255)


def test_a_draft_is_called_one(output, cat, dots):
    """Nobody takes it for what the recipe paints."""
    (_, record), *_ = works(output, cat, dots, [1])
    draft = record.model_copy(update={"draft": True})

    plain, marked = (
        comparison(output.root, "", [], [Line("", ("1",), (one,))]) for one in (record, draft)
    )

    assert (plain.size, plain == marked) == (marked.size, False)


def test_a_picture_that_cannot_be_read_does_not_keep_others_from_being_shown(output, cat, dots):
    """Somebody removed it between painting and hanging."""
    shown = works(output, cat, dots, [1, 2])
    (output.root / shown[0][1].files["picture"].file).write_bytes(b"gone")

    (sheet, _) = write_comparisons(output, "show", shown)

    with Image.open(sheet) as page:
        assert page.width > 1000


def test_a_sheet_says_what_it_compares():
    """With what was there to read."""
    sheet = Sheet(recipe="tests", content="/a", styles=("/b",), content_name="a", style_name="b")
    alone = Sheet(recipe="texture", content=None, styles=("/b",), style_name="b")

    assert heading(sheet) == "tests: a, after b"
    assert heading(alone) == "texture: b"


def test_the_page_leads_to_the_sheets(output, cat, dots):
    """Comparisons by what they compare, apart from the contact sheets."""
    write_comparisons(output, "show", works(output, cat, dots, [1, 2]))
    catalogue = Catalogue(output.root, list(output.records()), [])

    assert catalogue.comparisons() == {
        "tests, cat, dots": "./sheets/show.tests--cat--dots.png",
    }
    assert catalogue.sheets() == []
    assert "./sheets/show.tests--cat--dots.png" in build(output.root).read_text()
