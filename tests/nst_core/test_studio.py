from __future__ import annotations

import pytest
import torch

from nst_core.recipe import Recipe
from nst_core.studio import Studio
from nst_core.terms import Content
from tests.nst_core.toy import TOY, convolutions, toy_recipe, toy_studio


def test_network_is_loaded_once():
    """Recipes that see through the same network share its weights."""
    loaded = []
    studio = Studio(load=lambda row: (loaded.append(row), convolutions(row))[1])

    assert studio.features(toy_recipe()) is studio.features(toy_recipe(seed=5, style_scale=2.0))
    assert loaded == [TOY]


@pytest.mark.parametrize(
    "changes", [{"pooling": "avg"}, {"border": "replicate"}, {"precision": "bf16"}]
)
def test_another_way_of_seeing_is_another_network(studio: Studio, changes):
    """What changes the feature maps is never shared."""
    assert studio.features(toy_recipe(**changes)) is not studio.features(toy_recipe())


def test_class_scores_are_loaded_where_they_are_asked_for():
    """A painting that reads no class scores does not carry a classifier along."""
    seen = Content(layer="block2")
    studio = Studio()
    recipes = [
        Recipe(network="efficientnet-lite0", terms=terms)
        for terms in ((seen,), (seen, Content(layer="logits")), (seen, Content(layer="block3")))
    ]
    without, with_scores, deeper = (studio.features(recipe) for recipe in recipes)

    assert with_scores is not without
    assert deeper is without


def test_precision_is_that_of_the_maps(studio: Studio):
    """A recipe may insist on either precision, whatever the hardware does faster."""
    dtypes = [studio.features(toy_recipe(precision=each)).dtype for each in ("fp32", "bf16")]

    assert dtypes == [torch.float32, torch.bfloat16]


def test_target_is_measured_once(studio: Studio):
    """What is remembered is not measured again."""
    measured = []

    def measure():
        measured.append(1)
        return (torch.ones(1),)

    first, second = (studio.remember("key", measure) for _ in range(2))

    assert first is second
    assert len(measured) == 1


def test_least_recently_used_target_is_forgotten_first():
    """A full memory drops what was not asked for the longest."""
    studio, measured = toy_studio(remembered=2), []
    for key in "abacab":
        studio.remember(key, lambda key=key: (measured.append(key), ())[1])

    assert measured == ["a", "b", "c", "b"]
