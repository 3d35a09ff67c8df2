"""CUDA graphs: an evaluation of the objective, recorded once and replayed by a single launch.

An evaluation is some thousand kernels. A fast card is done with each of a 512 px picture's sooner
than the processor can ask for the next; a recorded graph is asked for once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from nst_core.objective import Objective
    from nst_core.transforms import Seen

_log = logging.getLogger(__name__)

# In the first evaluations libraries choose their kernels and allocate; these are not recorded.
_BEFORE = 3
# How far a replay may differ from the evaluation by itself, of the gradient's norm: kernels that
# add up in any order differ by the rounding of bf16.
_TOLERANCE = 0.02


class GraphedObjective:
    """The same as :class:`nst_core.objective.Objective`, recorded on a CUDA device.

    The first evaluations are not recorded. If recording fails, or if a replay gives something else
    than the objective by itself, a warning says so and every evaluation goes on by itself.

    Attributes:
        latest: Every term's weighted loss at the last evaluation, to name the term of a divergence.

    Args:
        objective: Sees the canvas as it is, without transforms, which differ from step to step.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._evaluations = 0
        self._recording: _Recording | None = None
        self.latest: Mapping[str, Tensor] = {}

    def parts(self, image: Tensor, seen: Seen | None = None) -> dict[str, Tensor]:
        """Return every term's weighted loss, by name; never recorded."""
        return self._objective.parts(image, seen)

    def __call__(self, image: Tensor, seen: Seen | None = None) -> tuple[Tensor, Tensor]:
        """Return the objective, a scalar, and its gradient, (B, 3, H, W).

        Args:
            image: (B, 3, H, W), RGB in [0, 1], always of one shape.
            seen: Taken to change nothing.
        """
        self._evaluations += 1
        if self._evaluations == _BEFORE + 1:
            self._recording = _recorded(self._objective, image)
        if self._recording is None:
            found = self._objective(image, seen)
            self.latest = self._objective.latest
            return found
        loss, gradient, self.latest = self._recording(image)
        return loss, gradient


class _Recording:
    """One evaluation as a graph, with the memory that it reads and writes.

    Args:
        objective: What is recorded.
        image: Sets shape, dtype and device.
    """

    def __init__(self, objective: Objective, image: Tensor) -> None:
        self._image = image.detach().clone()
        self._graph = torch.cuda.CUDAGraph()
        current, aside = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        # Recording wants a stream of its own, on which the libraries have been at work before.
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            objective(self._image)
            self._graph.capture_begin()
            try:
                self._loss, self._gradient = objective(self._image)
                self._names = list(objective.latest)
                self._parts = torch.stack(list(objective.latest.values()))
            finally:
                self._graph.capture_end()
        current.wait_stream(aside)

    def __call__(self, image: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return objective, gradient, and the terms' weighted losses by name."""
        self._image.copy_(image)
        self._graph.replay()
        # Copies: the next replay writes where this one wrote.
        parts = dict(zip(self._names, self._parts.clone().unbind(), strict=True))
        return self._loss.clone(), self._gradient.clone(), parts


def _recorded(objective: Objective, image: Tensor) -> _Recording | None:
    """Return a recording that does what the objective does, or None."""
    try:
        recording = _Recording(objective, image)
    except RuntimeError as error:
        _log.warning("no CUDA graph of a step, steps are launched one by one: %s", error)
        return None
    _, here = objective(image)
    _, there, _ = recording(image)
    if (here - there).norm() <= _TOLERANCE * here.norm():
        return recording
    _log.warning("a CUDA graph's gradient is not the objective's; steps are launched one by one")
    return None
