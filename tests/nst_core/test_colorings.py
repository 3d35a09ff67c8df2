"""Every way of colouring, through the loop on a toy network."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from nst_core.octaves import Octaves
from nst_core.pictures import Pictures, Style
from nst_core.recipe import Color
from nst_core.synthesis import synthesize
from tests.nst_core.toy import natural, picture, style, toy_recipe, toy_studio

COLORS = pytest.mark.parametrize("color", get_args(Color))
LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def painted(color, content, *styles, **changes):
    """Paint a content in three steps at 16 and 24 pixels."""
    octaves = Octaves(size=24, smallest=16, ratio=1.5, steps=(3,), carry="change")
    recipe = toy_recipe(color=color, octaves=octaves, **changes)
    return synthesize(recipe, Pictures(content=content, styles=styles), studio=toy_studio()).image


def chroma(image):
    """Give what a picture has beside its luminance."""
    return image - (image * LUMA).sum(1, keepdim=True)


@pytest.mark.parametrize("color", ["keep-luminance", "chroma-after"])
def test_the_contents_chroma_is_kept(color: str):
    """To the last bit, where no pixel leaves the gamut."""
    content = 0.35 + 0.3 * picture(1, 24, 24)
    image = painted(color, content, style(2))
    inside = (image > 0).all(1, keepdim=True) & (image < 1).all(1, keepdim=True)

    assert inside.float().mean() > 0.9
    difference = (chroma(image) - chroma(content)).abs() * inside
    assert difference.max() < 1e-5


def test_luminance_is_painted_without_regard_to_the_styles_colours():
    """A style and its grey copy paint the same picture."""
    content, colored = picture(1, 24, 24), style(2)
    grey = (colored.pixels * LUMA).sum(1, keepdim=True).expand_as(colored.pixels)

    one = painted("keep-luminance", content, colored)
    other = painted("keep-luminance", content, Style(grey.contiguous(), key="grey"))

    torch.testing.assert_close(one, other, rtol=0, atol=1e-4)


@COLORS
@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_grey_pictures_are_painted_in_every_way(color: str, grey: float):
    """A flat grey style or content is no reason for a number to be none."""
    flat = torch.full((1, 3, 24, 24), grey)

    assert painted(color, picture(1, 24, 24), Style(flat, key="flat")).isfinite().all()
    assert painted(color, flat, style(2)).isfinite().all()


@COLORS
def test_every_way_stays_in_gamut(color: str):
    """What is delivered can be held by a file."""
    image = painted(color, natural(1, 24, 24), Style(natural(2, 24, 24), key="n"))

    assert image.min() >= 0
    assert image.max() <= 1


def test_a_palette_needs_no_content():
    """A texture can be restricted to its painting's colours."""
    recipe = toy_recipe(color="palette")

    assert recipe.reads == {"content", "style"}
    assert toy_recipe(color="palette", start="noise", terms=recipe.terms[1:]).reads == {"style"}
