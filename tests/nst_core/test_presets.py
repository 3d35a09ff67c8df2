from __future__ import annotations

import math
from itertools import pairwise

import pytest

from nst_core.dream_presets import DREAMS
from nst_core.errors import RecipeError
from nst_core.presets import PRESETS, preset
from nst_core.reconstructions import RECONSTRUCTIONS
from nst_core.terms import Content, Gram, TotalVariation, Wasserstein

EACH = pytest.mark.parametrize("name", PRESETS)
PAINTING = [name for name in PRESETS if name not in DREAMS | RECONSTRUCTIONS]


def terms(name, kind):
    """Give a preset's terms of one kind."""
    return [term for term in PRESETS[name].recipe.terms if isinstance(term, kind)]


def test_preset_is_found_by_its_name():
    """The table gives the recipe that a manifest names."""
    assert preset("gallery") is PRESETS["gallery"]


def test_unknown_preset_is_answered_with_the_nearest():
    """A slip of the pen gets the name that was meant."""
    with pytest.raises(RecipeError) as refused:
        preset("galery")

    assert str(refused.value) == "no preset 'galery'; did you mean 'gallery'?"
    assert refused.value.code == "E-RECIPE-PRESET"


def test_preset_like_no_other_is_answered_with_all():
    """Where no name is near, all of them are told."""
    with pytest.raises(RecipeError, match=r"^no preset 'xyz'; known: gallery, crowson, "):
        preset("xyz")


@EACH
def test_preset_says_what_it_is_and_where_it_is_from(name: str):
    """Every recipe has a summary and a source, one line each."""
    texts = (PRESETS[name].summary, PRESETS[name].source)

    assert all(text and "\n" not in text for text in texts)


@pytest.mark.parametrize("name", PAINTING)
def test_preset_transfers_a_style(name: str):
    """Every preset of a painting reads a content and a style, and nothing else."""
    assert PRESETS[name].recipe.reads == {"content", "style"}


@pytest.mark.parametrize("name", PAINTING)
def test_content_layer_is_deeper_than_the_first_block(name: str):
    """Content is compared where pixels no longer matter."""
    assert all(term.layer >= "relu4" for term in terms(name, Content))


def test_gallery_weighs_layers_as_crowson_does():
    """Each style layer weighs a quarter of the one before, one in all."""
    weights = [term.weight for term in terms("gallery", Wasserstein)]

    assert math.isclose(sum(weights), 1)
    assert [first / second for first, second in pairwise(weights)] == [4] * 4


def test_gallery_smooths_the_distance_as_measured():
    """A relative floor of 2e-5 ended lowest of those tried; the ridge is the peer's."""
    constants = {(term.ridge, term.smoothing) for term in terms("gallery", Wasserstein)}

    assert constants == {(1e-4, 2e-5)}


def test_crowson_has_the_same_objective():
    """It is shared with our own preset; what differs is how it is made small."""
    assert PRESETS["crowson"].recipe.terms == PRESETS["gallery"].recipe.terms


def test_pastiche_weighs_each_gram_by_its_channels():
    """10/C² on every style layer, Gram over H·W, 0.01 on the content."""
    assert {term.layer: term.weight for term in terms("pastiche", Gram)} == {
        f"relu{block}_1": 10 / channels**2
        for block, channels in enumerate((64, 128, 256, 512, 512), start=1)
    }
    assert [term.weight for term in terms("pastiche", Content)] == [0.01]


@pytest.mark.parametrize(("name", "style_weight"), [("jcjohnson", 100.0), ("deepart-like", 1000.0)])
def test_neural_style_presets_divide_by_all_values(name: str, style_weight: float):
    """neural-style's Gram is over C·H·W, its content weight 5, its variation 1e-3.

    Content and style are scaled bilinearly to the same longest side.
    """
    recipe = PRESETS[name].recipe

    assert {(term.weight, term.divide_by) for term in terms(name, Gram)} == {(style_weight, "chw")}
    assert [term.weight for term in terms(name, Content)] == [5.0]
    assert [(term.weight, term.stencil) for term in terms(name, TotalVariation)] == [
        (1e-3, "squared")
    ]
    assert (recipe.style_fit, recipe.resampling) == ("longest", "bilinear")
