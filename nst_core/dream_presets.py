"""Recipes of dreams and of pictures of units, each number with its source.

Numbers that their sources give in units of 0..255 are divided by 255 here, step by step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nst_core.activations import Activation, Guide, Unit
from nst_core.canvases import Fourier
from nst_core.networks import network
from nst_core.octaves import Octaves
from nst_core.optimizers import Adam, NormalizedGradient
from nst_core.preset_types import Preset
from nst_core.recipe import Recipe
from nst_core.terms import TotalVariation
from nst_core.transforms import Jitter, Pad, RandomRotate, RandomScale, Resize

if TYPE_CHECKING:
    from nst_core.terms import Term

FLAMINGO = 130
"""What a class picture shows unless another unit is asked for."""

_CLASSIFIER = "efficientnet-lite0"  # which is always here
_GUIDED_LAYERS = (*("3a", "3b", "4a", "4b", "4c", "4d", "4e"), *("5a", "5b"))

# The notebook's four octaves, 1.4 apart; down to the size that four of them reach from 512 px, so
# that larger pictures dream in forms of the same size relative to the whole.
_FOUR_OCTAVES = Octaves(size=512, smallest=187, ratio=1.4, steps=(10,), carry="change")


def _deepdream(name: str, *terms: Term) -> Recipe:
    """Return Google's recipe: step 1.5 of 255 over mean |g|, jitter of 32 pixels."""
    return Recipe(
        network=name,
        terms=terms,
        transforms=(Jitter(pixels=32),),
        optimizer=NormalizedGradient(rate=1.5 / 255),
        octaves=_FOUR_OCTAVES,
        style_size=224 if any(isinstance(term, Guide) for term in terms) else None,
        precision="fp32",
    )


def _yosinski(steps: int, optimizer: NormalizedGradient) -> Recipe:
    """Return a picture of a unit, started from noise and shown in contrast as by the toolbox."""
    return Recipe(
        network=_CLASSIFIER,
        terms=(Unit(unit=FLAMINGO),),
        start="noise",
        noise=10 / 255,
        optimizer=optimizer.lengthened(network(_CLASSIFIER).gain),
        color="full-contrast",
        octaves=Octaves(size=227, steps=(steps,)),
        precision="fp32",
    )


_SOURCE_DREAM = "google/deepdream dream.ipynb, 2015"
_SOURCE_YOSINSKI = (
    "Yosinski et al. 2015, table 1 of the toolbox; around mid-grey, on a classifier that is at hand"
    " and wants longer steps"
)
# The toolbox steps by 100·gradient in units of 0..255, both in the step and in the gradient.
_HUNDRED = 100 / 255**2

DREAMS: dict[str, Preset] = {
    "dream-4c": Preset(
        _deepdream("googlenet", Activation(layer="inception4c")),
        summary="the deep dream that everybody knows: eyes, dogs, pagodas",
        source=f"{_SOURCE_DREAM}; torchvision's GoogLeNet was trained elsewhere and dreams its own",
    ),
    "dream-edges": Preset(
        _deepdream("googlenet", Activation(layer="inception3b.branch3[0]")),
        summary="an early layer's dream: strokes, edges and curls",
        source=f"{_SOURCE_DREAM}, inception_3b/5x5_reduce",
    ),
    "dream-zoom": Preset(
        replace(
            _deepdream("googlenet", Activation(layer="inception4c")),
            octaves=replace(_FOUR_OCTAVES, zooms=100, zoom=1 / 0.95),
        ),
        summary="a journey of 100 pictures into the dream; keep its frames every 10 steps",
        source=f"{_SOURCE_DREAM}: 5 % closer each time, dreamt on at the full size",
    ),
    "dream-inception": Preset(
        Recipe(
            network="inception-v3",
            terms=tuple(
                Activation(layer=layer, weight=weight, margin=2)
                for layer, weight in (
                    ("Mixed_6b", 1.0),
                    ("Mixed_6c", 1.5),
                    ("Mixed_6d", 2.0),
                    ("Mixed_6e", 2.5),
                )
            ),
            # 0.01 of pixels in [-1, 1].
            optimizer=NormalizedGradient(rate=0.01 / 2),
            octaves=Octaves(
                size=512, smallest=261, ratio=1.4, steps=(20,), carry="change", enough=-15.0
            ),
            precision="fp32",
        ),
        summary="several layers of InceptionV3 at once: feathers, scales and palaces",
        source="keras-io examples/generative/deep_dream.py; mixed4 to mixed7 are Mixed_6b to 6e",
    ),
    "dream-vgg": Preset(
        Recipe(
            network="vgg19",
            terms=(Activation(layer="relu4_3"),),
            transforms=(Jitter(pixels=32),),
            # 0.09 of pixels over ImageNet's deviation of 0.225.
            optimizer=NormalizedGradient(rate=0.09 * 0.225, norm="deviation", smoothing=0.5),
            octaves=Octaves(size=600, smallest=103, ratio=1.8, steps=(10,), carry="change"),
            precision="fp32",
        ),
        summary="a dream with the network of style transfer: nothing to fetch",
        source="gordicaleksa/pytorch-deepdream, there on VGG-16",
    ),
    "guided-match": Preset(
        _deepdream("googlenet", Guide(layer="inception3b")),
        summary="a dream of what a guide picture shows, place by place; the style is the guide",
        source=f"{_SOURCE_DREAM}, 'Controlling dreams'; guide of 224 px",
    ),
    "guided-channel": Preset(
        _deepdream(
            "googlenet",
            *(Guide(layer=f"inception{name}", by="channels") for name in _GUIDED_LAYERS),
        ),
        summary="a dream of whatever the guide excites most, anywhere; the style is the guide",
        source="kesara/deepdreamer",
    ),
    "guided-vgg": Preset(
        _deepdream("vgg19", Guide(layer="relu4_3")),
        summary="guided-match with the network of style transfer: nothing to fetch",
        source=f"{_SOURCE_DREAM}, 'Controlling dreams', on VGG-19",
    ),
    "classvis-yosinski-1": Preset(
        _yosinski(
            500,
            NormalizedGradient(
                norm="progress",
                rate=2.0,
                largest_rate=_HUNDRED,
                blur=0.5,
                blur_every=4,
                small_norm=50,
            ),
        ),
        summary="a class on a grey ground: the weaker half of the pixels is wiped out",
        source=_SOURCE_YOSINSKI,
    ),
    "classvis-yosinski-2": Preset(
        _yosinski(750, NormalizedGradient(norm="none", rate=_HUNDRED, decay=0.3, small_norm=20)),
        summary="a class by strong decay, without a blur: mostly noise on this classifier",
        source=_SOURCE_YOSINSKI,
    ),
    "classvis-yosinski-3": Preset(
        _yosinski(
            1000,
            NormalizedGradient(norm="none", rate=_HUNDRED, decay=1e-4, blur=1.0, blur_every=4),
        ),
        summary="a class by blurring: the regularisation of most of the paper's figures",
        source=_SOURCE_YOSINSKI,
    ),
    "classvis-yosinski-4": Preset(
        _yosinski(
            1000,
            NormalizedGradient(
                norm="progress",
                rate=2.0,
                largest_rate=1e8 / 255**2,
                blur=0.5,
                blur_every=4,
                small_contribution=90,
            ),
        ),
        summary="a class by the tenth of the pixels that matter most: fragments on a grey ground",
        source=_SOURCE_YOSINSKI,
    ),
    "class-picture": Preset(
        Recipe(
            network=_CLASSIFIER,
            terms=(Unit(unit=FLAMINGO), TotalVariation(weight=400.0)),
            start="noise",
            noise=0.01,
            transforms=(
                Pad(pixels=16),
                Jitter(pixels=16),
                RandomScale(least=0.4, most=0.9),
                RandomRotate(degrees=15),
                Jitter(pixels=8),
            ),
            canvas=Fourier(spectral=1.5),
            optimizer=Adam(rate=0.006, betas=(0.9, 0.999), average=0),
            octaves=Octaves(size=256, steps=(256,)),
            precision="fp32",
        ),
        summary="a class as the house likes it: large forms, its colours, little noise",
        source="classvis-lucid with wider scales and a price on noise, chosen by eye",
    ),
    "classvis-lucid": Preset(
        Recipe(
            network=_CLASSIFIER,
            terms=(Unit(unit=FLAMINGO),),
            start="noise",
            noise=0.01,
            transforms=(
                Pad(pixels=12),
                Jitter(pixels=8),
                RandomScale(least=0.9, most=1.1),
                RandomRotate(degrees=10),
                Jitter(pixels=4),
                Resize(side=224),
            ),
            canvas=Fourier(spectral=1.0),
            optimizer=Adam(rate=0.05, betas=(0.9, 0.999), average=0),
            octaves=Octaves(size=128, steps=(512,)),
            precision="fp32",
        ),
        summary="a class or a unit, robust to being moved: clear forms, rich colours",
        source="tensorflow/lucid: fft_image, decorrelated colours, standard transforms",
    ),
    "classvis-deepdraw": Preset(
        Recipe(
            network="googlenet",
            terms=(Unit(unit=FLAMINGO),),
            start="noise",
            noise=8 / 255,
            transforms=(Jitter(pixels=32),),
            optimizer=NormalizedGradient(
                rate=11 / 255, last_rate=6 / 255, blur=2.5, last_blur=0.78
            ),
            octaves=Octaves(size=323, smallest=224, ratio=1.2, steps=(190, 150, 150)),
            precision="fp32",
        ),
        summary="a class from coarse to fine, the blur receding",
        source="auduno/deepdraw, by the last classifier alone, shifted instead of cropped",
    ),
}
