"""One octave under way: what its canvas is compared with, and the descent that paints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from nst_core.colorings import Coloring
from nst_core.divergence import Traces, require_sound
from nst_core.first_canvas import carried, first_picture
from nst_core.footprint import shortened
from nst_core.hardware import keep_freed_memory
from nst_core.images import resize
from nst_core.objective import bind
from nst_core.regions import laid_out
from nst_core.transforms import seen_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from nst_core.descent import Descent
    from nst_core.footprint import Working
    from nst_core.octaves import Octave
    from nst_core.pictures import Pictures
    from nst_core.recipe import Recipe
    from nst_core.regions import Guidance
    from nst_core.studio import Studio
    from nst_core.transforms import Seen

# How many steps together must gain, where a recipe has patience.
_PATIENT_STEPS = 10


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that continuing a synthesis exactly needs, on the CPU.

    Args:
        octave: Index of the octave.
        step: Steps already made in it.
        tensors: The descent's state and the objective's last values. They are not to be written
            into: on a CPU they are the painting's own.
    """

    octave: int
    step: int
    tensors: Mapping[str, Tensor]


class OctaveRun:
    """One octave under way: it begins at the start, where the previous one ended, or in between.

    Args:
        recipe: How to paint; its content weights are already multiplied by the factor.
        pictures: What it reads.
        studio: The device, with networks and style targets that are worth keeping.
        index: Index of the octave, from 0.
        octave: Its size and steps.
        content_factor: By which the content weights were multiplied for legibility's sake.
        way: How the octave is painted within its memory.
        keeps_freed: Whether on a CPU there is room for the process to keep what it frees.
        focus: How much each place of the content counts; None for all alike.
        previous: The octave before it, at its end; None for the first.
        resumed: A state of this octave to go on from, or None.

    Attributes:
        steps: Made so far.
        coloring: The content as it is painted, and the way back to its own colours.
        descent: The canvas and the optimiser that moves it.

    Raises:
        RecipeError: A region or a layer that the recipe needs is missing.
    """

    def __init__(
        self,
        recipe: Recipe,
        pictures: Pictures,
        studio: Studio,
        index: int,
        octave: Octave,
        *,
        content_factor: float,
        way: Working,
        keeps_freed: bool,
        focus: Guidance | None,
        previous: OctaveRun | None,
        resumed: Snapshot | None,
    ) -> None:
        self.index, self.octave, self.content_factor = index, octave, content_factor
        self.steps = 0
        self._recipe = recipe
        self._history: list[Tensor] = []
        self._unchecked: list[Traces] = []
        device, content = studio.device, pictures.content
        if content is not None:
            content = resize(content.to(device), octave.size, recipe.resampling)
        self.coloring = Coloring(recipe.color, content, [style.pixels for style in pictures.styles])
        content = self.coloring.content
        if resumed is not None:
            picture = torch.zeros(1, 3, *octave.size, device=device)  # the state brings its own
        elif previous is not None:
            base = previous.coloring.content
            picture = carried(recipe, previous.descent.picture, base, content, octave)
        else:
            picture = first_picture(recipe, pictures, content, octave.size, device)
        if device.type == "cpu":
            keep_freed_memory(keep=keeps_freed)
        method = shortened(recipe, way.history).optimizer
        self.descent: Descent = method.start(
            picture, recipe.canvas, octave.steps, rounded=way.is_rounded
        )
        if previous is not None:
            self.descent.warm(previous.descent)
        self._layout = laid_out(recipe, pictures, octave.size, device)
        self._objective = bind(
            recipe,
            studio,
            octave,
            content,
            pictures.styles,
            tile=way.tile,
            layout=self._layout,
            focus=focus,
        )
        if resumed is not None:
            self._restore(resumed)

    def step(self) -> None:
        """Evaluate once and move the canvas."""
        recipe = self._recipe
        self.steps += 1
        seen = seen_in(recipe.transforms, seed=recipe.seed, octave=self.index, step=self.steps)
        loss = self.descent.step(lambda picture: self._judged(picture, seen))
        self._history.append(loss)
        self._unchecked.append(Traces(self._objective.latest, self.descent.canvas.sum()))

    def require_sound(self) -> None:
        """Raise if a step since this was last asked went astray.

        Raises:
            DivergedError: See :func:`nst_core.divergence.require_sound`.
        """
        if self._unchecked:
            require_sound(self._history, self._unchecked, self.index)
            self._unchecked.clear()

    def _judged(self, picture: Tensor, seen: Seen) -> tuple[Tensor, Tensor]:
        """Return the objective and its gradient to the picture, judged with the photo around it."""
        if self._layout is None or (content := self.coloring.content) is None:
            return self._objective(picture, seen)
        loss, gradient = self._objective(self._layout.over(picture, content), seen)
        return loss, self._layout.within(gradient)

    @property
    def is_over(self) -> bool:
        """Whether the octave has had its steps, or needs no more of them."""
        enough, patience = self._recipe.octaves.enough, self._recipe.octaves.patience
        if self.steps == self.octave.steps:
            return True
        if enough is not None and self._history and self._history[-1] <= enough:
            return True
        # Asked in every tenth step only: to ask is to wait for the device.
        if patience is None or self.steps % _PATIENT_STEPS or self.steps <= _PATIENT_STEPS:
            return False
        # The least of each, since single steps may climb.
        before = torch.stack(self._history[:-_PATIENT_STEPS]).min()
        gained = before - torch.stack(self._history[-_PATIENT_STEPS:]).min()
        return bool(gained < patience * before.abs())

    def state(self) -> dict[str, Tensor]:
        """Return what continuing this octave exactly needs."""
        history = torch.stack(self._history) if self._history else torch.zeros(0)
        return self.descent.state() | {"history": history}

    def _restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot of the same octave."""
        device = self.descent.canvas.device
        tensors = {name: value.to(device) for name, value in snapshot.tensors.items()}
        self.descent.restore(tensors)
        self._history = list(tensors["history"])
        self.steps = snapshot.step

    def picture(self) -> Tensor:
        """Return the picture as a file can hold it, with the colours that the recipe asks for."""
        painted = self.coloring.finish(self.descent.picture.detach().clamp(0, 1))
        if self._layout is None or (content := self.coloring.original) is None:
            return painted
        return self._layout.over(painted, content)

    def losses(self) -> dict[str, float]:
        """Return every term's weighted loss of the picture in 8 bits."""
        with torch.no_grad():
            delivered = (self.picture() * 255).round() / 255
            parts = self._objective.parts(delivered)
            return dict(zip(parts, torch.stack(list(parts.values())).tolist(), strict=True))
