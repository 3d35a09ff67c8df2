"""From pydantic's errors to problems that a person can mend.

What would be right is looked up in the JSON schema, which knows the keys and types of every place.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from manifests.json_schema import manifest_schema
from manifests.problems import described, quoted
from nst_core.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from manifests.documents import Document
    from manifests.problems import Path, Problem

_WRONG_TYPE = frozenset(
    {"string_type", "int_type", "float_type", "bool_type"}
    | {"tuple_type", "dict_type", "model_type", "dataclass_type"}
)
_EMPTY = frozenset({"too_short", "string_too_short"})
_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_RANGES = {
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
}
_QUOTED = re.compile(r"'([^']*)'")


def explain(error: ValidationError, document: Document) -> Iterator[Problem]:
    """Yield a problem for each of pydantic's errors.

    Args:
        error: What pydantic says to the document's tree.
        document: Knows the places.
    """
    for details in error.errors(include_url=False, include_input=False):
        tag = ("kind",) if details["type"] == "union_tag_invalid" else ()
        path, value = document.find((*details["loc"], *tag))
        # Of a list with wrong entries pydantic also says that it is too short.
        if details["type"] != "too_short" or not value:
            code, message = _told(details, path, value)
            yield document.problem(code, path, message)


def _told(  # noqa: PLR0911  one return for each sort of error
    details: ErrorDetails, path: Path, value: Any
) -> tuple[str, str]:
    """Return a problem's code and message."""
    kind, context = details["type"], details.get("ctx", {})
    if kind.startswith("E-"):
        return kind, details["msg"]
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        known = _known_keys(details["loc"][:-1])
        hint = did_you_mean(str(path[-1]), known) or f"; known here: {', '.join(known)}"
        return "E-MANIFEST-UNKNOWN", f"there is no {quoted(str(path[-1]))}{hint}"
    if kind == "missing":
        return "E-MANIFEST-MISSING", f"{quoted(str(path[-1]))} is missing"
    if kind == "union_tag_not_found":
        kinds = ", ".join(_kinds(details["loc"]))
        return "E-MANIFEST-MISSING", f"'kind' is missing: one of {kinds}"
    if kind in {"literal_error", "union_tag_invalid"}:
        known = _QUOTED.findall(str(context.get("expected_tags") or context["expected"]))
        given = str(context.get("tag", value))
        choices = ", ".join(known) or context["expected"]
        hint = did_you_mean(given, known) if isinstance(given, str) else ""
        return "E-MANIFEST-CHOICE", f"must be one of {choices}, not {described(value)}{hint}"
    if kind in _WRONG_TYPE:
        return "E-MANIFEST-TYPE", _wrong_type(details["loc"], value)
    if kind in _RANGES:
        wanted = _RANGES[kind].format(**context)
        return "E-MANIFEST-RANGE", f"must be {wanted}, not {described(value)}"
    if kind in _EMPTY:
        return "E-MANIFEST-VALUE", "is empty; give it something, or leave it out"
    if kind in {"too_long", "string_too_long"}:
        things = "entries" if kind == "too_long" else "characters"
        return "E-MANIFEST-VALUE", f"has more than {context['max_length']} {things}"
    return "E-MANIFEST-VALUE", details["msg"][0].lower() + details["msg"][1:]


def _wrong_type(loc: Path, value: Any) -> str:
    nodes = _nodes(loc)
    wanted = dict.fromkeys(_TYPES[node["type"]] for node in nodes if "type" in node)
    message = f"must be {' or '.join(wanted)}, not {described(value)}"
    is_free_text = any(node.get("type") == "string" and "enum" not in node for node in nodes)
    if is_free_text and isinstance(value, bool | int | float):
        return f"{message}; put it in quotes"
    return message


def _kinds(loc: Path) -> list[str]:
    """Return the kinds that a part of a recipe may have."""
    return [
        node["properties"]["kind"]["const"]
        for node in _nodes(loc)
        if "kind" in node.get("properties", {})
    ]


def _known_keys(loc: Path) -> list[str]:
    """Return the keys that a mapping may have."""
    return list(dict.fromkeys(key for node in _nodes(loc) for key in node.get("properties", {})))


def _nodes(loc: Path) -> list[dict[str, Any]]:
    """Return what the JSON schema says of the value at one of pydantic's paths."""
    nodes = _alternatives(_schema())
    for step in loc:
        below = [child for node in nodes for child in _children(node, step)]
        # A step without children is the tag of a union: it picks one of the alternatives.
        nodes = below or [node for node in nodes if _is_kind(node, step)] or nodes
    return nodes


def _children(node: dict[str, Any], step: str | int) -> list[dict[str, Any]]:
    if isinstance(step, int):
        found = node.get("items")
    else:
        found = node.get("properties", {}).get(step) or node.get("additionalProperties")
    return _alternatives(found) if isinstance(found, dict) else []


def _is_kind(node: dict[str, Any], step: str | int) -> bool:
    return bool(node.get("properties", {}).get("kind", {}).get("const") == step)


def _alternatives(node: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the plain schemas that a schema refers to or offers."""
    if "$ref" in node:
        return _alternatives(_schema()["definitions"][node["$ref"].rpartition("/")[2]])
    offered = node.get("anyOf") or node.get("oneOf")
    if offered:
        return [plain for one in offered for plain in _alternatives(one)]
    return [node]


@cache
def _schema() -> dict[str, Any]:
    return manifest_schema()
