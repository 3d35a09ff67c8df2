"""The running descent methods: they hold a canvas and its optimiser's state.

One step means the same for both: evaluate the objective once at the canvas, then move it. All
state is tensors, so that a snapshot of them is enough to continue exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from nst_core.metrics import Metric
    from nst_core.optimizers import LBFGS, Adam
    from nst_core.views import Evaluate, View


_ALIGNMENT = 64
"""In bytes, of every tensor that torch allocates on a CPU."""


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


@dataclass(frozen=True, eq=False)
class _Pair:
    """A move, the change of gradient that it brought, and what the two loops want of them.

    Args:
        kept: The move and the change, in the descent's variables; bf16 where memory is short.
        inverse: 1 / ⟨moved, change⟩, or 0 if the pair is to count for nothing.
    """

    kept: tuple[Tensor, Tensor]
    inverse: Tensor

    @property
    def moved(self) -> Tensor:
        """The move, in the dtype in which it is reckoned with."""
        return self.kept[0].to(self.inverse.dtype)

    @property
    def change(self) -> Tensor:
        """The change of gradient, likewise."""
        return self.kept[1].to(self.inverse.dtype)


class LBFGSDescent:
    """The two-loop recursion with bounds on the step; see :class:`nst_core.optimizers.LBFGS`.

    What it decides it decides on the device: a host that asked would wait there in every step.
    """

    def __init__(
        self, method: LBFGS, picture: Tensor, view: View, metric: Metric, *, rounded: bool = False
    ) -> None:
        self.canvas = view.variables(picture).clone()
        self._method = method
        self._view = view
        self._metric = metric
        self._kept = torch.bfloat16 if rounded else self.canvas.dtype
        self._gradient: Tensor | None = None
        self._moved: Tensor | None = None
        self._pairs: list[_Pair] = []
        # The first guess of the inverse Hessian is so many times the metric; 0 is none yet.
        self._scale = torch.zeros((), dtype=self.canvas.dtype, device=self.canvas.device)

    @property
    def picture(self) -> Tensor:
        """The last iterate."""
        return self._view.picture(self.canvas)

    def step(self, evaluate: Evaluate) -> Tensor:
        """Evaluate a picture once and move the canvas; return the objective before the move."""
        loss, gradient = self._view.pulled_back(evaluate)(self.canvas)
        gradient = gradient.contiguous()
        if self._gradient is not None and self._moved is not None:
            change = gradient - self._gradient
            # Of what is held at a border it would have the rest move as if that moved along.
            self._remember(self._moved, change.mul_(self._moved != 0))
        free = self._view.free(self.canvas, gradient)
        direction = self._direction(gradient * free) * free
        first = self._method.first_step / direction.abs().mean().clamp_min(1e-20)
        scale = torch.where(self._scale > 0, 1, first)
        furthest = (direction.abs().amax() * scale).clamp_min(1e-20)
        scale = scale * (self._method.largest_step / furthest).clamp_max(1)
        canvas = self._view.bounded(self.canvas + direction * scale)
        # As far as it really went: a pair is to tell of the objective where pictures are.
        self._gradient, self._moved = gradient, canvas - self.canvas
        self.canvas = canvas
        return loss

    def _remember(self, moved: Tensor, change: Tensor) -> None:
        """Keep a pair, and learn from it what the first guess is."""
        self._keep(moved, change)
        pair = self._pairs[-1]
        counts = pair.inverse > 0
        self._metric.observe(moved, change, counts)
        scale = 1 / (pair.inverse * self._metric.squared(pair.change))
        self._scale = torch.where(counts, scale, self._scale)

    def _keep(self, moved: Tensor, change: Tensor) -> None:
        """Keep a pair, to count if its curvature is positive: else the direction would climb."""
        # Of the rounded values: so the Hessian's guess is exact for a pair, if not quite for ours.
        kept = moved.to(self._kept), change.to(self._kept)
        moved, change = (each.to(self.canvas.dtype) for each in kept)
        curvature = _dot(moved, change)
        # The bound has no unit: an objective means the same whatever its weights are multiplied by.
        counts = curvature > 1e-8 * change.norm() * moved.norm()
        self._pairs.append(_Pair(kept, torch.where(counts, 1 / curvature, 0)))
        del self._pairs[: -self._method.history]

    def _direction(self, gradient: Tensor) -> Tensor:
        """Return -H·gradient; Nocedal & Wright 2006, algorithm 7.4."""
        direction = -gradient
        factors: list[Tensor] = []
        for pair in reversed(self._pairs):
            factors.append(pair.inverse * _dot(pair.moved, direction))
            direction.addcmul_(pair.change, factors[-1], value=-1)
        direction = self._metric(direction) * torch.where(self._scale > 0, self._scale, 1)
        for pair, factor in zip(self._pairs, reversed(factors), strict=True):
            rest = factor - pair.inverse * _dot(pair.change, direction)
            direction.addcmul_(pair.moved, rest)
        return direction

    def state(self) -> dict[str, Tensor]:
        """Return canvas, last gradient and move, and the history."""
        state = {"canvas": self.canvas} | self._metric.state()
        if self._gradient is not None and self._moved is not None:
            state |= {"gradient": self._gradient, "moved": self._moved, "scale": self._scale}
        # One by one: a stack would double the largest thing there is in memory.
        for index, pair in enumerate(self._pairs):
            state[f"step{index}"], state[f"change{index}"] = pair.kept
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from a state of the same method at the same size."""
        self.canvas = state["canvas"]
        self._gradient, self._moved = state.get("gradient"), state.get("moved")
        if self._moved is not None:
            self._moved = _aligned(self._moved)
        count = sum(name.startswith("change") for name in state)
        self._pairs = []
        for index in range(max(0, count - self._method.history), count):
            self._keep(_aligned(state[f"step{index}"]), _aligned(state[f"change{index}"]))
        self._metric.restore(state)
        self._scale = state.get("scale", self._scale)

    def warm(self, before: Self) -> None:
        """Start with the metric; single pairs at one size say little about another.

        What the coarser octave kept is let go of, half of what this one will keep.
        """
        before._pairs = []
        self._metric.warm(before._metric)


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return torch.dot(one.reshape(-1), other.reshape(-1))


def _aligned(values: Tensor) -> Tensor:
    """Return them where a tensor of torch's own would lie: a sum's last bits depend on that."""
    return values if values.data_ptr() % _ALIGNMENT == 0 else values.clone()


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
