"""From patterns to the pictures of sets, their names, and what is told where nothing is found."""

# ruff: noqa: E501  messages stand in one line, as people see them

from __future__ import annotations

import pytest

from manifests.naming import slug
from manifests.planning import expand
from manifests.reader import parse
from tests.manifests.small_manifest import MissingError, RefusedError, refusals


def test_all_patterns_that_find_nothing_are_told_at_their_place(shows):
    """Short and long forms alike, once each."""
    shows.files = {"/shows/homer.jpg": ["/shows/homer.jpg"]}

    assert refusals(shows.pairs) == [
        "ERROR E-MANIFEST-NOMATCH m.yaml:4:20 content_sets.faces.images.0: 'faces/' finds no picture"
        " (/shows/faces/)",
        "ERROR E-MANIFEST-NOMATCH m.yaml:5:12 content_sets.houses.0: 'houses/*.jpg' finds no picture"
        " (/shows/houses/*.jpg)",
        "ERROR E-MANIFEST-NOMATCH m.yaml:7:45 style_sets.monet.images.0: 'monet/*.jpg' finds no picture"
        " (/shows/monet/*.jpg)",
        "ERROR E-MANIFEST-NOMATCH m.yaml:11:60 style_sets.water.images.1: 'cross.jpg' finds no picture"
        " (/shows/cross.jpg)",
    ]


def test_a_picture_to_start_from_must_be_there(shows):
    """Its place is told too."""
    lines = refusals(shows.pairs, ("{size: 256}", "{init: {picture: sketch.png}}"))

    assert lines == [
        "ERROR E-MANIFEST-NOMATCH m.yaml:13:20 recipes.evening.init.picture: 'sketch.png' finds no"
        " picture (/shows/sketch.png)"
    ]


def test_a_picture_to_start_from_is_one(shows):
    """A folder may hold several."""
    lines = refusals(shows.pairs, ("{size: 256}", "{init: {picture: faces/}}"))

    assert lines == [
        "ERROR E-MANIFEST-NOMATCH m.yaml:13:20 recipes.evening.init.picture: 'faces/' finds 2 pictures;"
        " name one"
    ]


def test_what_the_storage_says_of_a_pattern_is_told(shows):
    """It knows the nearest name."""

    def find(pattern):
        if "houses" in pattern:
            raise MissingError("'/shows/houses/*.jpg' does not exist; did you mean 'house'?")
        return shows.find(pattern)

    lines = refusals(expand, shows.manifest(), find)

    assert lines == [
        "ERROR E-MANIFEST-NOMATCH m.yaml:5:12 content_sets.houses.0: '/shows/houses/*.jpg' does not"
        " exist; did you mean 'house'?"
    ]


def test_a_store_that_does_not_answer_is_no_mistake_of_the_manifest(shows):
    """The night may begin later, with the same manifest."""

    def find(pattern):
        raise RefusedError("AccessDenied")

    with pytest.raises(RefusedError):
        expand(shows.manifest(), find)


def test_every_pattern_is_looked_up_once(shows):
    """A bucket is not listed for every pairing."""
    asked = []

    def find(pattern):
        asked.append(pattern)
        return shows.find(pattern)

    again = "recipe: evening}\n  - {content: [faces, houses], style: monet, recipe: gallery}"
    expand(shows.manifest(("recipe: evening}", again)), find)

    assert sorted(asked) == sorted(set(asked))


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("sea_turtle", "sea turtle"),
        ("__a__b_", "a b"),
        ("___", "___"),
        ("Ünder_Weg-2", "Ünder Weg-2"),
    ],
)
def test_a_pictures_name_is_its_files_in_words(shows, stem, name):
    """Underscores are spaces to people; the files that are written are called as before."""
    shows.files = shows.files | {"/shows/faces/": [f"/shows/faces/{stem}.jpg"]}
    (pair, *_) = shows.pairs()

    assert pair.content_name == name
    assert slug(pair.content_name) == slug(stem)
    assert pair.matches(stem)
    assert pair.matches(name)


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a.jpg", "a.png", "b_c.png"], ["a.jpg", "a.png", "b c"]),
        (["one/a.jpg", "two/a.jpg"], ["one/a.jpg", "two/a.jpg"]),
        (["x_y.png", "x__y.png"], ["x_y.png", "x__y.png"]),
        (["a.png", "one/a.png"], ["faces/a.png", "one/a.png"]),
    ],
)
def test_pictures_of_one_set_are_told_apart(shows, files, names):
    """By endings and folders, where their names are the same, and only there."""
    shows.files = shows.files | {"/shows/faces/": [f"/shows/faces/{file}" for file in files]}
    found = [pair.content_name for pair in shows.pairs()]

    assert list(dict.fromkeys(found))[: len(names)] == names


def test_hostile_names_of_files_are_fit_to_print(shows):
    """A name of a file may hold anything but a slash."""
    shows.files = shows.files | {"/shows/faces/": ["/shows/faces/\x1b[31m\n\u202egpj.exe.jpg"]}

    assert shows.pairs()[0].content_name == r"\x1b[31m\n\u202egpj.exe"


def finding(pattern, output):
    """Give a manifest whose photos are what a pattern finds."""
    return parse(
        f"{{collection: show, output: {output}, content_sets: {{p: ['{pattern}']}},"
        " style_sets: {s: lilies.jpg}, recipes: {r: {preset: gallery}},"
        " pairings: [{content: p, style: s, recipe: r}]}",
        name="show.yaml",
        folder="/w",
    )


@pytest.mark.parametrize(
    ("output", "pattern", "names"),
    [
        ("p/out", "p/**/*", ["dog"]),
        ("p", "p/**/*", ["dog"]),
        ("p/out", "p/out/show/*", ["dog--lilies"]),
        ("elsewhere", "p/**/*", ["dog", "320", "prints/dog--lilies.png", "show/dog--lilies.png"]),
    ],
)
def test_a_gallery_does_not_feed_on_itself(output, pattern, names):
    """What lies in its output is painted from only where a pattern names that place."""
    where = "out/" if output == "p/out" else ""
    painted = ("assets/320.webp", "prints/dog--lilies.png", "show/dog--lilies.png")
    paths = ["p/dog.jpg", *(f"p/{where}{path}" for path in painted)]
    found = {"/w/lilies.jpg": ["/w/lilies.jpg"], f"/w/{pattern}": [f"/w/{path}" for path in paths]}
    if pattern.startswith("p/out"):
        found[f"/w/{pattern}"] = [f"/w/{paths[-1]}"]
    manifest = finding(pattern, output)

    assert [pair.content_name for pair in expand(manifest, found.__getitem__)] == names


def test_a_gallery_does_not_feed_on_what_is_painted_elsewhere():
    """Neither on the output of the command line, nor on the manifest's own of other nights."""
    manifest = finding("p/**/*", "p/out")
    photos = [f"/w/p/{name}" for name in ("dog.jpg", "out/show/dog.png", "other/show/dog.png")]
    found = {"/w/lilies.jpg": ["/w/lilies.jpg"], "/w/p/**/*": photos}

    pairs = expand(manifest, found.__getitem__, output="/w/p/other")

    assert [pair.content for pair in pairs] == photos[:1]


def test_an_output_is_no_folder_of_photos():
    """Where nothing else is found, that is said."""
    manifest = finding("p/**/*", "p/out")
    told = refusals(expand, manifest, lambda _: ["/w/p/out/show/dog.png"])

    assert "'p/**/*' finds only what was painted into the output" in told[0]
