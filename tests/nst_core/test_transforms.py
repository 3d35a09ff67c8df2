"""What the network sees of the canvas in a step."""

from __future__ import annotations

import pytest
import torch

from nst_core.transforms import Jitter, Pad, RandomRotate, RandomScale, Resize, seen_in
from tests.nst_core.toy import noise, picture

EACH = (Jitter(pixels=3), Pad(pixels=2), RandomScale(), RandomRotate(), Resize(side=24))


def seen(*transforms, seed=0, octave=0, step=1):
    """Give what is seen of a picture in one step."""
    return seen_in(transforms, seed=seed, octave=octave, step=step)(picture(0, 12, 16))


def test_without_transforms_the_canvas_itself_is_seen():
    """Nothing is copied."""
    canvas = picture(0)

    assert seen_in((), seed=0, octave=0, step=1)(canvas) is canvas


def test_jitter_moves_every_pixel_the_same_way():
    """What leaves on one side comes in on the other."""
    moved = seen(Jitter(pixels=3))
    shifts = [
        (down, across)
        for down in range(-3, 4)
        for across in range(-3, 4)
        if torch.equal(moved, picture(0, 12, 16).roll((down, across), (-2, -1)))
    ]

    assert len(shifts) == 1


def test_jitter_reaches_its_bounds():
    """Shifts of all sizes up to the furthest are drawn, in both directions."""
    row = torch.arange(9.0).expand(1, 3, 9, 9)
    starts = {
        int(seen_in([Jitter(pixels=2)], seed=0, octave=0, step=step)(row)[0, 0, 0, 0])
        for step in range(100)
    }

    assert starts == {0, 1, 2, 7, 8}


def test_pad_frames_with_grey():
    """The picture lies unchanged inside."""
    framed = seen(Pad(pixels=2))

    assert torch.equal(framed[..., 2:-2, 2:-2], picture(0, 12, 16))
    assert (framed[..., :2, :] == 0.5).all()


def test_scale_changes_the_size_within_bounds():
    """Both sides by the same factor."""
    sizes = {
        tuple(seen(RandomScale(least=0.5, most=2), step=step).shape[-2:]) for step in range(50)
    }

    assert len(sizes) > 10
    assert all(6 <= height <= 24 and abs(width - height * 4 / 3) <= 1 for height, width in sizes)


def test_a_turn_keeps_the_centre_and_greys_the_corners():
    """Corners that come in are mid-grey, and the size stays."""
    white = torch.ones(1, 3, 33, 33)
    turned = seen_in([RandomRotate(degrees=180)], seed=3, octave=0, step=1)(white)

    assert turned[0, 0, 16, 16] == 1
    assert turned.min() == 0.5


def test_resize_sets_the_longest_side():
    """The aspect stays."""
    assert seen(Resize(side=24)).shape == (1, 3, 18, 24)


@pytest.mark.parametrize("transform", EACH, ids=str)
def test_a_step_sees_the_same_when_repeated(transform):
    """Seed, octave and step fix everything random."""
    assert torch.equal(seen(transform, step=7), seen(transform, step=7))


@pytest.mark.parametrize("other", [{"seed": 1}, {"octave": 1}, {"step": 2}], ids=str)
def test_another_step_sees_something_else(other):
    """Seed, octave and step each change it."""
    transforms = (Jitter(pixels=8), RandomRotate(degrees=90))

    assert not torch.equal(seen(*transforms, **other), seen(*transforms))


@pytest.mark.parametrize("transform", EACH, ids=str)
def test_gradients_go_back_through_what_is_seen(transform):
    """Each transform is differentiable, and exactly so."""
    canvas = noise(1, 3, 12, 16).requires_grad_()

    assert torch.autograd.gradcheck(
        lambda pixels: seen_in([transform], seed=0, octave=0, step=1)(pixels).square().mean(),
        canvas,
        fast_mode=True,
    )


def test_transforms_apply_in_their_order():
    """What the first gives, the second sees."""
    assert seen(Pad(pixels=4), Resize(side=24)).shape == (1, 3, 20, 24)
    assert seen(Resize(side=24), Pad(pixels=4)).shape == (1, 3, 26, 32)
