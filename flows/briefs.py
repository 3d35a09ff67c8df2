"""What describes a pair: its slot's job, its picture's provenance, its record or its failure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from manifests.picture_sources import MaskSource, RegionSource, StartSource, StyleSource
from nst_core.recipe import ALGORITHM_VERSION
from tasks.failures import Failure
from tasks.jobs import SlotError
from tasks.records import GrownFrom, Legibility, Objective, Painting
from tasks.render import FetchedMask, FetchedStyle, PaintJob

if TYPE_CHECKING:
    from pathlib import Path

    from flows.inputs import Inputs
    from manifests.comparing import Planned
    from manifests.pairs import Mask, Pair, StylePicture
    from tasks.failures import Stage
    from tasks.render import PaintResult


@dataclass(frozen=True)
class Briefs:
    """Describes the pairs of one night.

    Args:
        collection: Its name.
        inputs: The pictures that the pairs read.
        work: The output's ``.work`` folder.
        max_pixels: Larger inputs are refused.
    """

    collection: str
    inputs: Inputs
    work: Path
    max_pixels: int

    def names(self, planned: Planned) -> dict[str, Any]:
        """Return what names a pair, in a record of success as of failure."""
        pair = planned.pair
        return {
            "collection": self.collection,
            "stem": planned.stem,
            "pair_id": planned.pair_id,
            "content_name": pair.content_name,
            "style_name": pair.style_name,
            "recipe_name": pair.recipe_name,
            "content": pair.content,
        }

    def painting(self, planned: Planned, result: PaintResult, *, draft: bool) -> Painting:
        """Return what the record of a painted pair tells."""
        pair = planned.pair
        return Painting(
            **self.names(planned),
            content_sha256=self.inputs.sha256(pair.content),
            styles=tuple(
                StyleSource(
                    location=style.location,
                    weight=style.weight,
                    sha256=self.inputs.require(style.location).sha256,
                    region=style.region,
                    mask=self._mask_source(style.mask) if style.mask else None,
                )
                for style in pair.styles
            ),
            regions=tuple(
                RegionSource(name=name, mask=self._mask_source(mask)) for name, mask in pair.regions
            ),
            start=self._start(pair.start),
            grown_from=GrownFrom(**asdict(pair.origin)) if pair.origin else None,
            recipe=pair.recipe.parameters(),
            network=pair.recipe.network,
            weights_sha256=result.weights_sha256,
            algorithm_version=ALGORITHM_VERSION,
            output=pair.output.parameters(),
            labels=dict(pair.labels),
            credits=pair.credits,
            objective=Objective(**result.objective),
            legibility=Legibility(**result.legibility) if result.legibility else None,
            steps=result.steps,
            attempts=result.attempts,
            resumed_at=tuple(result.resumed_at),
            degraded=result.degraded,
            draft=draft,
            warnings=tuple(result.warnings),
            seconds=round(result.seconds, 3),
            environment=dict(result.environment),
        )

    def failure(self, planned: Planned, stage: Stage, error: Exception) -> Failure:
        """Return the record of a pair that could not be painted."""
        told: dict[str, Any] = {"attempts": getattr(error, "attempts", 1)}
        if isinstance(error, SlotError) and error.kind in {"bug", "crash", "stall"}:
            told["traceback"] = error.details
        return Failure.of(
            error,
            **self.names(planned),
            styles=tuple(style.location for style in planned.pair.styles),
            stage=stage,
            **told,
        )

    def job(self, planned: Planned, *, draft: bool) -> PaintJob:
        """Return what a slot is told to paint.

        Raises:
            NSTError: One of its pictures could not be fetched.
        """
        pair = planned.pair
        folder = self.work / "painting" / planned.pair_id
        return PaintJob(
            pair_id=planned.pair_id,
            recipe=pair.recipe,
            content=self.inputs.optional(pair.content),
            styles=tuple(map(self._style, pair.styles)),
            regions=tuple((name, self._mask(mask)) for name, mask in pair.regions),
            start=self.inputs.optional(pair.start),
            max_pixels=self.max_pixels,
            output=pair.output,
            provenance=self._provenance(planned, draft=draft) if pair.output.provenance else None,
            folder=folder,
            checkpoints=self.work / "checkpoints",
            draft=draft,
        )

    def _style(self, style: StylePicture) -> FetchedStyle:
        mask = self._mask(style.mask) if style.mask else None
        return FetchedStyle(self.inputs.require(style.location), style.weight, style.region, mask)

    def _mask(self, mask: Mask) -> FetchedMask:
        return FetchedMask(self.inputs.require(mask.location), mask.color, mask.feather)

    def _mask_source(self, mask: Mask) -> MaskSource:
        sha256 = self.inputs.require(mask.location).sha256
        return MaskSource(
            location=mask.location, sha256=sha256, color=mask.color, feather=mask.feather
        )

    def _start(self, location: str | None) -> StartSource | None:
        sha256 = self.inputs.sha256(location)
        return StartSource(location=location, sha256=sha256) if location and sha256 else None

    def _regions(self, pair: Pair) -> dict[str, Any]:
        """Return which style painted which region, where there are any."""
        if not any(style.region for style in pair.styles):
            return {}
        masks = {name: self.inputs.sha256(mask.location) for name, mask in pair.regions}
        return {"style_region": [style.region for style in pair.styles], "region_sha256": masks}

    def _provenance(self, planned: Planned, *, draft: bool) -> dict[str, Any]:
        """Return what is embedded in the picture: how it came to be, without paths."""
        pair = planned.pair
        return {
            "pair_id": planned.pair_id,
            "collection": self.collection,
            "content": pair.content_name,
            "content_sha256": self.inputs.sha256(pair.content),
            "style": pair.style_name,
            "style_sha256": [self.inputs.sha256(style.location) for style in pair.styles],
            **self._regions(pair),
            "recipe_name": pair.recipe_name,
            "recipe": pair.recipe.parameters(),
            "algorithm_version": ALGORITHM_VERSION,
            "credits": list(pair.credits),
            **({"draft": True} if draft else {}),
        }
