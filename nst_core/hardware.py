"""What this machine computes fastest, and with what memory: asked once, decided here."""

from __future__ import annotations

import ctypes
import functools
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nst_core.networks import Precision


# glibc's numbers of what can be set (malloc.h), and the largest blocks that are kept in any case:
# a little more than what Winograd's convolutions ask for again and again.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_IN_ANY_CASE = 9 << 20
_LARGEST_INT = 2**31 - 1

# Channels that Winograd needs, in and out; in fp32, twice as many of one of them.
_FEWEST = 128

# Private to torch, but stable since 2.1: its compiler is built on them.
_ONEDNN = (
    "_convolution_pointwise",
    "_linear_pointwise",
    "_reorder_convolution_weight",
    "_reorder_linear_weight",
)


def maps_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype of feature maps on this device.

    ``auto`` takes bfloat16 only where the hardware multiplies it faster than fp32: without
    AVX512-BF16 or AMX a CPU emulates it several times slower.
    """
    if precision == "auto":
        return torch.bfloat16 if _has_fast_bfloat16(device.type) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def winograd_pays(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> bool:
    """Return whether a 3×3 convolution of large maps is faster by Winograd's algorithm here.

    It is where the channels are many enough for its products to outweigh its transforms: up to 1.6
    times (benchmarks/RESULTS.md). The answer depends on nothing that may change between an
    interruption and its resumption.

    Args:
        shape: (C_out, C_in, 3, 3).
        dtype: Of the feature maps.
        device: Where they are.
    """
    fewer, more = sorted(shape[:2])
    enough = fewer >= _FEWEST and (dtype == torch.bfloat16 or more >= 2 * _FEWEST)
    return has_onednn(dtype, device) and enough


def keep_freed_memory(*, keep: bool) -> None:
    """Have this process keep memory that it frees, or give large blocks back to the system at once.

    What one step frees the next one asks for again, and the system clears every page that it hands
    out: at 1024 px that takes a quarter of a step's time. But what is kept lies in pieces, so that
    the peak is higher; :mod:`nst_core.footprint` knows by how much. What was kept so far is given
    back. Without glibc, nothing happens.

    Args:
        keep: Whether to keep it.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        return
    libc.malloc_trim(0)
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST_INT if keep else _KEPT_IN_ANY_CASE)
    libc.mallopt(_TRIM_THRESHOLD, _LARGEST_INT if keep else 2 * _KEPT_IN_ANY_CASE)


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch use one thread of the CPU for what consists of very many small pieces.

    An eigendecomposition gains little by more of them, and where other work keeps one waiting, all
    wait for it thousands of times: five to eight times as long was measured.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@functools.cache
def has_onednn(dtype: torch.dtype, device: torch.device) -> bool:
    """Return whether oneDNN's fused convolutions and products are there to be called by name.

    Args:
        dtype: Of what it is to compute.
        device: Where.
    """
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    known = all(hasattr(torch.ops.mkldnn, name) for name in _ONEDNN)
    if dtype == torch.bfloat16:
        return known and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001
    return known and dtype == torch.float32


@functools.cache
def has_grouped_products() -> bool:
    """Return whether many products of matrices are best taken as one convolution in groups.

    oneDNN lays its kernels out by the number of positions, and where it finds another layout than
    it wants, lays them out anew in every call, which takes a hundred times as long. With AVX-512
    all multiples of 64 positions want one layout, whatever the number of threads (torch 2.11 and
    2.15); without, they do not, and with AMX nobody has looked.
    """
    wide, tiled = (
        bool(getattr(torch.cpu, probe, lambda: False)())
        for probe in ("_is_avx512_supported", "_is_amx_tile_supported")
    )
    return wide and not tiled


@functools.cache
def _has_fast_bfloat16(device_type: str) -> bool:
    if device_type == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    if device_type != "cpu":
        return False
    # Private, but the only way to ask; a torch without them computes in fp32.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, lambda: False)()) for probe in probes)
