"""Losses and canvases that are no numbers end the painting, and are never kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from nst_core.errors import DivergedError
from nst_core.octaves import Octaves
from nst_core.optimizers import LBFGS, Adam
from nst_core.synthesis import Step
from nst_core.terms import Content, Gram
from tests.nst_core.toy import toy_recipe
from tests.nst_core.toy_painting import TWO_OCTAVES, watch


@dataclass(frozen=True)
class Poison:
    """Finite until a certain evaluation; then its loss or gradient is NaN, or its loss huge."""

    evaluations: list
    deadly: int
    what: str
    last: int = 1000
    kind: str = "poison"
    weight: float = 1.0

    layer: ClassVar[str] = "image"
    reads: ClassVar[str] = "nothing"

    def measure(self, maps):
        """Give the canvas."""
        return (maps,)

    def loss(self, measured, target):
        """Give nothing, NaN, or very much."""
        pixels = measured[0]
        if torch.is_grad_enabled():
            self.evaluations.append(1)
        if len(self.evaluations) < self.deadly:
            return pixels.sum() * 0
        if self.what == "explosion":
            return pixels.sum() * 0 + 1e12 * (len(self.evaluations) <= self.last)
        # The root of zero has an infinite slope, times zero.
        return pixels.sum() * torch.nan if self.what == "loss" else (pixels * 0).sum().sqrt()


@pytest.mark.parametrize("log_every", [1, 100])
def test_divergence_names_octave_step_and_term(log_every: int):
    """A loss that is no number is told of the step where it was found, logged or not."""
    terms = (Content(layer="relu2_1"), Poison([], deadly=5, what="loss"))
    with pytest.raises(DivergedError) as diverged:
        watch(toy_recipe(terms=terms, octaves=TWO_OCTAVES, log_every=log_every))

    assert str(diverged.value) == (
        "loss became nan in octave 2, step 2, term poison;"
        " lower that term's weight or the optimiser's step"
    )
    assert diverged.value.kind == "diverged"


@pytest.mark.parametrize("optimizer", [LBFGS(), Adam()], ids=str)
@pytest.mark.parametrize("keep", [Step.picture, Step.snapshot, Step.synthesis])
def test_broken_canvas_is_never_kept(optimizer, keep):
    """A gradient that is no number ends the painting before an observer could keep the canvas."""
    terms = (Content(layer="relu2_1"), Poison([], deadly=2, what="gradient"))
    kept = []
    with pytest.raises(DivergedError, match="canvas left the finite numbers in octave 1, step 2;"):
        watch(
            toy_recipe(terms=terms, optimizer=optimizer, log_every=100),
            on_step=lambda step: kept.append(keep(step)),
        )

    assert len(kept) == 1


def test_broken_canvas_is_found_where_nobody_looks():
    """It is told of the step that broke it, not of the one at which it was noticed."""
    terms = (Content(layer="relu2_1"), Poison([], deadly=2, what="gradient"))
    octaves = Octaves(size=16, steps=(9,))
    with pytest.raises(DivergedError, match="canvas left the finite numbers in octave 1, step 2;"):
        watch(toy_recipe(terms=terms, octaves=octaves, log_every=100))


@pytest.mark.parametrize(("last", "steps"), [(2, 15), (1000, 10)])
def test_a_loss_that_explodes_for_good_ends_the_painting(last: int, steps: int):
    """Ten steps in a row are no accident; one is, and the painting goes on."""
    poison = Poison([], deadly=2, what="explosion", last=last)
    recipe = toy_recipe(
        terms=(Gram(layer="relu1_1"), poison), octaves=Octaves(size=16, steps=(15,)), log_every=1
    )
    seen = []
    if last < steps:
        watch(recipe, on_step=seen.append)
    else:
        with pytest.raises(DivergedError, match=r"loss exploded from .* to 1e\+12 in octave 1"):
            watch(recipe, on_step=seen.append)

    assert len(seen) == steps
