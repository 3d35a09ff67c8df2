"""The loop: every job of this product changes a canvas until a sum of terms is small."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from nst_core.beginnings import carried, first_picture
from nst_core.colorings import Coloring
from nst_core.divergence import Traces, require_sound
from nst_core.footprint import UNLIMITED, Memory, shortened, working
from nst_core.images import resize
from nst_core.legibility import legibility_of
from nst_core.objective import Objective, bind
from nst_core.octaves import size_of
from nst_core.regions import laid_out
from nst_core.sketches import find, sketch_of, weighted
from nst_core.transforms import seen_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from nst_core.descent import Descent
    from nst_core.octaves import Octave, Size
    from nst_core.pictures import Pictures
    from nst_core.recipe import Recipe
    from nst_core.regions import Layout
    from nst_core.studio import Studio
    from nst_core.tiled_objective import TiledObjective
    from nst_core.transforms import Seen


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


@dataclass(frozen=True, eq=False)
class Step:
    """What an observer sees after each step.

    Args:
        octave: Index of the octave, from 0.
        step: Steps made in this octave.
        done: Steps made in all octaves.
        planned: Steps of the whole recipe, without those of octaves that ended early.
        size: (height, width) of the canvas.
        ends_octave: Whether this is the octave's last step.
        losses: In logged steps, every term's weighted loss of the *delivered* picture: clipped to
            the gamut and rounded to 8 bits. Otherwise empty.
    """

    octave: int
    step: int
    done: int
    planned: int
    size: Size
    ends_octave: bool
    losses: Mapping[str, float]
    _scene: _Scene = field(repr=False)
    _content_factor: float = 1.0

    def picture(self) -> Tensor:
        """Return the picture as it would be delivered now, (1, 3, H, W) in [0, 1].

        Raises:
            DivergedError: There is none to deliver.
        """
        self._scene.require_sound()
        return self._scene.picture()

    def synthesis(self) -> Synthesis:
        """Return the painting as it would end here, after a logged step."""
        return Synthesis(self.picture(), self.losses, self.done, self._content_factor)

    def snapshot(self) -> Snapshot:
        """Return what continuing from here needs.

        Raises:
            DivergedError: There is nothing to continue.
        """
        self._scene.require_sound()
        state = self._scene.state() | {
            "done": torch.tensor(self.done),
            "content_factor": torch.tensor(self._content_factor, dtype=torch.float64),
        }
        # Not copied where they are on the CPU: a descent never writes into a tensor of its state.
        tensors = {name: value.detach().to("cpu") for name, value in state.items()}
        return Snapshot(octave=self.octave, step=self.step, tensors=tensors)


@dataclass(frozen=True, eq=False)
class Synthesis:
    """A finished picture.

    Args:
        image: (1, 3, H, W), RGB in [0, 1].
        losses: Every term's weighted loss of the delivered picture.
        steps: Made in all octaves.
        content_factor: By which the content weights were multiplied for legibility's sake.
    """

    image: Tensor
    losses: Mapping[str, float]
    steps: int
    content_factor: float = 1.0


def synthesize(
    recipe: Recipe,
    pictures: Pictures,
    *,
    studio: Studio,
    on_step: Callable[[Step], None] | None = None,
    on_start: Callable[[Step], None] | None = None,
    on_sketch: Callable[[], None] | None = None,
    resume: Snapshot | None = None,
    memory: Memory = UNLIMITED,
) -> Synthesis:
    """Paint one picture.

    Never prints, saves or reads the clock; an observer does that, and stops the painting by
    raising.

    Args:
        recipe: How.
        pictures: What it reads.
        studio: The device, with networks and style targets that are worth keeping.
        on_step: Called after every step.
        on_sketch: Called after every step of the sketches that legibility takes, before all others.
        on_start: Called once with the first canvas, as step 0; not when a painting is resumed.
        resume: Continue from here; on a CPU the result is bitwise that of an uninterrupted run
            in the same memory.
        memory: What an octave may take; see :mod:`nst_core.footprint`.

    Raises:
        RecipeError: A picture that the recipe reads is missing; a region that a style paints is,
            or the recipe can paint none.
        DivergedError: An objective that is not finite, or many times what it was.
    """
    pictures.require_for(recipe)
    factor = 1.0 if resume is None else float(resume.tensors["content_factor"])
    if resume is None and recipe.legibility is not None:
        factor = _factor_of(recipe, recipe.legibility, pictures, studio, on_sketch)
    recipe = weighted(recipe, factor)
    octaves = recipe.octaves.plan((1, 1) if pictures.content is None else size_of(pictures.content))
    done = 0 if resume is None else int(resume.tensors["done"])
    scene: _Scene | None = None
    for index, octave in enumerate(octaves):
        if resume is not None and index < resume.octave:
            continue
        scene = _Scene.set(
            recipe,
            pictures,
            studio,
            index,
            octave,
            memory=memory,
            before=scene,
            resumed=resume,
        )
        later = sum(octave.steps for octave in octaves[index + 1 :])
        if on_start is not None and index == 0 and resume is None:
            on_start(Step(0, 0, 0, later + octave.steps, octave.size, False, {}, scene, factor))  # noqa: FBT003
        resume = None  # taken over; kept, it would hold as much memory as the whole history
        while not scene.is_over:
            scene.step()
            done += 1
            is_over = scene.is_over
            logged = is_over or scene.steps == 1 or scene.steps % recipe.log_every == 0
            if logged:
                scene.require_sound()
            losses = scene.losses() if logged else {}
            if on_step is not None:
                planned = done + later + (0 if is_over else octave.steps - scene.steps)
                stand = (index, scene.steps, done, planned, octave.size)
                on_step(Step(*stand, is_over, losses, scene, factor))
    assert scene is not None
    return Synthesis(scene.picture(), scene.losses(), done, factor)


def _factor_of(
    recipe: Recipe,
    target: float,
    pictures: Pictures,
    studio: Studio,
    on_sketch: Callable[[], None] | None,
) -> float:
    """Return by what the content weights are to be multiplied, from sketches of this pair."""

    def sketched(factor: float) -> float:
        sketch = synthesize(
            sketch_of(recipe, factor),
            pictures,
            studio=studio,
            on_step=None if on_sketch is None else lambda _: on_sketch(),
        )
        return legibility_of(sketch.image, pictures, recipe, studio)

    return find(target, sketched)


@dataclass(eq=False)
class _Scene:
    """One octave under way: what it compares with, and the descent that paints it."""

    recipe: Recipe
    index: int
    octave: Octave
    coloring: Coloring
    descent: Descent
    objective: Objective | TiledObjective
    layout: Layout | None
    steps: int = 0
    history: list[Tensor] = field(default_factory=list)
    unchecked: list[Traces] = field(default_factory=list)

    @classmethod
    def set(
        cls,
        recipe: Recipe,
        pictures: Pictures,
        studio: Studio,
        index: int,
        octave: Octave,
        *,
        memory: Memory,
        before: _Scene | None,
        resumed: Snapshot | None,
    ) -> _Scene:
        """Set an octave up: from the start, from the octave before, or from a snapshot."""
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
        elif before is not None:
            base = before.coloring.content
            picture = carried(recipe, before.descent.picture, base, content, octave)
        else:
            picture = first_picture(recipe, pictures, content, octave.size, device)
        way = working(recipe, octave, memory)
        descent = shortened(recipe, way.history).optimizer.start(
            picture, recipe.canvas, octave.steps
        )
        if before is not None:
            descent.warm(before.descent)
        layout = laid_out(recipe, pictures, octave.size, device)
        objective = bind(
            recipe, studio, octave, content, pictures.styles, tile=way.tile, layout=layout
        )
        scene = cls(recipe, index, octave, coloring, descent, objective, layout)
        if resumed is not None:
            scene.restore(resumed)
        return scene

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
