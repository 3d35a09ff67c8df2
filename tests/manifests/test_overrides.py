"""What the command line sets takes the place of what the manifest says."""

# ruff: noqa: E501  messages stand in one line, as people see them

from __future__ import annotations

import pytest

from tests.manifests.small_manifest import BASE, based, complaints, made

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
