"""A picture in the colours of others."""

from __future__ import annotations

import pytest
import torch

from nst_core.palettes import from_oklab, palette, restrict, to_oklab
from tests.nst_core.toy import picture


def test_oklab_is_as_published():
    """White has lightness 1 and no colour; red is where the paper's conversion puts it."""
    pixels = torch.tensor([[1.0, 1, 1], [1, 0, 0]], dtype=torch.float64).T[None, :, None]
    expected = torch.tensor([[1.0, 0, 0], [0.62796, 0.22486, 0.12585]], dtype=torch.float64)

    torch.testing.assert_close(to_oklab(pixels), expected, rtol=0, atol=1e-4)


def test_colors_come_back_from_oklab():
    """Within rounding."""
    pixels = picture(0)

    torch.testing.assert_close(
        from_oklab(to_oklab(pixels)).mT.reshape(pixels.shape), pixels, rtol=0, atol=1e-4
    )


def test_a_palette_has_the_colours_of_its_pictures():
    """Two flat pictures, two colours."""
    red, blue = (
        torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, 8, 8).contiguous()
        for color in ([0.8, 0.1, 0.1], [0.1, 0.2, 0.7])
    )
    found = from_oklab(palette([red, blue]))

    for color in (red, blue):
        assert (found - color[0, :, 0, 0]).abs().amax(1).min() < 1e-3


def test_a_restricted_picture_has_colours_of_the_palette():
    """Of two colours that are far apart, each pixel takes the nearer."""
    chosen = to_oklab(torch.tensor([[0.9, 0.9, 0.8], [0.1, 0.1, 0.3]]).T[None, :, None])
    restricted = restrict(picture(0, 24, 18), chosen)[0].flatten(1).mT
    apart = torch.cdist(restricted, from_oklab(chosen)).amin(1)

    assert apart.quantile(0.9) < 0.05


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_a_grey_palette_makes_a_grey_picture(grey: float):
    """One colour, many times over, is a palette too."""
    flat = torch.full((1, 3, 8, 8), grey)
    restricted = restrict(picture(0), palette([flat]))

    torch.testing.assert_close(restricted, torch.full_like(restricted, grey), rtol=0, atol=2e-3)


def test_a_large_picture_is_restricted_piece_by_piece():
    """What lies in another piece makes no difference."""
    large = torch.rand(1, 3, 600, 500, generator=torch.Generator().manual_seed(0))
    chosen = palette([large])

    torch.testing.assert_close(
        restrict(large, chosen)[..., 400:, :], restrict(large[..., 400:, :], chosen)
    )
