"""The models of a manifest: short forms, and every field of the core within reach."""

from __future__ import annotations

import dataclasses
from datetime import time
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from manifests.fields import time_of_day
from manifests.recipe_entry import Layers, RecipeEntry
from manifests.recipes import DIALS, PARTS
from manifests.schema import Image, Manifest
from nst_core.dials import Dials
from nst_core.recipe import Recipe

PAIRINGS = "pairings: [{content: faces, style: monet}]"


@pytest.mark.parametrize(
    "written",
    [
        "a.jpg",
        "[a.jpg]",
        "{images: a.jpg}",
        "{images: [a.jpg]}",
        "[{image: a.jpg}]",
        "{images: {image: a.jpg}}",
    ],
)
def test_a_set_may_be_written_in_short(shows, written):
    """A pattern, a list of patterns, or everything written out."""
    manifest = shows.manifest(("houses: [houses/*.jpg]", f"houses: {written}"))

    assert manifest.content_sets["houses"].images == (Image(image="a.jpg"),)


def test_names_may_be_written_without_a_list(shows):
    """One name is a list of one."""
    one = shows.manifest(("content: [faces, houses]", "content: faces"))
    listed = shows.manifest(("content: [faces, houses]", "content: [faces]"))

    assert one.pairings == listed.pairings


def test_a_single_pairing_may_be_written_without_a_list(shows):
    """As a mapping."""
    start = shows.text.index("pairings:")
    written = "pairings: {content: faces, style: monet}\n"

    assert len(shows.manifest((shows.text[start:], written)).pairings) == 1


def entry(shows, written):
    return shows.manifest(("evening: {size: 256}", f"evening: {written}")).recipe("evening")


def test_steps_may_be_one_number(shows):
    """It serves all octaves."""
    assert entry(shows, "{steps: 60}").steps == entry(shows, "{steps: [60]}").steps == (60,)


def test_layers_may_be_a_list_of_equal_weights(shows):
    """Or a mapping of layers to weights."""
    layers = entry(shows, "{layers: {content: [relu4_1, relu4_2], style: {relu1_1: 2}}}").layers

    assert layers == Layers(content={"relu4_1": 1.0, "relu4_2": 1.0}, style={"relu1_1": 2.0})


def test_a_format_may_be_its_name(shows):
    """Or a mapping of options."""
    assert entry(shows, "{format: webp}").format == entry(shows, "{format: {type: webp}}").format


def test_names_that_look_like_something_else_are_names(shows):
    """1920s, no and 1e3 may be sets; only a list of names needs quotes around a number."""
    manifest = shows.manifest(
        ("monet: {", "no: [x.jpg]\n  1e3: [y.jpg]\n  monet: {"),
        ("style: [monet, water]", "style: [monet, no, '1e3']"),
    )

    assert manifest.pairings[0].style == ("monet", "no", "1e3")


def test_a_manifest_is_frozen(shows):
    """What was checked stays as it was."""
    with pytest.raises(ValidationError, match="frozen"):
        shows.manifest().collection = "other"


def test_a_recipe_entry_can_say_whatever_the_core_can_paint():
    """Every field of a recipe and every dial has its key, some under a better name."""
    recipe = {field.name for field in dataclasses.fields(Recipe)}
    dials = {field.name for field in dataclasses.fields(Dials)}
    layers = dict.fromkeys(("content_layers", "style_layers", "dream_layers"), "layers")
    renamed = {"start": "init", "mix": "init"} | layers
    wanted = {renamed.get(name, name) for name in recipe | dials}

    assert set(RecipeEntry.model_fields) == wanted | {"preset", "manner", "frames", "format"}


def test_every_key_of_a_recipe_entry_reaches_the_recipe():
    """As a dial, as a part, or by a way of its own."""
    own_ways = {"preset", "manner", "init", "layers", "optimizer", "frames", "format"}

    assert set(DIALS) | set(PARTS) | own_ways == set(RecipeEntry.model_fields)
    assert not set(DIALS) & set(PARTS)


def test_every_key_is_explained():
    """The docstrings are what editors show."""
    for model in (Manifest, RecipeEntry, Image):
        for field in model.model_fields:
            assert f"        {field}: " in (model.__doc__ or "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("07:00", time(7)),
        ("7:05", time(7, 5)),
        ("23:59", time(23, 59)),
        ("07:00 Europe/Berlin", time(7, tzinfo=ZoneInfo("Europe/Berlin"))),
        ("00:00  UTC", time(0, tzinfo=ZoneInfo("UTC"))),
    ],
)
def test_a_time_of_day_may_have_a_zone(text, expected):
    """Without one it is the machine's."""
    assert time_of_day(text) == expected


@pytest.mark.parametrize(
    "text", ["24:00", "7", "07:60", "7am", "07:00 Berlin", "07:00 ../etc/passwd", ""]
)
def test_what_is_no_time_of_day_is_refused(text):
    """A night must know when it ends."""
    with pytest.raises(ValueError, match=r"is no time of day|no time zone"):
        time_of_day(text)


@pytest.mark.parametrize("name", ["a", "spring-show", "Spring_2024", "holiday-img", "x" * 60])
def test_a_collection_has_the_name_of_a_folder(shows, name):
    """Letters, digits, - and _."""
    assert shows.manifest(("collection: show", f"collection: {name}")).collection == name


@pytest.mark.parametrize("color", ["white", "slategray", "#fff", "#F4EFE6"])
def test_a_background_is_a_name_or_hex_digits(shows, color):
    """As CSS has them."""
    assert (
        shows.manifest(("output: out", f"output: out\nbackground: '{color}'")).background == color
    )
