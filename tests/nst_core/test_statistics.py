from __future__ import annotations

import pytest
import torch

from nst_core.statistics import (
    covariance,
    gram_matrix,
    mean_squared_difference,
    moments,
    symmetric_root,
    total_variation,
    wasserstein_floor,
)
from tests.nst_core.toy import noise

# Two channels of 2×2 positions.
MAPS = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, 1.0]]]])


def test_gram_matrix_by_hand():
    """The Gram matrix is F Fᵀ over the number of positions."""
    gram = gram_matrix(MAPS)

    assert torch.equal(gram, torch.tensor([[[30.0, 6.0], [6.0, 2.0]]]) / 4)


def test_gram_matrix_ignores_the_order_of_pixels():
    """Shuffling positions changes no entry of the Gram matrix."""
    maps = noise(2, 5, 6, 7)
    order = torch.randperm(42, generator=torch.Generator().manual_seed(1))
    shuffled = maps.flatten(2)[..., order].view_as(maps)

    torch.testing.assert_close(gram_matrix(shuffled), gram_matrix(maps))


def test_moments_give_the_mean_over_positions():
    """The first moment is each channel's mean."""
    mean, _ = moments(MAPS)

    assert torch.equal(mean, torch.tensor([[2.5, 0.5]]))


def test_moments_do_not_depend_on_the_layout_in_memory():
    """Channels-last maps have the moments of contiguous ones."""
    maps = noise(2, 5, 6, 7)
    mean, second = moments(maps.contiguous(memory_format=torch.channels_last))

    torch.testing.assert_close((mean, second), moments(maps))


@pytest.mark.parametrize("positions", [16, 300])
def test_moments_of_bf16_maps_are_summed_in_fp32(positions: int):
    """Maps in bf16 lose nothing more on their way into the statistics."""
    maps = (noise(1, 4, positions, positions).abs() + 3).bfloat16()
    mean, second = moments(maps)
    exact_mean, exact_second = moments(maps.double())

    torch.testing.assert_close(mean.double(), exact_mean, rtol=1e-5, atol=0)
    torch.testing.assert_close(second.double(), exact_second, rtol=1e-5, atol=0)


def test_covariance_is_the_textbook_one():
    """Moments give the biased covariance of the feature vectors."""
    maps = noise(1, 4, 5, 6) + 2
    spread = covariance(*moments(maps))

    torch.testing.assert_close(spread[0], torch.cov(maps.flatten(2)[0], correction=0))


def test_covariance_adds_the_ridge_to_the_diagonal():
    """The ridge raises every variance and no covariance."""
    plain, raised = (covariance(*moments(MAPS), ridge=ridge) for ridge in (0.0, 0.25))

    assert torch.equal(raised - plain, 0.25 * torch.eye(2)[None])


def test_symmetric_root_squares_to_the_matrix():
    """R·R is the matrix, and R is symmetric."""
    factor = noise(2, 6, 9)
    matrix = factor @ factor.mT
    root = symmetric_root(matrix)

    torch.testing.assert_close(root @ root, matrix)
    torch.testing.assert_close(root, root.mT)


def test_symmetric_root_takes_rounding_below_zero_for_zero():
    """An eigenvalue that rounding made negative has the root 0."""
    root = symmetric_root(torch.diag(torch.tensor([4.0, -1e-9]))[None])

    torch.testing.assert_close(root, torch.diag(torch.tensor([2.0, 0.0]))[None])


@pytest.mark.parametrize("smoothing", [0.0, 1e-3, 0.3])
def test_wasserstein_floor_is_the_least_of_the_smoothed_distance(smoothing: float):
    """No diagonal covariance comes below the least, and the best of a fine grid reaches it."""
    style = torch.tensor([2.0, 0.5, 0.03], dtype=torch.float64)
    floor, least = wasserstein_floor(torch.diag(style)[None], smoothing)
    canvas = torch.linspace(0, 3, 300_001, dtype=torch.float64)[:, None]
    reached = (canvas + style - 2 * (canvas * style + floor).sqrt()).amin(0).sum()

    torch.testing.assert_close(floor[0], smoothing * style.square().norm())
    torch.testing.assert_close(reached, least[0], rtol=0, atol=1e-8)
    assert reached >= least[0] - 1e-12


def test_mean_squared_difference_of_a_batch_is_a_sum_of_means():
    """Every picture of a batch counts fully."""
    one, other = torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.tensor([[0.0, 0.0]])

    assert mean_squared_difference(one, other) == (1 + 4) / 2 + (9 + 25) / 2


def test_nine_point_total_variation_by_hand():
    """Squared differences along axes weigh 2/3, along diagonals 1/6, each a mean."""
    pixels = torch.tensor([[0.0, 1.0], [2.0, 4.0]]).expand(1, 3, 2, 2)
    across, down = (1 + 0 + 4 + 0) / 4, (4 + 9 + 0 + 0) / 4
    # The nine 2×2 windows of the picture with its edges repeated, row by row.
    falling = (0 + 1 + 0 + 4 + 16 + 9 + 0 + 4 + 0) / 9
    rising = (0 + 1 + 0 + 4 + 1 + 9 + 0 + 4 + 0) / 9

    torch.testing.assert_close(
        total_variation(pixels, "nine-point"),
        torch.tensor(2 * ((across + down) / 3 + (falling + rising) / 12)),
    )


def test_squared_total_variation_by_hand():
    """Half the summed squared differences along both axes, in units of 0..255."""
    pixels = torch.tensor([[0.0, 1.0], [2.0, 4.0]]).expand(1, 3, 2, 2) / 255

    torch.testing.assert_close(
        total_variation(pixels, "squared"), torch.tensor(3 * (1 + 4 + 4 + 9) / 2)
    )


@pytest.mark.parametrize("stencil", ["nine-point", "squared"])
def test_total_variation_of_a_flat_canvas_is_zero(stencil: str):
    """A canvas of one colour has nothing to smooth, edges included."""
    flat = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1).expand(1, 3, 5, 7)

    assert total_variation(flat, stencil) == 0


@pytest.mark.parametrize("stencil", ["nine-point", "squared"])
@pytest.mark.parametrize("axes", [(2,), (3,), (2, 3)])
def test_total_variation_does_not_know_left_from_right(stencil: str, axes: tuple[int, ...]):
    """A mirrored picture varies as much as the picture."""
    pixels = noise(1, 3, 5, 7)

    torch.testing.assert_close(
        total_variation(pixels.flip(axes), stencil), total_variation(pixels, stencil)
    )
