from __future__ import annotations

import json

import pytest

from nst_core.activations import Activation, Unit
from nst_core.canvases import Fourier, Pixels
from nst_core.errors import RecipeError
from nst_core.octaves import Octaves
from nst_core.optimizers import LBFGS, Adam, NormalizedGradient
from nst_core.recipe import Recipe
from nst_core.terms import Content, Gamut, Gram, TotalVariation, Wasserstein
from nst_core.transforms import Jitter, RandomScale
from tests.nst_core.toy import toy_recipe

CONTENT, GRAM = Content(layer="relu2_1"), Gram(layer="relu1_1")


@pytest.mark.parametrize(
    ("changes", "reads"),
    [
        ({}, {"content", "style"}),
        ({"terms": (CONTENT,)}, {"content"}),
        ({"terms": (GRAM,)}, {"content", "style"}),
        ({"terms": (GRAM,), "start": "noise"}, {"style"}),
        ({"terms": (GRAM,), "start": "picture"}, {"style", "picture"}),
        ({"terms": (GRAM,), "start": "noise", "color": "match-content"}, {"content", "style"}),
        ({"terms": (GRAM,), "start": "noise", "color": "chroma-after"}, {"content", "style"}),
        ({"terms": (TotalVariation(), Gamut()), "start": "noise"}, set()),
        ({"terms": (CONTENT, Gram(layer="relu1_1", weight=0))}, {"content"}),
    ],
)
def test_recipe_knows_which_pictures_it_reads(changes, reads):
    """Terms, start and colours ask for pictures; a term without weight does not."""
    assert toy_recipe(**changes).reads == reads


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"terms": ()}, "terms are empty; a recipe needs at least one with a weight"),
        ({"terms": (Content(layer="relu2_1", weight=0),)}, "terms are empty"),
        ({"octaves": Octaves(steps=())}, "steps are empty; a recipe needs at least one number"),
        ({"network": "toi"}, "no network 'toi'; did you mean 'toy'?"),
        ({"terms": (Gram(layer="relu2_2"),)}, "toy has no layer 'relu2_2'; did you mean 'relu2_1'"),
    ],
)
def test_recipe_refuses_what_cannot_be_painted(changes, message):
    """The error tells what is wrong and what would be right."""
    with pytest.raises(RecipeError) as refused:
        toy_recipe(**changes)

    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"terms": (Content(layer="relu2_1", weight=-1),)},
            "weight is -1; it must lie between 0 and 1e+12",
        ),
        ({"terms": (Gram(layer="relu1_1", weight=float("nan")),)}, "weight is nan; it must lie"),
        ({"terms": (Wasserstein(layer="relu1_1", smoothing=-1e-9),)}, "smoothing is -1e-09; it"),
        ({"terms": (Wasserstein(layer="relu1_1", ridge=2),)}, "ridge is 2; it must lie between"),
        ({"octaves": Octaves(size=15)}, "size is 15; it must lie between 16 and 32768"),
        ({"octaves": Octaves(steps=(5, 0))}, "steps is 0; it must lie between 1 and 100000"),
        ({"octaves": Octaves(ratio=1.0)}, "ratio is 1.0; it must lie between 1.1 and 16"),
        ({"octaves": Octaves(smallest=8)}, "smallest is 8; it must lie between 16 and 32768"),
        ({"style_scale": 0}, "style_scale is 0; it must lie between 0.05 and 20"),
        ({"seed": -1}, "seed is -1; it must lie between 0 and 9.22337e+18"),
        ({"log_every": 0}, "log_every is 0; it must lie between 1 and 100000"),
        ({"noise": float("inf")}, "noise is inf; it must lie between 0 and 10"),
        ({"octaves": Octaves(patience=0.0)}, "patience is 0.0; it must lie between 1e-09 and 1"),
        ({"octaves": Octaves(zoom=1.0)}, "zoom is 1.0; it must lie between 1.0001 and 16"),
        ({"transforms": (Jitter(pixels=-1),)}, "pixels is -1; it must lie between 0 and 10000"),
        ({"transforms": (RandomScale(least=0),)}, "least is 0; it must lie between 0.05 and 20"),
        ({"terms": (Unit(layer="relu1_1", unit=-1),)}, "unit is -1; it must lie between 0 and"),
        ({"optimizer": NormalizedGradient(decay=2)}, "decay is 2; it must lie between 0 and 1"),
        ({"style_size": 5}, "style_size is 5; it must lie between 16 and 32768"),
        ({"canvas": Pixels(spectral=-1)}, "spectral is -1; it must lie between 0 and 4"),
        ({"optimizer": LBFGS(history=0)}, "history is 0; it must lie between 1 and 1000"),
        ({"optimizer": LBFGS(first_step=0)}, "first_step is 0; it must lie between 1e-06 and 1"),
        ({"optimizer": LBFGS(largest_step=0)}, "largest_step is 0; it must lie between"),
        ({"optimizer": Adam(rate=0)}, "rate is 0; it must lie between 1e-06 and 10"),
        ({"optimizer": Adam(betas=(0.9, 1.0))}, "betas is 1.0; it must lie between 0 and 0.999999"),
        ({"optimizer": Adam(average=1.0)}, "average is 1.0; it must lie between 0 and 0.999999"),
    ],
)
def test_recipe_refuses_numbers_out_of_range(changes, message):
    """Every number has a range, and the error tells it."""
    with pytest.raises(RecipeError) as refused:
        toy_recipe(**changes)

    assert str(refused.value).startswith(message)
    assert refused.value.code == "E-RECIPE-RANGE"


@pytest.mark.parametrize("term", [Gram(layer="logits"), Wasserstein(layer="logits")], ids=str)
def test_scores_have_no_positions_to_compare(term):
    """A statistic over positions is refused before anything is painted."""
    with pytest.raises(RecipeError, match=r"^a \w+ term compares positions; logits are scores"):
        Recipe(network="efficientnet-lite0", terms=(term,), start="noise")


DREAM = {"terms": (Activation(layer="relu1_1"),), "start": "noise"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transforms": (Jitter(),)}, "transforms move the canvas, and a content term compares it"),
        (DREAM | {"canvas": Fourier()}, "lbfgs measures its steps in pixels; a fourier canvas has"),
        (
            DREAM | {"canvas": Fourier(), "optimizer": NormalizedGradient()},
            "normalized_gradient measures its steps in pixels",
        ),
        (
            DREAM | {"canvas": Fourier(), "optimizer": Adam(), "octaves": Octaves(smallest=128)},
            "a fourier canvas is painted at one size",
        ),
    ],
)
def test_recipe_refuses_parts_that_contradict_each_other(changes, message):
    """Each is sound in itself; the error says why the two are not."""
    with pytest.raises(RecipeError) as refused:
        toy_recipe(**changes)

    assert str(refused.value).startswith(message)
    assert refused.value.remedy


def test_equal_recipes_are_equal_values():
    """A recipe is a value: it can be compared and hashed."""
    assert toy_recipe(seed=3) == toy_recipe(seed=3)
    assert hash(toy_recipe(seed=3)) == hash(toy_recipe(seed=3))
    assert toy_recipe(seed=3) != toy_recipe(seed=4)


def test_parameters_tell_every_number():
    """Defaults are written out, and every part tells its kind."""
    parameters = toy_recipe().parameters()

    assert parameters["terms"][1] == {
        "kind": "gram",
        "layer": "relu1_1",
        "weight": 1.0,
        "divide_by": "hw",
    }
    assert parameters["optimizer"]["kind"] == "lbfgs"
    assert parameters["octaves"]["steps"] == [3]
    assert parameters["style_fit"] == "area"


def test_parameters_are_plain_json():
    """They come back from JSON as they went in, so that a record can be compared with a plan."""
    parameters = toy_recipe(optimizer=Adam()).parameters()

    assert json.loads(json.dumps(parameters, allow_nan=False)) == parameters


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"optimizer": LBFGS(history=49)},
        {"canvas": Pixels(spectral=0.25)},
        {"octaves": Octaves(size=16, steps=(3,), carry="change")},
        {"terms": (CONTENT, GRAM, TotalVariation())},
    ],
)
def test_parameters_differ_where_recipes_differ(changes):
    """No field of any part is left out of a pair's identity."""
    assert toy_recipe(**changes).parameters() != toy_recipe().parameters()


def test_recipe_is_refused_before_anything_is_computed():
    """Ranges are checked at construction: there is no invalid recipe to pass around."""
    with pytest.raises(RecipeError):
        Recipe(terms=(Content(layer="relu9_9"),))
