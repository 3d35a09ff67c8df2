"""What is known of a pair after the night: the record of a success, the record of a failure.

A record lies beside its picture, is written last and is the only proof that a pair is finished.
Both have one text form, JSON that ends in a seal over its own bytes, so that a later look can
tell a record that was damaged or edited from one that is as it was written.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from importlib.metadata import version
from traceback import format_exception
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import from_json

from manifests.picture_sources import (
    Frozen,
    RegionSource,
    Sha256,
    StartSource,
    StyleSource,
    Text,
)
from nst_core.errors import FailureKind, NSTError
from tasks.durable import FileEntry, OutputError
from tasks.redaction import redact

SCHEMA_VERSION: Final = 1
PRODUCT_VERSION = version("nst-gallery")
# Folders of an output that are no collections.
RESERVED = frozenset({"failed", "assets", "sheets"})

Stem = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*--[0-9a-f]{10,64}$")]
Folder = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f/\\.][^\x00-\x1f/\\]*$")]
Stage = Literal["fetch", "render", "publish"]

_NO_SEAL = b"0" * 64
_ENDING = re.compile(r"[\w.]+")
_SEAL = re.compile(rb'"seal": "([0-9a-f]{64})"\n}\n\Z')


def now() -> str:
    """Return the present moment, UTC, as ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class RecordError(OutputError):
    """A record cannot be read as what it should be."""

    code = "E-RECORD"


class NewerRecordError(OutputError):
    """A record was written by a later version of this product than the one that reads it."""

    code = "E-RECORD-NEWER"
    kind = "environment"


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


class _Pair(Frozen):
    """What names a pair, in a success and in a failure."""

    schema_version: Literal[1] = SCHEMA_VERSION
    product_version: str = PRODUCT_VERSION
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
        if self.collection.casefold() in RESERVED:
            raise ValueError(f"a collection cannot be called {self.collection!r}: that is taken")
        return self

    def encode(self) -> bytes:
        """Return the one text form: indented UTF-8 JSON that ends in its seal."""
        fields = self.model_dump(mode="json") | {"seal": _NO_SEAL.decode()}
        blank = f"{json.dumps(fields, indent=1, ensure_ascii=False)}\n".encode()
        return _with_seal(blank, _seal_of(blank))

    @classmethod
    def decode(cls, data: bytes, *, name: str) -> Self:
        """Read a record; whether it was edited since it was written is `is_sealed`'s question.

        Args:
            data: The file's bytes.
            name: What errors call the file.

        Raises:
            NewerRecordError: A later version of this product wrote it.
            RecordError: It is damaged.
        """
        again = "'nst verify --repair' paints the pair again"
        try:
            fields = from_json(data, allow_inf_nan=False)
        except ValueError as error:
            raise RecordError(f"{name} is no JSON: {error}", remedy=again) from error
        if not isinstance(fields, dict):
            raise RecordError(f"{name} is no JSON object", remedy=again)
        schema = fields.get("schema_version")
        if isinstance(schema, int) and schema > SCHEMA_VERSION:
            raise NewerRecordError(
                f"{name} was written by nst-gallery {fields.get('product_version')} in schema"
                f" {schema}; this is {PRODUCT_VERSION}, which reads up to {SCHEMA_VERSION}",
                remedy="upgrade nst-gallery, or choose another output",
            )
        fields.pop("seal", None)
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, problem['loc'])) or 'record'}: {problem['msg']}"
                for problem in error.errors(include_input=False, include_url=False)
            )
            raise RecordError(f"{name} is damaged: {problems}", remedy=again) from None


class Painting(_Pair):
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


class Failure(_Pair):
    """Why a pair could not be finished, and what to do about it.

    Args:
        collection: As for `Painting`, like all that names the pair.
        styles: Locations of the style pictures, in order.
        stage: Where it failed.
        kind: What the night does about it.
        code: Stable word for scripts.
        message: What was wrong.
        remedy: What a person can do.
        attempts: How many times it was tried.
        traceback: Of an error that this product does not understand.
        when: UTC, ISO 8601.
    """

    styles: tuple[Text, ...]
    stage: Stage
    kind: FailureKind
    code: str
    message: Text
    remedy: Text | None = None
    attempts: int = 1
    traceback: Text | None = None
    when: str = Field(default_factory=now)

    @classmethod
    def of(cls, error: BaseException, **pair: Any) -> Self:
        """Return the failure that an error means.

        Args:
            error: What ended the pair.
            pair: The remaining fields: the pair's names, stage, attempts.
        """
        told: dict[str, Any]
        if isinstance(error, NSTError):
            told = {
                "kind": error.kind,
                "code": error.code,
                "message": error.message,
                "remedy": error.remedy,
            }
        else:
            told = {
                "kind": "bug",
                "code": "E-BUG",
                "message": f"{type(error).__name__}: {error}",
                "remedy": "this is a fault of nst-gallery: please report it with this file",
                "traceback": "".join(format_exception(error)),
            }
        fields = told | pair
        # An error of a library may quote anything, an address with its password for one.
        for name in ("message", "remedy", "traceback"):
            if fields.get(name):
                fields[name] = redact(fields[name])
        return cls(**fields)

    @property
    def locations(self) -> tuple[str | None, ...]:
        """Where the pair's pictures came from, the content first."""
        return self.content, *self.styles


def is_sealed(data: bytes) -> bool:
    """Return whether a record's bytes are all as `encode` wrote them."""
    match = _SEAL.search(data)
    return match is not None and _seal_of(_with_seal(data, _NO_SEAL)) == match[1]


def _seal_of(blank: bytes) -> bytes:
    return hashlib.sha256(blank).hexdigest().encode()


def _with_seal(data: bytes, seal: bytes) -> bytes:
    return _SEAL.sub(b'"seal": "%s"\n}\n' % seal, data)
