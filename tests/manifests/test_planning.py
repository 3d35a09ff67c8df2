"""Sets times sets: which pairs a manifest asks for, and what is hardly meant."""

# ruff: noqa: E501  messages stand in one line, as people see them

from __future__ import annotations

import time

import pytest

from manifests.pairs import OutputFormat, StylePicture
from manifests.planning import MAX_PAIRS, NoPairError, only
from nst_core.dials import Dials, turn
from nst_core.manners import MANNERS, without
from nst_core.presets import preset
from tests.manifests.small_manifest import refusals


def named(pairs):
    return [f"{pair.content_name} {pair.style_name} {pair.recipe_name}" for pair in pairs]


def test_every_content_meets_every_style(shows):
    """Styles come one after the other, each with all contents."""
    assert named(shows.pairs()) == [
        "ann lilies evening",
        "bob lilies evening",
        "gable lilies evening",
        "ann poplars evening",
        "bob poplars evening",
        "gable poplars evening",
        "ann water evening",
        "bob water evening",
        "gable water evening",
    ]


def test_each_picture_of_a_set_is_a_style_of_its_own(shows):
    """It has all the weight there is."""
    assert shows.pairs()[0].styles == (StylePicture("/shows/monet/lilies.jpg", 1.0),)


def test_a_blended_set_is_one_style(shows):
    """Its pictures share a weight of 1 as the manifest says."""
    assert shows.pairs()[-1].styles == (
        StylePicture("/shows/homer.jpg", 0.75),
        StylePicture("/shows/cross.jpg", 0.25),
    )


def test_weights_say_the_same_in_any_unit(shows):
    """30 to 10 is 3 to 1 is 0.75 to 0.25."""
    scaled = shows.pairs(
        ("weight: 3", "weight: 30"), ("cross.jpg]", "{image: cross.jpg, weight: 10}]")
    )

    assert shows.pairs() == scaled


def test_labels_tell_what_the_manifest_says_of_both_sides(shows):
    """The gallery sorts by them."""
    assert shows.pairs()[0].labels == {
        "content_set": "faces",
        "subject": "faces",
        "style_set": "monet",
        "movement": "Impressionism",
        "manner": "impressionism",
    }


def test_credits_come_from_both_sides(shows):
    """A picture's own credit, or else its set's; none where there is none."""
    assert [pair.credits for pair in shows.pairs()[5:8]] == [
        (),
        ("our own", "Homer"),
        ("our own", "Homer"),
    ]


def test_a_later_entry_says_more_about_one_picture(shows):
    """The picture is found twice and there once."""
    pairs = shows.pairs(("[faces/]", "[faces/, {image: faces/ann.jpg, credit: Ann}]"))

    assert named(pairs)[:2] == ["ann lilies evening", "bob lilies evening"]
    assert [pair.credits for pair in pairs[:2]] == [("Ann",), ("our own",)]


def test_several_recipes_paint_every_pair(shows):
    """Recipe by recipe."""
    pairs = shows.pairs(("recipe: evening", "recipe: [evening, gallery]"))

    assert len(pairs) == 18
    assert {pair.recipe_name for pair in pairs[:9]} == {"evening"}
    assert pairs[9].recipe == turn(preset("gallery").recipe, MANNERS["impressionism"])


def test_a_style_is_painted_in_the_manner_of_its_set(shows):
    """Of its material, technique or movement; of a set that names none, as the recipe is."""
    pairs = shows.pairs(("movement: Impressionism", "credit: unknown"))
    manners = {pair.style_name: pair.labels.get("manner") for pair in pairs}
    recipes = {pair.style_name: pair.recipe for pair in pairs}
    evening = turn(preset("gallery").recipe, Dials(size=256))

    assert manners == {"lilies": None, "poplars": None, "water": "watercolor"}
    assert recipes["lilies"] == evening
    assert recipes["water"] == turn(evening, MANNERS["watercolor"])


@pytest.mark.parametrize(
    ("said", "recipe"),
    [
        ("manner: off", turn(preset("gallery").recipe, Dials(size=256))),
        (
            "manner: Pop Art",
            turn(turn(preset("gallery").recipe, Dials(size=256)), MANNERS["pop art"]),
        ),
        ("preset: crowson", turn(preset("crowson").recipe, Dials(size=256))),
    ],
)
def test_a_recipe_says_otherwise(shows, said: str, recipe):
    """Whatever the set names."""
    pairs = shows.pairs(("{size: 256}", f"{{size: 256, {said}}}"))

    assert {pair.recipe for pair in pairs} == {recipe}


def test_a_dial_that_is_given_stays(shows):
    """A manner turns only the others."""
    pairs = shows.pairs(("{size: 256}", "{size: 256, legibility: 0.9}"))
    dials = without(MANNERS["watercolor"], Dials(legibility=0.9))
    evening = turn(preset("gallery").recipe, Dials(size=256, legibility=0.9))

    assert pairs[-1].recipe == turn(evening, dials)


def test_a_recipe_that_reads_no_content_makes_pairs_of_styles_alone(shows):
    """A texture has no photo."""
    pairs = shows.pairs(
        (
            "{content: [faces, houses], style: [monet, water], recipe: evening}",
            "{style: monet, recipe: texture}",
        )
    )

    assert [(pair.content, pair.content_name, pair.style_name) for pair in pairs] == [
        (None, "", "lilies"),
        (None, "", "poplars"),
    ]
    assert pairs[0].locations == ("/shows/monet/lilies.jpg",)


def test_a_guide_takes_the_styles_place(shows):
    """A guided dream is planned like a painting, under a name of its own."""
    paired = "{content: [faces, houses], style: [monet, water], recipe: evening}"
    guided = shows.pairs((paired, "{content: faces, guide: monet, recipe: guided-vgg}"))

    assert named(guided) == [
        "ann lilies guided-vgg",
        "bob lilies guided-vgg",
        "ann poplars guided-vgg",
        "bob poplars guided-vgg",
    ]
    assert guided[0].styles == (StylePicture("/shows/monet/lilies.jpg", 1.0),)


def test_a_picture_to_start_from_belongs_to_the_pair(shows):
    """It is looked up and fetched as the others are."""
    (pair, *_) = shows.pairs(("{size: 256}", "{init: {picture: faces/ann.jpg}}"))

    assert pair.start == "/shows/faces/ann.jpg"
    assert pair.locations == (
        "/shows/faces/ann.jpg",
        "/shows/faces/ann.jpg",
        "/shows/monet/lilies.jpg",
    )


def test_what_is_written_is_what_the_recipe_says(shows):
    """Format, its options, frames, and the manifest's background."""
    (pair, *_) = shows.pairs(
        (
            "{size: 256}",
            "{format: {type: jpeg, quality: 80, provenance: false, dpi: 240},"
            " frames: {every: 5, video: mp4}}",
        ),
        ("output: out", "output: out\nbackground: black"),
    )

    assert pair.output == OutputFormat(
        "jpeg", 8, 80, provenance=False, dpi=240, frames=5, video="mp4", background="black"
    )


def test_higher_priorities_come_first(shows):
    """A pair that is listed twice has the higher one; otherwise the manifest's order stays."""
    second = "{content: faces, style: water, recipe: evening, priority: 1}"
    pairs = shows.pairs(("recipe: evening}", f"recipe: evening}}\n  - {second}"))

    assert named(pairs)[:3] == ["ann water evening", "bob water evening", "ann lilies evening"]
    assert [pair.priority for pair in pairs] == [1, 1, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("*/faces/ann*", 6),  # the content's path
        ("*/homer.jpg", 6),  # a path of a blend
        ("ann", 6),  # the content's name
        ("water", 6),  # the style's name
        ("gable--lilies", 8),  # both, as in the file's name
        ("*--poplars", 6),
        ("[ab]*--water", 7),
    ],
)
def test_pairs_are_excluded_by_path_name_or_both(shows, pattern, left):
    """A pattern holds against each of them."""
    warnings = []
    pairs = shows.pairs(
        ("recipe: evening}", f"recipe: evening, exclude: ['{pattern}']}}"),
        on_warning=warnings.append,
    )

    assert len(pairs) == left
    assert [str(warning) for warning in warnings if "EXCLUDE" in warning.code] == []


def test_an_exclusion_of_nothing_is_told(shows):
    """It is a mistyped name, most of the time."""
    warnings = []
    shows.pairs(
        ("recipe: evening}", "recipe: evening, exclude: [anne]}"), on_warning=warnings.append
    )

    assert (
        "WARNING W-MANIFEST-EXCLUDE m.yaml:16:82 pairings.0.exclude.0: 'anne' excludes nothing"
        in map(str, warnings)
    )


def test_a_pair_that_is_listed_twice_is_painted_once(shows):
    """What counts is what would be painted, whatever its recipe is called."""
    warnings = []
    pairs = shows.pairs(
        ("evening: {size: 256}", "evening: {size: 256}\n  night: {size: 256}"),
        ("recipe: evening}", "recipe: evening}\n  - {content: faces, style: monet, recipe: night}"),
        on_warning=warnings.append,
    )

    assert len(pairs) == 9
    assert (
        "WARNING W-MANIFEST-TWICE m.yaml:18:5 pairings.1: 4 of its pairs are in pairings.0 already; each"
        " is painted once"
    ) in map(str, warnings)


def test_what_is_in_no_pairing_is_told(shows):
    """Sets and recipes that nobody uses may be a slip."""
    warnings = []
    shows.pairs(
        ("content: [faces, houses], style: [monet, water]", "content: faces, style: monet"),
        on_warning=warnings.append,
    )

    assert [str(warning) for warning in warnings] == [
        "WARNING W-MANIFEST-UNUSED m.yaml:5:3 content_sets.houses: is in no pairing",
        "WARNING W-MANIFEST-UNUSED m.yaml:8:3 style_sets.water: is in no pairing",
        "WARNING W-MANIFEST-UNUSED m.yaml:14:3 recipes.texture: is in no pairing",
    ]


@pytest.mark.parametrize(
    ("movement", "told"),
    [
        (
            "Impresionism",
            [
                "WARNING W-MANIFEST-MANNER m.yaml:7:11 style_sets.monet.movement:"
                " 'Impresionism' names no manner; did you mean 'impressionism'?"
            ],
        ),
        ("Impressionists", []),
        ("Fauvism", []),
    ],
)
def test_a_movement_that_is_misspelt_is_told(shows, movement, told):
    """It would leave the pictures in no manner, without a word; other movements are fine."""
    warnings = []
    shows.pairs(
        ("movement: Impressionism", f"movement: {movement}"),
        on_warning=warnings.append,
    )

    assert [str(one) for one in warnings if one.code == "W-MANIFEST-MANNER"] == told


def test_nothing_left_to_paint_is_a_mistake(shows):
    """A night that does nothing was not meant."""
    lines = refusals(shows.pairs, ("recipe: evening}", "recipe: evening, exclude: ['*']}"))

    assert lines == [
        "ERROR E-MANIFEST-NOPAIRS m.yaml:15:1 pairings: everything is excluded; nothing is left to paint"
    ]


def test_more_pairs_than_any_night_can_paint_are_refused_at_once(shows):
    """Two large folders make more pairs than memory holds."""
    many = [f"/shows/{number}.jpg" for number in range(40_000)]
    shows.files = shows.files | {"/shows/faces/": many, "/shows/monet/*.jpg": many}
    began = time.process_time()
    lines = refusals(shows.pairs)

    assert lines == [
        "ERROR E-MANIFEST-PAIRS m.yaml:16:5 pairings.0: 1,600,080,001 pairs with this pairing; no more"
        f" than {MAX_PAIRS:,} can be painted"
    ]
    assert time.process_time() - began < 10


def test_ten_thousand_pairs_have_their_names_and_identities_in_seconds(shows, digests):
    """Planning is not what a person waits for."""
    shows.files = shows.files | {
        "/shows/faces/": [f"/shows/faces/{number}.jpg" for number in range(100)],
        "/shows/monet/*.jpg": [f"/shows/monet/{number}.jpg" for number in range(98)],
    }
    began = time.process_time()
    pairs = shows.pairs(("recipe: evening}", "recipe: evening, exclude: ['*/nobody/*', 'x--y']}"))
    stems = {pair.stem(pair.pair_id(digests)) for pair in pairs}

    assert len(stems) == 101 * 99
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("pattern", "count"), [(None, 9), ("*--lilies--*", 3), ("ann--*", 3), ("evening", 9)]
)
def test_a_run_may_be_of_some_pairs_only(shows, pattern, count):
    """By the same patterns that exclude, and by whole file names."""
    assert len(only(shows.pairs(), pattern)) == count


def test_a_pattern_that_fits_no_pair_is_a_slip(shows):
    """The nearest pair is named, and how pairs are called."""
    with pytest.raises(NoPairError, match="did you mean 'ann--lilies'") as caught:
        only(shows.pairs(), "ann--lillies")

    assert caught.value.code == "E-ONLY"
    assert "* stands for any text" in caught.value.remedy
