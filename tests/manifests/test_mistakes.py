"""Everything that is wrong with a manifest: where, what, and what would be right."""

# ruff: noqa: E501  messages stand in one line, as people see them

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

import manifests
from manifests.problems import MAX_PROBLEMS, ManifestError
from nst_core.optimizers import Optimizer
from nst_core.terms import Term
from tests.manifests.small_manifest import BASE, based, complaints, made


def kinds(union):
    """Return the kinds of a union's parts, as messages list them."""
    return ", ".join(part.kind for part in get_args(union))


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


def test_every_code_is_tested():
    """Each code in the source stands in a test of this folder."""
    source = "".join(path.read_text() for path in Path(manifests.__file__).parent.glob("*.py"))
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    codes = set(re.findall(r'"([EW]-(?:YAML|MANIFEST)-[A-Z]+)"', source))

    assert len(codes) > 30
    assert {code for code in codes if f"{code} " not in tests and f'"{code}"' not in tests} == set()
