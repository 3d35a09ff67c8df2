"""The descent methods, checked against their textbooks on problems with known solutions."""

from __future__ import annotations

import pytest
import torch

from nst_core.canvases import Pixels
from nst_core.optimizers import LBFGS, Adam, NormalizedGradient
from nst_core.views import frequencies
from tests.nst_core.toy import noise, picture

SIZE = (1, 3, 4, 5)
BOTH = pytest.mark.parametrize("optimizer", [LBFGS(), Adam()], ids=str)
SEEN = pytest.mark.parametrize("canvas", [Pixels(), Pixels(spectral=0.5)], ids=str)


def start():
    """Give a start canvas in float64."""
    return picture(0, *SIZE[2:]).double()


class Quadratic:
    """½ (x - goal)ᵀ A (x - goal) with a seeded, well-conditioned A."""

    def __init__(self, weight=1.0):
        factor = torch.randn(60, 60, generator=torch.Generator().manual_seed(5)).double()
        self.curvature = weight * (factor @ factor.T / 60 + torch.eye(60, dtype=torch.float64))
        self.goal = picture(1, *SIZE[2:]).double()

    def __call__(self, canvas):
        """Give the objective and its gradient."""
        away = (canvas - self.goal.to(canvas)).flatten()
        gradient = self.curvature.to(canvas) @ away
        return away @ gradient / 2, gradient.view(SIZE)


def walk(descent, evaluate, steps):
    """Make some steps."""
    for _ in range(steps):
        descent.step(evaluate)


@SEEN
def test_lbfgs_finds_the_least_of_a_quadratic(canvas: Pixels):
    """Some forty evaluations suffice for sixty variables, whichever way pixels are seen."""
    problem = Quadratic()
    descent = LBFGS().start(start(), canvas)
    walk(descent, problem, 40)

    torch.testing.assert_close(descent.picture, problem.goal, rtol=0, atol=1e-4)


@SEEN
def test_first_step_moves_the_canvas_by_its_mean(canvas: Pixels):
    """The first step is scaled to the mean change asked for, measured in pixels."""
    descent = LBFGS(first_step=0.003).start(start(), canvas)
    walk(descent, Quadratic(), 1)

    torch.testing.assert_close(
        (descent.picture - start()).abs().mean(), torch.tensor(0.003, dtype=torch.float64)
    )


@SEEN
def test_no_step_moves_a_pixel_further_than_the_largest(canvas: Pixels):
    """However far the optimum is, each step stays within its bound and reaches it."""
    problem = Quadratic()
    problem.goal = problem.goal * 1000
    descent = LBFGS(largest_step=0.2).start(start(), canvas)
    before, moves = descent.picture, []
    for _ in range(5):
        descent.step(problem)
        moves.append((descent.picture - before).abs().max().item())
        before = descent.picture

    assert max(moves) == pytest.approx(0.2)


@pytest.mark.parametrize("rounded", [False, True])
def test_lbfgs_direction_is_the_textbooks(rounded):
    """The two loops give -H·g for the H that eq. 7.19 builds from the same pairs as a matrix."""
    problem = Quadratic()
    method = LBFGS(history=3, scaling="uniform")
    descent = method.start(start(), Pixels(), rounded=rounded)
    walk(descent, problem, 6)
    gradient = noise(*SIZE)
    moves = [pair.moved.flatten() for pair in descent._pairs]
    changes = [pair.change.flatten() for pair in descent._pairs]

    identity = torch.eye(60, dtype=torch.float64)
    inverse = identity * (moves[-1] @ changes[-1]) / (changes[-1] @ changes[-1])
    for move, change in zip(moves, changes, strict=True):
        scale = 1 / (change @ move)
        mixed = identity - scale * torch.outer(change, move)
        inverse = mixed.T @ inverse @ mixed + scale * torch.outer(move, move)

    assert len(moves) == 3
    torch.testing.assert_close(
        descent._direction(gradient).flatten(), -inverse @ gradient.flatten()
    )


@pytest.mark.parametrize("factor", [2.0**-30, 2.0**40])
def test_lbfgs_does_not_care_for_the_objectives_unit(factor: float):
    """All weights times a number paint the very same picture."""
    small, large = (LBFGS().start(start().float(), Pixels()) for _ in range(2))
    walk(small, Quadratic(), 8)
    walk(large, Quadratic(factor), 8)

    assert torch.equal(small.picture, large.picture)


def test_lbfgs_heeds_nothing_that_would_make_it_climb():
    """Pairs without positive curvature leave the direction that of steepest descent."""

    def hill(canvas):
        return -canvas.square().sum(), -2 * canvas

    descent = LBFGS(scaling="uniform").start(start(), Pixels())
    walk(descent, hill, 4)
    gradient = noise(*SIZE)

    assert descent._pairs
    assert torch.equal(descent._direction(gradient), -gradient)


def test_lbfgs_keeps_no_more_than_its_history():
    """The oldest pairs go first."""
    descent = LBFGS(history=2).start(start(), Pixels())
    walk(descent, Quadratic(), 4)
    (second,) = descent._pairs[1:]
    descent.step(Quadratic())

    assert len(descent._pairs) == 2
    assert descent._pairs[0] is second


def test_lbfgs_keeps_rounded_pairs_in_half_the_memory():
    """So are they in a state, and a method that goes on from it has the very same."""
    long = LBFGS().start(start().float(), Pixels(), rounded=True)
    walk(long, Quadratic(), 5)
    state = long.state()
    other = LBFGS().start(start().float(), Pixels(), rounded=True)
    other.restore(state)
    walk(long, Quadratic(), 3)
    walk(other, Quadratic(), 3)

    assert {state[f"{kind}3"].dtype for kind in ("step", "change")} == {torch.bfloat16}
    assert torch.equal(long.picture, other.picture)


def test_lbfgs_restores_into_a_shorter_history():
    """A state with more pairs than the method keeps gives the latest of them."""
    long = LBFGS(history=5).start(start(), Pixels())
    walk(long, Quadratic(), 5)
    short = LBFGS(history=2).start(start(), Pixels())
    short.restore(long.state())

    kept = zip(short._pairs, long._pairs[-2:], strict=True)
    assert all(torch.equal(pair.moved, other.moved) for pair, other in kept)


def test_lbfgs_carries_no_pair_to_the_next_octave():
    """Single moves say little at another size."""
    before = LBFGS().start(picture(0, 2, 3).double(), Pixels())
    before.step(lambda canvas: (canvas.sum(), canvas))
    before.step(lambda canvas: (canvas.sum(), canvas))
    after = LBFGS().start(start(), Pixels())
    after.warm(before)

    assert not {name for name in after.state() if name.startswith(("moved", "step", "gradient"))}


def test_lbfgs_finds_the_best_picture_in_gamut():
    """What held pixels would want does not mislead the others, however they hang together."""
    goal = 0.5 + noise(1, 3, 24, 32, seed=1)
    gain = frequencies((24, 32), goal)

    def objective(picture):
        spectrum = torch.fft.rfft2(picture - goal) * gain
        gradient = torch.fft.irfft2(spectrum, s=(24, 32))
        return ((picture - goal) * gradient).sum() / 2, gradient

    descent = LBFGS().start(goal.clamp(0, 1), Pixels())
    for _ in range(60):
        descent.step(objective)
    canvas = descent.picture
    _, gradient = objective(canvas)

    # At the best picture each pixel is where descent would have it, or held at a border.
    torch.testing.assert_close((canvas - gradient).clamp(0, 1), canvas, rtol=0, atol=1e-6)


def test_lbfgs_stays_in_gamut():
    """A step ends at the border, and the pair that it leaves holds the move that was made."""
    problem = Quadratic()
    problem.goal = problem.goal * 3 - 1
    descent = LBFGS().start(start(), Pixels())
    walk(descent, problem, 9)
    before = descent.canvas
    walk(descent, problem, 1)

    assert (descent.picture.min(), descent.picture.max()) == (0, 1)
    assert torch.equal(descent.state()["moved"], descent.canvas - before)


@SEEN
def test_adam_is_torchs(canvas: Pixels):
    """Within the gamut every step is that of torch.optim.Adam on the variables."""
    problem = Quadratic()
    descent = Adam(rate=0.004, betas=(0.8, 0.95), average=0).start(start(), canvas)
    to_pixels = canvas.view(SIZE[2:], start()).filtered
    variables = torch.zeros_like(start()).requires_grad_()
    reference = torch.optim.Adam([variables], lr=0.004, betas=(0.8, 0.95))
    for _ in range(5):
        descent.step(problem)
        _, gradient = problem(start() + to_pixels(variables.detach()))
        variables.grad = to_pixels(gradient)
        reference.step()

    torch.testing.assert_close(descent.picture, start() + to_pixels(variables.detach()))


def test_adam_stays_in_gamut():
    """However large the rate, no pixel leaves [0, 1]."""
    descent = Adam(rate=3.0, average=0).start(start(), Pixels())
    walk(descent, Quadratic(), 3)

    assert (descent.picture.min(), descent.picture.max()) == (0, 1)


def test_adam_delivers_the_average_of_its_iterates():
    """Each iterate weighs `average` times as much as the one after it, start included."""
    descent = Adam(average=0.6).start(start(), Pixels())
    iterates = [descent.canvas]
    for _ in range(3):
        descent.step(Quadratic())
        iterates.append(descent.canvas)
    weights = torch.tensor([0.6**3, 0.6**2, 0.6, 1], dtype=torch.float64)
    average = sum(w * x for w, x in zip(weights, iterates, strict=True)) / weights.sum()

    torch.testing.assert_close(descent.picture, average)


def test_adam_carries_its_moments_to_the_next_octave():
    """Both moments are resampled, and the second stays non-negative."""
    before = Adam().start(picture(0, 2, 3).double(), Pixels())
    flat = torch.full((1, 3, 2, 3), 0.25, dtype=torch.float64)
    before.step(lambda canvas: (canvas.sum(), flat))
    after = Adam().start(start(), Pixels())
    after.warm(before)
    state = after.state()

    torch.testing.assert_close(state["first"], torch.full_like(start(), 0.1 * 0.25))
    torch.testing.assert_close(state["second"], torch.full_like(start(), 0.01 * 0.25**2))
    assert state["counters"][0] == 1


def test_cold_adam_forgets_its_moments():
    """Without `warm` the next octave starts from nothing."""
    before = Adam(warm=False).start(picture(0, 2, 3).double(), Pixels())
    before.step(lambda canvas: (canvas.sum(), torch.ones_like(canvas)))
    after = Adam(warm=False).start(start(), Pixels())
    after.warm(before)

    assert not after.state()["first"].any()


@BOTH
def test_step_returns_the_objective_before_the_move(optimizer: LBFGS | Adam):
    """One step is one evaluation, and its loss belongs to the canvas that was evaluated."""
    problem = Quadratic()
    descent = optimizer.start(start(), Pixels())
    evaluated = []
    loss = descent.step(lambda canvas: (evaluated.append(canvas), problem(canvas))[1])

    assert len(evaluated) == 1
    assert torch.equal(evaluated[0], start())
    assert loss == problem(start())[0]


@BOTH
@SEEN
@pytest.mark.parametrize("interrupted", [0, 1, 2, 5])
def test_state_continues_exactly(optimizer: LBFGS | Adam, canvas: Pixels, interrupted: int):
    """A method restored from a state walks bitwise as the one that was never interrupted."""
    whole = optimizer.start(start().float(), canvas)
    walk(whole, Quadratic(), interrupted)
    restored = optimizer.start(torch.zeros(SIZE), canvas)
    restored.restore({name: value.clone() for name, value in whole.state().items()})
    walk(whole, Quadratic(), 3)
    walk(restored, Quadratic(), 3)

    assert torch.equal(restored.picture, whole.picture)


@pytest.mark.parametrize("offset", [1, 3, 8])
def test_state_continues_exactly_wherever_it_lies(offset: int):
    """Products are summed in an order that hangs on where the values lie, as in a mapped file."""

    def elsewhere(values):
        room = torch.empty(values.numel() + offset)[offset:]
        return room.copy_(values.flatten()).view(values.shape)

    size = (1, 3, 50, 61)
    slopes = 0.5 + noise(*size).abs()

    def problem(canvas):
        return (slopes * canvas.square()).sum() / 2, slopes * canvas

    slopes = slopes.float()
    whole = LBFGS().start(noise(*size).float(), Pixels())
    walk(whole, problem, 5)
    restored = LBFGS().start(torch.zeros(size), Pixels())
    restored.restore({name: elsewhere(value) for name, value in whole.state().items()})
    walk(whole, problem, 3)
    walk(restored, problem, 3)

    assert torch.equal(restored.picture, whole.picture)


@BOTH
def test_start_picture_is_left_alone(optimizer: LBFGS | Adam):
    """The caller's picture is not the canvas."""
    given = start()
    walk(optimizer.start(given, Pixels()), Quadratic(), 3)

    assert torch.equal(given, start())


# Normalised gradient


def dream(evaluate, steps=1, **numbers):
    """Give the picture after some steps of a normalised gradient, planned as one octave."""
    descent = NormalizedGradient(**numbers).start(start(), Pixels(), steps)
    walk(descent, evaluate, steps)
    return descent.picture


def uphill(gradient):
    """Give an objective whose gradient is the same everywhere."""
    return lambda canvas: ((canvas * gradient).sum(), gradient)


GRADIENT = noise(*SIZE, seed=3)


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        ("mean", GRADIENT / GRADIENT.abs().mean()),
        ("deviation", (GRADIENT - GRADIENT.mean()) / GRADIENT.std()),
        ("none", GRADIENT),
    ],
)
def test_a_step_is_the_gradient_over_its_norm(norm: str, expected: torch.Tensor):
    """Times the rate, whatever the gradient's length."""
    moved = start() - dream(uphill(GRADIENT), rate=0.01, norm=norm)

    torch.testing.assert_close(moved, 0.01 * expected)


@pytest.mark.parametrize("norm", ["mean", "deviation", "progress"])
def test_the_length_of_a_gradient_does_not_matter(norm: str):
    """A term ten thousand times heavier dreams the same, where the norm is taken."""
    rise = 1e4 if norm == "progress" else 1.0
    light = dream(uphill(GRADIENT), rate=0.01, norm=norm)
    heavy = dream(uphill(1e4 * GRADIENT), rate=0.01 * rise, norm=norm)

    torch.testing.assert_close(light, heavy)


def test_progress_is_what_a_linear_objective_falls_by():
    """The step is chosen by the first-order forecast."""
    evaluate = uphill(GRADIENT)
    before, _ = evaluate(start())
    after, _ = evaluate(dream(evaluate, rate=0.3, norm="progress"))

    torch.testing.assert_close(before - after, torch.tensor(0.3, dtype=torch.float64))


def test_progress_is_bounded():
    """Where the gradient vanishes no step is endless."""
    moved = start() - dream(uphill(GRADIENT), rate=100.0, norm="progress", largest_rate=1e-3)

    torch.testing.assert_close(moved, 1e-3 * GRADIENT)


@pytest.mark.parametrize("norm", ["mean", "deviation", "none", "progress"])
def test_steps_are_lengthened_where_the_gradients_length_counts(norm: str):
    """Aim and bound of a progress included; a step of a set length is what it was."""
    method = NormalizedGradient(rate=0.1, largest_rate=1e-3, norm=norm)

    def moved(method):
        descent = method.start(start(), Pixels(), 1)
        walk(descent, uphill(1e-3 * GRADIENT), 1)
        return descent.picture - start()

    factor = 1 if norm in {"mean", "deviation"} else 3
    torch.testing.assert_close(moved(method.lengthened(3)), factor * moved(method))


def test_rate_runs_from_first_to_last():
    """Linearly over the steps of the octave."""
    descent = NormalizedGradient(rate=0.01, last_rate=0.02).start(start() / 2, Pixels(), 3)
    moves = []
    for _ in range(3):
        before = descent.picture
        walk(descent, uphill(-torch.ones(SIZE, dtype=torch.float64)), 1)
        moves.append((descent.picture - before).mean().item())

    assert moves == pytest.approx([0.01, 0.015, 0.02])


def test_a_dream_stays_in_gamut():
    """A large step is clipped."""
    after = dream(uphill(GRADIENT), rate=5.0)

    assert after.min() == 0
    assert after.max() == 1


def test_a_smoothed_gradient_has_no_single_pixels():
    """The three Gaussians spread what falls on one pixel, and keep its sum."""
    spot = torch.zeros(1, 3, 24, 24)
    spot[..., 12, 12] = -1
    descent = NormalizedGradient(rate=0.1, norm="none", smoothing=0.5).start(
        torch.full((1, 3, 24, 24), 0.2), Pixels(), 1
    )
    walk(descent, uphill(spot), 1)
    moved = descent.picture - 0.2

    assert moved.sum().item() == pytest.approx(0.3, rel=1e-4)
    assert moved.max() < 0.07
    assert moved[0, 0, 12, 14] > 0


RESTING = {"rate": 1e-6, "norm": "mean"}


def test_decay_draws_towards_grey():
    """The canvas loses its share of what sets it apart from mid-grey."""
    after = dream(uphill(GRADIENT), decay=0.25, **RESTING)

    torch.testing.assert_close(after - 0.5, 0.75 * (start() - 0.5), rtol=0, atol=1e-4)


def test_blur_comes_every_so_many_steps():
    """From the first step on; between two blurs the canvas keeps its detail."""
    descent = NormalizedGradient(blur=0.5, blur_every=2, **RESTING).start(start(), Pixels(), 4)
    kept = []
    for _ in range(4):
        before = descent.picture.std()
        walk(descent, uphill(torch.ones(SIZE).double()), 1)
        kept.append(float(descent.picture.std() / before) > 0.99)

    assert kept == [False, True, False, True]


def test_smallest_pixels_become_grey():
    """The given percentage of pixels, those nearest to grey."""
    after = dream(uphill(GRADIENT), small_norm=50, **RESTING)
    size = (start() - 0.5).norm(dim=1)
    greyed = (after == 0.5).all(1)

    assert greyed.sum() == 10
    assert size[greyed].max() < size[~greyed].min()


def test_pixels_that_matter_least_become_grey():
    """The given percentage of pixels, by how much the objective would change without them."""
    after = dream(uphill(GRADIENT), small_contribution=25, **RESTING)
    contribution = ((start() - 0.5) * GRADIENT).sum(1).abs()
    greyed = (after == 0.5).all(1)

    assert greyed.sum() == 5
    assert contribution[greyed].max() < contribution[~greyed].min() + 1e-4
