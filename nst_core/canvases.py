"""The canvas: the picture under optimisation, and the variables through which it is changed.

A canvas is a value; ``view`` gives the two-way map between variables and picture at one size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from nst_core.octaves import Size
    from nst_core.views import View


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """The canvas as pixels, optionally seen through a spectral change of variables.

    With ``spectral`` α > 0 the optimiser's variables z give the change of the canvas through
    x = F⁻¹(s·F z), where s falls with frequency as |f|^-α and is at most 1. Natural pictures have
    amplitudes that fall so; in these variables a gradient step moves large forms first.

    Args:
        spectral: Exponent α of the fall with frequency, >= 0; 0 is plain pixels.

    Source: preconditioning by the 1/f spectrum of natural images, as Olah, Mordvintsev & Schubert
    2017 ("Feature Visualization"); here as a linear change of variables, so start pictures stay
    exact.
    """

    kind: Literal["pixels"] = "pixels"
    spectral: float = 0.0

    def view(self, size: Size, like: Tensor) -> View:
        """Return the map between variables and picture.

        Args:
            size: (height, width) of the picture.
            like: A tensor that sets device and dtype.
        """
        from nst_core.views import PixelView, spectral_filter

        return PixelView(spectral_filter(size, like, self.spectral) if self.spectral else None)

    def noise_picture(self, size: Size, deviation: float, generator: torch.Generator) -> Tensor:
        """Return a start picture of white noise around mid-grey, (1, 3, H, W) in [0, 1].

        Args:
            size: (height, width) in pixels.
            deviation: Standard deviation of every value, in units of [0, 1].
            generator: Seeded, on the CPU.
        """
        import torch

        return (0.5 + deviation * torch.randn(1, 3, *size, generator=generator)).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class Fourier:
    """The canvas as a spectrum of decorrelated colours, squeezed into the gamut by a sigmoid.

    x = sigmoid(M · F⁻¹(s·z) / 4), where s falls with frequency as |f|^-spectral and M is the root
    of the covariance of colours in photographs. In these variables a step changes all frequencies
    alike, which keeps pictures of units free of the checkered noise that networks love.

    Args:
        spectral: Exponent of the fall with frequency, >= 0.

    Source: Olah, Mordvintsev & Schubert 2017 ("Feature Visualization"); numbers of Lucid's
    ``fft_image`` and ``to_valid_rgb``.
    """

    kind: Literal["fourier"] = "fourier"
    spectral: float = 1.0

    def view(self, size: Size, like: Tensor) -> View:
        """Return the map between variables and picture.

        Args:
            size: (height, width) of the picture.
            like: A tensor that sets device and dtype.
        """
        from nst_core.views import FourierView

        return FourierView(size, like, self.spectral)

    def noise_picture(self, size: Size, deviation: float, generator: torch.Generator) -> Tensor:
        """Return the picture of a spectrum with normal coefficients, (1, 3, H, W) in (0, 1).

        Args:
            size: (height, width) in pixels.
            deviation: Standard deviation of every coefficient.
            generator: Seeded, on the CPU.
        """
        import torch

        spectrum = deviation * torch.randn(1, 3, size[0], size[1] // 2 + 1, 2, generator=generator)
        return self.view(size, spectrum).picture(spectrum)


Canvas = Pixels | Fourier
