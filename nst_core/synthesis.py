"""The loop: every job of this product changes a canvas until a sum of terms is small."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from nst_core.colors import keep_chroma
from nst_core.errors import DivergedError, RecipeError
from nst_core.images import resize
from nst_core.objective import Objective, Style, bind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from nst_core.descent import Descent
    from nst_core.octaves import Octave, Size
    from nst_core.recipe import Recipe
    from nst_core.studio import Studio


@dataclass(frozen=True, eq=False)
class Pictures:
    """What a recipe reads.

    Args:
        content: (1, 3, H, W), RGB in [0, 1]; gives the painting its aspect. Without one, the
            painting is square.
        styles: In the order of the pair.
        start: The first canvas, for recipes with ``start: picture``.
    """

    content: Tensor | None = None
    styles: Sequence[Style] = ()
    start: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that continuing a synthesis exactly needs, on the CPU.

    Args:
        octave: Index of the octave.
        step: Steps already made in it.
        tensors: The descent's state; ``canvas`` is the picture under way.
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
        planned: Steps of the whole recipe.
        size: (height, width) of the canvas.
        losses: In logged steps, every term's weighted loss of the *delivered* picture: clipped to
            the gamut and rounded to 8 bits. Otherwise empty.
    """

    octave: int
    step: int
    done: int
    planned: int
    size: Size
    losses: Mapping[str, float]
    _scene: _Scene = field(repr=False)

    def picture(self) -> Tensor:
        """Return the picture as it would be delivered now, (1, 3, H, W) in [0, 1]."""
        return self._scene.picture()

    def snapshot(self) -> Snapshot:
        """Return what continuing from here needs."""
        state = self._scene.descent.state()
        tensors = {name: value.detach().to("cpu", copy=True) for name, value in state.items()}
        return Snapshot(octave=self.octave, step=self.step, tensors=tensors)


@dataclass(frozen=True, eq=False)
class Synthesis:
    """A finished picture.

    Args:
        image: (1, 3, H, W), RGB in [0, 1].
        losses: Every term's weighted loss of the delivered picture.
        steps: Made in all octaves.
    """

    image: Tensor
    losses: Mapping[str, float]
    steps: int


def synthesize(
    recipe: Recipe,
    pictures: Pictures,
    *,
    studio: Studio,
    on_step: Callable[[Step], None] | None = None,
    on_start: Callable[[Step], None] | None = None,
    resume: Snapshot | None = None,
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
        resume: Continue from here; on a CPU the result is bitwise that of an uninterrupted run.

    Raises:
        RecipeError: A picture that the recipe reads is missing.
        DivergedError: An objective that is not finite.
    """
    _require_pictures(recipe, pictures)
    octaves = recipe.octaves.plan((1, 1) if pictures.content is None else _size(pictures.content))
    planned = sum(octave.steps for octave in octaves)
    scene: _Scene | None = None
    for index, octave in enumerate(octaves):
        if resume is not None and index < resume.octave:
            continue
        resumed = resume if resume is not None and index == resume.octave else None
        scene = _Scene.set(recipe, pictures, studio, index, octave, before=scene, resumed=resumed)
        before = sum(earlier.steps for earlier in octaves[:index])
        if on_start is not None and index == 0 and resumed is None:
            on_start(Step(index, 0, 0, planned, octave.size, {}, scene))
        for step in range(resumed.step + 1 if resumed else 1, octave.steps + 1):
            loss = scene.descent.step(scene.objective)
            logged = step % recipe.log_every == 0 or step in {1, octave.steps}
            losses = scene.losses() if logged else {}
            _require_finite(scene, loss, step)
            if on_step is not None:
                on_step(Step(index, step, before + step, planned, octave.size, losses, scene))
    assert scene is not None
    return Synthesis(image=scene.picture(), losses=scene.losses(), steps=planned)


@dataclass(frozen=True, eq=False)
class _Scene:
    """One octave under way: what it compares with, and the descent that paints it."""

    recipe: Recipe
    index: int
    content: Tensor | None
    descent: Descent
    objective: Objective

    @classmethod
    def set(
        cls,
        recipe: Recipe,
        pictures: Pictures,
        studio: Studio,
        index: int,
        octave: Octave,
        *,
        before: _Scene | None,
        resumed: Snapshot | None,
    ) -> _Scene:
        """Set an octave up: from the start, from the octave before, or from a snapshot."""
        device = studio.device
        content = (
            None
            if pictures.content is None
            else resize(pictures.content.to(device), octave.size, recipe.resampling)
        )
        if resumed is not None:
            canvas = resumed.tensors["canvas"].to(device)
        elif before is not None:
            canvas = _carried(recipe, before.descent.picture, before.content, content, octave.size)
        else:
            canvas = _first_canvas(recipe, pictures, content, octave.size, device)
        descent = recipe.optimizer.start(canvas, recipe.canvas)
        if resumed is not None:
            descent.restore({name: value.to(device) for name, value in resumed.tensors.items()})
        elif before is not None:
            descent.warm(before.descent)
        objective = bind(recipe, studio, octave, content, pictures.styles)
        return cls(recipe, index, content, descent, objective)

    def picture(self) -> Tensor:
        """Return the picture as a file can hold it, with the colours that the recipe asks for."""
        picture = self.descent.picture.detach().clamp(0, 1)
        if self.recipe.color == "chroma-after":
            assert self.content is not None
            picture = keep_chroma(picture, self.content)
        return picture

    def losses(self) -> dict[str, float]:
        """Return every term's weighted loss of the picture in 8 bits."""
        with torch.no_grad():
            delivered = (self.picture() * 255).round() / 255
            return {name: part.item() for name, part in self.objective.parts(delivered).items()}


def _require_pictures(recipe: Recipe, pictures: Pictures) -> None:
    given = {
        "content": pictures.content is not None,
        "style": bool(pictures.styles),
        "picture": pictures.start is not None,
    }
    called = {"picture": "start"}
    missing = sorted(called.get(name, name) for name in recipe.reads if not given[name])
    if missing:
        raise RecipeError(
            f"the recipe reads a {' and a '.join(missing)} picture that was not given",
            code="E-RECIPE-PICTURES",
        )


def _require_finite(scene: _Scene, loss: Tensor, step: int) -> None:
    """Raise before an observer could keep a canvas that no finite number can come from again."""
    if torch.isfinite(loss + scene.descent.canvas.sum()):
        return
    wrong = [name for name, part in scene.objective.latest.items() if not torch.isfinite(part)]
    total = loss.item()
    what = "canvas left the finite numbers" if math.isfinite(total) else f"loss became {total}"
    where = f"octave {scene.index + 1}, step {step}" + (f", term {wrong[0]}" if wrong else "")
    raise DivergedError(
        f"{what} in {where}",
        remedy="lower that term's weight or the optimiser's step",
    )


def _first_canvas(
    recipe: Recipe, pictures: Pictures, content: Tensor | None, size: Size, device: torch.device
) -> Tensor:
    if recipe.start == "content":
        assert content is not None
        return content
    if recipe.start == "picture":
        assert pictures.start is not None
        return resize(pictures.start.to(device), size, recipe.resampling)
    # Drawn on the CPU, so that a seed means the same on every device.
    seeded = torch.Generator().manual_seed(recipe.seed)
    noise = torch.randn(1, 3, *size, generator=seeded)
    return (0.5 + recipe.noise * noise).clamp(0, 1).to(device)


def _carried(
    recipe: Recipe, picture: Tensor, base: Tensor | None, content: Tensor | None, size: Size
) -> Tensor:
    """Bring the coarser octave's picture, or its change of the content, to this octave's size."""
    if recipe.octaves.carry == "change" and base is not None and content is not None:
        return (content + _enlarged(picture - base, size)).clamp(0, 1)
    return _enlarged(picture, size).clamp(0, 1)


def _enlarged(pixels: Tensor, size: Size) -> Tensor:
    return functional.interpolate(pixels, size, mode="bicubic", align_corners=False)


def _size(pixels: Tensor) -> Size:
    return pixels.shape[-2], pixels.shape[-1]
