from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from nst_core.kernels import (
    MeanSquaredDifference,
    Moments,
    _by_newton_schulz,
    cut_out,
    max_pooled,
    product,
    trace_of_root,
    trace_of_root_of_few,
)
from tests.nst_core.toy import noise


def covariances(count=2, channels=4, seed=0):
    """Give positive definite matrices."""
    factor = noise(count, channels, channels + 2, seed=seed)
    return factor @ factor.mT / channels


def plain_moments(maps):
    """The twin that autograd differentiates."""
    vectors = maps.flatten(2)
    return vectors.mean(2), vectors @ vectors.mT / vectors.shape[2]


def plain_difference(one, other):
    """The twin that autograd differentiates."""
    return (one - other).square().flatten(1).mean(1).sum()


def plain_trace_of_root(spread, root, floor):
    """The twin that autograd differentiates."""
    between = root @ ((spread + spread.mT) / 2) @ root
    return (torch.linalg.eigvalsh(between) + floor[:, None]).sqrt().sum(-1)


def test_moments_are_those_of_the_plain_twin():
    """The fused moments have the plain ones' values."""
    maps = noise(2, 3, 4, 5)

    torch.testing.assert_close(Moments.apply(maps), plain_moments(maps))


def test_gradient_of_moments_is_the_plain_twins():
    """Both moments send back together what autograd would send one by one."""
    maps, to_mean, to_second = noise(2, 3, 4, 5), noise(2, 3, seed=1), noise(2, 3, 3, seed=2)
    fused, plain = (
        torch.autograd.grad(moments(leaf), leaf, (to_mean, to_second))
        for moments, leaf in (
            (Moments.apply, maps.clone().requires_grad_()),
            (plain_moments, maps.clone().requires_grad_()),
        )
    )

    torch.testing.assert_close(fused, plain)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_product_adds_to_every_row(dtype: torch.dtype, batch: int):
    """One product and a sum, whichever library takes it."""
    one, other, each = noise(batch, 7, 5), noise(batch, 5, 4, seed=1), noise(batch, 4, seed=2)
    one, other, each = (values.to(dtype) for values in (one, other, each))

    found = product(one, other, each)

    wide = one.double() @ other.double() + each.double()[:, None]
    torch.testing.assert_close(found, wide.to(dtype))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_moments_pass_gradcheck(layout: torch.memory_format):
    """The gradient of both moments is exact in either layout."""
    maps = noise(2, 3, 4, 5).contiguous(memory_format=layout).requires_grad_()

    assert torch.autograd.gradcheck(Moments.apply, maps)


def test_gradient_of_moments_has_the_dtype_of_the_maps():
    """What goes back into a bf16 network is bf16."""
    maps = noise(1, 3, 4, 5).bfloat16().requires_grad_()
    mean, second = Moments.apply(maps)
    (gradient,) = torch.autograd.grad(mean.sum() + second.sum(), maps)

    assert (mean.dtype, second.dtype, gradient.dtype) == (
        torch.float32,
        torch.float32,
        torch.bfloat16,
    )


def test_moments_of_rounded_maps_are_not_rounded():
    """Products of bf16 maps are exact to 2⁻¹⁷ of the whole, where one by itself is to 2⁻⁹."""
    maps = noise(1, 16, 90, 100).relu().bfloat16()
    found, exact = Moments.apply(maps), plain_moments(maps.double())
    off = [
        ((one - other).norm() / other.norm()).item()
        for one, other in zip(found, exact, strict=True)
    ]

    assert max(off) < 2**-17


def test_moments_of_rounded_maps_on_a_card_are_wide():
    """There a product of bf16 matrices can be asked for in fp32: torch says what it would be."""
    with FakeTensorMode():
        maps = torch.empty(1, 16, 9, 10, dtype=torch.bfloat16, device="cuda")
        mean, second = Moments.apply(maps)

    assert (mean.dtype, second.dtype, second.device.type) == (torch.float32, torch.float32, "cuda")


def test_trace_of_root_is_that_of_the_plain_twin():
    """The trace is the sum of the roots of the floored eigenvalues."""
    spread, root, floor = covariances(), covariances(seed=1), torch.tensor([0.1, 0.0]).double()

    torch.testing.assert_close(
        trace_of_root(spread, root, floor), plain_trace_of_root(spread, root, floor)
    )


def test_gradient_of_trace_of_root_is_the_plain_twins():
    """The closed form is what autograd finds through the eigenvalues."""
    root, floor, to_trace = covariances(seed=1), torch.tensor([0.1, 0.01]).double(), noise(2)
    closed, derived = (
        torch.autograd.grad(function(leaf, root, floor), leaf, to_trace)
        for function, leaf in (
            (trace_of_root, covariances().requires_grad_()),
            (plain_trace_of_root, covariances().requires_grad_()),
        )
    )

    torch.testing.assert_close(closed, derived)


def test_trace_of_root_passes_gradcheck():
    """The gradient is exact, also to entries that are changed without their mirror image."""
    spread, root = covariances().requires_grad_(), covariances(seed=1)
    floor = torch.tensor([0.1, 1e-3], dtype=torch.float64)

    assert torch.autograd.gradcheck(lambda matrix: trace_of_root(matrix, root, floor), spread)


def test_trace_of_root_of_few_passes_gradcheck():
    """The gradient to centred vectors is exact, through what centres them."""
    vectors, style = noise(2, 3, 5).requires_grad_(), covariances(channels=5)
    floor = torch.tensor([0.1, 1e-3], dtype=torch.float64)

    def centred(values):
        return trace_of_root_of_few(values - values.mean(1, keepdim=True), style, floor)

    assert torch.autograd.gradcheck(centred, vectors)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_product_is_the_plain_one(batch: int, dtype: torch.dtype):
    """Whoever computes it, a product of matrices is one, in any layout."""
    one, other = noise(batch, 5, 3).to(dtype), noise(batch, 4, 3, seed=1).to(dtype).mT

    torch.testing.assert_close(product(one, other), torch.einsum("blm,bmn->bln", one, other))


def test_floor_keeps_the_gradient_of_a_singular_covariance_bounded():
    """A canvas that does not vary at all is pulled with the force that the floor allows."""
    spread = torch.zeros(1, 4, 4, dtype=torch.float64, requires_grad=True)
    root, floor = torch.eye(4, dtype=torch.float64)[None], torch.tensor([0.25]).double()
    (gradient,) = torch.autograd.grad(trace_of_root(spread, root, floor).sum(), spread)

    torch.testing.assert_close(gradient, root / (2 * 0.25**0.5))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_stays_visible(bad: float):
    """An infinite covariance gives NaN, for the loop to report, instead of an error of LAPACK."""
    spread = torch.full((1, 3, 3), bad)

    assert trace_of_root(spread, torch.eye(3)[None], torch.ones(1)).isnan().all()
    assert trace_of_root_of_few(spread[:, :2], torch.eye(3)[None], torch.ones(1)).isnan().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_newton_schulz_agrees_with_the_eigendecomposition(dtype: torch.dtype):
    """At the condition that the house's smoothing allows, products find what eigenvalues give."""
    vectors, _ = torch.linalg.qr(noise(1, 64, 64))
    values = torch.logspace(0, -7, 64, dtype=torch.float64)
    matrix = vectors @ torch.diag(values) @ vectors.mT
    floor = 2e-5 * values.norm()
    exact = vectors @ torch.diag((values + floor).rsqrt()) @ vectors.mT
    trace, inverse = _by_newton_schulz(matrix.to(dtype), floor[None].to(dtype))

    tolerance = 1e-9 if dtype == torch.float64 else 2e-3
    torch.testing.assert_close(
        trace.double(), (values + floor).sqrt().sum()[None], rtol=tolerance, atol=0
    )
    assert (inverse - exact).norm() < tolerance * exact.norm()


@pytest.mark.parametrize("others", [2, 1])
def test_mean_squared_difference_is_that_of_the_plain_twin(others: int):
    """Its value, and its gradients to both, also where one picture is compared with several."""
    one, other = noise(2, 3, 4, 5), noise(others, 3, 4, 5, seed=1)
    fused, plain = (
        [value, *torch.autograd.grad(value, leaves)]
        for value, leaves in (
            (difference(*leaves), leaves)
            for difference in (MeanSquaredDifference.apply, plain_difference)
            for leaves in [[tensor.clone().requires_grad_() for tensor in (one, other)]]
        )
    )

    torch.testing.assert_close(fused, plain)


def test_mean_squared_difference_keeps_the_dtypes():
    """It is summed in fp32, and gradients go back as the values came."""
    one = noise(1, 2, 3, 4).bfloat16().requires_grad_()
    value = MeanSquaredDifference.apply(one, torch.zeros(1, 2, 3, 4))
    (gradient,) = torch.autograd.grad(value, one)

    assert (value.dtype, gradient.dtype) == (torch.float32, torch.bfloat16)


def test_max_pooled_is_that_of_the_plain_twin():
    """To the last bit, and so is its gradient, also where maxima are equal."""
    maps = noise(1, 3, 5, 8).relu().requires_grad_()
    pooled, plain = max_pooled(maps), functional.max_pool2d(maps, 2)
    to_pooled = noise(*pooled.shape, seed=1)

    assert torch.equal(pooled, plain)
    assert torch.equal(*(torch.autograd.grad(each, maps, to_pooled)[0] for each in (pooled, plain)))


def test_max_pooled_keeps_nothing_but_the_maps():
    """Where each maximum was would take more room than the maximum."""
    maps, kept = noise(1, 3, 4, 4).requires_grad_(), []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda _: maps):
        max_pooled(maps)

    assert [each.data_ptr() for each in kept] == [maps.data_ptr()]


def test_gradient_of_a_cut_lies_as_the_maps_do():
    """It is the plain one, and channels-last like those that it is added to."""
    maps = noise(1, 3, 6, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    rows, columns = slice(1, 4), slice(2, 8)
    part, plain = cut_out(maps, rows, columns), maps[..., rows, columns]
    to_part = noise(*part.shape, seed=1)
    back, plain_back = (torch.autograd.grad(each, maps, to_part)[0] for each in (part, plain))

    assert torch.equal(part, plain)
    assert torch.equal(back, plain_back)
    assert back.is_contiguous(memory_format=torch.channels_last)
