"""The maps between a canvas's variables and its picture; see :mod:`nst_core.canvases`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from nst_core.octaves import Size

    Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]
    """Canvas → (objective, gradient to the canvas)."""


class View(Protocol):
    """Variables and picture of one canvas at one size."""

    def variables(self, picture: Tensor) -> Tensor:
        """Return the variables that show this picture."""

    def picture(self, variables: Tensor) -> Tensor:
        """Return the picture that these variables show, (B, 3, H, W)."""

    def bounded(self, variables: Tensor) -> Tensor:
        """Return the nearest variables whose picture is in gamut."""

    def free(self, variables: Tensor, gradient: Tensor) -> Tensor:
        """Return 1 for the variables that may go where descent leads, 0 for those at a border."""

    def filtered(self, values: Tensor) -> Tensor:
        """Precondition a gradient, or a direction; its own transpose."""

    def pulled_back(self, evaluate: Evaluate) -> Evaluate:
        """Return the objective of the variables from that of the picture."""


class PixelView:
    """The picture is its own variables; steps may be seen through a spectral filter.

    Args:
        spectral: The filter, or None.
    """

    def __init__(self, spectral: Callable[[Tensor], Tensor] | None = None) -> None:
        self._spectral = spectral

    def variables(self, picture: Tensor) -> Tensor:
        """Return the picture."""
        return picture

    def picture(self, variables: Tensor) -> Tensor:
        """Return the variables."""
        return variables

    def bounded(self, variables: Tensor) -> Tensor:
        """Return the clipped picture."""
        return variables.clamp(0, 1)

    def free(self, variables: Tensor, gradient: Tensor) -> Tensor:
        """Return 0 where a pixel is at a border and descent would have it beyond, 1 elsewhere."""
        out = ((variables <= 0) & (gradient > 0)) | ((variables >= 1) & (gradient < 0))
        return (~out).to(gradient)

    def filtered(self, values: Tensor) -> Tensor:
        """Return the values with high frequencies held back."""
        return values if self._spectral is None else self._spectral(values)

    def pulled_back(self, evaluate: Evaluate) -> Evaluate:
        """Return the objective as it is."""
        return evaluate


class FourierView:
    """The picture of a spectrum: x = sigmoid(M · F⁻¹(s·z) / 4).

    Args:
        size: (height, width) of the picture.
        like: Sets device and dtype.
        exponent: Of the fall of s with frequency.
    """

    def __init__(self, size: Size, like: Tensor, exponent: float) -> None:
        self._size = size
        # Lucid scales by the root of the positions, so that a unit spectrum is a unit picture.
        area = size[0] * size[1]
        self._gain = (frequencies(size, like) ** -exponent * (area**0.5 / 4))[..., None]
        self._colors = torch.tensor(_COLORS, dtype=like.dtype, device=like.device)

    def variables(self, picture: Tensor) -> Tensor:
        """Return the spectrum, (B, 3, H, W // 2 + 1, 2); pure black and white are drawn in."""
        colors = torch.logit(picture, eps=1e-3)
        plain = torch.einsum("rc,bchw->brhw", torch.linalg.inv(self._colors), colors)
        spectrum: Tensor = torch.view_as_real(torch.fft.rfft2(plain)) / self._gain
        return spectrum

    def picture(self, variables: Tensor) -> Tensor:
        """Return the picture, inside the gamut whatever the variables."""
        spectrum = torch.view_as_complex(variables * self._gain)
        plain = torch.fft.irfft2(spectrum, s=self._size)
        picture: Tensor = torch.einsum("rc,bchw->brhw", self._colors, plain).sigmoid()
        return picture

    def bounded(self, variables: Tensor) -> Tensor:
        """Return the variables: no picture of theirs leaves the gamut."""
        return variables

    def free(self, variables: Tensor, gradient: Tensor) -> Tensor:
        """Return 1: there is no border."""
        del variables
        return torch.ones_like(gradient)

    def filtered(self, values: Tensor) -> Tensor:
        """Return the values: the spectrum is preconditioned by its gain."""
        return values

    def pulled_back(self, evaluate: Evaluate) -> Evaluate:
        """Return the objective of the spectrum."""

        def of_variables(variables: Tensor) -> tuple[Tensor, Tensor]:
            variables = variables.detach().requires_grad_()
            with torch.enable_grad():
                picture = self.picture(variables)
            loss, gradient = evaluate(picture.detach())
            (back,) = torch.autograd.grad(picture, variables, gradient)
            return loss, back

        return of_variables


def spectral_filter(size: Size, like: Tensor, exponent: float) -> Callable[[Tensor], Tensor]:
    """Return the map z ↦ F⁻¹(|f|^-exponent · F z), scaled so that its largest gain is 1.

    Args:
        size: (height, width).
        like: Sets device and dtype.
        exponent: Fall with frequency, > 0.
    """
    frequency = frequencies(size, like)
    gain = (frequency.min() / frequency) ** exponent

    def filtered(values: Tensor) -> Tensor:
        back = torch.empty_like(values)
        # Plane by plane: the spectrum of a large picture takes more room than the picture.
        for plane, filled in zip(values.flatten(0, 1), back.flatten(0, 1), strict=True):
            filled.copy_(torch.fft.irfft2(torch.fft.rfft2(plane) * gain, s=size))
        return back

    return filtered


def frequencies(size: Size, like: Tensor) -> Tensor:
    """Return |f| in cycles per pixel for each coefficient of a real spectrum, (H, W // 2 + 1).

    The mean (frequency 0) is treated as the lowest frequency that the longer side can hold.

    Args:
        size: (height, width).
        like: Sets device and dtype.
    """
    height, width = size
    vertical = torch.fft.fftfreq(height, device=like.device, dtype=like.dtype)[:, None]
    horizontal = torch.fft.rfftfreq(width, device=like.device, dtype=like.dtype)[None]
    frequency: Tensor = (vertical.square() + horizontal.square()).sqrt()
    return frequency.clamp_min(1 / max(height, width))


# Root of the covariance of ImageNet's colours, as Lucid has it, over its largest column norm.
_ROOT = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
_LARGEST = max(sum(row[column] ** 2 for row in _ROOT) ** 0.5 for column in range(3))
_COLORS = tuple(tuple(value / _LARGEST for value in row) for row in _ROOT)
