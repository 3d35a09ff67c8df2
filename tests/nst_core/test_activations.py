"""The terms of dreams, against their equations written out."""

from __future__ import annotations

import pytest
import torch

from nst_core.activations import Activation, Guide, Unit
from tests.nst_core.toy import noise


def loss(term, maps, *others):
    """Give a term's loss of maps against pictures measured by the same term."""
    target = term.target(term.measure(others[0])) if others else ()
    return term.loss(term.measure(maps), target)


def test_activation_is_the_mean_square_negated():
    """All values count alike."""
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])

    assert loss(Activation(layer="any"), maps) == -7.5


def test_activation_of_channels_looks_at_no_others():
    """Only the chosen channels count."""
    maps = torch.stack([torch.full((2, 2), value) for value in (1.0, 2.0, 3.0)])[None]

    assert loss(Activation(layer="any", channels=(0, 2)), maps) == -5


def test_activation_leaves_out_its_margin():
    """The frame does not count."""
    maps = torch.full((1, 1, 5, 5), 10.0)
    maps[..., 1:4, 1:4] = 2

    assert loss(Activation(layer="any", margin=1), maps) == -4


def test_a_map_too_small_for_the_margin_counts_whole():
    """Nothing would be left of it."""
    assert loss(Activation(layer="any", margin=2), torch.full((1, 1, 4, 9), 3.0)) == -9


def test_each_position_is_guided_by_what_it_is_most_like():
    """Minus the mean over positions of the largest inner product, over channels."""
    maps, guide = noise(1, 5, 3, 4).float(), noise(1, 5, 2, 3, seed=1).float()
    products = maps.flatten(2)[0].mT @ guide.flatten(2)[0]
    expected = -products.max(1).values.mean() / 5

    torch.testing.assert_close(loss(Guide(layer="any"), maps, guide), expected)


def test_a_guides_gradient_is_the_vector_it_is_most_like():
    """As the notebook sets it by hand."""
    maps = noise(1, 5, 3, 4).float().requires_grad_()
    guide = noise(1, 5, 2, 3, seed=1).float()
    (gradient,) = torch.autograd.grad(loss(Guide(layer="any"), maps, guide), maps)
    columns = guide.flatten(2)[0]
    best = (maps.detach().flatten(2)[0].mT @ columns).argmax(1)

    torch.testing.assert_close(gradient.flatten(2)[0], -columns[:, best] / 60)


def test_many_positions_are_matched_like_few():
    """Taking them in pieces changes nothing."""
    maps, guide = noise(1, 2, 100, 90).float(), noise(1, 2, 4, 4, seed=1).float()
    products = maps.flatten(2)[0].mT @ guide.flatten(2)[0]

    torch.testing.assert_close(
        loss(Guide(layer="any"), maps, guide), -products.max(1).values.mean() / 2
    )


def test_channels_grow_by_the_guides_share():
    """Mean squares weighted by the guide's activation in each channel, which adds up to 1."""
    guide = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    maps = torch.tensor([2.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3)

    assert loss(Guide(layer="any", by="channels"), maps, guide) == -(0.25 * 4 + 0.75 * 16)


def test_a_blank_guide_gives_no_nan():
    """A guide in which the layer sees nothing asks for nothing."""
    blank = torch.zeros(1, 2, 3, 3)

    assert loss(Guide(layer="any", by="channels"), torch.ones(1, 2, 3, 3), blank) == 0


def test_unit_of_a_classifier_is_its_score():
    """The class's score, negated."""
    assert loss(Unit(unit=2), torch.tensor([[1.0, 2.0, 5.0]])) == -5


@pytest.mark.parametrize(("at", "expected"), [("all", -4.0), ("center", -4.0)])
def test_unit_of_maps_is_a_channel(at: str, expected: float):
    """Its mean over positions, or its value in the middle."""
    maps = torch.arange(18.0).view(1, 2, 3, 3)

    assert loss(Unit(unit=0, layer="any", at=at), maps) == expected


def test_unit_in_the_center_looks_nowhere_else():
    """What lies around it does not count."""
    maps = torch.zeros(1, 1, 5, 5)
    maps[..., 2, 2] = 7

    assert loss(Unit(unit=0, layer="any", at="center"), maps) == -7


@pytest.mark.parametrize(
    "term",
    [
        Activation(layer="any"),
        Activation(layer="any", channels=(1,), margin=1),
        Guide(layer="any"),
        Guide(layer="any", by="channels"),
        Unit(unit=1, layer="any"),
        Unit(unit=1, layer="any", at="center"),
    ],
    ids=str,
)
def test_reduced_precision_is_accumulated_in_fp32(term):
    """The loss of bf16 maps is an fp32 number near that of the same maps in fp32."""
    maps, guide = noise(1, 4, 5, 6).bfloat16(), noise(1, 4, 3, 3, seed=1).bfloat16()
    half = loss(term, maps, guide) if isinstance(term, Guide) else loss(term, maps)
    full = (
        loss(term, maps.float(), guide.float())
        if isinstance(term, Guide)
        else loss(term, maps.float())
    )

    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full, rtol=0.02, atol=0.02)
