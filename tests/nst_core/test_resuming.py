"""What a painting goes on from, and what memory it has, changes nothing of the picture."""

from __future__ import annotations

import dataclasses
import weakref

import pytest
import torch

from nst_core.activations import Activation, Unit
from nst_core.canvases import Fourier, Pixels
from nst_core.footprint import Memory, working
from nst_core.octaves import Octaves
from nst_core.optimizers import Adam, NormalizedGradient
from nst_core.synthesis import synthesize
from nst_core.terms import Content, Gram, TotalVariation
from nst_core.transforms import Jitter, RandomRotate
from tests.nst_core.toy import toy_recipe, toy_studio
from tests.nst_core.toy_painting import PAIR, TWO_OCTAVES, watch

INTERRUPTED = {
    "lbfgs": {"octaves": TWO_OCTAVES},
    "lbfgs, spectral": {"octaves": TWO_OCTAVES, "canvas": Pixels(spectral=0.5)},
    "adam": {"octaves": TWO_OCTAVES, "optimizer": Adam(average=0.9)},
    "adam, cold": {
        "octaves": dataclasses.replace(TWO_OCTAVES, carry="image"),
        "optimizer": Adam(average=0, warm=False),
    },
    "chroma": {"octaves": TWO_OCTAVES, "color": "chroma-after", "start": "noise"},
    "dream": {
        "terms": (Activation(layer="relu2_1"),),
        "transforms": (Jitter(pixels=4), RandomRotate()),
        "optimizer": NormalizedGradient(rate=0.01, last_rate=0.02, smoothing=0.5),
        "octaves": dataclasses.replace(TWO_OCTAVES, zooms=1, zoom=1.2, steps=(3, 2)),
    },
    "unit": {
        "terms": (Unit(layer="relu2_1", unit=2),),
        "start": "noise",
        "canvas": Fourier(),
        "optimizer": Adam(rate=0.05, average=0),
        "octaves": Octaves(size=16, steps=(7,)),
    },
}


@pytest.mark.parametrize("name", INTERRUPTED)
@pytest.mark.parametrize("interrupted", range(1, 8))
def test_resumed_painting_is_bitwise_the_uninterrupted_one(name: str, interrupted: int):
    """From the snapshot of any step the same picture, losses and remaining steps come."""
    recipe, snapshots, whole = toy_recipe(**INTERRUPTED[name]), [], []

    def keep(step):
        snapshots.append(step.snapshot())
        whole.append(step)

    finished, _ = watch(recipe, on_step=keep)
    resumed, rest = watch(recipe, resume=snapshots[interrupted - 1])

    assert torch.equal(resumed.image, finished.image)
    assert resumed.losses == finished.losses
    assert [(step.octave, step.step, step.done, step.losses) for step in rest] == [
        (step.octave, step.step, step.done, step.losses) for step in whole[interrupted:]
    ]


def test_memory_that_suffices_changes_nothing():
    """A limit is no part of what is painted as long as nothing has to be done about it."""
    recipe = toy_recipe(octaves=Octaves(size=40, smallest=20, steps=(3,)))
    free, _ = watch(recipe)

    assert torch.equal(watch(recipe, memory=Memory(limit=1e12))[0].image, free.image)


def test_tiles_paint_the_same_picture():
    """What is painted in tiles differs by rounding, and continues to the bit where it stopped."""
    recipe = toy_recipe(
        terms=(Content(layer="relu2_1"), Gram(layer="relu1_1"), TotalVariation()),
        octaves=Octaves(size=160, smallest=100, steps=(4,)),
    )
    snapshots = []
    whole, _ = watch(recipe)
    tiled, _ = watch(
        recipe, on_step=lambda step: snapshots.append(step.snapshot()), memory=Memory(frugal=True)
    )
    resumed, _ = watch(recipe, resume=snapshots[5], memory=Memory(frugal=True))

    # Where rounding turns a unit on or off, the few pixels that it sees differ by more.
    assert ((tiled.image - whole.image).abs() > 1e-4).float().mean() < 1e-2
    assert not torch.equal(tiled.image, whole.image)
    assert torch.equal(resumed.image, tiled.image)


def test_a_snapshot_is_let_go_of_when_it_has_been_taken_over():
    """At print sizes it is as large as the memory that the painting may take."""
    recipe, snapshots, held = toy_recipe(octaves=TWO_OCTAVES), [], []
    watch(recipe, on_step=lambda step: snapshots.append(step.snapshot()))
    handed = [snapshots[4]]
    remembered = weakref.ref(handed[0])
    snapshots.clear()
    synthesize(
        recipe,
        PAIR,
        studio=toy_studio(),
        resume=handed.pop(),
        on_step=lambda step: held.append((step.done, remembered() is not None)),
    )

    assert held == [(6, False), (7, False)]


def test_where_a_large_octave_has_no_room_a_small_one_keeps_none(monkeypatch):
    """What the small one kept would lie in pieces under the large one's maps."""
    kept = []
    monkeypatch.setattr("nst_core.octave_run.keep_freed_memory", lambda *, keep: kept.append(keep))
    recipe = toy_recipe(octaves=TWO_OCTAVES)
    small, large = (working(recipe, each, Memory()) for each in TWO_OCTAVES.plan((32, 32)))
    between = Memory((small.bytes + large.bytes) / 2)

    for memory in (Memory(), between):
        synthesize(recipe, PAIR, studio=toy_studio(), memory=memory)

    assert kept == [True, True, False, False]
