"""The dials of materials, techniques and movements."""

import pytest

from nst_core.dials import Dials, turn
from nst_core.errors import RecipeError
from nst_core.manners import MANNERS, fitting, kind_of, known_as, manner, without
from nst_core.presets import preset

GALLERY = preset("gallery").recipe

MATERIALS = (
    *("oil pastel", "watercolor", "white pencil on dark", "pointillism", "pencil drawing"),
    *("colored pencil", "underpainting", "blocking in", "built-up texture", "dry brushing"),
    *("glazing", "scraper"),
)
MOVEMENTS = (
    *("surrealism", "impressionism", "cubism", "pop art", "naturalism", "abstract", "dada"),
    *("expressionism", "minimalism", "classicism"),
)


@pytest.mark.parametrize("name", [*MATERIALS, *MOVEMENTS])
def test_every_material_and_movement_has_its_manner(name: str):
    """Which is not the preset's own, and paints at the same size in as many steps."""
    turned = turn(GALLERY, MANNERS[name])

    assert turned != GALLERY
    assert turned.octaves == GALLERY.octaves
    assert turned.legibility is not None


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Oil_Pastels", "material"),
        ("pointillism", "technique"),
        ("POP ART", "movement"),
        ("off", None),
    ],
)
def test_a_manner_is_a_material_a_technique_or_a_movement(word, kind):
    """By whatever name people call it."""
    assert kind_of(word) == kind


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("Watercolors", "watercolor"),
        ("Watercolour", "watercolor"),
        ("drawing_with_pencils", "pencil drawing"),
        ("Pencil", "pencil drawing"),
        ("building-up texture", "built-up texture"),
        ("Built-up  Texture", "built-up texture"),
        ("Coloured pencils", "colored pencil"),
        ("Woodcut", "scraper"),
        ("Pop Art", "pop art"),
        ("CUBISM", "cubism"),
        ("Ukiyo-e", None),
        ("", None),
    ],
)
def test_manners_are_known_as_people_write_them(word: str, known: str | None):
    """In upper case, in plural, with hyphens."""
    assert known_as(word) == known


def test_the_first_known_word_counts():
    """A material tells more than a movement."""
    assert fitting(["egg tempera", "Pencil", "Cubism"]) == "pencil drawing"
    assert fitting(["egg tempera"]) is None


def test_an_unknown_manner_names_the_nearest():
    """With the word itself."""
    with pytest.raises(RecipeError, match="no manner 'watercolr'; did you mean 'watercolor'"):
        manner("watercolr")


def test_what_is_given_is_not_turned():
    """Only the rest of a manner's dials."""
    dials = Dials(style_scale=1.4, tv_weight=2.0)

    assert without(dials, Dials(style_scale=1.0)) == Dials(tv_weight=2.0)
