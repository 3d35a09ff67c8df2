"""The text form of what is known of a pair: JSON that ends in a seal over its own bytes.

So a later look can tell a record that was damaged or edited from one that is as it was written.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final, Literal, Self

from pydantic import ValidationError
from pydantic_core import from_json

from manifests.picture_sources import Frozen
from tasks.durable import OutputError

SCHEMA_VERSION: Final = 1
PRODUCT_VERSION = version("nst-gallery")

_NO_SEAL = b"0" * 64
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


class Sealed(Frozen):
    """What has this text form.

    Args:
        schema_version: Of its fields.
        product_version: Of the program that wrote it.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    product_version: str = PRODUCT_VERSION

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


def is_sealed(data: bytes) -> bool:
    """Return whether a record's bytes are all as `encode` wrote them."""
    match = _SEAL.search(data)
    return match is not None and _seal_of(_with_seal(data, _NO_SEAL)) == match[1]


def _seal_of(blank: bytes) -> bytes:
    return hashlib.sha256(blank).hexdigest().encode()


def _with_seal(data: bytes, seal: bytes) -> bytes:
    return _SEAL.sub(b'"seal": "%s"\n}\n' % seal, data)
