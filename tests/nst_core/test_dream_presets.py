"""The presets of dreams and of units, number by number against their sources."""

from __future__ import annotations

import pytest

from nst_core.activations import Activation, Guide, Unit
from nst_core.dials import paced
from nst_core.dream_presets import DREAMS
from nst_core.networks import network
from nst_core.transforms import Jitter, Pad, RandomRotate, RandomScale, Resize


def recipe(name):
    """Give a preset's recipe."""
    return DREAMS[name].recipe


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        *((f"dream-{name}", {"content"}) for name in ("4c", "edges", "zoom", "inception", "vgg")),
        *((f"guided-{name}", {"content", "style"}) for name in ("match", "channel", "vgg")),
        *((f"classvis-yosinski-{number}", set()) for number in (1, 2, 3, 4)),
        *((f"classvis-{name}", set()) for name in ("lucid", "deepdraw")),
        ("class-picture", set()),
    ],
)
def test_a_dream_reads_what_it_dreams_of(name: str, reads: set[str]):
    """A photo to dream on, a guide in the style's place, nothing for a picture of a class."""
    assert recipe(name).reads == reads


@pytest.mark.parametrize("name", ["dream-4c", "dream-edges", "guided-match", "guided-channel"])
def test_deepdream_steps_as_the_notebook_does(name: str):
    """Four octaves 1.4 apart, ten steps of 1.5/mean|g|, jitter of 32, detail carried, clipped."""
    dream = recipe(name)

    assert dream.optimizer.rate == pytest.approx(1.5 / 255)
    assert dream.optimizer.norm == "mean"
    assert dream.transforms == (Jitter(pixels=32),)
    assert (len(dream.octaves.sides()), dream.octaves.ratio) == (4, 1.4)
    assert (dream.octaves.steps, dream.octaves.carry) == ((10,), "change")


@pytest.mark.parametrize(
    ("name", "network", "terms"),
    [
        ("dream-4c", "googlenet", (Activation(layer="inception4c"),)),
        ("dream-edges", "googlenet", (Activation(layer="inception3b.branch3[0]"),)),
        ("dream-vgg", "vgg19", (Activation(layer="relu4_3"),)),
        ("guided-match", "googlenet", (Guide(layer="inception3b"),)),
        ("guided-vgg", "vgg19", (Guide(layer="relu4_3"),)),
        (
            "dream-inception",
            "inception-v3",
            (
                Activation(layer="Mixed_6b", weight=1.0, margin=2),
                Activation(layer="Mixed_6c", weight=1.5, margin=2),
                Activation(layer="Mixed_6d", weight=2.0, margin=2),
                Activation(layer="Mixed_6e", weight=2.5, margin=2),
            ),
        ),
    ],
)
def test_a_dream_grows_its_sources_layers(name, network, terms):
    """Layer by layer, with the source's weights."""
    assert (recipe(name).network, recipe(name).terms) == (network, terms)


def test_the_keras_dream_stops_when_it_is_enough():
    """Three octaves of twenty steps of 0.01 on [-1, 1], until the activation reaches 15."""
    octaves = recipe("dream-inception").octaves

    assert recipe("dream-inception").optimizer.rate == 0.005
    assert (len(octaves.sides()), octaves.ratio, octaves.steps) == (3, 1.4, (20,))
    assert octaves.enough == -15


def test_the_vgg_dream_smooths_its_gradient():
    """Four octaves 1.8 apart, 600 px, rate 0.09 in units of ImageNet's deviation."""
    dream = recipe("dream-vgg")

    assert dream.optimizer.rate == pytest.approx(0.09 * 0.225)
    assert (dream.optimizer.norm, dream.optimizer.smoothing) == ("deviation", 0.5)
    assert (len(dream.octaves.sides()), dream.octaves.ratio, dream.octaves.size) == (4, 1.8, 600)


def test_a_zoom_comes_five_per_cent_closer_each_time():
    """A hundred pictures after the first."""
    octaves = recipe("dream-zoom").octaves

    assert octaves.zooms == 100
    assert octaves.zoom == pytest.approx(1 / 0.95)


def test_guides_are_small():
    """A guide of 224 px, at every octave."""
    assert {recipe(f"guided-{name}").style_size for name in ("match", "channel", "vgg")} == {224}


def test_the_channel_guide_looks_at_every_inception():
    """All nine, by channels."""
    terms = recipe("guided-channel").terms

    assert [term.layer for term in terms] == [
        f"inception{name}" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
    ]
    assert {term.by for term in terms} == {"channels"}


@pytest.mark.parametrize(
    ("number", "steps", "numbers"),
    [
        (1, 500, {"decay": 0, "blur": 0.5, "blur_every": 4, "small_norm": 50}),
        (2, 750, {"decay": 0.3, "blur": 0, "small_norm": 20}),
        (3, 1000, {"decay": 1e-4, "blur": 1.0, "blur_every": 4}),
        (4, 1000, {"decay": 0, "blur": 0.5, "blur_every": 4, "small_contribution": 90}),
    ],
)
def test_yosinskis_regularisations(number: int, steps: int, numbers: dict[str, float]):
    """Table 1: 227 px from noise of deviation 10, saved in full contrast."""
    found = recipe(f"classvis-yosinski-{number}")

    assert (found.octaves.size, found.octaves.steps) == (227, (steps,))
    assert (found.start, found.noise, found.color) == ("noise", 10 / 255, "full-contrast")
    assert {name: getattr(found.optimizer, name) for name in numbers} == numbers


@pytest.mark.parametrize(("number", "largest"), [(1, 100), (4, 1e8)])
def test_yosinskis_progress(number: int, largest: float):
    """Two of the four aim at a rise of 2 in each step, on a network that wants no longer ones."""
    found = paced(recipe(f"classvis-yosinski-{number}"), "vgg16").optimizer

    assert (found.norm, found.rate) == ("progress", 2)
    assert found.largest_rate == pytest.approx(largest / 255**2)


@pytest.mark.parametrize("number", [2, 3])
def test_yosinskis_constant_steps(number: int):
    """The other two take 100 times the gradient, both in units of 0..255."""
    found = paced(recipe(f"classvis-yosinski-{number}"), "vgg16").optimizer

    assert (found.norm, found.rate) == ("none", pytest.approx(100 / 255**2))


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_classifier_at_hand_takes_longer_steps(number: int):
    """As many times as the table of networks has it."""
    found = recipe(f"classvis-yosinski-{number}")
    plain = paced(found, "vgg16").optimizer

    assert found.optimizer.rate == pytest.approx(network(found.network).gain * plain.rate)


def test_lucids_picture_of_a_class():
    """A spectrum of 128 px, 512 steps of Adam at 0.05, its standard transforms, seen at 224."""
    found = recipe("classvis-lucid")

    assert found.transforms == (
        Pad(pixels=12),
        Jitter(pixels=8),
        RandomScale(least=0.9, most=1.1),
        RandomRotate(degrees=10),
        Jitter(pixels=4),
        Resize(side=224),
    )
    assert (found.canvas.kind, found.canvas.spectral, found.noise) == ("fourier", 1, 0.01)
    assert (found.optimizer.rate, found.optimizer.average) == (0.05, 0)
    assert (found.octaves.size, found.octaves.steps) == (128, (512,))


def test_deepdraws_octaves():
    """190, 150 and 150 steps, 1.2 apart from 224 px, from noise of deviation 8."""
    found = recipe("classvis-deepdraw")

    assert found.octaves.sides() == (224, 269, 323)
    assert found.octaves.steps == (190, 150, 150)
    assert found.noise == 8 / 255
    assert (found.optimizer.rate, found.optimizer.blur, found.optimizer.last_blur) == (
        11 / 255,
        2.5,
        0.78,
    )


@pytest.mark.parametrize("name", [name for name in DREAMS if name.startswith("class")])
def test_a_class_picture_shows_a_flamingo_unless_told_otherwise(name: str):
    """Class 130 of ImageNet."""
    assert [term.unit for term in recipe(name).terms if isinstance(term, Unit)] == [130]
