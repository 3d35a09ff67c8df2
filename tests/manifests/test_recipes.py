"""From what a manifest says of a recipe to the recipe."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from manifests.recipe_entry import RecipeEntry
from manifests.recipes import mistakes, recipe_of
from manifests.strict_yaml import load
from nst_core.canvases import Pixels
from nst_core.errors import RecipeError
from nst_core.octaves import Octaves
from nst_core.optimizers import LBFGS, Adam
from nst_core.presets import preset
from nst_core.recipe import Recipe
from nst_core.terms import Content, Gram

GALLERY = preset("gallery").recipe


def entry(written):
    """Return an entry as a manifest has it."""
    tree = load(written, name="m.yaml").tree
    return RecipeEntry.model_validate_json(json.dumps(tree), strict=True)


def recipe(written):
    return recipe_of(entry(written))


def test_an_entry_without_a_preset_starts_from_gallery():
    """The house's own."""
    assert recipe("{}") == GALLERY


def test_a_preset_is_taken_as_it_is():
    """By name."""
    assert recipe("{preset: crowson}") == preset("crowson").recipe


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{size: 256}", replace(GALLERY, octaves=replace(GALLERY.octaves, size=256))),
        (
            "{steps: 7}",
            replace(GALLERY, octaves=replace(GALLERY.octaves, steps=(7,), patience=None)),
        ),
        ("{seed: 3}", replace(GALLERY, seed=3)),
        ("{style_scale: 2}", replace(GALLERY, style_scale=2.0)),
        ("{color: match-content}", replace(GALLERY, color="match-content")),
        ("{pooling: avg}", replace(GALLERY, pooling="avg")),
        ("{precision: fp32}", replace(GALLERY, precision="fp32")),
        ("{network: vgg19}", replace(GALLERY, network="vgg19")),
        ("{init: noise}", replace(GALLERY, start="noise")),
        ("{init: {mix: 0.25}}", replace(GALLERY, start="mix", mix=0.25)),
        ("{init: {picture: faces/ann.jpg}}", replace(GALLERY, start="picture")),
        ("{optimizer: adam}", replace(GALLERY, optimizer=Adam())),
        ("{optimizer: lbfgs}", GALLERY),
        ("{optimizer: {kind: lbfgs, history: 5}}", replace(GALLERY, optimizer=LBFGS(history=5))),
        ("{canvas: {spectral: 1}}", replace(GALLERY, canvas=Pixels(spectral=1.0))),
        ("{octaves: {smallest: 64}}", replace(GALLERY, octaves=Octaves(smallest=64))),
        (
            "{octaves: {smallest: 64}, size: 300}",
            replace(GALLERY, octaves=Octaves(smallest=64, size=300)),
        ),
        ("{border: zeros, noise: 1}", replace(GALLERY, border="zeros", noise=1.0)),
        (
            "{style_fit: longest, enlarge_style: false}",
            replace(GALLERY, style_fit="longest", enlarge_style=False),
        ),
        (
            "{resampling: lanczos, log_every: 3}",
            replace(GALLERY, resampling="lanczos", log_every=3),
        ),
        ("{format: jpeg, frames: {every: 3}}", GALLERY),
    ],
)
def test_what_an_entry_says_is_in_the_recipe(written, expected):
    """Dials turn the preset's parts, parts take their place."""
    assert recipe(written) == expected


def test_weights_are_factors_on_the_presets_own():
    """1 is as the preset has it."""
    by_kind = {term.kind: term.weight for term in recipe("{content_weight: 2}").terms}

    assert recipe("{content_weight: 1, style_weight: 1}").terms == GALLERY.terms
    assert by_kind["content"] == 2 * GALLERY.terms[0].weight


@pytest.mark.parametrize("dial", ["legibility: off", "content_weight: 2", "style_weight: 2"])
def test_a_weight_that_is_given_is_not_found(dial: str):
    """It would have no effect where the weights are found for each pair."""
    assert GALLERY.legibility is not None
    assert recipe(f"{{{dial}}}").legibility is None


def test_legibility_is_turned():
    """Beside a weight, the weight is what the search starts from."""
    turned = recipe("{legibility: 0.8, content_weight: 2}")

    assert turned.legibility == 0.8
    assert turned.terms[0].weight == 2 * GALLERY.terms[0].weight


def test_layers_take_the_place_of_the_presets_layers():
    """The total weight stays."""
    style = [
        term
        for term in recipe("{layers: {style: {relu1_1: 3, relu2_1: 1}}}").terms
        if term.reads == "style"
    ]
    whole = sum(term.weight for term in GALLERY.terms if term.reads == "style")

    assert [(term.layer, pytest.approx(term.weight)) for term in style] == [
        ("relu1_1", whole * 0.75),
        ("relu2_1", whole * 0.25),
    ]


def test_terms_without_a_preset_make_a_recipe_of_their_own():
    """All else is the core's default, not a preset's."""
    assert recipe("{terms: [{kind: gram, layer: relu1_1, weight: 5}], seed: 1}") == Recipe(
        terms=(Gram(layer="relu1_1", weight=5.0),), seed=1
    )


def test_terms_beside_a_preset_take_the_place_of_its_terms():
    """Everything else is the preset's."""
    assert recipe("{preset: gallery, terms: [{kind: content}]}") == replace(
        GALLERY, legibility=None, focus=0.0, terms=(Content(),)
    )


def test_a_network_comes_with_terms_on_its_layers():
    """vgg16 has fewer layers than vgg19, and either may be the preset's."""
    deep = "terms: [{kind: gram, layer: relu5_4}]"

    assert recipe(f"{{preset: seed-vgg16, network: vgg19, {deep}}}").network == "vgg19"
    assert (
        recipe("{network: vgg16, layers: {style: [relu1_1], content: [relu4_2]}}").network
        == "vgg16"
    )


def test_each_mistake_has_its_place_in_the_entry():
    """One hides no other."""
    wrong = entry(
        "{size: 3, seed: -1, terms: [{kind: gamut}, {kind: gram, layer: x}], layers: {style: [y]}}"
    )

    assert [(path, error.code) for path, error in mistakes(wrong)] == [
        (("size",), "E-RECIPE-RANGE"),
        (("seed",), "E-RECIPE-RANGE"),
        (("terms", 1), "E-RECIPE-LAYER"),
        (("layers", "style", "y"), "E-RECIPE-LAYER"),
    ]


def test_a_sound_entry_has_no_mistakes():
    """Nor has a term of weight 0 beside others."""
    sound = entry("{terms: [{kind: content, weight: 0}, {kind: gram, layer: relu1_1}]}")

    assert list(mistakes(sound)) == []


def test_parts_that_do_not_go_together_show_in_the_whole():
    """Each of them is sound by itself."""
    odd = entry("{layers: {style: {relu1_1: 0, relu2_1: 0}}}")

    assert list(mistakes(odd)) == []
    with pytest.raises(RecipeError, match="the weights of the style layers add up to 0"):
        recipe_of(odd)


def test_steps_are_as_long_as_another_network_wants_them():
    """CaffeNet's, which the papers give, unless the table of networks says otherwise."""
    taken = recipe("{preset: classvis-yosinski-3, unit: flamingo, network: vgg16}").optimizer

    assert taken.rate == pytest.approx(100 / 255**2)


def test_steps_given_by_number_are_taken_as_they_are():
    """Whatever the network."""
    given = "{kind: normalized_gradient, norm: none, rate: 0.25}"
    taken = recipe(f"{{preset: classvis-yosinski-3, network: vgg16, optimizer: {given}}}")

    assert taken.optimizer.rate == 0.25
