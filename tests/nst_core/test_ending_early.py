"""Octaves that end before their last planned step."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nst_core.octaves import Octaves
from tests.nst_core.toy import toy_recipe
from tests.nst_core.toy_painting import RESTING, TWO_OCTAVES, watch

EARLY = {
    "enough": dataclasses.replace(TWO_OCTAVES, steps=(30,), enough=0.003),
    "patience": dataclasses.replace(TWO_OCTAVES, steps=(200,), patience=0.2),
}


@pytest.mark.parametrize("octaves", EARLY.values(), ids=EARLY)
def test_an_octave_that_ends_early_leaves_its_other_steps(octaves):
    """What is planned shrinks by what is not needed, and the last step is the last one planned."""
    finished, steps = watch(toy_recipe(octaves=octaves))

    assert finished.steps == len(steps) == steps[-1].done == steps[-1].planned
    assert steps[-1].planned < steps[0].planned == 2 * octaves.steps[0]
    assert [step.done for step in steps] == [*range(1, len(steps) + 1)]


@pytest.mark.parametrize("octaves", EARLY.values(), ids=EARLY)
def test_an_octave_that_ends_early_ends_there_when_resumed(octaves):
    """From the snapshot of any step come the same steps as without the interruption."""
    recipe, snapshots, whole = toy_recipe(octaves=octaves), [], []

    def keep(step):
        snapshots.append(step.snapshot())
        whole.append((step.octave, step.step, step.done, step.planned))

    finished, _ = watch(recipe, on_step=keep)
    ends = [index for index, (octave, *_) in enumerate(whole) if octave != whole[index - 1][0]]
    for interrupted in (0, ends[-1] - 1, ends[-1], len(whole) - 1):
        resumed, rest = watch(recipe, resume=snapshots[interrupted])

        assert torch.equal(resumed.image, finished.image)
        assert resumed.steps == finished.steps
        assert [(step.octave, step.step, step.done, step.planned) for step in rest] == whole[
            interrupted + 1 :
        ]


def test_an_octave_ends_as_soon_as_it_is_enough():
    """At the first step whose objective is no greater."""
    octaves = dataclasses.replace(EARLY["enough"], smallest=None)
    _, steps = watch(toy_recipe(octaves=dataclasses.replace(octaves, enough=None)))
    totals = [sum(step.losses.values()) for step in steps]
    _, until = watch(toy_recipe(octaves=octaves))

    assert len(until) < len(steps)
    assert totals[len(until) - 1] < 0.0035


def test_patience_waits_for_twenty_steps():
    """However little happens, an octave has ten steps to compare with ten others."""
    octaves = Octaves(size=16, steps=(50,), patience=0.5)
    _, steps = watch(toy_recipe(octaves=octaves, optimizer=RESTING))

    assert len(steps) == 20
