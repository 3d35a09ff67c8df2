"""What the machine computes fastest: asked once, decided here."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from nst_core.recipe import Precision


_FEWEST_IN, _FEWEST_OUT = 64, 128


def maps_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype of feature maps on this device.

    ``auto`` takes bfloat16 only where the hardware multiplies it faster than fp32: without
    AVX512-BF16 or AMX a CPU emulates it several times slower.
    """
    if precision == "auto":
        return torch.bfloat16 if _has_fast_bfloat16(device.type) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def winograd_pays(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> bool:
    """Return whether a 3×3 convolution is faster by Winograd's algorithm here.

    It is where the CPU computes in fp32 and the channels are many enough for the batched product
    to outweigh the transforms: 1.3 to 1.9 times on the layers after the first two of VGG
    (benchmarks/RESULTS.md). Lower precision has its own faster direct convolutions. The answer
    depends on nothing that may change between an interruption and its resumption.

    Args:
        shape: (C_out, C_in, 3, 3).
        dtype: Of the feature maps.
        device: Where they are.
    """
    out_channels, in_channels = shape[:2]
    enough = in_channels >= _FEWEST_IN and out_channels >= _FEWEST_OUT
    return device.type == "cpu" and dtype == torch.float32 and enough


@functools.cache
def _has_fast_bfloat16(device_type: str) -> bool:
    if device_type == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    if device_type != "cpu":
        return False
    # Private, but the only way to ask; a torch without them computes in fp32.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, lambda: False)()) for probe in probes)
