"""What the machine computes fastest: asked once, decided here."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from nst_core.recipe import Precision


def maps_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype of feature maps on this device.

    ``auto`` takes bfloat16 only where the hardware multiplies it faster than fp32: without
    AVX512-BF16 or AMX a CPU emulates it several times slower.
    """
    if precision == "auto":
        return torch.bfloat16 if _has_fast_bfloat16(device.type) else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


@functools.cache
def _has_fast_bfloat16(device_type: str) -> bool:
    if device_type == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    if device_type != "cpu":
        return False
    # Private, but the only way to ask; a torch without them computes in fp32.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, lambda: False)()) for probe in probes)
