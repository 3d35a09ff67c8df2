"""What the first octave starts with, and what the next ones carry on."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nst_core.images import resize
from nst_core.octaves import Octaves
from nst_core.pictures import Pictures
from nst_core.studio import Studio
from nst_core.synthesis import synthesize
from nst_core.terms import Gram
from tests.nst_core.toy import convolutions, picture, style, toy_recipe
from tests.nst_core.toy_painting import PAIR, RESTING, TWO_OCTAVES, watch


def test_a_zoom_starts_with_the_middle_of_the_picture_before():
    """Enlarged to the same size; so one walks into the dream."""
    octaves = Octaves(size=32, steps=(1,), zooms=1, zoom=2, carry="change")
    finished, steps = watch(toy_recipe(octaves=octaves, optimizer=RESTING))
    middle = PAIR.content[..., 6:18, 8:24]
    expected = torch.nn.functional.interpolate(middle, (24, 32), mode="bicubic").clamp(0, 1)

    assert [step.size for step in steps] == [(24, 32)] * 2
    torch.testing.assert_close(finished.image, expected, rtol=0, atol=1e-4)


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
