"""Dials as lists: from one recipe to its variants, and what is wrong with a sweep."""

# ruff: noqa: E501  messages stand in one line, as people see them

from __future__ import annotations

import pytest

from manifests.pairs import Sheet
from manifests.problems import ManifestError
from manifests.reader import parse
from manifests.sweeps import variants
from nst_core.presets import preset

GALLERY = preset("gallery").recipe


def swept(sweep, **others):
    """Return the variants of a recipe with this sweep."""
    said = "".join(f", {name}: {value}" for name, value in others.items())
    manifest = parse(
        "collection: show\noutput: out\ncontent_sets: {faces: [a.jpg]}\nstyle_sets: {monet: [b.jpg]}\n"
        "pairings: [{content: faces, style: monet, recipe: tests}]\n"
        f"recipes: {{tests: {{sweep: {sweep}{said}}}}}\n",
        name="m.yaml",
        folder="/shows",
    )
    return list(variants("tests", manifest.recipe("tests")))


def complaint(sweep, **others):
    with pytest.raises(ManifestError) as caught:
        swept(sweep, **others)
    (problem,) = caught.value.problems
    return problem.code, problem.path, problem.message


def test_a_dial_as_a_list_makes_a_recipe_of_each_value():
    """Each is what the manifest would make of that value alone."""
    found = swept("{size: [128, 256]}", seed=3)

    assert [variant.recipe.octaves.size for variant in found] == [128, 256]
    assert {variant.recipe.seed for variant in found} == {3}


def test_two_axes_make_a_grid():
    """Every value meets every value, the last axis fastest."""
    found = swept("{style_weight: [1, 2], color: [style, chroma-after]}")

    assert [variant.axes for variant in found] == [
        (("style_weight", "1"), ("color", "style")),
        (("style_weight", "1"), ("color", "chroma-after")),
        (("style_weight", "2"), ("color", "style")),
        (("style_weight", "2"), ("color", "chroma-after")),
    ]


@pytest.mark.parametrize(
    ("sweep", "names"),
    [
        ("{style_weight: [0.5, 2]}", ["tests, style_weight 0.5", "tests, style_weight 2"]),
        ("{color: [style, chroma-after]}", ["tests, style", "tests, chroma-after"]),
        (
            "{steps: [10, [9, 8], [7, 6, 5]]}",
            ["tests, steps 10", "tests, steps 9+8", "tests, steps 7…5"],
        ),
        ("{enlarge_style: [true, false]}", ["tests, enlarge_style yes", "tests, enlarge_style no"]),
        ("{preset: [gallery, crowson]}", ["tests, gallery", "tests, crowson"]),
        (
            "{layers: [{style: [relu1_1, relu2_1, relu3_1]}, {content: {relu4_1: 2}}]}",
            ["tests, style relu1_1…relu3_1", "tests, content relu4_1 2"],
        ),
        (
            "{optimizer: [adam, {kind: lbfgs, history: 5}]}",
            ["tests, adam", "tests, lbfgs history 5"],
        ),
        ("{init: [noise, {picture: a.jpg}]}", ["tests, noise", "tests, picture a.jpg"]),
        ("{canvas: [{spectral: 1}]}", ["tests, pixels spectral 1"]),
    ],
)
def test_variants_have_readable_names(sweep, names):
    """They stand in file names, reports and on sheets."""
    assert [variant.name for variant in swept(sweep)] == names


def test_without_a_sweep_there_is_one_variant_under_its_own_name():
    """An ordinary recipe is a family of one."""
    manifest = parse(
        "collection: show\noutput: out\ncontent_sets: {faces: [a.jpg]}\nstyle_sets: {monet: [b.jpg]}\n"
        "pairings: [{content: faces, style: monet}]\n",
        name="m.yaml",
        folder="/shows",
    )
    (only,) = variants("gallery", manifest.recipe("gallery"))

    assert (only.name, only.axes, only.recipe) == ("gallery", (), GALLERY)


@pytest.mark.parametrize(
    ("sweep", "others", "expected"),
    [
        (
            "{}",
            {},
            (
                "E-MANIFEST-SWEEP",
                "recipes.tests.sweep",
                "has no axis; give a dial as a list of values",
            ),
        ),
        (
            "{size: []}",
            {},
            (
                "E-MANIFEST-VALUE",
                "recipes.tests.sweep.size",
                "is empty; give it something, or leave it out",
            ),
        ),
        (
            "{sise: [1]}",
            {},
            (
                "E-MANIFEST-UNKNOWN",
                "recipes.tests.sweep.sise",
                "there is no 'sise'; did you mean 'size'?",
            ),
        ),
        (
            "{size: [128, big]}",
            {},
            (
                "E-MANIFEST-TYPE",
                "recipes.tests.sweep.size.1",
                "must be a whole number, not the text 'big'",
            ),
        ),
        (
            "{size: [128, 3]}",
            {},
            (
                "E-RECIPE-RANGE",
                "recipes.tests.sweep.size.1",
                "size is 3; it must lie between 16 and 32768",
            ),
        ),
        (
            "{layers: [{style: [relu9_9]}]}",
            {},
            (
                "E-RECIPE-LAYER",
                "recipes.tests.sweep.layers.0",
                "vgg19-normalized has no layer 'relu9_9'; did you mean 'relu5_4'?",
            ),
        ),
        (
            "{seed: [1, 2, 1]}",
            {},
            ("E-MANIFEST-SWEEP", "recipes.tests.sweep", "seed has '1' twice"),
        ),
        (
            "{seed: [1, 2]}",
            {"seed": 3},
            ("E-MANIFEST-SWEEP", "recipes.tests", "seed is an axis of sweep; say it there only"),
        ),
        (
            f"{{seed: {list(range(15))}, size: {list(range(100, 115))}}}",
            {},
            (
                "E-MANIFEST-SWEEP",
                "recipes.tests.sweep",
                "has 225 combinations; no more than 200 can be painted",
            ),
        ),
        (
            "{seed: [1], size: [64], noise: [1], color: [style]}",
            {},
            ("E-MANIFEST-SWEEP", "recipes.tests.sweep", "has 4 axes; no more than 3 fit a sheet"),
        ),
        (
            "{network: [vgg16, vgg19], layers: [{style: [relu1_1]}, {style: [relu5_4]}]}",
            {"preset": "seed-vgg16", "pooling": "max"},
            (
                "E-RECIPE-LAYER",
                "recipes.tests.sweep.layers.1",
                "vgg16 has no layer 'relu5_4'; did you mean 'relu5_3'?",
            ),
        ),
    ],
)
def test_what_is_wrong_with_a_sweep_has_its_place(sweep, others, expected):
    """Down to the value."""
    assert complaint(sweep, **others) == expected


def test_combinations_are_tried_too():
    """Each value is sound by itself, and so is the recipe without them."""
    code, path, message = complaint(
        "{preset: [gallery, seed-vgg16], layers: [{style: [relu1_1]}, {style: [relu4_4]}]}"
    )

    assert (code, path) == ("E-RECIPE-LAYER", "recipes.tests.sweep")
    assert "vgg16 has no layer 'relu4_4'" in message


def test_frames_come_at_an_interval_or_at_steps():
    """Both, or neither, says nothing."""
    for frames in ("{}", "{every: 3, at: [1]}"):
        code, path, _ = complaint("{seed: [1]}", frames=frames)
        assert (code, path) == ("E-MANIFEST-FRAMES", "recipes.tests.frames")


def test_every_pair_of_a_sweep_knows_its_sheet(shows):
    """One sheet for each content with each style, on which its axes give it a place."""
    pairs = shows.pairs(("{size: 256}", "{sweep: {size: [128, 256]}}"))
    first = pairs[0]

    assert first.sheets == (
        (
            Sheet(
                recipe="evening",
                content="/shows/faces/ann.jpg",
                styles=("/shows/monet/lilies.jpg",),
                content_name="ann",
                style_name="lilies",
            ),
            (("size", "128"),),
        ),
    )
    assert len({sheet for pair in pairs for sheet, _ in pair.sheets}) == 9
    assert len(pairs) == 18


def test_sheets_do_not_change_what_a_picture_is(shows, digests):
    """A picture of a sweep is the one that a recipe of that value paints."""
    (of_sweep, *_) = shows.pairs(("{size: 256}", "{sweep: {size: [256]}}"))
    (of_recipe, *_) = shows.pairs()

    assert of_sweep.pair_id(digests) == of_recipe.pair_id(digests)


def test_a_picture_of_two_sweeps_is_painted_once_and_shown_twice(shows):
    """Where the axes cross."""
    pairs = shows.pairs(
        ("{size: 256}", "{sweep: {size: [128, 256]}}\n  other: {size: 256, sweep: {seed: [0, 1]}}"),
        ("recipe: evening", "recipe: [evening, other]"),
    )
    shared = [pair for pair in pairs if len(pair.sheets) == 2]

    assert len(pairs) == 9 * 3
    assert {tuple(sheet.recipe for sheet, _ in pair.sheets) for pair in shared} == {
        ("evening", "other")
    }


FIGURE = ("recipe: evening", "recipe: reconstruction-sheet")


def test_a_family_paints_each_row_from_what_it_reads(shows):
    """Reconstructions of a content are the same for all styles, and painted once."""
    pairs = shows.pairs(FIGURE)
    contents = [pair for pair in pairs if not pair.styles]
    styles = [pair for pair in pairs if pair.content is None]

    assert (len(contents), len(styles), len(pairs)) == (3 * 5, 3 * 5, 30)
    assert {len(pair.sheets) for pair in pairs} == {3}
    assert len({sheet for pair in pairs for sheet, _ in pair.sheets}) == 9


def test_a_family_keeps_the_pictures_that_its_preset_says(shows):
    """Unless the recipe says otherwise."""
    own = ("{size: 256}", "{preset: reconstruction-sheet, frames: {every: 5}}")

    assert {pair.output.frames for pair in shows.pairs(FIGURE)} == {(0, 25, 70, 150, 350)}
    assert {pair.output.frames for pair in shows.pairs(own)} == {5}


def test_a_family_can_be_swept(shows):
    """By another network, say: its axes come after the sweep's."""
    pairs = shows.pairs(
        ("{size: 256}", "{preset: reconstruction-sheet, sweep: {network: [vgg19, vgg16-hed]}}")
    )

    assert pairs[0].recipe_name == "evening, vgg19, content, relu1"
    assert len(pairs) == 60


def test_a_family_goes_through_its_layers_by_itself():
    """So that they cannot be set."""
    code, path, message = complaint(
        "{seed: [1]}", preset="reconstruction-sheet", layers="{content: [relu1_1]}"
    )

    assert (code, path) == ("E-RECIPE", "recipes.tests")
    assert message == ("'reconstruction-sheet' goes through its layers by itself; leave layers out")
