from __future__ import annotations

import pytest
import torch

from nst_core import winograd
from nst_core.convolutions import DirectConvolution, FusedConvolution, WinogradConvolution
from nst_core.hardware import has_grouped_products, has_onednn
from tests.nst_core.toy import noise

CPU = torch.device("cpu")
fused = pytest.mark.skipif(not has_onednn(torch.float32, CPU), reason="this torch has no oneDNN")
# Relative differences from float64, over all values: rounding of the dtype, through one layer.
ROUNDING = {torch.float32: 1e-5, torch.bfloat16: 1e-2}


def forth_and_back(kind, dtype, border, *, channels=(5, 7), size=(9, 13)):
    """Return a rectified convolution and the gradient of its weighted sum, in float64."""
    weight, bias = noise(channels[1], channels[0], 3, 3) / 5, noise(channels[1], seed=1)
    maps = noise(2, channels[0], *size, seed=2).to(torch.bfloat16).to(dtype).requires_grad_()
    out = kind(weight.to(torch.bfloat16).to(dtype), bias.to(torch.bfloat16).to(dtype), border)
    rectified = out.rectified(maps)
    arriving = noise(*rectified.shape, seed=3).to(torch.bfloat16).to(dtype)
    (back,) = torch.autograd.grad(rectified, maps, arriving)
    return rectified.detach().double(), back.double()


@fused
@pytest.mark.parametrize("border", ["zeros", "replicate"])
@pytest.mark.parametrize("dtype", ROUNDING)
def test_fused_convolution_is_the_direct_one(dtype: torch.dtype, border: str):
    """Its values and its gradient are those of the reference to the rounding of the dtype."""
    if not has_onednn(dtype, CPU):
        pytest.skip(f"no {dtype} here")
    found = forth_and_back(FusedConvolution, dtype, border)
    expected = forth_and_back(DirectConvolution, torch.float64, border)

    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() < ROUNDING[dtype] * other.norm()


@fused
@pytest.mark.parametrize("dtype", ROUNDING)
def test_fused_convolution_repeats_itself(dtype: torch.dtype):
    """What is continued is bitwise what goes on, whatever went through before."""
    if not has_onednn(dtype, CPU):
        pytest.skip(f"no {dtype} here")
    weight, bias = noise(8, 6, 3, 3).to(dtype), noise(8).to(dtype)
    maps = noise(1, 6, 20, 30).to(dtype)
    fresh, used = FusedConvolution(weight, bias), FusedConvolution(weight, bias)
    used.rectified(noise(1, 6, 40, 10).to(dtype))

    assert torch.equal(fresh.rectified(maps), used.rectified(maps))


# Winograd's transforms round as well: of the direct convolution's error, ten times in bf16.
WINOGRAD_ROUNDING = {torch.float32: 2e-5, torch.bfloat16: 4e-2}


@fused
@pytest.mark.parametrize("size", [(20, 28), (23, 33)], ids=str)
@pytest.mark.parametrize("dtype", WINOGRAD_ROUNDING)
@pytest.mark.parametrize("products", ["grouped", "one by one"])
def test_winograd_convolution_is_the_direct_one(
    products: str, dtype: torch.dtype, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
):
    """Its values and its gradient are those of the reference, at sides of every remainder."""
    if not has_onednn(dtype, CPU):
        pytest.skip(f"no {dtype} here")
    monkeypatch.setattr(winograd, "has_grouped_products", lambda: products == "grouped")
    found = forth_and_back(WinogradConvolution, dtype, "zeros", channels=(32, 24), size=size)
    expected = forth_and_back(
        DirectConvolution, torch.float64, "zeros", channels=(32, 24), size=size
    )

    # What is rounded to the other side of zero is masked on the way back: values alone are exact.
    assert (found[0] - expected[0]).norm() < WINOGRAD_ROUNDING[dtype] * expected[0].norm()
    back = (found[1] - expected[1]).norm() / expected[1].norm()
    assert back < 5 * WINOGRAD_ROUNDING[dtype]


@fused
@pytest.mark.parametrize("border", ["zeros", "replicate"])
def test_small_maps_are_convolved_directly(border: str):
    """Where Winograd's algorithm would lose time, the fused convolution computes."""
    found, expected = (
        forth_and_back(kind, torch.float32, border, size=(9, 13))
        for kind in (WinogradConvolution, FusedConvolution)
    )

    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@fused
@pytest.mark.parametrize("channels", [(128, 128), (512, 256)], ids=str)
@pytest.mark.parametrize("dtype", WINOGRAD_ROUNDING)
def test_kernels_have_one_layout_for_every_number_of_tiles(
    dtype: torch.dtype, channels: tuple[int, int]
):
    """Another one would be made anew in every call, which takes a hundred times as long."""
    if not (has_onednn(dtype, CPU) and has_grouped_products()):
        pytest.skip(f"no products of {dtype} in groups here")
    groups, (out_channels, in_channels) = 36, channels
    kernel = torch.zeros(groups * out_channels, in_channels, 1, 1, dtype=dtype)
    layouts = set()
    for tiles in (64, 128, 192, 256, 512, 1024):
        around, ones, size = [0, 0], [1, 1], [1, groups * in_channels, 1, tiles]
        packed = torch.ops.mkldnn._reorder_convolution_weight(
            kernel, around, ones, ones, groups, size
        )
        layouts.add(bytes(torch.ops.mkldnn._get_mkldnn_serialized_md(packed).tolist()))

    assert len(layouts) == 1
