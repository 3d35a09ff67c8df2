"""What the values along a sweep's axis are called, on sheets and in names."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from nst_core.preset_types import Axes

_MOST_WORDS = 2


def label(value: Any) -> str:
    """Return a dial's value in a few words: ``0.5``, ``chroma-after``, ``style relu1_1…relu5_1``.

    Args:
        value: As a recipe's entry has it.
    """
    value = _plain(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return _joined([label(one) for one in value])
    if isinstance(value, dict):
        # Layers of equal weight go by their names.
        is_list = all(share == 1.0 for share in value.values())
        return _joined(list(value) if is_list else [f"{k} {label(v)}" for k, v in value.items()])
    return str(value)


def variant_name(family: str, axes: Axes) -> str:
    """Return what a family's recipe is called: ``tests, style_weight 0.5, chroma-after``.

    Args:
        family: The family's name.
        axes: Where the recipe stands in it.
    """
    return ", ".join([family, *(called(axis, value) for axis, value in axes)])


def called(axis: str, value: str) -> str:
    """Return what a value of an axis is called: by itself where that says what it is of."""
    speaks = value[:1].isalpha() and value not in {"yes", "no"}
    return value if speaks else f"{axis} {value}"


def _joined(words: list[str]) -> str:
    return f"{words[0]}…{words[-1]}" if len(words) > _MOST_WORDS else "+".join(words)


def _plain(value: Any) -> Any:
    """Return a part of a recipe as what it says beside its defaults."""
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    if not dataclasses.is_dataclass(value):
        return value
    fields = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
    said = [f"{field.name} {label(found)}" for field, found in fields if found != field.default]
    return " ".join([*([value.kind] if hasattr(value, "kind") else []), *said])
