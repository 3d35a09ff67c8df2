from __future__ import annotations

import pytest
import torch

from nst_core.colors import full_contrast, keep_chroma, match_color, match_luminance
from tests.nst_core.toy import natural, picture

LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def moments(pixels):
    """Give mean and covariance of a picture's colours."""
    flat = pixels.flatten(2)[0].double()
    return flat.mean(1), torch.cov(flat, correction=0)


def test_matched_picture_has_the_models_colours():
    """Mean and covariance of the colours become those of the model."""
    model = 0.4 + 0.2 * picture(1, 20, 31)  # of low contrast: nothing is clamped
    matched = match_color(picture(0, 24, 18), model)

    assert matched.shape == (1, 3, 24, 18)
    torch.testing.assert_close(moments(matched), moments(model), rtol=0.02, atol=1e-4)


def test_picture_matched_to_itself_is_unchanged():
    """No colour moves when there is nothing to match."""
    pixels = picture(0, 24, 18)

    torch.testing.assert_close(match_color(pixels, pixels), pixels)


def test_matching_moves_colours_least():
    """A change of contrast alone moves no hue: every channel is stretched, none turned."""
    model = 0.5 + 0.5 * (picture(0, 24, 18) - 0.5)
    matched = match_color(picture(0, 24, 18), model)

    torch.testing.assert_close(matched, model, rtol=0, atol=2e-3)


@pytest.mark.parametrize("flat", [0.0, 0.5, 1.0])
def test_grey_pictures_can_be_matched(flat: float):
    """A picture without any colour takes the model's mean, and gives one."""
    grey, model = torch.full((1, 3, 8, 8), flat), picture(1, 20, 31)
    towards, away = match_color(grey, model), match_color(model, grey)

    torch.testing.assert_close(
        towards.mean((2, 3))[0].double(), moments(model)[0], rtol=0, atol=1e-3
    )
    torch.testing.assert_close(away, grey.new_full(model.shape, flat), rtol=0, atol=0.03)


def test_matched_colours_stay_in_gamut():
    """Colours that the map would send outside are clamped."""
    matched = match_color(natural(0, 20, 20), 3 * (natural(1, 20, 20) - 0.5) + 0.5)

    assert matched.min() >= 0
    assert matched.max() <= 1


def test_kept_chroma_is_the_contents_under_the_paintings_light():
    """Luminance is the painting's; differences between channels are the content's."""
    painting, content = 0.3 + 0.4 * picture(0), 0.3 + 0.4 * picture(1)
    kept = keep_chroma(painting, content)

    torch.testing.assert_close((kept * LUMA).sum(1), (painting * LUMA).sum(1))
    torch.testing.assert_close(kept - kept[:, :1], content - content[:, :1])


def test_content_keeps_its_own_chroma():
    """A painting that is the content stays the content."""
    torch.testing.assert_close(keep_chroma(picture(0), picture(0)), picture(0))


def test_kept_chroma_stays_in_gamut():
    """A bright painting of a saturated content is clamped."""
    content = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    kept = keep_chroma(torch.ones(1, 3, 1, 1), content)

    torch.testing.assert_close(kept.flatten(), torch.tensor([1.0, 0.701, 0.701]))


@pytest.mark.parametrize("how", ["symmetric", "pca", "cholesky"])
def test_every_map_gives_the_same_moments(how: str):
    """They differ in where a colour goes, not in what all colours are together."""
    model = 0.4 + 0.2 * picture(1, 20, 31)
    matched = match_color(picture(0, 24, 18), model, how)

    torch.testing.assert_close(moments(matched), moments(model), rtol=0.02, atol=1e-4)


def test_the_cholesky_map_is_the_product_of_the_factors():
    """L* L⁻¹, written out on colours whose covariances are diagonal."""
    spread = torch.tensor([[-1.0, 1, 0, 0, 0, 0], [0, 0, -1, 1, 0, 0], [0, 0, 0, 0, -1, 1]])
    pixels = (0.5 + 0.1 * spread)[None, :, None]
    model = (0.5 + spread * torch.tensor([[0.2], [0.1], [0.05]]))[None, :, None]

    torch.testing.assert_close(match_color(pixels, model, "cholesky"), model, rtol=0, atol=2e-3)


def test_luminance_is_matched_in_mean_and_spread():
    """Gatys et al. 2017, eq. 10; the picture has no colours any more."""
    model = 0.3 + 0.3 * picture(1, 20, 31)
    matched = match_luminance(picture(0, 24, 18), model)
    wanted = (model * LUMA).sum(1)

    assert torch.equal(matched[:, 0], matched[:, 1])
    assert torch.isclose(matched.mean(), wanted.mean(), atol=2e-3)
    assert torch.isclose(matched[:, 0].std(), wanted.std(), atol=2e-3)


def test_full_contrast_fills_the_gamut_around_grey():
    """A faint picture is enlarged around mid-grey, and only its outliers are cut off."""
    faint = 0.5 + 0.002 * (picture(0, 24, 18) - 0.5)
    shown = full_contrast(faint)

    assert (shown - 0.5).abs().max() == 0.5
    inside = (shown > 0) & (shown < 1)
    assert inside.float().mean() > 0.99
    factors = ((shown - 0.5) / (faint - 0.5))[inside]
    torch.testing.assert_close(factors, factors.median().expand_as(factors), rtol=0.01, atol=0)


def test_full_contrast_leaves_grey_alone():
    """There is nothing to enlarge."""
    grey = torch.full((1, 3, 8, 8), 0.5)

    assert full_contrast(grey).equal(grey)
