"""What a mask picture means."""

from __future__ import annotations

import pytest
import torch

from nst_core.errors import ImageError
from nst_core.masks import mask_of, require_fit


def colored(*rows):
    """Give a picture from rows of RGB triples in 0..255."""
    return torch.tensor(rows, dtype=torch.float32).permute(2, 0, 1)[None] / 255


RED, BLUE, NEARLY_RED = (255, 0, 0), (0, 0, 255), (240, 20, 15)
GREYS = colored([(0, 0, 0), (51, 51, 51), (255, 255, 255)])
LABELS = colored([RED, BLUE, NEARLY_RED])


def test_light_places_belong_by_how_light_they_are():
    """Black is outside, white inside, greys are soft."""
    torch.testing.assert_close(mask_of(GREYS), torch.tensor([[[[0.0, 0.2, 1.0]]]]))


@pytest.mark.parametrize("color", ["red", "#ff0000"])
def test_places_of_a_colour_belong_wholly(color):
    """A label picture may hold many regions; JPEG shifts their colours a little."""
    assert mask_of(LABELS, color=color).flatten().tolist() == [1, 0, 1]


def test_a_feathered_edge_fades_evenly_to_either_side():
    """Half at the edge, nothing and all at the feather's width from it."""
    picture = torch.zeros(1, 3, 40, 60)
    picture[..., 30:] = 1
    mask = mask_of(picture, feather=6)

    assert mask.shape == (1, 1, 40, 60)
    assert mask[0, 0, 20, 29:31].mean() == pytest.approx(0.5, abs=0.01)
    assert mask[..., :22].max() < 0.02
    assert mask[..., 38:].min() > 0.98
    assert (mask.diff(dim=-1) >= -1e-6).all()


def test_a_wide_feather_is_the_same_blur_at_another_scale():
    """What is blurred small is as soft as what is blurred at its own size."""
    picture = torch.zeros(1, 3, 200, 600)
    picture[..., 300:] = 1
    wide = mask_of(picture, feather=80)[0, 0, 100]
    error = torch.erf((torch.arange(600) - 299.5) / 40 / 2**0.5)

    assert (wide - (1 + error) / 2).abs().max() < 0.02


@pytest.mark.parametrize(("picture", "color"), [(GREYS * 0, None), (LABELS, "lime")])
def test_a_mask_of_nothing_is_refused(picture, color):
    """Nothing would be painted there, which nobody means."""
    with pytest.raises(ImageError, match=color or "all black") as caught:
        mask_of(picture, color=color)

    assert caught.value.code == "E-IMG-MASK"


@pytest.mark.parametrize(
    ("mask", "picture"),
    [
        ((768, 1024), (768, 1024)),
        ((192, 256), (768, 1024)),
        ((67, 100), (427, 640)),
        ((3, 4), (9, 13)),
    ],
)
def test_a_mask_fits_at_any_scale(mask, picture):
    """Sides may be rounded as scaling rounds them."""
    require_fit(mask, picture)


@pytest.mark.parametrize(
    ("mask", "picture"), [((768, 1000), (768, 1024)), ((640, 427), (427, 640))]
)
def test_a_mask_of_another_shape_is_refused(mask, picture):
    """It is of a crop, or lies on its side: its regions would be elsewhere."""
    with pytest.raises(ImageError, match="not the same shape") as caught:
        require_fit(mask, picture)

    assert caught.value.code == "E-IMG-MASK"
