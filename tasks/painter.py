"""The painter: what a slot's process does with one pair, from encoded pictures to an encoded one.

Only here do the core and the machine meet: a studio that outlives the pair, checkpoints while it
paints, a loss log, intermediate frames. Nothing is published here; what is finished waits in the
pair's own folder.
"""

from __future__ import annotations

import csv
import io
import platform
import time
from bisect import bisect_right
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch

from nst_core.errors import DivergedError
from nst_core.footprint import UNLIMITED, Memory, working
from nst_core.hardware import maps_dtype
from nst_core.images import encode
from nst_core.legibility import legibility_of
from nst_core.networks import network
from nst_core.octaves import size_of
from nst_core.recipe import ALGORITHM_VERSION
from nst_core.sketches import SKETCHES, require_room
from nst_core.studio import Studio
from nst_core.synthesis import Synthesis, synthesize
from nst_core.weights_files import weights_sha256
from tasks.attempts import MEMORY_LADDER
from tasks.checkpoints import CheckpointFolder, Pace
from tasks.durable import write_atomic
from tasks.jobs import Stopped
from tasks.reading import Reading
from tasks.render import PaintResult
from tasks.second_tries import RUNG, adapted, require_painting
from tasks.settings import Settings
from tasks.time_lapse import VideoError, animation, video

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from nst_core.octave_run import Snapshot
    from nst_core.pictures import Pictures
    from nst_core.synthesis import Step
    from tasks.jobs import Emit, StopFlag
    from tasks.render import PaintJob

_SECONDS_BETWEEN_EVENTS = 0.2
# While there is nothing to tell; a slot that says nothing for long is taken for stuck.
_SECONDS_BETWEEN_SIGNS = 30.0
_FRAME_QUALITY = 90
# Of what a card says is free; the rest goes to libraries and to what cannot be pieced together.
_OF_CARD = 0.9
# A draft is a picture's own coarse octaves, up to this side in pixels: refining it goes on from
# there, and ends at the very picture that would have been painted without one.
_DRAFT_SIDE = 260


class _DraftDone(Exception):  # noqa: N818 # the way out of the loop: nothing went wrong
    """The coarse octaves are painted; what is left is kept in a checkpoint."""

    def __init__(self, synthesis: Synthesis) -> None:
        super().__init__()
        self.synthesis = synthesis


def main(job: dict[str, Any], emit: Emit, stop: StopFlag) -> PaintResult:
    """Paint ``job["pair"]``, a :class:`tasks.render.PaintJob`, on ``job["device"]``.

    Raises:
        ImageError: An input cannot be read.
        RecipeError: E-RECIPE-SIZE, the photo is so narrow that the network sees nothing of it.
        DivergedError: The optimisation failed, or ended in no painting.
        Stopped: It was asked to stop, and saved what it had.
    """
    return _PaintingPair(job["pair"], job["device"], emit, stop).paint()


_STUDIOS: dict[str, Studio] = {}


def _studio(device: str) -> Studio:
    """Return this process's studio: networks and style targets outlive the pair."""
    if device not in _STUDIOS:
        _STUDIOS[device] = Studio(device, graphs=Settings.from_environment().cuda_graphs)
    return _STUDIOS[device]


class _PaintingPair:
    """One pair under way: what is painted, logged, kept and told of it."""

    def __init__(self, job: PaintJob, device: str, emit: Emit, stop: StopFlag) -> None:
        self._job = job
        self._device = device
        self._emit = emit
        self._stop = stop
        self._recipe = adapted(job.recipe, gentler=job.gentler, frugal=job.frugal)
        self._folder = CheckpointFolder(
            job.checkpoints, job.pair_id, algorithm_version=ALGORITHM_VERSION
        )
        self._pace = Pace()
        self._limit: float | None = None
        self._memory = UNLIMITED
        self._rows: list[dict[str, float]] = []
        self._warnings: list[str] = []
        self._resumed_at: list[int] = []
        self._threads: set[int] = set()
        self._began = time.monotonic()
        self._told = -1.0
        self._sketch = 0

    def paint(self) -> PaintResult:
        job = self._job
        self._emit({"kind": "stage", "stage": "reading"})
        reading = Reading(job)
        pictures = reading.pictures()
        self._warnings += reading.warnings
        # The network would tell it of the sketch or the octave it comes to first.
        content = pictures.content
        require_room(job.recipe, (1, 1) if content is None else size_of(content))
        self._limit = self._limit_beside(pictures)
        # Handed over and not kept, for it is as large as all that it continues.
        resumed = [self._resume()]
        self._memory = Memory(
            self._limit,
            frugal=self._job.frugal >= RUNG["tiles"],
            bf16=maps_dtype("auto", torch.device(self._device)) == torch.bfloat16,
        )
        try:
            synthesis = synthesize(
                self._recipe,
                pictures,
                studio=_studio(self._device),
                on_step=self._on_step,
                on_start=self._on_start,
                on_sketch=self._on_sketch,
                resume=resumed.pop(),
                memory=self._memory,
            )
        except _DraftDone as done:
            synthesis = done.synthesis
        try:
            require_painting(synthesis, pictures, self._recipe)
        except DivergedError:
            # Every checkpoint is on the way here: another try begins anew.
            self._folder.remove()
            raise
        return self._finish(synthesis, pictures)

    def _limit_beside(self, pictures: Pictures) -> float | None:
        """Return what the painting may take beside the pictures it reads."""
        given: float | None = self._job.memory
        if given is None and self._device.startswith("cuda"):
            return _OF_CARD * torch.cuda.mem_get_info(self._device)[0]
        if given is None:
            return None
        read = [pictures.content, pictures.start, *pictures.regions.values()]
        read += [pixels for style in pictures.styles for pixels in (style.pixels, style.mask)]
        return given - sum(pixels.nbytes for pixels in read if pixels is not None)

    def _resume(self) -> Snapshot | None:
        checkpoint = self._folder.latest()
        if checkpoint is None:
            return None
        # What an earlier run had to do without, this one does without too, and its record tells.
        job = replace(
            self._job,
            gentler=max(self._job.gentler, checkpoint.notes.get("gentler", 0)),
            frugal=max(self._job.frugal, checkpoint.notes.get("frugal", 0)),
        )
        recipe = adapted(job.recipe, gentler=job.gentler, frugal=job.frugal)
        # A rung of the memory ladder changes the optimiser, and with it what a state means.
        if checkpoint.notes["optimizer"] != recipe.optimizer.kind:
            return None
        self._job, self._recipe = job, recipe
        self._rows = [dict(row) for row in checkpoint.losses]
        self._began -= checkpoint.notes["seconds"]
        self._resumed_at = [*checkpoint.notes["resumed_at"], checkpoint.notes["done"]]
        self._threads.update(checkpoint.notes.get("threads", ()))
        # An octave goes on as it began, whatever is free by now.
        self._limit = checkpoint.notes.get("memory")
        return checkpoint.snapshot

    def _on_start(self, start: Step) -> None:
        if self._job.output.keeps_frame(0):
            self._keep_frame(start)

    def _on_sketch(self, number: int) -> None:
        """Stop where nothing is worth saving, and be heard of meanwhile."""
        if self._stop.is_set():
            raise Stopped("stopped while it sketched")
        now = time.monotonic()
        if number != self._sketch or now - self._told >= _SECONDS_BETWEEN_SIGNS:
            self._told, self._sketch = now, number
            self._emit({"kind": "sketch", "number": number, "most": SKETCHES})

    def _on_step(self, step: Step) -> None:
        self._threads.add(torch.get_num_threads())
        if step.losses:
            self._log(step)
        self._tell(step)
        output, is_last = self._job.output, step.done == step.planned
        if output.keeps_frame(step.done) or (output.frames and is_last):
            self._keep_frame(step)
        if self._job.draft and self._ends_the_draft(step):
            self._save(step)
            raise _DraftDone(step.synthesis())
        if self._stop.is_set():
            self._save(step)
            raise Stopped(f"stopped at step {step.done} of {step.planned}")
        if self._pace.is_due() and step.done < step.planned:
            self._save(step)

    def _keep_frame(self, step: Step) -> None:
        data = encode(step.picture(), format="webp", quality=_FRAME_QUALITY)
        write_atomic(self._frame_path(step.done), data)

    def _ends_the_draft(self, step: Step) -> bool:
        """Whether this is the last step at the size of a draft."""
        octaves = self._recipe.octaves
        sides = octaves.sides()
        last = max(bisect_right(sides[:-1], _DRAFT_SIDE) - 1, 0)
        return step.octave == last and step.ends_octave

    def _log(self, step: Step) -> None:
        height, width = step.size
        self._rows.append(
            {
                "step": step.done,
                "octave": step.octave + 1,
                "width": width,
                "height": height,
                "seconds": round(self._seconds(), 3),
                "total": sum(step.losses.values()),
                **step.losses,
            }
        )

    def _tell(self, step: Step) -> None:
        now = time.monotonic()
        if now - self._told < _SECONDS_BETWEEN_EVENTS and step.done < step.planned:
            return
        self._told = now
        self._emit(
            {
                "kind": "progress",
                "done": step.done,
                "planned": step.planned,
                "size": step.size,
                "total": self._rows[-1]["total"],
                "seconds": self._seconds(),
            }
        )

    def _save(self, step: Step) -> None:
        with self._pace.saving():
            notes = {
                "seconds": self._seconds(),
                "done": step.done,
                "resumed_at": self._resumed_at,
                "threads": sorted(self._threads),
                "optimizer": self._recipe.optimizer.kind,
                "memory": self._limit,
                "gentler": self._job.gentler,
                "frugal": self._job.frugal,
            }
            self._folder.save(step.snapshot(), losses=self._rows, notes=notes)

    def _seconds(self) -> float:
        """Seconds of painting, those before an interruption included."""
        return time.monotonic() - self._began

    def _finish(self, synthesis: Synthesis, pictures: Pictures) -> PaintResult:
        """Encode everything into the pair's folder."""
        job = self._job
        data = encode(
            synthesis.image,
            format=job.output.format,
            bits=job.output.bits,
            quality=job.output.quality,
            provenance=job.provenance,
            dpi=job.output.dpi,
        )
        picture, losses = job.folder / f"picture.{job.output.format}", job.folder / "losses.csv"
        write_atomic(picture, data)
        write_atomic(losses, _csv(self._rows))
        return PaintResult(
            picture=picture,
            losses=losses,
            extras=self._frames(synthesis.image) if job.output.frames else {},
            objective={
                "first": self._rows[0]["total"],
                "last": sum(synthesis.losses.values()),
                "terms": dict(synthesis.losses),
            },
            legibility=self._legibility(synthesis, pictures),
            steps=synthesis.steps,
            seconds=self._seconds(),
            resumed_at=self._resumed_at,
            warnings=self._warnings,
            degraded=self._degraded(synthesis),
            weights_sha256=weights_sha256(network(self._recipe.network)),
            environment=_environment(self._device, sorted(self._threads)),
        )

    def _legibility(self, synthesis: Synthesis, pictures: Pictures) -> dict[str, float] | None:
        if self._recipe.legibility is None or pictures.content is None:
            return None
        studio = _studio(self._device)
        reached = legibility_of(synthesis.image, pictures, self._recipe, studio)
        return {"content_factor": synthesis.content_factor, "reached": round(reached, 4)}

    def _degraded(self, synthesis: Synthesis) -> tuple[str, ...]:
        """Return what was done without; tiles that were not asked for change nothing."""
        octaves = self._recipe.octaves.plan(size_of(synthesis.image))
        ways = (working(self._recipe, octave, self._memory) for octave in octaves)
        shortened = MEMORY_LADDER[:1] if any(way.is_shortened for way in ways) else ()
        return tuple(dict.fromkeys((*shortened, *self._job.degraded)))

    def _frames(self, final: Tensor) -> dict[str, Path]:
        """Return the kept intermediate pictures, and what is made of them."""
        folder = self._job.folder
        kept = sorted(folder.glob("frame_*.webp"))
        made = [animation(kept, final, folder)]
        if self._job.output.video:
            try:
                made.append(video(kept, final, folder))
            except VideoError as error:  # the picture is worth more than its film
                self._warnings.append(str(error))
        return {path.name: path for path in (*made, *kept)}

    def _frame_path(self, done: int) -> Path:
        return self._job.folder / f"frame_{done:06d}.webp"


def _csv(rows: list[dict[str, float]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _environment(device: str, threads: list[int]) -> dict[str, Any]:
    is_card = device.startswith("cuda")
    return {
        "nst-gallery": version("nst-gallery"),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name(device) if is_card else platform.machine(),
        # One number, or all that there were in turn: it decides how sums are rounded.
        "threads": threads[0] if len(threads) == 1 else threads,
    }
