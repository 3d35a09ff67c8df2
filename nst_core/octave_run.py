"""One octave under way: what its canvas is compared with, and the descent that paints it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from nst_core.colorings import Coloring
from nst_core.divergence import Traces, require_sound
from nst_core.first_canvas import carried, first_picture
from nst_core.footprint import Memory, shortened, working
from nst_core.images import resize
from nst_core.objective import Objective, bind
from nst_core.regions import laid_out
from nst_core.transforms import seen_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from nst_core.descent import Descent
    from nst_core.graphs import GraphedObjective
    from nst_core.octaves import Octave
    from nst_core.pictures import Pictures
    from nst_core.recipe import Recipe
    from nst_core.regions import Layout
    from nst_core.studio import Studio
    from nst_core.tiled_objective import TiledObjective
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


@dataclass(eq=False)
class OctaveRun:
    """One octave under way; `begin` makes one.

    Args:
        recipe: How to paint; its content weights are already multiplied by the factor.
        index: Index of the octave, from 0.
        octave: Its size and steps.
        coloring: The content as it is painted, and the way back to its own colours.
        descent: The canvas and the optimiser that moves it.
        objective: What is minimised.
        layout: Where regions lie; None if the whole canvas is painted.
        content_factor: By which the content weights were multiplied for legibility's sake.
        steps: Made so far.
        history: The objective at each of them, scalars on the device.
        unchecked: What the steps since the last check left to judge them by.
    """

    recipe: Recipe
    index: int
    octave: Octave
    coloring: Coloring
    descent: Descent
    objective: Objective | GraphedObjective | TiledObjective
    layout: Layout | None
    content_factor: float
    steps: int = 0
    history: list[Tensor] = field(default_factory=list)
    unchecked: list[Traces] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        recipe: Recipe,
        pictures: Pictures,
        studio: Studio,
        index: int,
        octave: Octave,
        *,
        content_factor: float,
        memory: Memory,
        previous: OctaveRun | None,
        resumed: Snapshot | None,
    ) -> OctaveRun:
        """Set an octave up: from the start, from the previous octave, or from a snapshot.

        Args:
            recipe: How to paint; its content weights are already multiplied by the factor.
            pictures: What it reads.
            studio: The device, with networks and style targets that are worth keeping.
            index: Index of the octave, from 0.
            octave: Its size and steps.
            content_factor: By which the content weights were multiplied for legibility's sake.
            memory: What the octave may take.
            previous: The octave before it, at its end; None for the first.
            resumed: A state of this octave to go on from, or None.

        Raises:
            RecipeError: A region or a layer that the recipe needs is missing.
        """
        device = studio.device
        coloring = Coloring(
            recipe.color,
            None
            if pictures.content is None
            else resize(pictures.content.to(device), octave.size, recipe.resampling),
            [style.pixels for style in pictures.styles],
        )
        content = coloring.content
        if resumed is not None:
            picture = torch.zeros(1, 3, *octave.size, device=device)  # the state brings its own
        elif previous is not None:
            base = previous.coloring.content
            picture = carried(recipe, previous.descent.picture, base, content, octave)
        else:
            picture = first_picture(recipe, pictures, content, octave.size, device)
        way = working(recipe, octave, memory)
        descent = shortened(recipe, way.history).optimizer.start(
            picture, recipe.canvas, octave.steps
        )
        if previous is not None:
            descent.warm(previous.descent)
        layout = laid_out(recipe, pictures, octave.size, device)
        objective = bind(
            recipe, studio, octave, content, pictures.styles, tile=way.tile, layout=layout
        )
        run = cls(recipe, index, octave, coloring, descent, objective, layout, content_factor)
        if resumed is not None:
            run.restore(resumed)
        return run

    def step(self) -> None:
        """Evaluate once and move the canvas."""
        recipe = self.recipe
        self.steps += 1
        seen = seen_in(recipe.transforms, seed=recipe.seed, octave=self.index, step=self.steps)
        loss = self.descent.step(lambda picture: self._judged(picture, seen))
        self.history.append(loss)
        self.unchecked.append(Traces(self.objective.latest, self.descent.canvas.sum()))

    def require_sound(self) -> None:
        """Raise if a step since this was last asked went astray.

        Raises:
            DivergedError: See :func:`nst_core.divergence.require_sound`.
        """
        if self.unchecked:
            require_sound(self.history, self.unchecked, self.index)
            self.unchecked.clear()

    def _judged(self, picture: Tensor, seen: Seen) -> tuple[Tensor, Tensor]:
        """Return the objective and its gradient to the picture, judged with the photo around it."""
        if self.layout is None or (content := self.coloring.content) is None:
            return self.objective(picture, seen)
        loss, gradient = self.objective(self.layout.over(picture, content), seen)
        return loss, self.layout.within(gradient)

    @property
    def is_over(self) -> bool:
        """Whether the octave has had its steps, or needs no more of them."""
        enough, patience = self.recipe.octaves.enough, self.recipe.octaves.patience
        if self.steps == self.octave.steps:
            return True
        if enough is not None and self.history and self.history[-1] <= enough:
            return True
        # Asked in every tenth step only: to ask is to wait for the device.
        if patience is None or self.steps % _PATIENT_STEPS or self.steps <= _PATIENT_STEPS:
            return False
        # The least of each, since single steps may climb.
        before = torch.stack(self.history[:-_PATIENT_STEPS]).min()
        gained = before - torch.stack(self.history[-_PATIENT_STEPS:]).min()
        return bool(gained < patience * before.abs())

    def state(self) -> dict[str, Tensor]:
        """Return what continuing this octave exactly needs."""
        history = torch.stack(self.history) if self.history else torch.zeros(0)
        return self.descent.state() | {"history": history}

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot of the same octave."""
        device = self.descent.canvas.device
        tensors = {name: value.to(device) for name, value in snapshot.tensors.items()}
        self.descent.restore(tensors)
        self.history = list(tensors["history"])
        self.steps = snapshot.step

    def picture(self) -> Tensor:
        """Return the picture as a file can hold it, with the colours that the recipe asks for."""
        painted = self.coloring.finish(self.descent.picture.detach().clamp(0, 1))
        if self.layout is None or (content := self.coloring.original) is None:
            return painted
        return self.layout.over(painted, content)

    def losses(self) -> dict[str, float]:
        """Return every term's weighted loss of the picture in 8 bits."""
        with torch.no_grad():
            delivered = (self.picture() * 255).round() / 255
            parts = self.objective.parts(delivered)
            return dict(zip(parts, torch.stack(list(parts.values())).tolist(), strict=True))
