"""The running gradient method of dreams; see :class:`nst_core.optimizers.NormalizedGradient`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import torch

from nst_core.blurring import blurred

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.optimizers import NormalizedGradient
    from nst_core.views import Evaluate, View

_GREY = 0.5
_SMALLEST = 1e-12


class GradientAscent:
    """Steps of a set length downhill, which is uphill for what a term negates.

    Args:
        method: The numbers.
        picture: Start picture, (B, 3, H, W).
        view: The canvas's variables and picture.
        steps: Of the octave, over which rate and blur run.
    """

    def __init__(self, method: NormalizedGradient, picture: Tensor, view: View, steps: int) -> None:
        self.canvas = view.variables(picture).clone()
        self._method = method
        self._view = view
        self._steps = steps
        self._count = 0

    @property
    def picture(self) -> Tensor:
        """The last iterate."""
        return self._view.picture(self.canvas)

    def step(self, evaluate: Evaluate) -> Tensor:
        """Evaluate a picture once and move the canvas; return the objective before the move."""
        method = self._method
        loss, gradient = self._view.pulled_back(evaluate)(self.canvas)
        direction = -self._view.filtered(self._smoothed(gradient))
        rate = self._now(method.rate, method.last_rate)
        moved = self.canvas + self._scaled(direction, rate)
        self._count += 1
        self.canvas = self._view.bounded(self._regularised(moved, gradient))
        return loss

    @property
    def _through(self) -> float:
        """How much of the octave is done, 0 at its first step and 1 at its last."""
        return min(1.0, self._count / max(1, self._steps - 1))

    def _now(self, first: float, last: float | None) -> float:
        return first if last is None else first + (last - first) * self._through

    def _smoothed(self, gradient: Tensor) -> Tensor:
        if not self._method.smoothing:
            return gradient
        sigma = self._method.smoothing + 2 * self._through
        smooth = [blurred(gradient, 9, sigma * factor) for factor in (0.5, 1.0, 2.0)]
        return torch.stack(smooth).mean(0)

    def _scaled(self, direction: Tensor, rate: float) -> Tensor:
        norm = self._method.norm
        if norm == "mean":
            return direction * (rate / direction.abs().mean().clamp_min(_SMALLEST))
        if norm == "deviation":
            centred = direction - direction.mean()
            return centred * (rate / direction.std().clamp_min(_SMALLEST))
        if norm == "progress":
            factor = rate / direction.square().sum().clamp_min(_SMALLEST)
            return direction * factor.clamp_max(self._method.largest_rate)
        return direction * rate

    def _regularised(self, canvas: Tensor, gradient: Tensor) -> Tensor:
        """Pull towards grey and smoothness; Yosinski et al. 2015, section 3."""
        method = self._method
        apart = (canvas - _GREY) * (1 - method.decay)
        sigma = self._now(method.blur, method.last_blur)
        if sigma and (self._count - 1) % method.blur_every == 0:
            apart = blurred(apart, 2 * max(1, round(3 * sigma)) + 1, sigma)
        # How large a pixel is, and how much the objective would lose without it.
        apart = _without_least(apart, apart.norm(dim=1, keepdim=True), method.small_norm)
        contribution = (apart * gradient).sum(1, keepdim=True).abs()
        return _GREY + _without_least(apart, contribution, method.small_contribution)

    def state(self) -> dict[str, Tensor]:
        """Return canvas and counter."""
        return {"canvas": self.canvas, "count": torch.tensor(self._count)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from a state of the same method at the same size."""
        self.canvas, self._count = state["canvas"], int(state["count"])

    def warm(self, before: Self) -> None:
        """Start afresh: there is nothing to carry."""


def _without_least(values: Tensor, size: Tensor, percentage: float) -> Tensor:
    """Return the values with that percentage of pixels, those of least size, set to 0."""
    flat = size.flatten()
    count = round(percentage / 100 * flat.numel())
    return values * (size > flat.kthvalue(count).values) if count else values
