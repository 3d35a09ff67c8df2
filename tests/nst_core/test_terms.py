from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nst_core.architectures import IMAGE
from nst_core.statistics import covariance, moments
from nst_core.terms import Content, Gamut, Gram, TotalVariation, Wasserstein, term_names
from tests.nst_core.toy import CANVAS, PICTURE, loss_of, noise

TERMS = (
    Content(layer="relu1_1"),
    Gram(layer="relu1_1"),
    Gram(layer="relu1_1", divide_by="chw"),
    Wasserstein(layer="relu1_1"),
    Wasserstein(layer="relu1_1", ridge=0.1, smoothing=0.3),
    TotalVariation(),
    TotalVariation(stencil="squared"),
    Gamut(),
)


def textbook_distance(mean, spread, other_mean, other_spread):
    """Return |m - m*|² + tr(Σ + Σ* - 2 (Σ*^½ Σ Σ*^½)^½)."""
    values, vectors = torch.linalg.eigh(other_spread)
    root = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T
    between = torch.linalg.eigvalsh(root @ spread @ root).clamp_min(0).sqrt().sum()
    traces = torch.trace(spread) + torch.trace(other_spread)
    return (mean - other_mean).square().sum() + traces - 2 * between


def test_content_by_hand():
    """Content is the mean squared difference over all values."""
    loss = loss_of(Content(layer="relu1_1"), CANVAS, PICTURE)

    assert loss == (0 + 4 + 0 + 4 + 0 + 0 + 4 + 0) / 8


def test_gram_by_hand():
    """Gram compares F Fᵀ/(H·W), entry by entry."""
    loss = loss_of(Gram(layer="relu1_1"), CANVAS, PICTURE)

    # F Fᵀ is ((30, 6), (6, 2)) for the canvas and ((14, 8), (8, 6)) for the picture.
    assert loss == (16**2 + 2**2 + 2**2 + 4**2) / 4**2 / 4


def test_gram_over_values_by_hand():
    """Divided by C·H·W, each Gram matrix is half as large with two channels."""
    loss = loss_of(Gram(layer="relu1_1", divide_by="chw"), CANVAS, PICTURE)

    assert loss == (16**2 + 2**2 + 2**2 + 4**2) / 8**2 / 4


def test_wasserstein_by_hand():
    """Of one channel, the distance is that of the means plus that of the standard deviations."""
    term = Wasserstein(layer="relu1_1", ridge=0, smoothing=0)
    canvas = torch.tensor([[[[1.0, 3.0], [1.0, 3.0]]]])  # mean 2, standard deviation 1
    picture = torch.tensor([[[[0.0, 10.0], [10.0, 0.0]]]])  # mean 5, standard deviation 5

    torch.testing.assert_close(loss_of(term, canvas, picture), torch.tensor(3.0**2 + 4.0**2))


@pytest.mark.parametrize("seed", range(3))
def test_wasserstein_without_smoothing_is_the_textbook_distance(seed: int):
    """With smoothing 0 the loss is the squared 2-Wasserstein distance of Gaussians over C."""
    term = Wasserstein(layer="relu1_1", ridge=0, smoothing=0)
    canvas, picture = noise(1, 5, 6, 7, seed=seed), 2 * noise(1, 5, 6, 7, seed=9) + 1
    gaussians = [
        (maps.flatten(2)[0].mean(1), torch.cov(maps.flatten(2)[0], correction=0))
        for maps in (canvas, picture)
    ]

    torch.testing.assert_close(
        loss_of(term, canvas, picture), textbook_distance(*gaussians[0], *gaussians[1]) / 5
    )


def test_wasserstein_ridge_is_added_to_the_styles_covariance():
    """The ridge is that of the formula."""
    term = Wasserstein(layer="relu1_1", ridge=0.5, smoothing=0)
    canvas, picture = noise(1, 3, 6, 7), 2 * noise(1, 3, 6, 7, seed=1)
    gaussians = [
        (mean[0], covariance(mean, second, ridge=ridge)[0])
        for (mean, second), ridge in ((moments(canvas), 0.0), (moments(picture), 0.5))
    ]

    torch.testing.assert_close(
        loss_of(term, canvas, picture), textbook_distance(*gaussians[0], *gaussians[1]) / 3
    )


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 4)])
def test_wasserstein_of_few_positions_is_that_of_their_moments(size: tuple[int, int]):
    """The smaller matrix gives the loss and the gradient of the larger one."""
    term = Wasserstein(layer="relu1_1", smoothing=1e-3)
    target = term.target(term.measure(2 * noise(1, 12, 6, 7, seed=1) + 1))
    results = []
    for loss_of_maps in (term.loss_of_maps, lambda maps, _: term.loss(term.measure(maps), target)):
        maps = noise(2, 12, *size).requires_grad_()
        loss = loss_of_maps(maps, target)
        results.append((loss, *torch.autograd.grad(loss, maps)))

    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("smoothing", [1e-6, 2e-5, 1e-2, 0.4])
def test_wasserstein_is_zero_at_its_least(smoothing: float):
    """On the covariance that the floor favours the loss is 0."""
    term = Wasserstein(layer="relu1_1", ridge=0, smoothing=smoothing)
    values, mean = torch.tensor([3.0, 1.0, 0.1, 1e-4], dtype=torch.float64), noise(1, 4)
    vectors, _ = torch.linalg.qr(noise(4, 4))
    floor = smoothing * values.square().norm()
    nearest = (values - floor / values).clamp_min(0)

    def measured(spectrum):
        spread = vectors @ torch.diag(spectrum) @ vectors.T
        return mean, spread[None] + mean[..., :, None] * mean[..., None, :]

    loss = term.loss(measured(nearest), term.target(measured(values)))

    torch.testing.assert_close(loss, torch.zeros_like(loss), rtol=0, atol=1e-8)


@settings(deadline=None, max_examples=50)
@given(
    channels=st.integers(1, 6),
    seed=st.integers(0, 2**31),
    scale=st.floats(1e-3, 1e3),
    smoothing=st.floats(1e-6, 1),
)
def test_wasserstein_is_never_negative(channels: int, seed: int, scale: float, smoothing: float):
    """However far or near the canvas is, and however strong the smoothing, the loss is >= 0."""
    term = Wasserstein(layer="relu1_1", smoothing=smoothing)
    picture = noise(1, channels, 4, 5, seed=seed)
    canvas = picture + scale * noise(1, channels, 4, 5, seed=seed + 1)

    assert loss_of(term, canvas, picture) >= -1e-12 * scale**2


def test_wasserstein_of_a_picture_to_itself_is_small():
    """At the house's smoothing the style picture itself is all but the best canvas."""
    maps = noise(1, 8, 20, 20) + 1
    itself = loss_of(Wasserstein(layer="relu1_1"), maps, maps)
    other = loss_of(Wasserstein(layer="relu1_1"), 1.1 * maps, maps)

    assert itself < 0.01 * other


def test_gamut_by_hand():
    """What lies outside [0, 1] costs its squared distance, averaged over all values."""
    pixels = torch.tensor([[[[-0.5, 0.0], [1.0, 3.0]]]])

    assert loss_of(Gamut(), pixels, pixels) == (0.25 + 4) / 4


def test_gamut_costs_nothing_inside():
    """Inside the gamut the loss is 0, and so is its gradient."""
    pixels = torch.rand(1, 3, 4, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = loss_of(Gamut(), pixels, pixels)
    (gradient,) = torch.autograd.grad(loss, pixels)

    assert loss == 0
    assert not gradient.any()


@pytest.mark.parametrize("term", TERMS, ids=str)
def test_gradients_are_exact(term):
    """Every term's gradient is the derivative of its loss, measured in float64."""
    picture = 1.5 * noise(2, 3, 4, 5) + 0.5
    canvas = (0.8 * noise(2, 3, 4, 5, seed=1)).requires_grad_()
    with torch.no_grad():
        target = term.target(term.measure(picture))

    assert torch.autograd.gradcheck(lambda maps: term.loss(term.measure(maps), target), canvas)


@pytest.mark.parametrize("term", TERMS, ids=str)
def test_loss_of_a_batch_is_the_sum(term):
    """Two canvases cost what they cost one by one."""
    canvas, picture = noise(2, 3, 4, 5), noise(1, 3, 4, 5, seed=1)
    alone = sum(loss_of(term, canvas[index : index + 1], picture) for index in range(2))

    torch.testing.assert_close(loss_of(term, canvas, picture), alone)


@pytest.mark.parametrize("term", TERMS[:5], ids=str)
def test_loss_of_bf16_maps_is_fp32(term):
    """Differences are squared and summed in fp32, whatever the maps are computed in."""
    maps = noise(1, 3, 4, 5).bfloat16()

    assert loss_of(term, maps, maps).dtype == torch.float32


@pytest.mark.parametrize("term", TERMS, ids=str)
def test_weight_is_left_to_the_objective(term):
    """The weight of a term scales nothing in its loss."""
    canvas, picture = noise(1, 3, 4, 5), noise(1, 3, 4, 5, seed=1)
    heavy = dataclasses.replace(term, weight=7.0)

    assert loss_of(heavy, canvas, picture) == loss_of(term, canvas, picture)


def test_terms_say_what_they_read():
    """Content terms read the content, style terms the style, the others no picture."""
    assert [term.reads for term in TERMS] == ["content"] + 4 * ["style"] + 3 * ["nothing"]


def test_pixel_terms_look_at_the_canvas_itself():
    """The canvas is a layer like any other, so that pixel losses are ordinary terms."""
    assert [term.layer for term in TERMS[-3:]] == 3 * [IMAGE]


def test_every_term_has_a_column_of_its_own():
    """Equal kinds on equal layers are counted."""
    terms = (
        Content(layer="relu2_1"),
        Gram(layer="relu1_1"),
        Gram(layer="relu1_1", divide_by="chw"),
        Gram(layer="relu1_1", weight=0),
        Gram(layer="relu2_1"),
        TotalVariation(),
        TotalVariation(stencil="squared"),
    )

    assert term_names(terms) == (
        "content_relu2_1",
        "gram_relu1_1",
        "gram_relu1_1#2",
        "gram_relu1_1#3",
        "gram_relu2_1",
        "total_variation",
        "total_variation#2",
    )


def test_smoothed_loss_stays_near_the_distance():
    """The house's smoothing changes the distance of unlike pictures by less than two percent."""
    canvas, picture = noise(1, 8, 20, 20), 2 * noise(1, 8, 20, 20, seed=1) + 1
    exact = loss_of(Wasserstein(layer="relu1_1", smoothing=0), canvas, picture)
    smoothed = loss_of(Wasserstein(layer="relu1_1"), canvas, picture)

    assert math.isclose(smoothed, exact, rel_tol=0.02)
