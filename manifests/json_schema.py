"""The manifest's JSON schema, from which editors complete, explain and check manifests."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from manifests import recipe_entry, region_entry, schema, sweep_entry
from nst_core import canvases, octaves, optimizers, terms, transforms
from nst_core.networks import NETWORKS
from nst_core.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator

_DRAFT = "http://json-schema.org/draft-07/schema#"
_ARGUMENT = re.compile(r"^    (\w+): (.+?)(?=^    \w+: |\Z)", re.MULTILINE | re.DOTALL)

_EXAMPLES: dict[str, dict[str, list[Any]]] = {
    "Manifest": {
        "collection": ["spring-show"],
        "output": ["out", "s3://bucket/spring-show"],
        "finish_by": ["07:00", "07:00 Europe/Berlin"],
        "background": ["white", "#f4efe6"],
    },
    "Image": {"image": ["photos/*.jpg", "art/monet/", "s3://bucket/art/*.png"]},
    "Pairing": {"exclude": [["*/portrait-07*", "dog--scream"]]},
    "RecipeFamily": {"size": [512, 1024, 2048], "steps": [300, [60, 50]]},
}


def manifest_schema() -> dict[str, Any]:
    """Return the schema: draft 7, which every editor knows, with a description of every key."""
    described = schema.Manifest.model_json_schema(ref_template="#/definitions/{model}")
    definitions = described.pop("$defs")
    root: dict[str, Any] = {"$schema": _DRAFT, "title": "nst-gallery manifest"}
    definitions = {name: _plain(node) for name, node in definitions.items()}
    whole: dict[str, Any] = (
        root | _plain(described) | {"title": root["title"], "definitions": definitions}
    )
    for name, node in [("Manifest", whole), *definitions.items()]:
        _describe(name, node)
    _name_the_choices(definitions["RecipeFamily"]["properties"])
    return whole


def text() -> str:
    """Return the schema as the file ``manifest.schema.json`` has it."""
    return json.dumps(manifest_schema(), indent=1, ensure_ascii=False) + "\n"


def _plain(node: Any) -> Any:
    """Return a schema in draft 7, without what only pydantic or OpenAPI reads."""
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, dict):
        return node
    node = {key: _plain(value) for key, value in node.items() if not _is_noise(key, value)}
    if "prefixItems" in node:
        node["items"] = node.pop("prefixItems")
    # No key of a manifest may be left empty, so None is never written.
    if "anyOf" in node:
        node["anyOf"] = [one for one in node["anyOf"] if one != {"type": "null"}]
        if len(node["anyOf"]) == 1:
            (only,) = node.pop("anyOf")
            return only | node
    return node


def _is_noise(key: str, value: Any) -> bool:
    return (
        (key == "title" and isinstance(value, str))
        or key == "discriminator"
        or (key == "default" and (value is None or value == {}))
    )


def _describe(name: str, node: dict[str, Any]) -> None:
    """Give a model's schema and its keys the words of the class's docstring."""
    model = _classes()[name]
    summary, arguments = _docstring(model)
    node["description"] = summary
    for key, value in node.get("properties", {}).items():
        if key in arguments:
            value["description"] = arguments[key]
        if examples := _EXAMPLES.get(name, {}).get(key):
            value["examples"] = examples
    # Only with its kind is a part told from its siblings.
    if "kind" in node.get("properties", {}) and name != "Pixels":
        node["required"] = ["kind", *node.get("required", [])]


def _name_the_choices(entry: dict[str, Any]) -> None:
    """Say what each preset and network is."""
    for key, titles in (
        ("preset", {name: preset.summary for name, preset in PRESETS.items()}),
        ("network", {name: network.title for name, network in NETWORKS.items()}),
    ):
        entry[key]["enumDescriptions"] = [titles[name] for name in entry[key]["enum"]]


def _classes() -> dict[str, type]:
    """Return the classes that the schema speaks of, by name."""
    entries = (schema, recipe_entry, region_entry, sweep_entry)
    modules = (*entries, canvases, octaves, optimizers, terms, transforms)
    return {
        name: found
        for module in modules
        for name, found in vars(module).items()
        if isinstance(found, type)
        and (issubclass(found, BaseModel) or dataclasses.is_dataclass(found))
    }


def _docstring(model: type) -> tuple[str, dict[str, str]]:
    """Return a class's first line, and the meaning of its fields, inherited ones included."""
    arguments: dict[str, str] = {}
    for one in reversed(model.__mro__):
        summary, _, block = (one.__doc__ or "").replace("``", "").partition("    Args:\n")
        arguments |= _arguments(block.partition("\n\n")[0])
    return summary.strip().partition("\n")[0], arguments


def _arguments(block: str) -> Iterator[tuple[str, str]]:
    """Yield name and meaning of every entry of an ``Args:`` block."""
    outdented = re.sub(r"^    ", "", block, flags=re.MULTILINE)
    for name, meaning in _ARGUMENT.findall(outdented):
        yield name, " ".join(meaning.split())
