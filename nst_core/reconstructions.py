"""Recipes from noise: what a network keeps of a picture at its layers, and textures."""

from __future__ import annotations

from functools import partial

from nst_core.canvases import Pixels
from nst_core.networks import network
from nst_core.octaves import Octaves
from nst_core.optimizers import LBFGS
from nst_core.preset_types import Member, Preset
from nst_core.recipe import Recipe
from nst_core.terms import Content, Gram, TotalVariation, Wasserstein

# Gatys, Ecker & Bethge 2016, figure 1: a content layer of each block; style layers up to it.
_CONTENT_LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2")
_STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
_EMERGING = (0, 25, 70, 150, 350)

# Half as strong as gordicaleksa's U(-90, 90): deep layers hardly see single pixels, so that what
# noise the canvas starts with is there at the end.
_NOISE = 0.1

_from_noise = partial(
    Recipe,
    start="noise",
    noise=_NOISE,
    canvas=Pixels(spectral=0.5),
    optimizer=LBFGS(history=100),
    octaves=Octaves(size=512, steps=(350,)),
    precision="fp32",
)


def _of_content(layer: str) -> Recipe:
    return _from_noise(terms=(Content(layer=layer),))


def _of_style(layers: int) -> Recipe:
    """Return the reconstruction from so many of the style layers, weighted as Gatys' code does."""
    channels = network("vgg19").channels
    return _from_noise(
        terms=tuple(
            Gram(layer=layer, weight=1e3 / channels(layer) ** 2) for layer in _STYLE_LAYERS[:layers]
        )
    )


def _member(row: str, block: int, recipe: Recipe) -> Member:
    return Member((("of", row), ("up to", f"relu{block}")), recipe)


_GATYS = "Gatys, Ecker & Bethge 2016, figure 1; steps and noise after gordicaleksa's script"

RECONSTRUCTIONS: dict[str, Preset] = {
    "reconstruct-content": Preset(
        _of_content("relu4_2"),
        summary="what a layer keeps of the photo, from noise; 'layers' chooses it",
        source=_GATYS,
        frames=_EMERGING,
    ),
    "reconstruct-style": Preset(
        _of_style(5),
        summary="what the layers keep of the painting, from noise: its texture",
        source=_GATYS,
        frames=_EMERGING,
    ),
    "reconstruction-sheet": Preset(
        _of_content(_CONTENT_LAYERS[0]),
        summary="both for every block of the network, emerging from noise, on one sheet",
        source=_GATYS,
        frames=_EMERGING,
        family=(
            *(
                _member("content", block, _of_content(layer))
                for block, layer in enumerate(_CONTENT_LAYERS, start=1)
            ),
            *(
                _member("style", block, _of_style(block))
                for block in range(1, len(_STYLE_LAYERS) + 1)
            ),
        ),
    ),
    "texture": Preset(
        Recipe(
            network="vgg19-normalized",
            border="replicate",
            terms=(
                # Without relu5_1, which at a coarse size sees all of the painting at once and
                # would have it repeated instead of its texture.
                *(Wasserstein(layer=layer, weight=0.25) for layer in _STYLE_LAYERS[:4]),
                TotalVariation(weight=0.5),
            ),
            start="noise",
            noise=_NOISE,
            canvas=Pixels(spectral=0.5),
            octaves=Octaves(size=512, smallest=128, ratio=2.0, steps=(60, 40, 30)),
        ),
        summary="a texture from the painting alone, coarse to fine",
        source="the house's own; Gatys, Ecker & Bethge 2015 with means and covariances",
    ),
}
