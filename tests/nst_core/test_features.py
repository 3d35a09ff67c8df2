from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn import functional

from nst_core.architectures import VGG
from nst_core.errors import RecipeError
from nst_core.features import Features
from nst_core.networks import Network, PackageFile
from tests.nst_core.toy import TOY, convolutions, picture

LAYERS = TOY.layers
# Channels enough for the fast convolutions, where the machine has them.
WIDE = Network(
    name="wide",
    title="three convolutions with many channels",
    architecture=VGG(blocks=(2, 1), widths=(128, 256)),
    source=PackageFile(package="wide", file="wide.bin", sha256="0" * 64),
    mean=(120.0, 125.0, 130.0),
    std=(60.0, 65.0, 70.0),
)


def plain(network, weights, image):
    """The twin: the network as its paper draws it, every layer kept, in float64."""
    mean, std = (
        torch.tensor(values, dtype=torch.float64)[None, :, None, None]
        for values in (network.mean, network.std)
    )
    maps, current = {}, (image.double() * 255 - mean) / std
    for name in network.layers:
        if name.startswith("conv"):
            weight, bias = (weights[f"{name}.{part}"].double() for part in ("weight", "bias"))
            current = functional.conv2d(current, weight, bias, padding=1)
        elif name.startswith("relu"):
            current = current.relu()
        else:
            current = functional.max_pool2d(current, 2)
        maps[name] = current
    return maps


@pytest.mark.parametrize(
    "layers", [LAYERS, ("relu1_1",), ("conv2_1",), ("relu1_1", "relu2_1"), ("conv1_1", "pool2")]
)
def test_maps_are_those_of_the_plain_network(layers):
    """Whatever is asked for, maps are as if every layer were computed one by one and kept."""
    image = picture(0, 9, 13)
    maps = Features(TOY, convolutions(TOY))(image, layers)
    expected = plain(TOY, convolutions(TOY), image)

    torch.testing.assert_close(
        maps, {layer: expected[layer].float() for layer in layers}, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("size", [(8, 8), (13, 22), (49, 46)])
def test_wide_layers_and_their_gradient_are_those_of_the_plain_network(size: tuple[int, int]):
    """Fast convolutions change nothing beyond fp32 rounding, at sizes of every remainder."""
    layers = ("relu1_1", "relu1_2", "relu2_1")
    results = []
    for network in (
        lambda image: Features(WIDE, convolutions(WIDE))(image, layers),
        lambda image: plain(WIDE, convolutions(WIDE), image),
    ):
        image = picture(0, *size).requires_grad_()
        maps = network(image)
        total = sum(maps[layer].double().square().mean() for layer in layers)
        (gradient,) = torch.autograd.grad(total, image)
        results.append(({layer: maps[layer].float().detach() for layer in layers}, gradient))
    (maps, gradient), (expected, exact) = results

    torch.testing.assert_close(maps, expected, rtol=1e-3, atol=1e-3)
    assert (gradient - exact).norm() < 1e-4 * exact.norm()


def test_the_image_is_a_layer():
    """The canvas comes back as it went in, for terms that look at pixels."""
    image = picture(0)

    assert Features(TOY, convolutions(TOY))(image, ["image"])["image"] is image


def test_nothing_is_computed_beyond_the_deepest_layer():
    """A network without its second convolution gives what lies before it."""
    weights = convolutions(TOY)
    del weights["conv2_1.weight"]
    features = Features(TOY, weights)

    assert set(features(picture(0), ["relu1_1", "pool1"])) == {"relu1_1", "pool1"}


def test_blue_comes_first_where_the_network_wants_it():
    """A row with BGR order sees the picture's channels reversed."""
    reversed_row = dataclasses.replace(TOY, bgr=True)
    image = picture(0)
    maps = Features(reversed_row, convolutions(TOY))(image, ["relu1_1"])
    expected = Features(TOY, convolutions(TOY))(image.flip(1), ["relu1_1"])

    assert torch.equal(maps["relu1_1"], expected["relu1_1"])


def test_replicated_border_leaves_no_frame():
    """A flat picture has flat maps up to its edges."""
    flat = torch.full((1, 3, 5, 6), 0.3)
    maps = Features(TOY, convolutions(TOY), border="replicate")(flat, ["conv1_1"])["conv1_1"]

    torch.testing.assert_close(maps, maps[..., :1, :1].expand_as(maps))


def test_zero_border_is_zero_after_normalisation():
    """Outside the picture lies the mean colour the network was trained around."""
    mean = torch.tensor(TOY.mean).view(1, 3, 1, 1).expand(1, 3, 5, 6) / 255
    maps = Features(TOY, convolutions(TOY))(mean, ["conv1_1"])["conv1_1"]
    bias = convolutions(TOY)["conv1_1.bias"].view(1, -1, 1, 1)

    torch.testing.assert_close(maps, bias.expand_as(maps), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "by_hand"),
    [
        ("max", lambda windows: windows.amax(-1)),
        ("avg", lambda windows: 2 * windows.mean(-1)),
        ("l2", lambda windows: 0.78 * windows.square().sum(-1).sqrt()),
    ],
)
def test_pooling_by_hand(pooling, by_hand):
    """Every 2×2 window becomes one value, scaled where it is not the trained pooling."""
    maps = Features(TOY, convolutions(TOY), pooling=pooling)(picture(0, 6, 8), ["relu1_1", "pool1"])
    windows = maps["relu1_1"].unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)

    torch.testing.assert_close(maps["pool1"], by_hand(windows))


@pytest.mark.parametrize("pooling", ["max", "avg", "l2"])
def test_windows_of_zeros_send_back_no_nan(pooling: str):
    """Where nothing was activated, the gradient is finite whatever the pooling."""
    weights = {
        name: tensor - 100 if name.endswith("bias") else tensor
        for name, tensor in convolutions(TOY).items()
    }
    image = picture(0).requires_grad_()
    maps = Features(TOY, weights, pooling=pooling)(image, ["pool1"])["pool1"]
    (gradient,) = torch.autograd.grad(maps.sum(), image)

    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_maps_come_in_the_dtype_asked_for():
    """Half the bits give the same maps to their precision, from the same fp32 canvas."""
    image = picture(0)
    half, full = (
        Features(TOY, convolutions(TOY), dtype=dtype)(image, ["relu2_1"])["relu2_1"]
        for dtype in (torch.bfloat16, torch.float32)
    )

    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), full, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("width", "remedy"),
    [
        (3, "raise the recipe's size or octaves.smallest"),
        (40, "crop the picture nearer to a square, or raise the recipe's size or octaves.smallest"),
    ],
)
def test_picture_too_small_for_the_network_is_refused(width, remedy):
    """The error tells both sizes, the dial to turn, and where the shape is to blame."""
    with pytest.raises(RecipeError) as refused:
        Features(TOY, convolutions(TOY))(picture(0, 3, width), ["relu1_1", "pool2"])

    assert str(refused.value) == (
        f"picture is {width}×3 px at its coarsest octave; toy up to pool2 needs at least 4×4;"
        f" {remedy}"
    )
    assert refused.value.code == "E-RECIPE-SIZE"
