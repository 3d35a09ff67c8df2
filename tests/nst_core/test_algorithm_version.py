"""Pixels that change only with the version of the algorithm."""

from __future__ import annotations

import dataclasses

import pytest

from nst_core.canvases import Pixels
from nst_core.octaves import Octaves
from nst_core.optimizers import Adam
from nst_core.recipe import ALGORITHM_VERSION
from nst_core.terms import Content, Gram, TotalVariation, Wasserstein
from tests.nst_core.toy import picture, style, toy_recipe
from tests.nst_core.toy_painting import PAIR, TWO_OCTAVES, watch

# Recipes that between them touch every field, and some pixels of what they paint. Whoever changes
# these on purpose raises ALGORITHM_VERSION, or finished pictures would be taken for up to date.
GOLDEN_RECIPES = {
    "gallery": {
        "terms": (
            Content(layer="relu2_1", weight=0.015),
            Wasserstein(layer="relu1_1", weight=0.8),
            Wasserstein(layer="relu2_1", weight=0.2),
            TotalVariation(weight=0.2),
        ),
        "border": "replicate",
        "canvas": Pixels(spectral=0.5),
        "octaves": TWO_OCTAVES,
    },
    "noise": {
        "terms": (
            Content(layer="relu2_1", weight=0.5),
            Gram(layer="relu1_1"),
            Gram(layer="relu2_1", divide_by="chw"),
            TotalVariation(weight=1e-6, stencil="squared"),
        ),
        "start": "noise",
        "seed": 7,
        "pooling": "avg",
        "style_scale": 0.7,
        "octaves": TWO_OCTAVES,
    },
    "adam": {
        "optimizer": Adam(rate=0.02, average=0.9),
        "octaves": dataclasses.replace(TWO_OCTAVES, carry="image"),
        "style_fit": "longest",
        "enlarge_style": False,
        "pooling": "l2",
        "color": "chroma-after",
    },
    "matched": {
        "color": "match-content",
        "octaves": Octaves(size=24, measure="area", steps=(5,)),
        "resampling": "lanczos",
        "start": "picture",
    },
}
GOLDEN = {
    3: {
        "gallery": [0.5556, 0.4904, 0.4083, 0.1376, 0.3917, 0.6718, 0.446, 0.4443, 0.4319],
        "noise": [0.3278, 0.3937, 0.394, 0.3978, 0.4612, 0.5416, 0.3342, 0.3508, 0.2642],
        "adam": [0.5179, 0.4174, 0.3391, 0.0989, 0.4193, 0.6176, 0.3351, 0.3514, 0.2551],
        "matched": [0.6642, 0.7003, 0.7081, 0.1345, 0.3248, 0.5441, 0.3714, 0.7363, 0.9449],
    }
}


@pytest.mark.parametrize("name", GOLDEN_RECIPES)
def test_pixels_change_only_with_the_algorithm_version(name: str):
    """The same recipe paints the same pixels, on every machine to a twentieth of a level."""
    pictures = dataclasses.replace(
        PAIR, styles=(style(1), style(2, weight=0.5)), start=picture(9, 20, 20)
    )
    image = watch(toy_recipe(**GOLDEN_RECIPES[name]), pictures)[0].image
    chosen = image.flatten()[:: image.numel() // 9]

    assert chosen.tolist() == pytest.approx(GOLDEN[ALGORITHM_VERSION][name], abs=2e-4)
