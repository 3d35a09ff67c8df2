"""The JSON schema: fresh, complete, and of one mind with the reader."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import manifests
from manifests.json_schema import manifest_schema, text
from manifests.strict_yaml import load
from nst_core.networks import NETWORKS
from nst_core.presets import PRESETS

ROOM = Path(manifests.__file__).parent
VALIDATOR = jsonschema.Draft7Validator(manifest_schema())


def test_the_file_is_fresh():
    """`nst schema > manifests/manifest.schema.json` makes it so."""
    assert (ROOM / "manifest.schema.json").read_text() == text()


def test_it_is_a_sound_schema_of_draft_7():
    """The draft that every editor knows."""
    jsonschema.Draft7Validator.check_schema(manifest_schema())


def objects(node):
    """Yield every mapping with keys in a schema."""
    if isinstance(node, dict):
        if "properties" in node:
            yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


def test_every_key_is_described():
    """An editor explains what the cursor is on, except for kinds, which explain themselves."""
    nameless = [
        key
        for node in objects(manifest_schema())
        for key, value in node["properties"].items()
        if "description" not in value and key != "kind"
    ]

    assert nameless == []
    assert all(node["description"] for node in objects(manifest_schema()))


def test_no_mapping_takes_unknown_keys():
    """What the reader refuses, the editor underlines."""
    assert all(node["additionalProperties"] is False for node in objects(manifest_schema()))


def test_presets_and_networks_are_offered_and_explained():
    """An editor completes them."""
    entry = manifest_schema()["definitions"]["RecipeFamily"]["properties"]

    assert entry["preset"]["enum"] == list(PRESETS)
    assert entry["preset"]["enumDescriptions"] == [preset.summary for preset in PRESETS.values()]
    assert entry["network"]["enum"] == list(NETWORKS)


def test_nothing_may_be_null():
    """A key without a value is refused, so none is offered."""
    assert '"null"' not in text()
    assert '"default": null' not in text()


@pytest.mark.parametrize("path", sorted(ROOM.glob("examples/*.yaml")), ids=lambda path: path.name)
def test_the_examples_fit(path):
    """What the reader takes, the editor takes."""
    VALIDATOR.validate(load(path.read_bytes(), name=path.name).tree)


BASE = "{collection: show, output: out, pairings: [{content: a, style: b}]"


@pytest.mark.parametrize(
    "more",
    [
        "content_sets: {a: x.jpg, b: [x.jpg, {image: y.jpg}], c: {images: [x.jpg], subject: s}}",
        "style_sets: {a: {images: [{image: y.jpg, weight: 2}], blend: true, technique: t}}",
        "recipes: {a: {steps: 3, format: jpeg, init: {picture: x.jpg}, optimizer: adam}}",
        "recipes: {a: {steps: [3, 4], format: {type: tiff, bits: 16}, init: noise}}",
        "recipes: {a: {layers: {style: [relu1_1], content: {relu4_2: 1}}}}",
        "recipes: {a: {optimizer: {kind: adam, betas: [0.9, 0.99]}, octaves: {steps: [3]}}}",
        "recipes: {a: {terms: [{kind: gram, layer: relu1_1}, {kind: gamut}], canvas: {}}}",
    ],
)
def test_every_form_fits(more):
    """Short forms and long ones."""
    VALIDATOR.validate(load(f"{BASE}, {more}}}", name="m.yaml").tree)


@pytest.mark.parametrize(
    "more",
    [
        "content_set: {}",
        "content_sets: {a: 3}",
        "content_sets: {a: {image: x.jpg}}",
        "style_sets: {a: {images: [x.jpg], movment: m}}",
        "style_sets: {a: {images: [{image: x.jpg, weight: 0}], blend: true}}",
        "recipes: {a: {preset: galery}}",
        "recipes: {a: {steps: often}}",
        "recipes: {a: {format: gif}}",
        "recipes: {a: {optimizer: {history: 3}}}",
        "recipes: {a: {optimizer: {kind: adam, betas: 3}}}",
        "recipes: {a: {terms: [{layer: relu1_1}]}}",
        "recipes: {a: {terms: [{kind: gram, layer: relu1_1, wight: 1}]}}",
        "draft: yes",
    ],
)
def test_mistakes_do_not_fit(more):
    """An editor underlines them."""
    assert list(VALIDATOR.iter_errors(load(f"{BASE}, {more}}}", name="m.yaml").tree))


def test_it_is_json():
    """With a last line break, as files have."""
    assert json.loads(text()) == manifest_schema()
    assert text().endswith("}\n")
