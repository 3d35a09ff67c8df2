"""Style terms beside Gram and covariance: against their formulas by hand, and what they ignore."""

from __future__ import annotations

import pytest
import torch

from nst_core.distributions import Histogram, MeanStd, SlicedWasserstein
from nst_core.statistics import directions
from nst_core.terms import Wasserstein
from tests.nst_core.toy import CANVAS, PICTURE, loss_of, noise

TERMS = (
    MeanStd(layer="relu1_1"),
    Histogram(layer="relu1_1", bins=12),
    SlicedWasserstein(layer="relu1_1", bins=12, directions=7),
)
EACH = pytest.mark.parametrize("term", TERMS, ids=lambda term: term.kind)


def test_mean_std_by_hand():
    """Means 2.5 and 0.5 against 1.5 and 1; variances 1.25 and 0.25 against 1.25 and 0.5."""
    loss = loss_of(MeanStd(layer="relu1_1"), CANVAS, PICTURE)

    expected = (1.0**2 + 0.5**2 + (0.5**0.5 - 0.25**0.5) ** 2) / 2
    torch.testing.assert_close(loss, torch.tensor(expected))


def test_histogram_by_hand():
    """Sorted, (1, 2, 3, 4) meets (0, 1, 2, 3), and (0, 0, 1, 1) meets (0, 1, 1, 2)."""
    loss = loss_of(Histogram(layer="relu1_1", bins=4), CANVAS, PICTURE)

    assert loss == (4 * 1 + 1 + 1) / 8


def test_histogram_groups_by_hand():
    """In two groups, (1.5, 3.5) meets (0.5, 2.5), and (0, 1) meets (0.5, 1.5)."""
    loss = loss_of(Histogram(layer="relu1_1", bins=2), CANVAS, PICTURE)

    assert loss == (1 + 1 + 0.25 + 0.25) / 4


def test_sliced_wasserstein_by_hand():
    """Seen from each direction, sorted values meet sorted values."""
    loss = loss_of(SlicedWasserstein(layer="relu1_1", bins=4, directions=3), CANVAS, PICTURE)
    canvas, picture = CANVAS.flatten(2)[0], PICTURE.flatten(2)[0]
    apart = [
        ((one @ canvas).sort().values - (one @ picture).sort().values).square().mean()
        for one in directions(3, CANVAS.flatten(2))
    ]

    torch.testing.assert_close(loss, torch.stack(apart).mean())


def test_sliced_wasserstein_of_shifted_pictures_is_that_of_the_means():
    """From many directions, |shift|² / C: the scale of all distances."""
    maps, shift = noise(1, 3, 8, 8), torch.tensor([1.0, -2.0, 0.5]).view(1, 3, 1, 1)
    term = SlicedWasserstein(layer="relu1_1", bins=64, directions=4000)

    loss = loss_of(term, maps, maps + shift)

    torch.testing.assert_close(loss.item(), shift.square().sum().item() / 3, rtol=0.05, atol=0)


def test_of_one_channel_all_distances_of_gaussians_are_one():
    """Means and deviations say all there is to say of a Gaussian."""
    values = torch.linspace(0.001, 0.999, 4096, dtype=torch.float64)
    normal = torch.distributions.Normal(0.0, 1.0).icdf(values).view(1, 1, 64, 64)
    losses = [
        loss_of(term, normal, 3 * normal + 2)
        for term in (
            Wasserstein(layer="relu1_1", ridge=0, smoothing=0),
            MeanStd(layer="relu1_1"),
            Histogram(layer="relu1_1", bins=4096),
            SlicedWasserstein(layer="relu1_1", bins=4096),
        )
    ]

    for loss in losses[1:]:
        torch.testing.assert_close(loss, losses[0], rtol=1e-4, atol=0)


@EACH
def test_where_things_are_does_not_matter(term):
    """Rolled around or mirrored, a picture has the same style."""
    canvas, picture = noise(1, 5, 6, 8), noise(1, 5, 6, 8, seed=1)
    moved = canvas.roll((2, 3), (2, 3)).flip(3)

    torch.testing.assert_close(loss_of(term, moved, picture), loss_of(term, canvas, picture))


@EACH
def test_a_picture_is_at_no_distance_from_itself(term):
    """And at some from another."""
    canvas, picture = noise(1, 5, 6, 8), noise(1, 5, 6, 8, seed=1)

    assert loss_of(term, canvas, canvas) == 0
    assert loss_of(term, canvas, picture) > 0


@EACH
def test_a_picture_twice_as_large_has_the_same_style(term):
    """Each value four times: as many positions more, distributed alike."""
    canvas, picture = noise(1, 3, 4, 6), noise(1, 3, 4, 6, seed=1)
    larger = picture.repeat_interleave(2, 2).repeat_interleave(2, 3)

    torch.testing.assert_close(
        loss_of(term, canvas, larger), loss_of(term, canvas, picture), rtol=1e-3, atol=1e-3
    )


@EACH
def test_the_gradient_is_that_of_the_loss(term):
    """Checked against finite differences in float64."""
    picture = noise(1, 3, 4, 5, seed=1)
    target = term.target(term.measure(picture))

    assert torch.autograd.gradcheck(
        lambda maps: term.loss(term.measure(maps), target), noise(1, 3, 4, 5).requires_grad_()
    )


def test_a_flat_picture_has_a_gradient():
    """Where all values are one, none of the numbers is none."""
    for term in TERMS:
        maps = torch.zeros(1, 3, 4, 4, requires_grad=True)
        (gradient,) = torch.autograd.grad(loss_of(term, maps, noise(1, 3, 4, 4)).sum(), maps)

        assert gradient.isfinite().all()


def test_directions_are_always_the_same():
    """An objective that changed between steps could not be descended in a line."""
    like = noise(1, 6, 9)

    assert torch.equal(directions(4, like), directions(4, like))
    torch.testing.assert_close(directions(4, like).norm(dim=1), torch.ones(4, dtype=torch.float64))
