from __future__ import annotations

import math

import pytest
import torch

from nst_core.canvases import Pixels
from nst_core.optimizers import LBFGS, Adam
from tests.nst_core.toy import noise, picture

CANVASES = (Pixels(), Pixels(spectral=0.5), Pixels(spectral=1.0))
SIZES = ((6, 8), (7, 9), (5, 12), (16, 1))


@pytest.mark.parametrize("canvas", CANVASES, ids=str)
@pytest.mark.parametrize("optimizer", [LBFGS(), Adam(), Adam(average=0)], ids=str)
def test_each_canvas_returns_its_start_image(canvas: Pixels, optimizer: LBFGS | Adam):
    """Before the first step the picture is the one that the canvas was started with."""
    start = picture(0)
    descent = optimizer.start(start, canvas)

    torch.testing.assert_close(descent.picture, start)


def test_plain_pixels_are_their_own_variables():
    """Without a spectral change of variables the map is the identity."""
    values = noise(1, 3, 6, 8)

    assert Pixels().filter(values)(values) is values


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_spectral_map_is_its_own_transpose(size: tuple[int, int]):
    """⟨F z, w⟩ = ⟨z, F w⟩, at even and odd sizes: one function serves variables and gradients."""
    variables, gradient = noise(1, 3, *size), noise(1, 3, *size, seed=1)
    through = Pixels(spectral=0.5).filter(variables)

    torch.testing.assert_close(
        (through(variables) * gradient).sum(), (variables * through(gradient)).sum()
    )


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_spectral_map_amplifies_nothing(size: tuple[int, int]):
    """The largest gain is 1 and belongs to flat colours."""
    values = noise(1, 3, *size)
    through = Pixels(spectral=0.5).filter(values)

    assert through(values).norm() < values.norm()
    torch.testing.assert_close(through(torch.ones_like(values)), torch.ones_like(values))


@pytest.mark.parametrize("exponent", [0.5, 1.0])
@pytest.mark.parametrize("cycles", [1, 3, 8])
def test_spectral_map_falls_with_frequency(exponent: float, cycles: int):
    """A wave of k cycles per side comes through with the factor k^-α."""
    wave = torch.cos(2 * math.pi * cycles * torch.arange(32, dtype=torch.float64) / 32)
    values = wave.expand(1, 3, 32, 32)
    through = Pixels(spectral=exponent).filter(values)

    torch.testing.assert_close(through(values), values * cycles**-exponent)


def test_spectral_map_does_not_prefer_an_axis():
    """Across a wide canvas, a wavelength has the same gain along as across."""
    wave = torch.cos(2 * math.pi * torch.arange(32, dtype=torch.float64) / 8)
    along, across = wave.expand(1, 3, 16, 32), wave[:16, None].expand(1, 3, 16, 32)
    through = Pixels(spectral=0.5).filter(along)

    torch.testing.assert_close(through(along), along * 4**-0.5)
    torch.testing.assert_close(through(across), across * 4**-0.5)
