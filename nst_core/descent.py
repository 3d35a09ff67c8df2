"""The running descent methods: they hold a canvas and its optimiser's state.

One step means the same for both: evaluate the objective once at the canvas, then move it. All
state is tensors, so that a snapshot of them is enough to continue exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.optimizers import LBFGS, Adam
    from nst_core.views import Evaluate, View


class Descent(Protocol):
    """A descent method in motion.

    Attributes:
        canvas: The canvas's variables; pixels are their own.
    """

    canvas: Tensor

    def step(self, evaluate: Evaluate) -> Tensor:
        """Evaluate a picture once and move the canvas; return the objective before the move."""

    @property
    def picture(self) -> Tensor:
        """The iterate to deliver, (B, 3, H, W); may lie slightly outside [0, 1]."""

    def state(self) -> dict[str, Tensor]:
        """Return everything that continuing exactly needs."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from a state of the same method at the same size."""

    def warm(self, before: Self) -> None:
        """Take over what the method at the coarser octave learnt, where it can be carried."""


class LBFGSDescent:
    """The two-loop recursion with bounds on the step; see :class:`nst_core.optimizers.LBFGS`."""

    def __init__(self, method: LBFGS, picture: Tensor, view: View) -> None:
        self.canvas = view.variables(picture).clone()
        self._method = method
        self._view = view
        self._gradient: Tensor | None = None
        self._moved: Tensor | None = None
        self._steps: list[Tensor] = []
        self._changes: list[Tensor] = []

    @property
    def picture(self) -> Tensor:
        """The last iterate."""
        return self._view.picture(self.canvas)

    def step(self, evaluate: Evaluate) -> Tensor:
        """Evaluate a picture once and move the canvas; return the objective before the move."""
        loss, in_pixels = self._view.pulled_back(evaluate)(self.canvas)
        gradient = self._view.filtered(in_pixels)
        self._remember(gradient)
        direction = self._direction(gradient)
        in_pixels = self._view.filtered(direction)
        if not self._steps:
            scale = self._method.first_step / in_pixels.abs().mean().clamp_min(1e-20)
        else:
            scale = torch.ones((), device=direction.device)
        furthest = (in_pixels.abs().amax() * scale).clamp_min(1e-20)
        scale = scale * (self._method.largest_step / furthest).clamp_max(1)
        self._gradient, self._moved = gradient, direction * scale
        self.canvas = self.canvas + in_pixels * scale
        return loss

    def _remember(self, gradient: Tensor) -> None:
        """Keep the last move and the change of gradient it brought, if curvature is positive."""
        if self._gradient is None or self._moved is None:
            return
        change = gradient - self._gradient
        # A pair without positive curvature would make the direction climb. The bound has no unit:
        # an objective means the same whatever its weights are multiplied by.
        if (change * self._moved).sum() > 1e-8 * change.norm() * self._moved.norm():
            self._steps.append(self._moved)
            self._changes.append(change)
            if len(self._steps) > self._method.history:
                del self._steps[0], self._changes[0]

    def _direction(self, gradient: Tensor) -> Tensor:
        """Return -H·gradient; Nocedal & Wright 2006, algorithm 7.4."""
        direction = -gradient
        factors: list[tuple[Tensor, Tensor]] = []
        for moved, change in zip(reversed(self._steps), reversed(self._changes), strict=True):
            inverse = 1 / (moved * change).sum()
            factor = inverse * (moved * direction).sum()
            factors.append((inverse, factor))
            direction = direction - factor * change
        if self._steps:
            moved, change = self._steps[-1], self._changes[-1]
            direction = direction * ((moved * change).sum() / change.square().sum())
        for moved, change, (inverse, factor) in zip(
            self._steps, self._changes, reversed(factors), strict=True
        ):
            direction = direction + moved * (factor - inverse * (change * direction).sum())
        return direction

    def state(self) -> dict[str, Tensor]:
        """Return canvas, last gradient and move, and the history."""
        state = {"canvas": self.canvas}
        if self._gradient is not None and self._moved is not None:
            state |= {"gradient": self._gradient, "moved": self._moved}
        # One by one: a stack would double the largest thing there is in memory.
        for index, (moved, change) in enumerate(zip(self._steps, self._changes, strict=True)):
            state |= {f"step{index}": moved, f"change{index}": change}
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from a state of the same method at the same size."""
        self.canvas = state["canvas"]
        self._gradient, self._moved = state.get("gradient"), state.get("moved")
        count = sum(name.startswith("change") for name in state)
        kept = range(max(0, count - self._method.history), count)
        self._steps = [state[f"step{index}"] for index in kept]
        self._changes = [state[f"change{index}"] for index in kept]

    def warm(self, before: Self) -> None:
        """Start afresh: curvature at one size says little about another.

        What the coarser octave kept is let go of, half of what this one will keep.
        """
        before._steps, before._changes = [], []


class AdamDescent:
    """Adam with a clamped canvas and an averaged iterate; see :class:`nst_core.optimizers.Adam`."""

    def __init__(self, method: Adam, picture: Tensor, view: View) -> None:
        self.canvas = view.variables(picture).clone()
        self._method = method
        self._view = view
        self._first = torch.zeros_like(self.canvas)
        self._second = torch.zeros_like(self.canvas)
        self._count = 0
        self._left = 1.0
        self._average = torch.zeros_like(self.canvas)
        self._include()

    @property
    def picture(self) -> Tensor:
        """The averaged iterate, bias-corrected, or the last one without averaging."""
        averaged = self._average / (1 - self._left) if self._method.average else self.canvas
        return self._view.picture(averaged)

    def step(self, evaluate: Evaluate) -> Tensor:
        """Evaluate a picture once and move the canvas; return the objective before the move."""
        loss, in_pixels = self._view.pulled_back(evaluate)(self.canvas)
        gradient = self._view.filtered(in_pixels)
        fast, slow = self._method.betas
        self._count += 1
        self._first = fast * self._first + (1 - fast) * gradient
        self._second = slow * self._second + (1 - slow) * gradient.square()
        spread = (self._second / (1 - slow**self._count)).sqrt() + 1e-8
        move = self._first / (1 - fast**self._count) / spread
        moved = self.canvas - self._method.rate * self._view.filtered(move)
        self.canvas = self._view.bounded(moved)
        self._include()
        return loss

    def _include(self) -> None:
        decay = self._method.average
        self._left *= decay
        self._average = decay * self._average + (1 - decay) * self.canvas

    def state(self) -> dict[str, Tensor]:
        """Return canvas, moments, average and the two counters."""
        return {
            "canvas": self.canvas,
            "first": self._first,
            "second": self._second,
            "average": self._average,
            "counters": torch.tensor([self._count, self._left], dtype=torch.float64),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from a state of the same method at the same size."""
        self.canvas, self._average = state["canvas"], state["average"]
        self._first, self._second = state["first"], state["second"]
        count, self._left = state["counters"].tolist()
        self._count = int(count)

    def warm(self, before: Self) -> None:
        """Resample the moment estimates of the coarser octave, if the method says so."""
        if not self._method.warm:
            return
        size = self.canvas.shape[-2:]
        self._count = before._count
        self._first = functional.interpolate(before._first, size, mode="bicubic")
        self._second = functional.interpolate(before._second, size, mode="bilinear").relu()
