"""A style set is added, and nothing else of the manifest changes."""

from __future__ import annotations

import difflib

import pytest

from manifests.adding import with_style_set
from manifests.problems import ManifestError
from manifests.strict_yaml import load

BLOCK = """\
# My night.
collection: show   # its name
output: out
content_sets:
  photos: [photos/*.jpg]
style_sets:
  # The first.
  monet:
    movement: Impressionism

    # All of them.
    images:
      - art/monet/*.jpg
# Recipes follow.
recipes:
  evening: {preset: gallery}
pairings:
  - content: photos
    style:
      - monet   # and more to come
    recipe: evening
  - {content: [photos], recipe: dream}
  - {content: photos, style: [monet], recipe: [evening]}   # again
"""
FLOW = """\
{"collection": "show", "output": "out", "style_sets": {"monet": "art/*.jpg"},
 "pairings": {"content": "photos", "style": "monet"}}
"""
SAME_COLUMN = """\
style_sets:
  monet:
  - art/monet.jpg
  - art/more.jpg

pairings:
- style: 'monet'
  content: photos
"""


def add(text, name="turner", images=("art/turner/",), **options):
    """Add a set to a manifest called show.yaml."""
    return with_style_set(text, name, list(images), name="show.yaml", **options)


def changes(before, after):
    """Return the lines that differ, with their signs."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


def test_only_the_lines_it_needs_are_touched():
    """Comments, blank lines and layout stay; each pairing with styles gets the set."""
    assert changes(BLOCK, add(BLOCK)) == [
        "+   turner: [art/turner/]",
        "+       - turner",
        "-   - {content: photos, style: [monet], recipe: [evening]}   # again",
        "+   - {content: photos, style: [monet, turner], recipe: [evening]}   # again",
    ]


def test_a_chosen_pairing_alone_gets_the_set():
    """Once, and the others go on without it."""
    tree = load(add(BLOCK, pairings=[2, 2]), name="").tree

    assert [pairing.get("style") for pairing in tree["pairings"]] == [
        ["monet"],
        None,
        ["monet", "turner"],
    ]


def test_labels_are_written_with_the_set():
    """The gallery calls it by them."""
    tree = load(add(BLOCK, labels={"movement": "Romanticism"}), name="").tree

    assert tree["style_sets"]["turner"] == {"movement": "Romanticism", "images": ["art/turner/"]}


@pytest.mark.parametrize("text", [FLOW, SAME_COLUMN], ids=["brackets", "items in the key's column"])
def test_other_ways_to_write_it_do_as_well(text):
    """Brackets, quotes, one value in place of a list."""
    tree = load(add(text), name="").tree

    assert list(tree["style_sets"]) == (
        ["turner", "monet"] if text == FLOW else ["monet", "turner"]
    )
    pairings = tree["pairings"]
    pairing = pairings if isinstance(pairings, dict) else pairings[0]
    assert pairing["style"] == ["monet", "turner"]


@pytest.mark.parametrize("name", ["yes", "12", "a: b", "# no", "it's", 'say "x"', "é", "[x]"])
def test_any_name_is_written_so_that_it_is_read(name):
    """A name that YAML would take for something else goes in quotes."""
    assert name in load(add(BLOCK, name=name), name="").tree["style_sets"]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (BLOCK, {"name": "monet"}, "'monet' already; choose another name"),
        (BLOCK, {"pairings": [7]}, "there is no pairing 7"),
        (BLOCK, {"pairings": [1]}, "this pairing names no style sets"),
        ("collection: x\npairings: []\n", {}, "no pairing names style sets"),
        ("pairings: [{style: a}]\n", {}, "there are no style sets yet"),
        ("- a\n", {}, "no mapping"),
    ],
)
def test_what_cannot_be_added_is_told(text, options, said):
    """With its place, and without touching anything."""
    with pytest.raises(ManifestError, match=said):
        add(text, **options)


def test_a_manifest_that_cannot_be_edited_is_left_to_its_owner():
    """A comment where the value should be: the check after the edit refuses the result."""
    odd = "style_sets:\n  monet: [a.jpg]\npairings:\n  - style: # later\n      monet\n"

    with pytest.raises(ManifestError, match="by hand only") as caught:
        add(odd)

    assert [problem.code for problem in caught.value.problems] == ["E-MANIFEST-EDIT"]
