"""The loop on a toy network: what it delivers, how it continues, and how it fails."""

from __future__ import annotations

import dataclasses
import itertools
import weakref
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nst_core.activations import Activation, Guide, Unit
from nst_core.canvases import Fourier, Pixels
from nst_core.colors import keep_chroma
from nst_core.dials import Dials, turn
from nst_core.distributions import Histogram, MeanStd, SlicedWasserstein
from nst_core.errors import DivergedError, RecipeError
from nst_core.features import Features
from nst_core.footprint import Memory, working
from nst_core.images import resize
from nst_core.networks import network
from nst_core.objective import bind
from nst_core.octaves import Octaves
from nst_core.optimizers import LBFGS, Adam, NormalizedGradient
from nst_core.pictures import Pictures, Style
from nst_core.presets import preset
from nst_core.recipe import ALGORITHM_VERSION
from nst_core.studio import Studio
from nst_core.synthesis import Step, synthesize
from nst_core.terms import Content, Gamut, Gram, TotalVariation, Wasserstein
from nst_core.transforms import Jitter, RandomRotate
from nst_core.weights import load_weights
from tests.nst_core.toy import (
    WatchedStudio,
    convolutions,
    natural,
    picture,
    style,
    toy_recipe,
    toy_studio,
)

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
TWO_OCTAVES = Octaves(size=32, smallest=16, ratio=2, steps=(3, 4), carry="change")
PAIR = Pictures(content=picture(0, 24, 32), styles=(style(1),))


def watch(recipe, pictures=PAIR, **arguments):
    """Paint, and give the synthesis with all that an observer saw."""
    steps = []
    arguments = {"studio": Studio(load=convolutions), "on_step": steps.append} | arguments
    return synthesize(recipe, pictures, **arguments), steps


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


def test_observer_sees_every_step():
    """Octave, step and progress count from the coarsest octave to the last step."""
    recipe = toy_recipe(octaves=TWO_OCTAVES, log_every=2)
    finished, steps = watch(recipe)

    assert [(step.octave, step.step, step.done, step.planned, step.size) for step in steps] == [
        (0, 1, 1, 7, (12, 16)),
        (0, 2, 2, 7, (12, 16)),
        (0, 3, 3, 7, (12, 16)),
        (1, 1, 4, 7, (24, 32)),
        (1, 2, 5, 7, (24, 32)),
        (1, 3, 6, 7, (24, 32)),
        (1, 4, 7, 7, (24, 32)),
    ]
    assert finished.steps == 7


def test_the_last_step_of_an_octave_says_so():
    """Whoever keeps octaves apart sees where one ends."""
    _, steps = watch(toy_recipe(octaves=TWO_OCTAVES))

    assert [step.done for step in steps if step.ends_octave] == [3, 7]


# Ending early

EARLY = {
    "enough": dataclasses.replace(TWO_OCTAVES, steps=(30,), enough=0.003),
    "patience": dataclasses.replace(TWO_OCTAVES, steps=(200,), patience=0.2),
}


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


# Dreams


def test_a_zoom_starts_with_the_middle_of_the_picture_before():
    """Enlarged to the same size; so one walks into the dream."""
    octaves = Octaves(size=32, steps=(1,), zooms=1, zoom=2, carry="change")
    finished, steps = watch(toy_recipe(octaves=octaves, optimizer=RESTING))
    middle = PAIR.content[..., 6:18, 8:24]
    expected = torch.nn.functional.interpolate(middle, (24, 32), mode="bicubic").clamp(0, 1)

    assert [step.size for step in steps] == [(24, 32)] * 2
    torch.testing.assert_close(finished.image, expected, rtol=0, atol=1e-4)


def test_total_variation_is_of_the_canvas_and_not_of_what_is_seen():
    """A transform is for the network; pixels are judged as they are."""
    recipe = toy_recipe(terms=(TotalVariation(),), transforms=(Jitter(pixels=5),))
    plain = dataclasses.replace(recipe, transforms=())

    assert torch.equal(watch(recipe)[0].image, watch(plain)[0].image)


def test_losses_of_a_dream_are_those_of_the_picture_as_it_lies():
    """The log does not tremble with the jitter."""
    recipe = toy_recipe(
        terms=(Activation(layer="relu2_1"),),
        transforms=(Jitter(pixels=5),),
        optimizer=NormalizedGradient(rate=0.01),
    )
    finished, steps = watch(recipe)
    still = dataclasses.replace(recipe, transforms=(), octaves=Octaves(size=16, steps=(1,)))
    start = dataclasses.replace(PAIR, content=finished.image)
    (again, *_), _ = watch(still, start)[1], None

    assert steps[-1].losses == finished.losses
    assert finished.losses["activation_relu2_1"] < steps[0].losses["activation_relu2_1"]
    assert again.losses["activation_relu2_1"] < finished.losses["activation_relu2_1"]


def test_losses_are_logged_every_so_many_steps():
    """First and last step of an octave are always logged, between them one in `log_every`."""
    _, steps = watch(toy_recipe(octaves=Octaves(size=16, steps=(8,)), log_every=3))

    assert [step.step for step in steps if step.losses] == [1, 3, 6, 8]


# One step of this leaves the gamut.
LEAPING = LBFGS(first_step=0.5, largest_step=5.0)


def test_unlogged_steps_cost_one_evaluation():
    """Between logged steps the network sees the canvas once per step."""
    studio = WatchedStudio()
    watch(toy_recipe(octaves=Octaves(size=16, steps=(9,)), log_every=100), studio=studio)

    # Content and style once each, nine steps, and the losses of the first, the last and the result.
    assert len(studio.seen) == 2 + 9 + 3


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": LEAPING, "octaves": Octaves(size=16, steps=(1,))},
        {"optimizer": Adam(rate=0.2)},
        {"color": "chroma-after"},
    ],
    ids=str,
)
def test_losses_are_those_of_the_delivered_picture(studio: Studio, changes):
    """What is logged is what the clipped 8-bit file has, whatever the canvas is."""
    recipe = toy_recipe(**changes)
    finished, steps = watch(recipe, studio=studio)
    file = (finished.image * 255).round().to(torch.uint8)
    (octave,) = recipe.octaves.plan((24, 32))
    content = resize(PAIR.content, octave.size)
    objective = bind(recipe, studio, octave, content, PAIR.styles)
    delivered = {name: part.item() for name, part in objective.parts(file / 255).items()}

    assert finished.losses == delivered
    assert steps[-1].losses == delivered


def test_canvas_stays_in_gamut():
    """A file cannot hold what lies outside, so nothing is painted there."""
    recipe = toy_recipe(optimizer=LEAPING, octaves=Octaves(size=16, steps=(1,)))
    finished, steps = watch(recipe)
    canvas = steps[-1].snapshot().tensors["canvas"]

    assert (canvas.min(), canvas.max()) == (0, 1)
    assert torch.equal(finished.image, canvas)


def test_picture_of_a_step_is_what_would_be_delivered():
    """The last step's picture is the finished one."""
    finished, steps = watch(toy_recipe(color="chroma-after"))

    assert torch.equal(steps[-1].picture(), finished.image)


def test_finished_picture_has_the_contents_chroma():
    """With chroma-after only the light is painted."""
    recipe = toy_recipe(color="chroma-after")
    plain, _ = watch(dataclasses.replace(recipe, color="style"))
    finished, _ = watch(recipe)

    assert torch.equal(finished.image, keep_chroma(plain.image, resize(PAIR.content, (12, 16))))


# Steps so small that what an octave starts with is what it delivers.
RESTING = LBFGS(first_step=1e-6, largest_step=1e-6)


@pytest.mark.parametrize("start", ["content", "picture"])
def test_first_canvas_is_the_picture_asked_for(start: str):
    """The content, or a picture of any size, resized to the first octave."""
    pictures = dataclasses.replace(PAIR, start=picture(9, 50, 40))
    expected = PAIR.content if start == "content" else pictures.start
    finished, _ = watch(toy_recipe(start=start, optimizer=RESTING), pictures)

    torch.testing.assert_close(finished.image, resize(expected, (12, 16)), rtol=0, atol=1e-4)


def test_noise_is_seeded_and_around_grey():
    """The same seed gives the same noise; its spread is the recipe's."""
    recipe = toy_recipe(start="noise", noise=0.05, optimizer=RESTING)
    first, again, other = (
        watch(dataclasses.replace(recipe, seed=seed))[0].image for seed in (4, 4, 5)
    )

    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.mean().item() == pytest.approx(0.5, abs=0.01)
    assert first.std().item() == pytest.approx(0.05, rel=0.1)


def test_painting_without_a_content_is_square():
    """A texture has the recipe's size on both sides."""
    recipe = toy_recipe(terms=(Gram(layer="relu1_1"),), start="noise")
    finished, _ = watch(recipe, Pictures(styles=(style(1),)))

    assert finished.image.shape == (1, 3, 16, 16)


@pytest.mark.parametrize("carry", ["change", "image"])
def test_octaves_carry_the_change_or_the_image(carry: str):
    """The finer octave starts with the enlarged canvas, or with its change of the finer content."""
    octaves = Octaves(size=32, smallest=16, ratio=2, steps=(1,), carry=carry)
    recipe = toy_recipe(start="picture", optimizer=RESTING, octaves=octaves)
    pictures = dataclasses.replace(PAIR, start=picture(9, 24, 32))
    finished, _ = watch(recipe, pictures)
    coarse, base = (resize(each, (12, 16)) for each in (pictures.start, PAIR.content))

    def enlarged(pixels):
        return torch.nn.functional.interpolate(pixels, (24, 32), mode="bicubic")

    expected = (
        (PAIR.content + enlarged(coarse - base)) if carry == "change" else enlarged(coarse)
    ).clamp(0, 1)
    torch.testing.assert_close(finished.image, expected, rtol=0, atol=1e-4)


def test_finer_octave_starts_in_gamut():
    """A carried change that overshoots is clipped before it is painted on."""
    octaves = dataclasses.replace(TWO_OCTAVES, steps=(1,))
    recipe = toy_recipe(start="picture", optimizer=RESTING, octaves=octaves)
    glaring = (picture(9, 24, 32) > 0.5).float()
    _, steps = watch(recipe, dataclasses.replace(PAIR, start=glaring))
    canvas = steps[-1].snapshot().tensors["canvas"]

    assert canvas.min() > -1e-4
    assert canvas.max() < 1 + 1e-4


@pytest.mark.parametrize("size", [(24, 32), (32, 24), (100, 17), (16, 16)])
def test_finished_picture_has_the_contents_shape(size: tuple[int, int]):
    """Size is the longest side, and the aspect is kept to the pixel."""
    recipe = toy_recipe(octaves=Octaves(size=20, steps=(1,)))
    finished, _ = watch(recipe, dataclasses.replace(PAIR, content=picture(0, *size)))
    height, width = (max(1, round(side * 20 / max(size))) for side in size)

    assert finished.image.shape == (1, 3, height, width)


def test_several_equal_styles_paint_what_one_paints():
    """A blend of a picture with itself is that picture."""
    once, _ = watch(toy_recipe())
    twice, _ = watch(
        toy_recipe(),
        dataclasses.replace(PAIR, styles=(style(1, weight=3.0), style(1, weight=1.0))),
    )

    torch.testing.assert_close(twice.image, once.image, rtol=0, atol=1e-4)


def test_remembered_targets_paint_the_same_picture():
    """A pair does not know whether another pair used its style before."""
    studio = Studio(load=convolutions)
    first, _ = watch(toy_recipe(octaves=TWO_OCTAVES), studio=studio)
    second, _ = watch(toy_recipe(octaves=TWO_OCTAVES), studio=studio)

    assert torch.equal(first.image, second.image)


def test_given_pictures_are_left_alone():
    """Painting changes none of its inputs."""
    pictures = dataclasses.replace(PAIR, start=picture(9, 12, 16))
    watch(toy_recipe(start="picture"), pictures)

    assert torch.equal(pictures.start, picture(9, 12, 16))
    assert torch.equal(pictures.content, picture(0, 24, 32))
    assert torch.equal(pictures.styles[0].pixels, style(1).pixels)


def test_reduced_precision_paints_nearly_the_same():
    """Maps in bf16 move the canvas in fp32 to within a few levels of the same picture."""
    full, half = (watch(toy_recipe(precision=each))[0].image for each in ("fp32", "bf16"))

    assert half.dtype == torch.float32
    assert (half - full).abs().mean() < 0.01


@pytest.mark.parametrize(
    ("pictures", "missing"),
    [
        (Pictures(), "a content and a style picture"),
        (Pictures(content=PAIR.content), "a style picture"),
        (Pictures(styles=PAIR.styles), "a content picture"),
    ],
)
def test_missing_pictures_are_named(pictures: Pictures, missing: str):
    """A recipe that reads a picture it was not given tells which."""
    with pytest.raises(RecipeError) as refused:
        watch(toy_recipe(), pictures)

    assert str(refused.value) == f"the recipe reads {missing} that was not given"
    assert refused.value.code == "E-RECIPE-PICTURES"


def test_missing_start_picture_is_named():
    """The same for a first canvas."""
    with pytest.raises(RecipeError, match="the recipe reads a start picture that was not given"):
        watch(toy_recipe(start="picture"))


def test_picture_too_small_for_its_network_is_refused():
    """A ribbon whose coarsest octave has no features ends before anything is painted."""
    with pytest.raises(RecipeError, match=r"picture is 16×1 px at its coarsest octave; toy up to"):
        watch(toy_recipe(), dataclasses.replace(PAIR, content=picture(0, 8, 400)))


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


def test_observer_stops_the_painting_by_raising():
    """A deadline is an exception of the caller's own, and it comes through as it is."""

    class Deadline(Exception):  # noqa: N818
        pass

    def stop(step):
        if step.done == 2:
            raise Deadline

    with pytest.raises(Deadline):
        watch(toy_recipe(), on_step=stop)


def delivered_distance(image, style_pixels, layer):
    """Give the textbook's W2² of the layer's Gaussians, in float64, of an 8-bit picture."""
    features = Features(network("vgg19-normalized"), load_weights(network("vgg19-normalized")))
    gaussians = []
    for pixels in ((image * 255).round() / 255, style_pixels):
        vectors = features(pixels, [layer])[layer].flatten(2)[0].double()
        gaussians.append((vectors.mean(1), torch.cov(vectors, correction=0)))
    (mean, spread), (style_mean, style_spread) = gaussians
    # The eigenvalues of a product of covariances are those of the matrix whose root is wanted.
    overlap = torch.linalg.eigvals(spread @ style_spread).real.clamp_min(0).sqrt().sum()
    traces = spread.trace() + style_spread.trace()
    return ((mean - style_mean).square().sum() + traces - 2 * overlap).item()


def test_real_painting_comes_near_its_style():
    """With real weights, the house's preset closes seventy percent of the distance and more."""
    hatched = (torch.arange(64)[:, None] + torch.arange(64)) % 6 < 3
    painting = (0.3 * natural(1, 64, 64) + 0.5 * hatched).clamp(0, 1)
    content = natural(0, 48, 64)
    dials = Dials(size=64, steps=(12,), precision="fp32", legibility="off")
    recipe = turn(preset("gallery").recipe, dials)
    finished = synthesize(
        recipe, Pictures(content=content, styles=(Style(painting, key="hatched"),)), studio=Studio()
    )

    assert finished.image.shape == (1, 3, 48, 64)
    for layer in ("relu1_1", "relu2_1", "relu3_1"):
        before = delivered_distance(content, painting, layer)
        assert delivered_distance(finished.image, painting, layer) < 0.3 * before


def test_the_first_canvas_can_be_seen():
    """Once, as step 0, before anything is changed."""
    starts = []
    content = picture(1)
    recipe = toy_recipe(octaves=Octaves(size=16, smallest=16, steps=(2,)))
    synthesize(
        recipe,
        Pictures(content=content, styles=[style(2)]),
        studio=Studio(load=convolutions),
        on_start=lambda start: starts.append((start.done, start.picture())),
    )

    ((done, first),) = starts
    assert done == 0
    assert torch.equal(first, content)


def test_a_mix_starts_between_the_content_and_the_noise():
    """By its share; both are those that a start from one of them has."""
    octaves = Octaves(size=16, steps=(1,))

    def first(start, **changes):
        starts = []
        synthesize(
            toy_recipe(start=start, octaves=octaves, **changes),
            Pictures(content=picture(1), styles=[style(2)]),
            studio=Studio(load=convolutions),
            on_start=lambda step: starts.append(step.picture()),
        )
        return starts[0]

    expected = 0.75 * first("content") + 0.25 * first("noise")
    torch.testing.assert_close(first("mix", mix=0.25), expected)


def test_a_mix_is_a_parameter_of_mixes_alone():
    """Pictures that start otherwise keep their identities."""
    assert "mix" not in toy_recipe().parameters()
    assert toy_recipe(start="mix", mix=0.3).parameters()["mix"] == 0.3
    assert "content" in toy_recipe(start="mix", terms=(Gram(layer="relu1_1"),)).reads


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
