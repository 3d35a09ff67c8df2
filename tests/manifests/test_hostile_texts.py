"""Whatever a text holds: what is wrong is told, fit to print, without secrets or tracebacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import manifests
from manifests.schema import Manifest
from manifests.sweep_entry import RecipeFamily
from tests.manifests.small_manifest import BASE, complaints


@pytest.mark.parametrize(
    "place", ["output: ", "content_sets: {a: [x, ", "recipes: {a: {init: {picture: "]
)
@pytest.mark.parametrize(
    "address", ["https://u:CANARY@h/x", "s3://AKIA:CANARY@b/x", "s3://b/x?X-Amz-Signature=CANARY"]
)
def test_a_secret_in_an_address_is_not_repeated(place, address):
    """What makes an address wrong may be a password."""
    closing = "]}" if "[" in place else "}}}" if "{" in place else ""
    lines = complaints(f"collection: show\n{place}'{address}'{closing}\n")

    assert "E-MANIFEST-LOCATION" in "".join(lines)
    assert "CANARY" not in "".join(lines)


def test_long_and_unprintable_values_are_told_in_short():
    """A message is one line of a terminal, whatever the manifest holds."""
    (line,) = complaints(BASE + f"finish_by: {'ü' * 500}\n")

    assert len(line) < 200
    assert "ü" * 59 + "…" in line


EXAMPLES = [
    path.read_text() for path in sorted(Path(manifests.__file__).parent.glob("examples/*.yaml"))
]
PIECES = [
    *(
        "&a ",
        "*a",
        "!!x ",
        "!",
        "%",
        "@",
        "\t",
        "\0",
        "\x1b",
        "---\n",
        "...",
        "? ",
        ": ",
        "- ",
        "|",
        ">",
    ),
    *(
        "[",
        "]",
        "{",
        "}",
        "#",
        "'",
        '"',
        "\\",
        "\n",
        "\r",
        "~",
        "null",
        ".nan",
        "1e999",
        "<<: ",
        "\ufeff",
    ),
    *(
        "\ud800",
        "-1",
        "0",
        "1e-3",
        "true",
        "no",
        "s3://",
        "é",
        "{kind: gram}",
        "*.jpg",
        "size: 3",
        "   ",
    ),
]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_happens_to_a_text_nothing_but_a_manifest_error_comes_of_it(data):
    """Examples are cut, doubled and sprinkled with everything that means something in YAML."""
    text = data.draw(st.sampled_from(EXAMPLES))
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 30)))
        text = (
            text[:start] + data.draw(st.sampled_from([*PIECES, text[start:end] * 2])) + text[end:]
        )

    assert all(line.startswith("ERROR E-") for line in complaints(text))


VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
        st.sampled_from(["gallery", "faces", "monet", "relu1_1", "vgg16", "adam", "noise", "png"]),
        st.sampled_from([{"kind": "gram", "layer": "relu1_1"}, {"kind": "adam"}, {"picture": "x"}]),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *RecipeFamily.model_fields,
                    *Manifest.model_fields,
                    "images",
                    "image",
                    "content",
                    "style",
                    "recipe",
                    "kind",
                    "weight",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(Manifest.model_fields, VALUES)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(RecipeFamily.model_fields, VALUES)),
)
def test_whatever_a_tree_holds_nothing_but_a_manifest_error_comes_of_it(tree, recipe):
    """Values of every type stand where others are expected."""
    tree = {"content_sets": {"faces": "a"}, "style_sets": {"monet": "b"}, **tree}
    tree.setdefault("recipes", {"gallery": recipe})
    tree.setdefault("pairings", [{"content": "faces", "style": "monet"}])

    lines = complaints(json.dumps(tree, ensure_ascii=False))

    assert all(line.startswith("ERROR E-") for line in lines)
