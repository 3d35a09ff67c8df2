"""What a night remembers of its finished pairs.

The record lies beside the picture, whole; thousands of them would fill the memory of a run.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tasks.durable import FileEntry
    from tasks.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A finished pair, as far as reports and displays tell of it.

    Args:
        file: The record's own name, relative to the output.
        picture: The picture's file.
        losses: Name of the loss log, relative to the output, where there is one.
        bytes: Of all its files together.
        recipe_name: By which it was painted.
        style_set: The set that its style is of, or the style's own name.
        first_loss: Objective at the first step.
        last_loss: Objective of the delivered picture.
        seconds: Time spent painting, over all attempts.
        attempts: How many times it was begun, the last included.
        resumed_at: Steps at which a checkpoint was taken up.
        degraded: Measures taken against short memory or divergence, in order.
        draft: Whether a better painting of the same pair is still to come.
    """

    file: str
    picture: FileEntry
    losses: str | None
    bytes: int
    recipe_name: str
    style_set: str
    first_loss: float
    last_loss: float
    seconds: float
    attempts: int
    resumed_at: tuple[int, ...]
    degraded: tuple[str, ...]
    draft: bool

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return what is remembered of a record."""
        losses = record.files.get("losses")
        return cls(
            file=record.file,
            picture=record.files["picture"],
            losses=losses.file if losses else None,
            bytes=sum(entry.bytes for entry in record.files.values()),
            # One text for all pairs of the recipe, or the set.
            recipe_name=sys.intern(record.recipe_name),
            style_set=sys.intern(record.labels.get("style_set", record.style_name)),
            first_loss=record.objective.first,
            last_loss=record.objective.last,
            seconds=record.seconds,
            attempts=record.attempts,
            resumed_at=record.resumed_at,
            degraded=record.degraded,
            draft=record.draft,
        )
