"""The canvas: the picture under optimisation, and the variables through which it is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


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

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    def filter(self, like: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the symmetric linear map from variables to pixels, and from gradients to theirs.

        Args:
            like: A canvas, (B, 3, H, W), that sets size, device and dtype.

        Returns:
            A function of a (B, 3, H, W) tensor to one of the same shape. It is its own transpose.
        """
        if not self.spectral:
            return lambda values: values
        from nst_core.spectrum import spectral_filter

        return spectral_filter(like, self.spectral)
