"""From a text to a manifest, or to everything that is wrong with it: where, what, what is right."""

# ruff: noqa: E501  messages stand in one line, as people see them

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import manifests
from manifests.problems import MAX_PROBLEMS, ManifestError
from manifests.reader import parse, read
from manifests.schema import Manifest
from manifests.sweep_entry import RecipeFamily
from nst_core.optimizers import Optimizer
from nst_core.terms import Term

BASE = """\
collection: show
output: out
content_sets: {faces: [a.jpg]}
style_sets: {monet: [b.jpg]}
pairings: [{content: faces, style: monet}]
"""


def kinds(union):
    """Return the kinds of a union's parts, as messages list them."""
    return ", ".join(part.kind for part in get_args(union))


def made(text, *overrides):
    return parse(text, name="m.yaml", folder="/shows", overrides=overrides)


def complaints(text, *overrides):
    """Return every line that is said about a manifest."""
    try:
        made(text, *overrides)
    except ManifestError as error:
        return [str(problem) for problem in error.problems]
    return []


def based(**entries):
    """Return a small sound manifest with some of its lines replaced; None leaves one out."""
    lines = {line.partition(":")[0]: line.partition(": ")[2] for line in BASE.splitlines()}
    lines |= entries
    return "".join(f"{key}: {value}\n" for key, value in lines.items() if value is not None)


def test_the_smallest_manifest_is_sound():
    """Nobody has to name a recipe: the gallery preset is used."""
    manifest = made(BASE)

    assert manifest.pairings[0].recipe == ("gallery",)
    assert manifest.recipe("gallery") == RecipeFamily(preset="gallery")


WRONG = [
    # the manifest as a whole
    ("", "E-MANIFEST-TYPE m.yaml:1:1: the manifest is empty"),
    (
        "- a",
        "E-MANIFEST-TYPE m.yaml:1:1: the manifest is no mapping; it starts with collection: NAME",
    ),
    (based(output=None), "E-MANIFEST-MISSING m.yaml:1:1 output: 'output' is missing"),
    (
        BASE + "recipies: {}",
        "E-MANIFEST-UNKNOWN m.yaml:6:1 recipies: there is no 'recipies'; did you mean 'recipes'?",
    ),
    (
        BASE + "zzz: 1",
        "E-MANIFEST-UNKNOWN m.yaml:6:1 zzz: there is no 'zzz'; known here: collection, output,"
        " background, content_sets, style_sets, recipes, pairings, finish_by, draft",
    ),
    (
        BASE + "draft: yes",
        "E-MANIFEST-TYPE m.yaml:6:1 draft: must be true or false, not the text 'yes'",
    ),
    # texts
    (
        based(collection="2024"),
        "E-MANIFEST-TYPE m.yaml:1:1 collection: must be a text, not the number 2024; put it in quotes",
    ),
    (
        based(collection="Spring Show"),
        "E-MANIFEST-COLLECTION m.yaml:1:1 collection: names a folder: letters, digits, - and _, for"
        " example 'spring-show'",
    ),
    (
        based(collection="../up"),
        "E-MANIFEST-COLLECTION m.yaml:1:1 collection: names a folder: letters, digits, - and _, for"
        " example 'up'",
    ),
    (
        based(collection="Failed"),
        "E-MANIFEST-COLLECTION m.yaml:1:1 collection: names a folder: letters, digits, - and _, for"
        " example 'failed-pictures'",
    ),
    (
        based(collection="con"),
        "E-MANIFEST-COLLECTION m.yaml:1:1 collection: names a folder: letters, digits, - and _, for"
        " example 'con-img'",
    ),
    (
        BASE + "background: whit",
        "E-MANIFEST-COLOR m.yaml:6:1 background: 'whit' is no colour; did you mean 'white'?",
    ),
    (
        BASE + "background: '#12345'",
        "E-MANIFEST-COLOR m.yaml:6:1 background: '#12345' is no colour; write a name such as white, or"
        " #rrggbb",
    ),
    (
        BASE + "finish_by: 25:00",
        "E-MANIFEST-TIME m.yaml:6:1 finish_by: '25:00' is no time of day; write 07:00 or 07:00"
        " Europe/Berlin",
    ),
    (
        BASE + "finish_by: 07:00 Europe/Berln",
        "E-MANIFEST-TIME m.yaml:6:1 finish_by: there is no time zone 'Europe/Berln'; did you mean"
        " 'Europe/Berlin'?",
    ),
    # locations
    (
        based(output="http://user:secret@host/x"),
        "E-MANIFEST-LOCATION m.yaml:2:1 output: neither a path nor s3://bucket/key; copy the pictures to"
        " one of these",
    ),
    (
        based(output="s3://key:secret@bucket/x"),
        "E-MANIFEST-LOCATION m.yaml:2:1 output: s3:// is followed by the name of a bucket; access keys"
        " belong in a profile",
    ),
    (
        based(content_sets="{faces: ['C:\\faces\\*.jpg']}"),
        "E-MANIFEST-LOCATION m.yaml:3:24 content_sets.faces.0: write a path with /, as in"
        " photos/faces/*.jpg",
    ),
    # sets
    (
        based(content_sets="{faces: [a.jpg, 3]}"),
        "E-MANIFEST-TYPE m.yaml:3:31 content_sets.faces.1: must be a text or a mapping, not the number 3;"
        " put it in quotes",
    ),
    (
        based(content_sets="{faces: []}"),
        "E-MANIFEST-VALUE m.yaml:3:16 content_sets.faces: is empty; give it something, or leave it out",
    ),
    (
        based(content_sets="[faces]"),
        "E-MANIFEST-TYPE m.yaml:3:1 content_sets: must be a mapping, not a list",
    ),
    (
        based(content_sets="{faces: {images: [{image: a.jpg, credits: me}]}}"),
        "E-MANIFEST-UNKNOWN m.yaml:3:48 content_sets.faces.images.0.credits: there is no 'credits'; did"
        " you mean 'credit'?",
    ),
    (
        based(content_sets=f"{{faces: {{images: a.jpg, credit: {'x' * 1001}}}}}"),
        "E-MANIFEST-VALUE m.yaml:3:39 content_sets.faces.credit: has more than 1000 characters",
    ),
    (
        based(style_sets="{monet: {images: [{image: b.jpg, weight: 2}]}}"),
        "E-MANIFEST-WEIGHT m.yaml:4:14 style_sets.monet: only the pictures of a blend have weights; add"
        " blend: true",
    ),
    (
        based(style_sets="{monet: {images: [{image: b.jpg, weight: 0}], blend: true}}"),
        "E-MANIFEST-RANGE m.yaml:4:46 style_sets.monet.images.0.weight: must be more than 0, not the"
        " number 0",
    ),
    (
        BASE + "recipes: {" + "".join(f"a{i}: {{}}, " for i in range(501)) + "}",
        "E-MANIFEST-VALUE m.yaml:6:1 recipes: has more than 500 entries",
    ),
    # recipes: what they say
    (
        BASE + "recipes: {a: {preset: galery}}",
        "E-RECIPE-PRESET m.yaml:6:15 recipes.a.preset: no preset 'galery'; did you mean 'gallery'?",
    ),
    (
        BASE + "recipes: {a: {network: vgg-19}}",
        "E-RECIPE-NETWORK m.yaml:6:15 recipes.a.network: no network 'vgg-19'; did you mean 'vgg19'?",
    ),
    (
        BASE + "recipes: {a: {stylewight: 3}}",
        "E-MANIFEST-UNKNOWN m.yaml:6:15 recipes.a.stylewight: there is no 'stylewight'; did you mean"
        " 'style_weight'?",
    ),
    (
        BASE + "recipes: {a: {size: 512.5}}",
        "E-MANIFEST-TYPE m.yaml:6:15 recipes.a.size: must be a whole number, not the number 512.5",
    ),
    (
        BASE + "recipes: {a: {size: '512'}}",
        "E-MANIFEST-TYPE m.yaml:6:15 recipes.a.size: must be a whole number, not the text '512'",
    ),
    (
        BASE + "recipes: {a: {size: true}}",
        "E-MANIFEST-TYPE m.yaml:6:15 recipes.a.size: must be a whole number, not true",
    ),
    (
        BASE + "recipes: {a: {steps: {coarse: 1}}}",
        "E-MANIFEST-TYPE m.yaml:6:15 recipes.a.steps: must be a whole number, not a mapping",
    ),
    (
        BASE + "recipes: {a: {color: content}}",
        "E-MANIFEST-CHOICE m.yaml:6:15 recipes.a.color: must be one of style, match-content,"
        " match-content-pca, match-content-cholesky, keep-luminance, chroma-after, palette, full-contrast, not the text 'content'; did you mean 'match-content'?",
    ),
    (
        BASE + "recipes: {a: {optimizer: adm}}",
        "E-MANIFEST-CHOICE m.yaml:6:15 recipes.a.optimizer: must be one of lbfgs, adam, not the text"
        " 'adm'; did you mean 'adam'?",
    ),
    (
        BASE + "recipes: {a: {optimizer: {kind: sgd}}}",
        "E-MANIFEST-CHOICE m.yaml:6:27 recipes.a.optimizer.kind: must be one of "
        f"{kinds(Optimizer)}, not the text 'sgd'",
    ),
    (
        BASE + "recipes: {a: {optimizer: {kind: adam, rat: 1}}}",
        "E-MANIFEST-UNKNOWN m.yaml:6:39 recipes.a.optimizer.rat: there is no 'rat'; did you mean 'rate'?",
    ),
    (
        BASE + "recipes: {a: {terms: [{kind: gram, layer: relu1_1, weigth: 2}]}}",
        "E-MANIFEST-UNKNOWN m.yaml:6:52 recipes.a.terms.0.weigth: there is no 'weigth'; did you mean"
        " 'weight'?",
    ),
    (
        BASE + "recipes: {a: {terms: [{kind: gram}]}}",
        "E-MANIFEST-MISSING m.yaml:6:23 recipes.a.terms.0.layer: 'layer' is missing",
    ),
    (
        BASE + "recipes: {a: {terms: [{layer: relu1_1}]}}",
        "E-MANIFEST-MISSING m.yaml:6:23 recipes.a.terms.0: 'kind' is missing: one of "
        f"{kinds(Term)}",
    ),
    (
        BASE + "recipes: {a: {octaves: {step: 3}}}",
        "E-MANIFEST-UNKNOWN m.yaml:6:25 recipes.a.octaves.step: there is no 'step'; did you mean"
        " 'steps'?",
    ),
    (
        BASE + "recipes: {a: {layers: {style: {relu1_1: -1}}}}",
        "E-MANIFEST-RANGE m.yaml:6:32 recipes.a.layers.style.relu1_1: must be at least 0, not the number"
        " -1",
    ),
    (
        BASE + "recipes: {a: {init: {picture: '*.jpg'}}}",
        "E-MANIFEST-LOCATION m.yaml:6:22 recipes.a.init.picture: one picture, not a pattern",
    ),
    (
        BASE + "recipes: {a: {frames: {every: 0}}}",
        "E-MANIFEST-RANGE m.yaml:6:24 recipes.a.frames.every: must be at least 1, not the number 0",
    ),
    (
        BASE + "recipes: {a: {format: gif}}",
        "E-MANIFEST-CHOICE m.yaml:6:15 recipes.a.format: must be one of png, jpeg, webp, tiff, not the"
        " text 'gif'",
    ),
    (
        BASE + "recipes: {a: {format: {type: jpeg, quality: 101}}}",
        "E-MANIFEST-RANGE m.yaml:6:36 recipes.a.format.quality: must be at most 100, not the number 101",
    ),
    (
        BASE + "recipes: {a: {format: {type: webp, bits: 16}}}",
        "E-MANIFEST-FORMAT m.yaml:6:15 recipes.a.format: webp has 8 bits; png and tiff can have 16",
    ),
    (
        BASE + "recipes: {a: {format: {quality: 90}}}",
        "E-MANIFEST-FORMAT m.yaml:6:15 recipes.a.format: png loses nothing and has no quality",
    ),
    (
        BASE + "recipes: {a: {format: {bits: 12}}}",
        "E-MANIFEST-CHOICE m.yaml:6:24 recipes.a.format.bits: must be one of 8 or 16, not the number 12",
    ),
    # recipes: whether they can be painted
    (
        BASE + "recipes: {a: {size: 8}}",
        "E-RECIPE-RANGE m.yaml:6:15 recipes.a.size: size is 8; it must lie between 16 and 32768",
    ),
    (
        BASE
        + "recipes: {a: {terms: [{kind: gram, layer: relu1_1}, {kind: gram, layer: relu1_9}]}}",
        "E-RECIPE-LAYER m.yaml:6:53 recipes.a.terms.1: vgg19 has no layer 'relu1_9'; did you mean"
        " 'relu1_2'?",
    ),
    (
        BASE + "recipes: {a: {layers: {style: [relu1_1, relu9]}}}",
        "E-RECIPE-LAYER m.yaml:6:24 recipes.a.layers.style.relu9: vgg19-normalized has no layer"
        " 'relu9'; did you mean 'relu5_4'?",
    ),
    (
        BASE + "recipes: {a: {terms: [{kind: gram, layer: relu1_1, weight: 0}]}}",
        "E-RECIPE m.yaml:6:11 recipes.a: terms are empty; a recipe needs at least one with a weight",
    ),
    (
        BASE + "recipes: {a: {layers: {style: {relu1_1: 0}}}}",
        "E-RECIPE m.yaml:6:11 recipes.a: the weights of the style layers add up to 0",
    ),
    # pairings
    (
        based(pairings="[]"),
        "E-MANIFEST-VALUE m.yaml:5:1 pairings: is empty; give it something, or leave it out",
    ),
    (
        based(pairings="[{content: faecs, style: monet}]"),
        "E-MANIFEST-NAME m.yaml:5:13 pairings.0.content: no content set 'faecs'; did you mean 'faces'?",
    ),
    (
        based(pairings="[{content: faces, style: [monet, klee]}]"),
        "E-MANIFEST-NAME m.yaml:5:44 pairings.0.style.1: no style set 'klee'; this manifest has monet",
    ),
    (
        based(style_sets=None),
        "E-MANIFEST-NAME m.yaml:4:29 pairings.0.style: no style set 'monet'; this manifest has none; add"
        " it to style_sets",
    ),
    (
        based(pairings="[{content: faces, style: monet, recipe: galery}]"),
        "E-MANIFEST-NAME m.yaml:5:43 pairings.0.recipe: no recipe 'galery'; did you mean 'gallery'?",
    ),
    (
        based(pairings="[{content: faces, guide: monnet, recipe: guided-match}]"),
        "E-MANIFEST-NAME m.yaml:5:29 pairings.0.guide: no style set 'monnet'; did you mean 'monet'?",
    ),
    (
        based(pairings="[{content: faces, guide: monet, recipe: dream-vgg}]"),
        "E-MANIFEST-READS m.yaml:5:29 pairings.0.guide: recipe 'dream-vgg' reads no style picture; leave"
        " guide out",
    ),
    (
        based(pairings="[{content: faces, style: monet, guide: monet}]"),
        "E-MANIFEST-GUIDE m.yaml:5:12 pairings.0: a guide takes the style's place; give one of the two",
    ),
    (
        based(pairings="{content: faces}"),
        "E-MANIFEST-READS m.yaml:5:1 pairings: recipe 'gallery' reads a style picture; add style: with"
        " names of sets",
    ),
    (
        based(pairings="[{style: monet, recipe: [crowson, crowson]}]"),
        "E-MANIFEST-READS m.yaml:5:12 pairings.0: recipe 'crowson' reads a content picture; add content:"
        " with names of sets",
    ),
    (
        BASE.replace("monet}", "monet, recipe: a}")
        + "recipes: {a: {init: noise, terms: [{kind: gram, layer: relu1_1}]}}",
        "E-MANIFEST-READS m.yaml:5:13 pairings.0.content: recipe 'a' reads no content picture; leave"
        " content out",
    ),
    (
        based(pairings="[{content: faces, style: monet, priority: 1.5}]"),
        "E-MANIFEST-TYPE m.yaml:5:43 pairings.0.priority: must be a whole number, not the number 1.5",
    ),
]


@pytest.mark.parametrize(("text", "line"), WRONG, ids=range(len(WRONG)))
def test_each_mistake_says_where_what_and_what_would_be_right(text, line):
    """One mistake in a sound manifest is one line; an empty manifest lacks more."""
    assert f"ERROR {line}" in complaints(text)
    assert len(complaints(text)) == 1


SETTINGS = [
    (
        "recipe.evening.size",
        "E-MANIFEST-SET --set recipe.evening.size: 'recipe.evening.size' is not like recipe.NAME.field=value",
    ),
    (
        "recipe..size=1",
        "E-MANIFEST-SET --set recipe..size: 'recipe..size=1' is not like recipe.NAME.field=value",
    ),
    (
        "recipe.evning.size=256",
        "E-MANIFEST-SET --set recipe.evning.size: the manifest has no 'evning' there; did you mean"
        " 'evening'?",
    ),
    ("recipe.evening.size=", "E-MANIFEST-SET --set recipe.evening.size: has no value; give it one"),
    (
        "recipe.evening.seed=.inf",
        "E-YAML-NUMBER --set recipe.evening.seed: .inf is not a finite number",
    ),
    (
        "recipe.evening.steps=[1",
        "E-YAML-SYNTAX --set recipe.evening.steps: while parsing a flow sequence: did not find expected"
        " ',' or ']'; a bracket is not closed, or a comma is missing",
    ),
    (
        "recipe.evening.size=9",
        "E-RECIPE-RANGE --set recipes.evening.size: size is 9; it must lie between 16 and 32768",
    ),
    (
        "recipe.evening.siez=256",
        "E-MANIFEST-UNKNOWN --set recipes.evening.siez: there is no 'siez'; did you mean 'size'?",
    ),
    (
        "recipe.evening.size.x=256",
        "E-MANIFEST-SET --set recipe.evening.size.x: the manifest has no 'x' there",
    ),
    (
        "pairings.1.style=monet",
        "E-MANIFEST-SET --set pairings.1.style: the manifest has no '1' there",
    ),
    ("drft=true", "E-MANIFEST-UNKNOWN --set drft: there is no 'drft'; did you mean 'draft'?"),
]


@pytest.mark.parametrize(("setting", "line"), SETTINGS, ids=range(len(SETTINGS)))
def test_a_wrong_setting_of_the_command_line_is_told_with_its_path(setting, line):
    """A value that is no part of the file has no line in it."""
    text = BASE + "recipes: {evening: {size: 512}}\n"

    assert [f"ERROR {line}"] == complaints(text, setting)


def test_a_setting_takes_the_place_of_what_the_manifest_says():
    """Numbers, lists and texts are read as in a manifest."""
    text = BASE + "recipes: {evening: {size: 512}}\n"
    settings = ("recipe.evening.size=256", "recipes.evening.steps=[60, 50]", "draft=true")
    manifest = made(text, *settings, "pairings.0.recipe=evening")

    assert manifest.recipe("evening").size == 256
    assert manifest.recipe("evening").steps == (60, 50)
    assert manifest.draft
    assert manifest.pairings[0].recipe == ("evening",)


def test_a_setting_mends_what_is_wrong_in_the_file():
    """What is replaced is no problem any more."""
    assert complaints(based(output="ftp://x"), "output=out") == []


def test_a_preset_that_is_used_as_it_is_can_be_set_too():
    """Nobody has to write a recipe only to turn one dial for one night."""
    assert made(BASE, "recipe.gallery.size=256").recipe("gallery").size == 256


def test_a_setting_needs_a_manifest_whose_recipes_are_a_mapping():
    """A broken manifest stays a broken manifest."""
    lines = complaints(BASE + "recipes: 3", "recipe.gallery.size=256")

    assert lines == [
        "ERROR E-MANIFEST-SET --set recipe.gallery.size: the manifest has no 'gallery' there",
        "ERROR E-MANIFEST-TYPE m.yaml:6:1 recipes: must be a mapping, not the number 3",
    ]


def test_all_problems_come_at_once_and_in_order():
    """YAML, types, recipes and names are checked in one go."""
    text = """\
collection: show
collection: show
output: out
draft: maybe
content_sets: {faces: [a.jpg]}
style_sets: {monet: [b.jpg]}
recipes:
  a: {size: 3, color: red, seed: -1}
  b: {seed: .nan}
pairings:
  - {content: face, style: monet, recipe: c}
"""
    places = [line.split()[1:4:1] for line in complaints(text)]

    assert places == [
        ["E-YAML-DUPKEY", "m.yaml:2:1", "collection:"],
        ["E-MANIFEST-TYPE", "m.yaml:4:1", "draft:"],
        ["E-RECIPE-RANGE", "m.yaml:8:7", "recipes.a.size:"],
        ["E-MANIFEST-CHOICE", "m.yaml:8:16", "recipes.a.color:"],
        ["E-RECIPE-RANGE", "m.yaml:8:28", "recipes.a.seed:"],
        ["E-YAML-NUMBER", "m.yaml:9:13", "recipes.b.seed:"],
        ["E-MANIFEST-NAME", "m.yaml:11:6", "pairings.0.content:"],
        ["E-MANIFEST-NAME", "m.yaml:11:35", "pairings.0.recipe:"],
    ]


def test_what_was_refused_as_yaml_is_not_told_twice():
    """A value that was refused is not also missing, or of the wrong type."""
    assert len(complaints(based(collection="!x show"))) == 1
    assert len(complaints(based(collection="&x show"))) == 1
    assert len(complaints(based(collection=".inf"))) == 1


def test_no_more_than_a_hundred_problems_are_told():
    """The error says that there are more."""
    with pytest.raises(ManifestError, match="There are more problems than these") as caught:
        made(BASE + "".join(f"k{i}: 1\n" for i in range(MAX_PROBLEMS + 50)))

    assert len(caught.value.problems) == MAX_PROBLEMS


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


def test_a_manifest_is_read_from_its_file(tmp_path):
    """Relative paths start at the folder that the file really lies in."""
    (tmp_path / "shows").mkdir()
    (tmp_path / "shows" / "spring.yaml").write_text(BASE)
    (tmp_path / "link").symlink_to(tmp_path / "shows")
    manifest = read(tmp_path / "link" / "spring.yaml")

    assert manifest.location("../art/*.jpg") == f"{tmp_path.resolve()}/art/*.jpg"


def test_problems_name_the_file_as_it_was_given(tmp_path, monkeypatch):
    """Editors and terminals make a link of it."""
    (tmp_path / "spring.yaml").write_text("collection: 3")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ManifestError, match=r"ERROR E-MANIFEST-TYPE spring\.yaml:1:1 collection: "):
        read(Path("spring.yaml"))


def test_a_missing_file_is_told_with_the_nearest_name(tmp_path):
    """A mistyped name is found."""
    (tmp_path / "spring.yaml").write_text(BASE)

    with pytest.raises(
        ManifestError, match=r"E-MANIFEST-FILE .*does not exist; did you mean 'spring\.yaml'\?"
    ):
        read(tmp_path / "sprin.yaml")


def test_a_file_in_a_missing_folder_is_told(tmp_path):
    """There is nothing near it."""
    with pytest.raises(ManifestError, match=r"E-MANIFEST-FILE .*does not exist$"):
        read(tmp_path / "no" / "spring.yaml")


def test_a_folder_is_no_manifest(tmp_path):
    """A folder is told apart from a file."""
    with pytest.raises(ManifestError, match=r"E-MANIFEST-FILE .*is no file"):
        read(tmp_path)


@pytest.mark.timeout(5)
def test_a_pipe_is_not_waited_for(tmp_path):
    """A FIFO that nobody writes to would block for ever."""
    os.mkfifo(tmp_path / "m.yaml")

    with pytest.raises(ManifestError, match=r"E-MANIFEST-FILE .*is no file"):
        read(tmp_path / "m.yaml")


def test_what_the_system_refuses_is_told(tmp_path):
    """A name that no file can have is no reason for a traceback."""
    with pytest.raises(
        ManifestError, match=r"E-MANIFEST-FILE .*cannot be read: File name too long"
    ):
        read(tmp_path / ("x" * 300))


def test_the_error_survives_the_way_between_processes():
    """Prefect pickles what a flow raises."""
    with pytest.raises(ManifestError) as caught:
        made("")
    again = pickle.loads(pickle.dumps(caught.value))

    assert (again.problems, str(again)) == (caught.value.problems, str(caught.value))
    assert again.kind == "input"


def test_every_code_is_tested():
    """Each code in the source stands in a test of this folder."""
    source = "".join(path.read_text() for path in Path(manifests.__file__).parent.glob("*.py"))
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    codes = set(re.findall(r'"([EW]-(?:YAML|MANIFEST)-[A-Z]+)"', source))

    assert len(codes) > 30
    assert {code for code in codes if f"{code} " not in tests and f'"{code}"' not in tests} == set()


def test_reading_a_manifest_loads_neither_torch_nor_prefect():
    """The command starts fast, and the flow's process stays small."""
    modules = ["comparing", "json_schema", "planning", "reader", "writing"]
    code = (
        f"import sys, importlib; [importlib.import_module('manifests.' + m) for m in {modules}];"
        "print([m for m in ('torch', 'prefect', 'boto3', 'numpy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert done.stdout == "[]\n"


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
