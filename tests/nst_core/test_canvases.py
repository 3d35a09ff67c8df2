from __future__ import annotations

import math

import pytest
import torch

from nst_core.canvases import Fourier, Pixels
from nst_core.optimizers import LBFGS, Adam, NormalizedGradient
from tests.nst_core.toy import noise, picture

CANVASES = (Pixels(), Pixels(spectral=0.5), Pixels(spectral=1.0))
SIZES = ((6, 8), (7, 9), (5, 12), (16, 1))


@pytest.mark.parametrize("canvas", CANVASES, ids=str)
@pytest.mark.parametrize(
    "optimizer", [LBFGS(), Adam(), Adam(average=0), NormalizedGradient()], ids=str
)
def test_each_canvas_returns_its_start_image(canvas, optimizer):
    """Before the first step the picture is the one that the canvas was started with."""
    start = picture(0)
    descent = optimizer.start(start, canvas)

    torch.testing.assert_close(descent.picture, start)


def test_plain_pixels_are_their_own_variables():
    """Without a spectral change of variables the map is the identity."""
    values = noise(1, 3, 6, 8)

    view = Pixels().view((6, 8), values)

    assert view.filtered(values) is values
    assert view.variables(values) is values


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_spectral_map_is_its_own_transpose(size: tuple[int, int]):
    """⟨F z, w⟩ = ⟨z, F w⟩, at even and odd sizes: one function serves variables and gradients."""
    variables, gradient = noise(1, 3, *size), noise(1, 3, *size, seed=1)
    through = Pixels(spectral=0.5).view(size, variables).filtered

    torch.testing.assert_close(
        (through(variables) * gradient).sum(), (variables * through(gradient)).sum()
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_spectral_map_amplifies_nothing(size: tuple[int, int]):
    """The largest gain is 1 and belongs to flat colours."""
    values = noise(1, 3, *size)
    through = Pixels(spectral=0.5).view(size, values).filtered

    assert through(values).norm() < values.norm()
    torch.testing.assert_close(through(torch.ones_like(values)), torch.ones_like(values))


@pytest.mark.parametrize("exponent", [0.5, 1.0])
@pytest.mark.parametrize("cycles", [1, 3, 8])
def test_spectral_map_falls_with_frequency(exponent: float, cycles: int):
    """A wave of k cycles per side comes through with the factor k^-α."""
    wave = torch.cos(2 * math.pi * cycles * torch.arange(32, dtype=torch.float64) / 32)
    values = wave.expand(1, 3, 32, 32)
    through = Pixels(spectral=exponent).view((32, 32), values).filtered

    torch.testing.assert_close(through(values), values * cycles**-exponent)


def test_spectral_map_does_not_prefer_an_axis():
    """Across a wide canvas, a wavelength has the same gain along as across."""
    wave = torch.cos(2 * math.pi * torch.arange(32, dtype=torch.float64) / 8)
    along, across = wave.expand(1, 3, 16, 32), wave[:16, None].expand(1, 3, 16, 32)
    through = Pixels(spectral=0.5).view((16, 32), along).filtered

    torch.testing.assert_close(through(along), along * 4**-0.5)
    torch.testing.assert_close(through(across), across * 4**-0.5)


# Fourier


@pytest.mark.parametrize("size", [(6, 8), (7, 9), (5, 12)], ids=str)
def test_a_spectrum_shows_the_picture_it_was_made_of(size: tuple[int, int]):
    """Start pictures stay as they are, at even and odd sizes."""
    start = picture(0, *size)
    view = Fourier().view(size, start)

    torch.testing.assert_close(view.picture(view.variables(start)), start, rtol=0, atol=1e-5)


def test_no_spectrum_leaves_the_gamut():
    """Whatever the optimiser does, the picture can be saved."""
    spectrum = 1e3 * noise(1, 3, 6, 5, 2).float()
    shown = Fourier().view((6, 8), spectrum).picture(spectrum)

    assert shown.min() >= 0
    assert shown.max() <= 1


def test_pure_black_and_white_have_a_spectrum():
    """The sigmoid reaches neither; they are drawn in by a fraction of a level."""
    start = (picture(0, 6, 8) > 0.5).float()
    view = Fourier().view((6, 8), start)
    shown = view.picture(view.variables(start))

    torch.testing.assert_close(shown, start, rtol=0, atol=1.1e-3)


def test_the_gradient_of_a_spectrum_is_that_of_its_picture():
    """The objective of the picture, pulled back, against finite differences."""
    goal = picture(1, 6, 8).double()
    view = Fourier().view((6, 8), goal)

    def evaluate(shown):
        return (shown - goal).square().sum(), 2 * (shown - goal)

    spectrum = view.variables(picture(0, 6, 8).double())
    loss, gradient = view.pulled_back(evaluate)(spectrum)
    direction, small = noise(*spectrum.shape, seed=1), 1e-6
    ahead, behind = (
        evaluate(view.picture(spectrum + sign * small * direction))[0] for sign in (1, -1)
    )

    torch.testing.assert_close(loss, evaluate(view.picture(spectrum))[0])
    torch.testing.assert_close(
        (gradient * direction).sum(), (ahead - behind) / (2 * small), rtol=1e-4, atol=1e-9
    )


def test_noise_of_a_spectrum_falls_with_frequency():
    """Forms are broad and soft; neighbours in white noise differ by 1.4 of its deviation."""
    seeded = torch.Generator().manual_seed(0)
    shown = Fourier().noise_picture((64, 64), 0.3, seeded)
    fine = (shown[..., 1:] - shown[..., :-1]).std()

    assert fine < 0.8 * shown.std()
