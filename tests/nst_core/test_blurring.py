"""Gaussian blur."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms.functional import gaussian_blur

from nst_core.blurring import blurred
from tests.nst_core.toy import picture


@pytest.mark.parametrize(("width", "sigma"), [(1, 0.5), (3, 0.4), (9, 1.3), (13, 4.0)])
def test_it_is_torchvisions_blur(width, sigma):
    """What was painted before torchvision was done without is painted alike."""
    canvas = picture(0, 12, 16)

    torch.testing.assert_close(
        blurred(canvas, width, sigma), gaussian_blur(canvas, [width, width], [sigma, sigma])
    )


def test_a_flat_picture_stays_as_it_is():
    """Edges are mirrored, so nothing comes in from outside."""
    flat = torch.full((1, 2, 8, 9), 0.4)

    torch.testing.assert_close(blurred(flat, 5, 2.0), flat)
