"""One statistic in place of another, as the dial does it."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from nst_core.dials import Dials, turn
from nst_core.errors import RecipeError
from nst_core.images import resize
from nst_core.networks import NETWORKS
from nst_core.presets import preset
from nst_core.studio import Studio
from nst_core.style_statistics import Statistic
from nst_core.terms import Content
from tests.nst_core.toy import natural

EACH = pytest.mark.parametrize("statistic", get_args(Statistic))
GALLERY, GATYS = preset("gallery").recipe, preset("gatys-2016").recipe


def styles(recipe):
    """Give what a recipe compares with the style, layer by layer."""
    return [term for term in recipe.terms if term.reads == "style"]


@EACH
@pytest.mark.parametrize("recipe", [GALLERY, GATYS, preset("jcjohnson").recipe])
def test_the_terms_compare_another_statistic_on_the_same_layers(statistic, recipe):
    """Everything else in the recipe stays."""
    turned = turn(recipe, Dials(statistic=statistic))

    assert {term.kind.replace("_", "-") for term in styles(turned)} == {statistic}
    assert [term.layer for term in styles(turned)] == [term.layer for term in styles(recipe)]
    assert [term for term in turned.terms if term.reads != "style"] == [
        term for term in recipe.terms if term.reads != "style"
    ]


@pytest.mark.parametrize(("recipe", "own"), [(GALLERY, "wasserstein"), (GATYS, "gram")])
def test_a_presets_own_statistic_leaves_it_as_it_is(recipe, own):
    """To the last number."""
    assert turn(recipe, Dials(statistic=own)) == recipe


def test_to_another_statistic_and_back_is_nowhere():
    """Weights are divided by what they were multiplied with."""
    there = turn(GALLERY, Dials(statistic="gram"))
    back = turn(there, Dials(statistic="wasserstein"))

    for term, before in zip(styles(back), styles(GALLERY), strict=True):
        assert term.weight == pytest.approx(before.weight)


def test_a_gram_matrix_over_values_counts_its_channels():
    """Divided by C·H·W, a difference is C² times smaller, and so is what it weighs."""
    own = preset("jcjohnson").recipe
    (first, *_) = styles(turn(own, Dials(statistic="histogram")))
    over_positions = styles(turn(GATYS, Dials(statistic="histogram")))[0]

    # Both have relu1_1 of 64 channels: 100 / 64² against 1000 / 64².
    assert over_positions.weight == pytest.approx(10 * first.weight)


def test_a_recipe_without_a_style_has_no_statistic():
    """There is nothing to turn."""
    recipe = preset("reconstruct-content").recipe
    assert isinstance(recipe.terms[0], Content)

    with pytest.raises(RecipeError, match="no style term whose statistic could be set"):
        turn(recipe, Dials(statistic="gram"))


@pytest.mark.parametrize("network", ["vgg19", "vgg19-normalized", "vgg16-hed"])
@pytest.mark.parametrize("statistic", ["gram", "sliced-wasserstein"])
def test_the_new_terms_weigh_about_as_the_old_ones(statistic, network):
    """Between two pictures, the style's loss stays in the same order."""
    recipe = turn(GALLERY, Dials(network=network, style_layers={"relu1_1": 1, "relu3_1": 1}))
    features = Studio().features(recipe)
    layers = {term.layer for term in styles(recipe)}
    with torch.no_grad():
        one, other = (features(resize(natural(seed), (64, 64)), layers) for seed in (1, 2))

        def loss(recipe):
            total = 0.0
            for term in styles(recipe):
                target = term.target(term.measure(other[term.layer]))
                total += (term.weight * term.loss(term.measure(one[term.layer]), target)).item()
            return total

        ratio = loss(turn(recipe, Dials(statistic=statistic))) / loss(recipe)

    assert 1 / 6 < ratio < 6


def test_every_network_says_how_large_its_activations_are():
    """A number for each rectified convolution, or the one that all normalised ones come near."""
    for row in NETWORKS.values():
        rectified = [layer for layer in row.layers if layer.startswith("relu")]
        assert len(row.activations) in {0, len(rectified)}
    assert NETWORKS["vgg19"].activation("relu1_1") == pytest.approx(22.6)
    assert NETWORKS["googlenet"].activation("inception4c") == 0.5
