"""The loop on a toy network: what it delivers, and what an observer sees."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nst_core.activations import Activation
from nst_core.colors import keep_chroma
from nst_core.dials import Dials, turn
from nst_core.errors import RecipeError
from nst_core.features import Features
from nst_core.images import resize
from nst_core.networks import network
from nst_core.objective import bind
from nst_core.octaves import Octaves
from nst_core.optimizers import LBFGS, Adam, NormalizedGradient
from nst_core.pictures import Pictures, Style
from nst_core.presets import preset
from nst_core.studio import Studio
from nst_core.synthesis import synthesize
from nst_core.terms import TotalVariation
from nst_core.transforms import Jitter
from nst_core.weights import load_weights
from tests.nst_core.toy import (
    WatchedStudio,
    convolutions,
    natural,
    picture,
    style,
    toy_recipe,
)
from tests.nst_core.toy_painting import PAIR, TWO_OCTAVES, watch


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
