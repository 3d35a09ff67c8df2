"""The record of a finished pair: what is known of it after the night.

A record lies beside its picture, is written last and is the only proof that a pair is finished. It
has the text form of :mod:`tasks.sealed`.
"""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from manifests.naming import NO_COLLECTIONS
from manifests.picture_sources import (
    Frozen,
    RegionSource,
    Sha256,
    StartSource,
    StyleSource,
    Text,
)
from tasks.durable import FileEntry
from tasks.sealed import Sealed

Stem = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*--[0-9a-f]{10,64}$")]
Folder = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f/\\.][^\x00-\x1f/\\]*$")]

_ENDING = re.compile(r"[\w.]+")


class GrownFrom(Frozen):
    """The finished picture that a print grew from.

    Args:
        collection: Where it was painted.
        stem: File name of everything about it, without ending.
        pair_id: Its identity.
        sha256: Of the picture's bytes.
    """

    collection: Folder
    stem: Stem
    pair_id: Sha256
    sha256: Sha256


class Objective(Frozen):
    """How far the objective fell.

    Args:
        first: Total at the first step.
        last: Total of the delivered picture.
        terms: The weighted parts of ``last``, by term.
    """

    first: float
    last: float
    terms: dict[str, float] = Field(default_factory=dict)


class Legibility(Frozen):
    """What was found for a pair whose recipe asks for a legibility.

    Args:
        content_factor: By which the recipe's content weights were multiplied.
        reached: Legibility of the delivered picture; see :mod:`nst_core.legibility`.
    """

    content_factor: float
    reached: float


class NamedPair(Sealed):
    """What names a pair, in a success and in a failure."""

    collection: Folder
    stem: Stem
    pair_id: Sha256
    content_name: Text
    style_name: Text
    recipe_name: Text
    content: Text | None

    @model_validator(mode="after")
    def _named_for_its_pair(self) -> Self:
        if not self.pair_id.startswith(self.stem.rpartition("--")[2]):
            raise ValueError(f"stem {self.stem!r} is not that of pair {self.pair_id[:10]}")
        if self.collection.casefold() in NO_COLLECTIONS:
            raise ValueError(f"a collection cannot be called {self.collection!r}: that is taken")
        return self


class Painting(NamedPair):
    """What a painter knows of a painted pair; publishing it makes it a `Record`.

    Args:
        collection: Name of the collection, and of its folder in the output.
        stem: File name of everything about the pair, without ending.
        pair_id: The pair's identity, 64 hex digits.
        content_name: The content's name for people; likewise ``style_name``, ``recipe_name``.
        content: Absolute path or ``s3://bucket/key``; none where the recipe needs no content.
        content_sha256: Of the content's bytes.
        styles: The style pictures, in order.
        regions: Of the content, those that decided what was painted where.
        start: The first canvas, where the recipe reads one.
        grown_from: Of a print, the finished picture that it enlarges.
        recipe: Every resolved parameter.
        network: Name of the network; ``weights_sha256`` that of its weights.
        algorithm_version: Counts changes of this product that change pixels.
        output: Format, bits and whatever else decides the picture file's bytes.
        labels: Movement, material, technique, subject and the like, for the gallery.
        credits: Lines that whoever shows the picture must show with it.
        objective: How far it fell.
        legibility: What was found for it, where the recipe asks.
        steps: Optimiser steps that led to the picture.
        attempts: How many times it was begun, the last included.
        resumed_at: Steps at which a checkpoint was taken up.
        degraded: Measures taken against short memory or divergence, in order.
        draft: Whether a better painting of the same pair is still to come.
        warnings: What a person should know, one sentence each.
        seconds: Time spent painting, over all attempts.
        environment: Versions, device, threads: what may explain a difference.
    """

    content_sha256: Sha256 | None
    styles: tuple[StyleSource, ...]
    regions: tuple[RegionSource, ...] = ()
    start: StartSource | None = None
    grown_from: GrownFrom | None = None
    recipe: dict[str, JsonValue]
    network: str
    weights_sha256: Sha256
    algorithm_version: int
    output: dict[str, JsonValue]
    labels: dict[str, str] = Field(default_factory=dict)
    credits: tuple[str, ...] = ()
    objective: Objective
    legibility: Legibility | None = None
    steps: int
    attempts: int = 1
    resumed_at: tuple[int, ...] = ()
    degraded: tuple[str, ...] = ()
    draft: bool = False
    warnings: tuple[Text, ...] = ()
    seconds: float
    environment: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def locations(self) -> tuple[str | None, ...]:
        """Where the pair's pictures came from, the content first."""
        return self.content, *(style.location for style in self.styles)

    @property
    def originals(self) -> dict[str, str]:
        """SHA-256 of the content and of the style pictures, by where they lay."""
        found = {style.location: style.sha256 for style in self.styles}
        if self.content is not None and self.content_sha256 is not None:
            found[self.content] = self.content_sha256
        return found


class Record(Painting):
    """The truth about a finished pair, beside its picture.

    Args:
        files: What was published, by role: ``picture``, ``losses``, ``frames``, ...; names are
            relative to the output.
        finished: When, UTC, ISO 8601.
    """

    files: dict[str, FileEntry]
    finished: str

    @model_validator(mode="after")
    def _files_are_its_own(self) -> Self:
        if "picture" not in self.files:
            raise ValueError("files: there is no picture")
        own = f"{self.collection}/{self.stem}."
        for role, entry in self.files.items():
            # Also keeps a tampered record from naming a file outside the output.
            if not (entry.file.startswith(own) and _ENDING.fullmatch(entry.file, len(own))):
                raise ValueError(f"files.{role}: {entry.file!r} is no file of this pair")
        return self

    @property
    def frames(self) -> dict[int, FileEntry]:
        """The pictures on the way that were kept, by the step after which each was, in order."""
        steps = {
            int(role.removeprefix("frame_")): entry
            for role, entry in self.files.items()
            if role.startswith("frame_")
        }
        return dict(sorted(steps.items()))

    @property
    def in_order(self) -> list[FileEntry]:
        """The files in the order of publishing: picture, losses, then the others by role."""
        first = ("picture", "losses")
        roles = (*first, *sorted(set(self.files) - set(first)))
        return [self.files[role] for role in roles if role in self.files]

    @property
    def file(self) -> str:
        """The record's own name, relative to the output."""
        return f"{self.collection}/{self.stem}.json"
