"""Recipes by name, each number with its source.

Weights carry the normalisation they were chosen for: the same number under another Gram scaling
or another network's activations is another recipe.
"""

from __future__ import annotations

import math
from dataclasses import replace

from nst_core.canvases import Pixels
from nst_core.dream_presets import DREAMS
from nst_core.errors import RecipeError, did_you_mean
from nst_core.networks import network
from nst_core.octaves import Octaves
from nst_core.optimizers import LBFGS, Adam
from nst_core.preset_types import Preset
from nst_core.recipe import Recipe
from nst_core.reconstructions import RECONSTRUCTIONS
from nst_core.terms import Content, Gram, Term, TotalVariation, Wasserstein

# Gatys, Ecker & Bethge 2016, section 2.2.
_STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

# Crowson: 256 : 64 : 16 : 4 : 1, normalised to a sum of 1.
_WASSERSTEIN = tuple(
    Wasserstein(layer=layer, weight=weight / 341)
    for layer, weight in zip(_STYLE_LAYERS, (256, 64, 16, 4, 1), strict=True)
)


def _grams(weight: float) -> tuple[Term, ...]:
    """Return Gram matrices over C·H·W, of one weight on every layer."""
    return tuple(Gram(layer=layer, weight=weight, divide_by="chw") for layer in _STYLE_LAYERS)


def _grams_by_channels(weight: float) -> tuple[Term, ...]:
    """Return Gram matrices over H·W; weights are divided by C², so that layers count alike."""
    channels = network("vgg19").channels
    return tuple(Gram(layer=layer, weight=weight / channels(layer) ** 2) for layer in _STYLE_LAYERS)


# neural-style's content loss is a mean over values and its Gram matrix is divided by C·H·W, both
# on activations of 0..255 pixels, as here.
_JCJOHNSON = Recipe(
    terms=(
        Content(layer="relu4_2", weight=5.0),
        *_grams(100.0),
        TotalVariation(weight=1e-3, stencil="squared"),
    ),
    start="noise",
    noise=0.001 / 255,
    octaves=Octaves(size=512, steps=(1000,)),
    optimizer=LBFGS(history=100, scaling="uniform"),
    style_fit="longest",
    resampling="bilinear",
    precision="fp32",
)


_DEEPART = replace(
    _JCJOHNSON,
    terms=(
        Content(layer="relu4_2", weight=5.0),
        *_grams(1000.0),
        TotalVariation(weight=1e-3, stencil="squared"),
    ),
    start="content",
    octaves=Octaves(size=500, steps=(1000,)),
)


PRESETS: dict[str, Preset] = {
    "gallery": Preset(
        Recipe(
            network="vgg19-normalized",
            border="replicate",
            terms=(
                Content(layer="relu4_2", weight=0.015),
                *_WASSERSTEIN,
                TotalVariation(weight=2.0),
            ),
            canvas=Pixels(spectral=0.5),
            optimizer=LBFGS(history=50, first_step=0.01, largest_step=0.5),
            octaves=Octaves(
                size=512, smallest=130, steps=(40, 20, 20, 15), carry="change", patience=0.01
            ),
            legibility=0.65,
            focus=2.0,
        ),
        summary="the house's own: broad strokes first, then detail; the default",
        source="objective after crowsonkb/style-transfer-pytorch, regularised and in closed form",
    ),
    "crowson": Preset(
        Recipe(
            network="vgg19-normalized",
            border="replicate",
            terms=(
                Content(layer="relu4_2", weight=0.015),
                *_WASSERSTEIN,
                TotalVariation(weight=2.0),
            ),
            optimizer=Adam(rate=0.02, betas=(0.9, 0.99), average=0.99, warm=True),
            octaves=Octaves(size=512, smallest=128, ratio=math.sqrt(2), steps=(1000, 500)),
            style_fit="longest",
            enlarge_style=False,
        ),
        summary="the peer with the best looks, step for step; slow",
        source="crowsonkb/style-transfer-pytorch, defaults of 2023",
    ),
    "pastiche": Preset(
        Recipe(
            terms=(
                Content(layer="relu4_2", weight=0.01),
                *_grams_by_channels(10.0),
            ),
            canvas=Pixels(spectral=0.5),
            optimizer=LBFGS(history=50, first_step=0.01, largest_step=0.5),
            octaves=Octaves(size=500, measure="area", steps=(300,)),
            resampling="bilinear",
        ),
        summary="pastiche's exact objective, kept in gamut: to race on equal work",
        source="dstein64/pastiche 1.6.0, defaults; there 1000 unconstrained steps",
    ),
    "gatys-2016": Preset(
        Recipe(
            terms=(
                Content(layer="relu4_2", weight=1.0),
                *_grams_by_channels(1e3),
            ),
            optimizer=LBFGS(history=100, scaling="uniform"),
            octaves=Octaves(size=1024, measure="area", smallest=512, ratio=2.0, steps=(500, 200)),
            precision="fp32",
        ),
        summary="the paper's first author's own code, with its high-resolution pass",
        source="leongatys/PytorchNeuralStyleTransfer; Gatys, Ecker & Bethge 2016",
    ),
    "jcjohnson": Preset(
        _JCJOHNSON,
        summary="the look that made style transfer popular, from noise",
        source="jcjohnson/neural-style, defaults of 2017",
    ),
    "deepart-like": Preset(
        _DEEPART,
        summary="strong style from the content picture, as the deepart.io service looked",
        source="parameters shared in jcjohnson/neural-style issue 184",
    ),
    "seed-vgg16": Preset(
        Recipe(
            network="vgg16",
            terms=(
                Content(layer="relu5_1", weight=1.0),
                *_grams(100.0),
            ),
            octaves=Octaves(size=512, steps=(500,)),
            optimizer=LBFGS(history=100, scaling="uniform"),
            precision="fp32",
        ),
        summary="VGG-16, content conv5_1, style conv1_1 to conv5_1, as lectures teach it",
        source="lecture slides: Gram matrix / (C·H·W), rectified convolutions",
    ),
    **DREAMS,
    **RECONSTRUCTIONS,
}


def preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises:
        RecipeError: Naming the nearest preset.
    """
    if name not in PRESETS:
        hint = did_you_mean(name, PRESETS) or f"; known: {', '.join(PRESETS)}"
        raise RecipeError(
            f"no preset '{name}'{hint}",
            code="E-RECIPE-PRESET",
        )
    return PRESETS[name]
