"""Painting a toy pair while every step is watched."""

from __future__ import annotations

from nst_core.activations import Activation, Guide, Unit
from nst_core.distributions import Histogram, MeanStd, SlicedWasserstein
from nst_core.octaves import Octaves
from nst_core.optimizers import LBFGS
from nst_core.pictures import Pictures
from nst_core.studio import Studio
from nst_core.synthesis import synthesize
from nst_core.terms import Content, Gamut, Gram, TotalVariation, Wasserstein
from tests.nst_core.toy import convolutions, picture, style

TERMS = (
    Content(layer="relu2_1"),
    Gram(layer="relu1_1"),
    Gram(layer="relu2_1", divide_by="chw"),
    Wasserstein(layer="relu1_1"),
    Wasserstein(layer="relu2_1", smoothing=1e-3),
    MeanStd(layer="relu1_1"),
    Histogram(layer="relu2_1", bins=32),
    SlicedWasserstein(layer="relu1_1", bins=32),
    Activation(layer="relu2_1"),
    Activation(layer="relu1_1", channels=(1, 4), margin=1),
    Guide(layer="relu1_1"),
    Guide(layer="relu2_1", by="channels"),
    Unit(layer="relu2_1", unit=3),
    Unit(layer="relu1_1", unit=1, at="center"),
    TotalVariation(),
    TotalVariation(stencil="squared"),
    Gamut(),
)
TWO_OCTAVES = Octaves(size=32, smallest=16, ratio=2, steps=(3, 4), carry="change")
PAIR = Pictures(content=picture(0, 24, 32), styles=(style(1),))
# Steps so small that what an octave starts with is what it delivers.
RESTING = LBFGS(first_step=1e-6, largest_step=1e-6)


def watch(recipe, pictures=PAIR, **arguments):
    """Paint, and give the synthesis with all that an observer saw."""
    steps = []
    arguments = {"studio": Studio(load=convolutions), "on_step": steps.append} | arguments
    return synthesize(recipe, pictures, **arguments), steps
