"""The loop: every job of this product changes a canvas until a sum of terms is small."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import torch

from nst_core.focus import focused
from nst_core.footprint import UNLIMITED, Memory, working
from nst_core.legibility import legibility_of
from nst_core.octave_run import OctaveRun, Snapshot
from nst_core.octaves import size_of
from nst_core.sketches import find, sketch_of, weighted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from nst_core.octaves import Size
    from nst_core.pictures import Pictures
    from nst_core.recipe import Recipe
    from nst_core.studio import Studio


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
    _run: OctaveRun = field(repr=False)

    def picture(self) -> Tensor:
        """Return the picture as it would be delivered now, (1, 3, H, W) in [0, 1].

        Raises:
            DivergedError: There is none to deliver.
        """
        self._run.require_sound()
        return self._run.picture()

    def synthesis(self) -> Synthesis:
        """Return the painting as it would end here, after a logged step."""
        return Synthesis(self.picture(), self.losses, self.done, self._run.content_factor)

    def snapshot(self) -> Snapshot:
        """Return what continuing from here needs.

        Raises:
            DivergedError: There is nothing to continue.
        """
        self._run.require_sound()
        state = self._run.state() | {
            "done": torch.tensor(self.done),
            "content_factor": torch.tensor(self._run.content_factor, dtype=torch.float64),
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
    on_sketch: Callable[[int], None] | None = None,
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
        on_start: Called once with the first canvas, as step 0; not when a painting is resumed.
        on_sketch: Called after every step of the sketches that legibility takes, before all others,
            with the number of the sketch, from 1.
        resume: Continue from here; on a CPU the result is bitwise that of an uninterrupted run
            in the same memory, with as many threads.
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
    ways = [working(recipe, octave, memory) for octave in octaves]
    # All or none: of what a small octave kept, a large one finds little that it can use.
    keeps_freed = all(way.keeps_freed for way in ways)
    focus = focused(recipe, pictures, studio)
    done = 0 if resume is None else int(resume.tensors["done"])
    run: OctaveRun | None = None
    for index, octave in enumerate(octaves):
        if resume is not None and index < resume.octave:
            continue
        run = OctaveRun(
            recipe,
            pictures,
            studio,
            index,
            octave,
            content_factor=factor,
            way=ways[index],
            keeps_freed=keeps_freed,
            focus=focus,
            previous=run,
            resumed=resume,
        )
        later = sum(octave.steps for octave in octaves[index + 1 :])
        is_over = run.is_over
        if on_start is not None and index == 0 and resume is None:
            on_start(_seen(run, done, later, {}, is_over=is_over))
        resume = None  # taken over; kept, it would hold as much memory as the whole history
        while not is_over:
            run.step()
            done += 1
            is_over = run.is_over
            logged = is_over or run.steps == 1 or run.steps % recipe.log_every == 0
            if logged:
                run.require_sound()
            losses = run.losses() if logged else {}
            if on_step is not None:
                on_step(_seen(run, done, later, losses, is_over=is_over))
    assert run is not None
    return Synthesis(run.picture(), run.losses(), done, factor)


def _factor_of(
    recipe: Recipe,
    target: float,
    pictures: Pictures,
    studio: Studio,
    on_sketch: Callable[[int], None] | None,
) -> float:
    """Return by what the content weights are to be multiplied, from sketches of this pair."""
    numbers = count(1)

    def sketched(factor: float) -> float:
        number = next(numbers)
        sketch = synthesize(
            sketch_of(recipe, factor),
            pictures,
            studio=studio,
            on_step=None if on_sketch is None else lambda _: on_sketch(number),
        )
        return legibility_of(sketch.image, pictures, recipe, studio)

    return find(target, sketched)


def _seen(
    run: OctaveRun, done: int, later: int, losses: Mapping[str, float], *, is_over: bool
) -> Step:
    """Return what an observer sees now, with so many steps done and planned for later octaves."""
    left = 0 if is_over else run.octave.steps - run.steps
    return Step(
        octave=run.index,
        step=run.steps,
        done=done,
        planned=done + left + later,
        size=run.octave.size,
        ends_octave=is_over,
        losses=losses,
        _run=run,
    )
