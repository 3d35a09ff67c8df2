"""What L-BFGS guesses of the objective's curvature before its pairs correct the guess."""

from __future__ import annotations

import pytest
import torch

from nst_core.canvases import Pixels
from nst_core.metrics import MeasuredMetric, UniformMetric
from nst_core.optimizers import LBFGS
from nst_core.views import frequencies
from tests.nst_core.toy import noise

SIZE = (40, 56)
YES, NO = torch.tensor(data=True), torch.tensor(data=False)


def canvas(seed, size=SIZE):
    """Give seeded noise of a canvas's shape."""
    return noise(1, 3, *size, seed=seed).double()


def metric(size=SIZE, exponent=0.5):
    """Give one that knows nothing yet."""
    return MeasuredMetric(size, canvas(0, size), exponent)


def curved(values, exponent=1.8):
    """Give the change of gradient by a move where curvature hangs on frequency alone."""
    size = values.shape[-2:]
    gain = frequencies(size, values) ** exponent
    return torch.fft.irfft2(torch.fft.rfft2(values) * gain, s=size)


def cosine(one, other):
    """Give how alike two directions are."""
    return torch.cosine_similarity(one.flatten(), other.flatten(), dim=0).item()


def test_a_metric_that_knows_nothing_is_the_canvass():
    """It begins with the spectral filter, there and back."""
    view = Pixels(spectral=0.5).view(SIZE, canvas(0))

    torch.testing.assert_close(metric()(canvas(1)), UniformMetric(view)(canvas(1)))


def test_learns_the_curvature_of_frequencies():
    """A few moves tell how long a move along each frequency has to be."""
    learnt = metric()
    for seed in range(5):
        learnt.observe(canvas(seed), curved(canvas(seed)), YES)
    move = canvas(9)

    assert cosine(metric()(curved(move)), move) < 0.96
    assert cosine(learnt(curved(move)), move) > 0.98


def test_learns_the_curvature_of_colors():
    """Where light is curved nine times as much as the other colours, moves of light are short."""
    learnt = metric(exponent=0)
    for seed in range(5):
        move = canvas(seed)
        learnt.observe(move, move + 8 * move.mean(1, keepdim=True), YES)
    found = learnt(canvas(9))
    light = found.mean(1, keepdim=True)

    assert light.norm() / canvas(9).mean(1).norm() < 0.2 * (
        (found - light).norm() / (canvas(9) - canvas(9).mean(1, keepdim=True)).norm()
    )


def test_learns_the_curvature_of_places():
    """Where the gradient changes four times as much, moves are shorter."""
    learnt = metric(exponent=0)
    steep = torch.ones(SIZE).double()
    steep[:, 28:] = 4
    for seed in range(5):
        learnt.observe(canvas(seed), steep * canvas(seed), YES)
    found = learnt(canvas(9)).square().mean((0, 1, 2)).sqrt()

    assert found[:16].mean() > 2.5 * found[40:].mean()


def test_places_where_nothing_is_known_leave_the_others_alone():
    """Beyond a painted region no gradient changes, and nothing moves where all is held."""
    learnt = metric(exponent=0)
    steep = torch.ones(SIZE).double()
    steep[:16] = 4
    steep[:, 28:] = 0
    move = canvas(1)
    move[..., 44:] = 0
    learnt.observe(move, steep * canvas(1), YES)
    found = learnt(canvas(9)).square().mean((0, 1)).sqrt()

    assert found[32:, :14].mean() > 2.5 * found[:8, :14].mean()
    assert found[:8, :14].mean() < found[:, 48:].mean() < found[32:, :14].mean()


def test_colors_that_are_mere_rounding_leave_the_others_alone():
    """What a grey picture's moves tell of frequencies counts in full."""
    learnt, exact = metric(), metric()
    light, change = (each.mean(1, keepdim=True) for each in (canvas(1), curved(canvas(1))))
    rounding = 1e-8 * (canvas(2) - canvas(2).mean(1, keepdim=True))
    exact.observe(light.expand(1, 3, *SIZE), change.expand(1, 3, *SIZE), YES)
    learnt.observe(light + rounding, change + rounding / 1000, YES)
    light = canvas(9).mean(1, keepdim=True).expand(1, 3, *SIZE)

    torch.testing.assert_close(learnt(light), exact(light), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 2)])
def test_knows_the_smallest_pictures(size: tuple[int, int]):
    """A row has waves along it, and a single pixel none at all."""
    learnt = metric(size)
    learnt.observe(canvas(1, size), canvas(2, size), YES)
    move = canvas(3, size)

    assert (move * learnt(move)).sum() > 0


def test_sees_pictures_of_a_batch_alike():
    """Each is directed as it would be alone."""
    learnt, both = metric(), torch.cat([canvas(1), canvas(2)])
    learnt.observe(both, curved(both), YES)

    torch.testing.assert_close(learnt(both)[1:], learnt(canvas(2)))


def test_stays_near_its_prior():
    """Whatever moves tell, no frequency's gain departs from another's by more than 8 times 8."""
    learnt = metric(exponent=0)
    for seed in range(5):
        learnt.observe(canvas(seed), curved(canvas(seed), exponent=9), YES)
    place = torch.zeros_like(canvas(0))
    place[..., 20, 28] = 1
    gains = torch.fft.rfft2(learnt(place)).abs()

    assert gains.max() < 1.05 * 64 * gains.min()


def test_is_symmetric_and_positive():
    """Directions descend, and a quasi-Newton matrix stays one."""
    learnt = metric()
    learnt.observe(canvas(1), curved(canvas(1)) * torch.rand(SIZE).double(), YES)
    one, other = canvas(2), canvas(3)

    torch.testing.assert_close((one * learnt(other)).sum(), (other * learnt(one)).sum())
    assert (one * learnt(one)).sum() > 0


@pytest.mark.parametrize("size", [(40, 56), (41, 57), (1, 2), (2, 1)])
def test_squares_are_those_of_directions(size: tuple[int, int]):
    """Half a spectrum tells the whole product, whether or not its last column has a twin."""
    learnt = metric(size)
    learnt.observe(canvas(1, size), curved(canvas(1, size)), YES)
    values = canvas(2, size)

    torch.testing.assert_close(learnt.squared(values), (values * learnt(values)).sum())


def test_squares_seen_through_a_filter_are_those_of_directions():
    """The canvas's own filter stands on both sides of the product."""
    uniform = UniformMetric(Pixels(spectral=0.5).view(SIZE, canvas(0)))
    values = canvas(2)

    torch.testing.assert_close(uniform.squared(values), (values * uniform(values)).sum())


def test_learns_nothing_from_a_pair_that_does_not_count():
    """Where the objective curves downwards nothing says how far to go."""
    learnt = metric()
    learnt.observe(canvas(1), curved(canvas(1)), NO)

    torch.testing.assert_close(learnt(canvas(2)), metric()(canvas(2)))


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**40])
def test_does_not_care_for_the_objectives_unit(factor: float):
    """All weights times a number teach the very same."""
    small, large = metric(), metric()
    small.observe(canvas(1), curved(canvas(1)), YES)
    large.observe(canvas(1), factor * curved(canvas(1)), YES)

    assert torch.equal(small(canvas(2)), large(canvas(2)))


@pytest.mark.parametrize(
    "follow", [lambda one, other: one.restore(other.state()), MeasuredMetric.warm]
)
def test_goes_by_what_it_was_given_last(follow):
    """What it reckoned from before is out of date."""
    learnt, fresh = metric(), metric()
    learnt.observe(canvas(1), curved(canvas(1)), YES)
    fresh.squared(canvas(2))
    follow(fresh, learnt)

    torch.testing.assert_close(fresh(canvas(2)), learnt(canvas(2)))


def test_keeps_what_it_learnt_for_the_next_size():
    """Curvature hangs on cycles per pixel, and a canvas twice as wide begins with it."""
    before, after = metric((20, 28)), metric()
    for seed in range(5):
        before.observe(canvas(seed, (20, 28)), curved(canvas(seed, (20, 28))), YES)
    after.warm(before)
    move = canvas(9)

    assert cosine(after(curved(move)), move) > 0.97


def test_makes_lbfgs_reach_further():
    """On an objective that is curved a thousandfold more at some frequencies than at others."""

    def objective(picture):
        gradient = curved(picture - 0.5, exponent=1.8)
        return ((picture - 0.5) * gradient).sum() / 2, gradient

    def reached(scaling):
        start = (0.5 + 0.1 * canvas(1)).clamp(0, 1)
        descent = LBFGS(scaling=scaling, history=5).start(start, Pixels())
        for _ in range(30):
            descent.step(objective)
        return objective(descent.picture)[0]

    assert reached("measured") < 0.5 * reached("uniform")
