"""The spectral change of variables of :class:`nst_core.canvases.Pixels`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def spectral_filter(like: Tensor, exponent: float) -> Callable[[Tensor], Tensor]:
    """Return the map z ↦ F⁻¹(|f|^-exponent · F z), scaled so that its largest gain is 1.

    Args:
        like: (B, C, H, W); sets size, device and dtype.
        exponent: Fall with frequency, > 0. The mean (frequency 0) is treated as the lowest
            frequency that the longer side can hold.
    """
    height, width = like.shape[-2:]
    vertical = torch.fft.fftfreq(height, device=like.device, dtype=like.dtype)[:, None]
    horizontal = torch.fft.rfftfreq(width, device=like.device, dtype=like.dtype)[None]
    frequency = (vertical.square() + horizontal.square()).sqrt().clamp_min(1 / max(height, width))
    gain = (frequency.min() / frequency) ** exponent

    def filtered(values: Tensor) -> Tensor:
        back: Tensor = torch.fft.irfft2(torch.fft.rfft2(values) * gain, s=(height, width))
        return back

    return filtered
