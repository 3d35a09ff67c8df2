"""A record's recipe, the way a manifest writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from manifests.locations import escaped
from manifests.recipe_entry import RecipeEntry
from manifests.recipes import recipe_of
from nst_core.errors import RecipeError

if TYPE_CHECKING:
    from nst_core.recipe import Recipe
    from tasks.records import Record


def entry_of(record: Record) -> dict[str, Any]:
    """Return what a manifest says to have a record's recipe again, every parameter of it."""
    entry: dict[str, Any] = _told(record.recipe)
    if "start" in entry:
        entry["init"] = entry.pop("start")
    if "mix" in entry:
        entry["init"] = {"mix": entry.pop("mix")}
    if record.start is not None:
        entry["init"] = {"picture": escaped(record.start.location)}
    written = {name: value for name, value in record.output.items() if name != "background"}
    if frames := written.pop("frames", None):
        entry["frames"] = {"at" if isinstance(frames, list | tuple) else "every": frames}
        if video := written.pop("video", None):
            entry["frames"]["video"] = video
    entry["format"] = {"type": written.pop("format", "png"), **written}
    return entry


def _told(value: Any) -> Any:
    """Return a value without what is None: a manifest leaves out what it does not say."""
    if isinstance(value, Mapping):
        return {key: _told(one) for key, one in value.items() if one is not None}
    return [_told(one) for one in value] if isinstance(value, list | tuple) else value


def recipe_in(record: Record) -> Recipe:
    """Return the recipe that a record tells.

    Raises:
        RecipeError: E-RECIPE-RECORD, it is of another version of this product.
    """
    entry = entry_of(record) | {"format": "png", "frames": None}
    if entry.get("init") == "picture":  # and which, older records do not tell
        entry["init"] = {"picture": "unknown"}
    try:
        # From JSON, where a list may stand for a tuple.
        return recipe_of(RecipeEntry.model_validate_json(json.dumps(entry)))
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
        raise RecipeError(
            f"{record.stem} was painted by a recipe that this version does not know: {fields}",
            code="E-RECIPE-RECORD",
            remedy="paint it again by its manifest",
        ) from error
