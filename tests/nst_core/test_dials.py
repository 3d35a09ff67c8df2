from __future__ import annotations

import dataclasses

import pytest

from nst_core.activations import Activation, Guide, Unit
from nst_core.dials import Dials, turn
from nst_core.errors import RecipeError
from nst_core.octaves import Octaves
from nst_core.optimizers import LBFGS, Adam
from nst_core.terms import Content, Gram, TotalVariation
from tests.nst_core.toy import toy_recipe

RECIPE = toy_recipe(
    network="vgg19",
    terms=(
        Content(layer="relu4_2", weight=5.0),
        Gram(layer="relu1_1", weight=2.0, divide_by="chw"),
        Gram(layer="relu2_1", weight=6.0, divide_by="chw"),
        TotalVariation(weight=0.5),
    ),
    octaves=Octaves(size=512, smallest=128, steps=(9, 5)),
    optimizer=LBFGS(history=7),
)


def weights(recipe):
    """Give layer → weight of every term."""
    return {term.layer: term.weight for term in recipe.terms}


def test_untouched_dials_leave_the_recipe():
    """None of any dial is the preset's own."""
    assert turn(RECIPE, Dials()) == RECIPE


@pytest.mark.parametrize(
    ("dial", "value"),
    [
        ("style_scale", 2.0),
        ("color", "chroma-after"),
        ("start", "noise"),
        ("seed", 0),
        ("network", "vgg16"),
        ("pooling", "avg"),
        ("precision", "bf16"),
    ],
)
def test_plain_dials_set_the_field_of_their_name(dial: str, value: object):
    """The field changes and nothing else."""
    before = dataclasses.replace(RECIPE, seed=11)

    assert turn(before, Dials(**{dial: value})) == dataclasses.replace(before, **{dial: value})


def test_size_keeps_the_walk():
    """The finished size changes; ratio, smallest octave and steps stay."""
    turned = turn(RECIPE, Dials(size=1024))

    assert turned == dataclasses.replace(
        RECIPE, octaves=dataclasses.replace(RECIPE.octaves, size=1024)
    )


def test_steps_are_those_of_the_octaves():
    """Steps are given per octave, coarsest first."""
    assert turn(RECIPE, Dials(steps=(3, 2, 1))).octaves.steps == (3, 2, 1)


def test_steps_that_are_given_are_all_made():
    """Whoever counts them out is not to get fewer by the preset's patience."""
    patient = dataclasses.replace(
        RECIPE, octaves=dataclasses.replace(RECIPE.octaves, patience=0.01)
    )

    assert turn(patient, Dials(size=300)).octaves.patience == 0.01
    assert turn(patient, Dials(steps=(3, 2))).octaves.patience is None


def test_content_weight_is_a_factor_on_content_terms():
    """Twice the content weight keeps more of the photo and leaves the style terms alone."""
    assert weights(turn(RECIPE, Dials(content_weight=2.0))) == {
        "relu4_2": 10.0,
        "relu1_1": 2.0,
        "relu2_1": 6.0,
        "image": 0.5,
    }


def test_style_weight_is_a_factor_on_style_terms():
    """Half the style weight halves every style layer and leaves content and variation alone."""
    assert weights(turn(RECIPE, Dials(style_weight=0.5))) == {
        "relu4_2": 5.0,
        "relu1_1": 1.0,
        "relu2_1": 3.0,
        "image": 0.5,
    }


def test_style_weight_may_be_zero():
    """A style of no weight leaves a recipe that reads no style."""
    assert turn(RECIPE, Dials(style_weight=0.0)).reads == {"content"}


def test_style_layers_share_the_total_weight():
    """New layers take the old terms' place, their kind, their other fields and their total."""
    turned = turn(RECIPE, Dials(style_layers={"relu3_1": 3.0, "relu5_1": 1.0}))

    assert turned.terms == (
        Content(layer="relu4_2", weight=5.0),
        Gram(layer="relu3_1", weight=6.0, divide_by="chw"),
        Gram(layer="relu5_1", weight=2.0, divide_by="chw"),
        TotalVariation(weight=0.5),
    )


def test_content_layers_share_the_total_weight():
    """The same for the content, in its own place."""
    turned = turn(RECIPE, Dials(content_layers={"relu4_2": 1.0, "relu5_2": 1.0}))

    assert [(term.layer, term.weight) for term in turned.terms[:3]] == [
        ("relu4_2", 2.5),
        ("relu5_2", 2.5),
        ("relu1_1", 2.0),
    ]


def test_weights_turn_what_the_layers_set():
    """Layers say where, weights how strongly; both dials together mean both."""
    turned = turn(RECIPE, Dials(style_layers={"relu3_1": 1.0}, style_weight=10.0))

    assert weights(turned)["relu3_1"] == 80.0


def test_optimizer_of_another_kind_comes_at_its_defaults():
    """The preset's numbers belong to its own descent."""
    assert turn(RECIPE, Dials(optimizer="adam")).optimizer == Adam()


def test_optimizer_of_the_same_kind_keeps_the_presets_numbers():
    """Naming what is there changes nothing."""
    assert turn(RECIPE, Dials(optimizer="lbfgs")).optimizer == LBFGS(history=7)


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        (Dials(size=4), "size is 4; it must lie between 16 and 32768"),
        (Dials(network="vgg20"), "no network 'vgg20'; did you mean 'vgg"),
        (Dials(style_layers={"relu3_9": 1.0}), "vgg19 has no layer 'relu3_9'; did you mean"),
        (Dials(style_layers={"relu3_1": 0.0}), "the weights of the style layers add up to 0"),
        (Dials(content_layers={}), "the weights of the content layers add up to 0"),
        (Dials(style_weight=-1.0), "weight is -2.0; it must lie between"),
    ],
)
def test_dials_that_cannot_be_painted_are_refused(dials: Dials, message: str):
    """A turned recipe is checked like any other."""
    with pytest.raises(RecipeError) as refused:
        turn(RECIPE, dials)

    assert str(refused.value).startswith(message)


def test_layers_of_a_term_that_is_not_there_are_refused():
    """A recipe without style terms has no style layers to set."""
    reconstruction = toy_recipe(terms=(Content(layer="relu2_1"),))

    with pytest.raises(RecipeError, match="the recipe has no style term whose layers could be set"):
        turn(reconstruction, Dials(style_layers={"relu1_1": 1.0}))


# Dreams

DREAM = toy_recipe(
    network="efficientnet-lite0",
    terms=(Activation(layer="block3"), Unit(unit=0), TotalVariation()),
    start="noise",
)


def test_dream_layers_take_the_place_of_what_grew():
    """Relative weights; the total stays, and terms of pixels too."""
    dream = dataclasses.replace(DREAM, terms=(Activation(layer="block3", weight=4.0),))
    turned = turn(dream, Dials(dream_layers={"block5": 3.0, "block6": 1.0}))

    assert turned.terms == (
        Activation(layer="block5", weight=3.0),
        Activation(layer="block6", weight=1.0),
    )


def test_style_weight_leaves_a_guide_alone():
    """A guide is no style, though it takes its place in the pair."""
    guided = toy_recipe(terms=(Guide(layer="relu1_1", weight=2.0), Gram(layer="relu1_1")))
    turned = turn(guided, Dials(style_weight=3.0))

    assert [term.weight for term in turned.terms] == [2.0, 3.0]


@pytest.mark.parametrize("unit", [302, "ground beetle", "Ground Beetle"])
def test_a_class_is_asked_for_by_name_or_id(unit):
    """All unit terms ask for it."""
    assert turn(DREAM, Dials(unit=unit)).terms[1] == Unit(unit=302)


def test_a_channel_is_asked_for_by_number():
    """Of the layer that the unit term looks at."""
    recipe = dataclasses.replace(DREAM, terms=(Unit(unit=0, layer="block3"),))

    assert turn(recipe, Dials(unit=7)).terms == (Unit(unit=7, layer="block3"),)


@pytest.mark.parametrize(
    ("recipe", "unit", "message"),
    [
        (DREAM, "flamingos", "there is no class 'flamingos'; did you mean 'flamingo'?"),
        (DREAM, 1000, "there is no class 1000; they count from 0 to 999"),
        (RECIPE, 3, "the recipe has no unit term whose unit could be set"),
        (
            dataclasses.replace(DREAM, terms=(Unit(unit=0, layer="block3"),)),
            "flamingo",
            "unit is 'flamingo'; the channels of block3 have numbers, no names",
        ),
        (
            dataclasses.replace(DREAM, terms=(Unit(unit=0, layer="block3"),)),
            24,
            "efficientnet-lite0 block3 has no unit 24; they count from 0 to 23",
        ),
    ],
)
def test_units_that_are_not_there_are_refused(recipe, unit, message):
    """With the nearest name, or how many there are."""
    with pytest.raises(RecipeError) as refused:
        turn(recipe, Dials(unit=unit))

    assert str(refused.value) == message
