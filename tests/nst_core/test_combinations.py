"""Every term, canvas and optimizer: each lowers its loss, and none makes the host wait."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nst_core.canvases import Fourier, Pixels
from nst_core.objective import bind
from nst_core.octaves import Octaves
from nst_core.optimizers import LBFGS, Adam, NormalizedGradient
from nst_core.studio import Studio
from nst_core.terms import Content, Gamut, Gram
from tests.nst_core.toy import convolutions, picture, style, toy_recipe, toy_studio
from tests.nst_core.toy_painting import TERMS, watch

PIXELS = (Pixels(), Pixels(spectral=0.5))
DESCENTS = (
    *itertools.product(
        PIXELS,
        (
            LBFGS(),
            Adam(rate=0.01, average=0),
            Adam(rate=0.02, average=0.5),
            NormalizedGradient(rate=0.001),
        ),
    ),
    (Fourier(), Adam(rate=0.02, average=0)),
)


@pytest.mark.parametrize(
    ("term", "descends"),
    [
        (term, descends)
        for term, descends in itertools.product(TERMS, DESCENTS)
        # A sigmoid is never out of gamut.
        if not (isinstance(term, Gamut) and isinstance(descends[0], Fourier))
    ],
    ids=str,
)
def test_every_term_canvas_and_optimizer_lowers_its_loss(studio, term, descends):
    """Whatever is combined, a few steps from a canvas partly out of gamut lower the loss."""
    canvas, optimizer = descends
    start = 0.5 + 1.6 * (picture(5, 12, 16) - 0.5)
    if isinstance(canvas, Fourier):
        start = start.clamp(0.1, 0.9)
    recipe = toy_recipe(terms=(term,))
    (octave,) = recipe.octaves.plan((12, 16))
    objective = bind(recipe, studio, octave, picture(0, 12, 16), [style(1)])
    descent = optimizer.start(start, canvas)
    before, _ = objective(descent.picture)
    for _ in range(6):
        descent.step(objective)
    after, _ = objective(descent.picture)

    assert after < before


def step_on_a_device_without_values(recipe, optimizer, canvas):
    """Make steps on torch's meta device, which refuses questions and mixing with the CPU."""
    (octave,) = recipe.octaves.plan((12, 16))
    here, there = toy_studio(), Studio("meta", load=convolutions)
    bind(recipe, here, octave, picture(0), [style(1)])
    # Styles are measured once, for which a host may wait.
    for key, target in here._targets.items():
        there.remember(key, lambda target=target: tuple(part.to("meta") for part in target))
    objective = bind(recipe, there, octave, picture(0).to("meta"), [style(1)])
    descent = optimizer.start(picture(5).to("meta"), canvas)
    for _ in range(3):
        loss = descent.step(objective)
    return loss, descent.picture


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("term", TERMS, ids=str)
def test_no_term_asks_its_device_for_a_value(term, precision):
    """A card goes on with the next step while the host is still far behind, or far ahead."""
    recipe = toy_recipe(terms=(term,), precision=precision)
    loss, painted = step_on_a_device_without_values(recipe, LBFGS(), Pixels())

    assert (loss.device.type, loss.shape) == ("meta", ())
    assert (painted.device.type, painted.shape) == ("meta", (1, 3, 12, 16))


@pytest.mark.parametrize(("canvas", "optimizer"), DESCENTS, ids=str)
def test_no_descent_asks_its_device_for_a_value(canvas, optimizer):
    """Whether to count a pair, how far to go: it is decided where the numbers are."""
    _, painted = step_on_a_device_without_values(toy_recipe(), optimizer, canvas)

    assert (painted.device.type, painted.shape) == ("meta", (1, 3, 12, 16))


class Questions(TorchDispatchMode):
    """Counts how often the host asked the device for a value, which makes it wait there."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Run it, and count it if it is a question."""
        del types
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("optimizer", [LBFGS(), Adam()], ids=str)
def test_the_host_asks_nothing_between_logged_steps(optimizer):
    """So that a device always has its next step before it has finished this one."""
    asked = []
    recipe = toy_recipe(
        terms=(Content(layer="relu2_1"), Gram(layer="relu1_1", weight=100.0), Gamut()),
        optimizer=optimizer,
        octaves=Octaves(size=16, steps=(12,)),
        log_every=100,
    )
    with Questions() as questions:
        watch(recipe, on_step=lambda step: asked.append(questions.count))

    assert len(set(asked[:-1])) == 1
    assert asked[-1] > asked[0]
