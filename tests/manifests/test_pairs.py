"""A pair's identity: what is part of it, and what is not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import pairs
from manifests.naming import slug, title
from manifests.pairs import OutputFormat, Pair, StylePicture
from nst_core.presets import preset

GALLERY = preset("gallery").recipe
PAIR = Pair(
    content="/a/dog.jpg",
    styles=(StylePicture("/b/monet.jpg", 0.5), StylePicture("/b/klee.jpg", 0.5)),
    start="/a/sketch.png",
    recipe_name="evening",
    recipe=GALLERY,
    content_name="dog",
    style_name="moderns",
)
DIGESTS = {
    "/a/dog.jpg": "d" * 64,
    "/b/monet.jpg": "m" * 64,
    "/b/klee.jpg": "k" * 64,
    "/a/sketch.png": "s" * 64,
}


def test_an_identity_is_64_hex_digits():
    """It is a SHA-256."""
    assert re.fullmatch("[0-9a-f]{64}", PAIR.pair_id(DIGESTS))


def test_an_identity_is_the_same_in_every_process():
    """Python's own hashes are not: they begin with another number each time."""
    code = (
        "from manifests.pairs import *; from nst_core.presets import preset;"
        "pair = Pair(content='a', styles=(StylePicture('b'),), recipe_name='x',"
        " recipe=preset('gallery').recipe); print(pair.pair_id({'a': 'd', 'b': 'm'}))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(said) == 1


CHANGED = {
    "content's bytes": (PAIR, DIGESTS | {"/a/dog.jpg": "e" * 64}),
    "a style's bytes": (PAIR, DIGESTS | {"/b/klee.jpg": "e" * 64}),
    "the start's bytes": (PAIR, DIGESTS | {"/a/sketch.png": "e" * 64}),
    "a weight": (
        replace(PAIR, styles=(StylePicture("/b/monet.jpg", 0.6), StylePicture("/b/klee.jpg", 0.4))),
        DIGESTS,
    ),
    "the order of styles": (replace(PAIR, styles=PAIR.styles[::-1]), DIGESTS),
    "fewer styles": (replace(PAIR, styles=PAIR.styles[:1]), DIGESTS),
    "no content": (replace(PAIR, content=None), DIGESTS),
    "no start": (replace(PAIR, start=None), DIGESTS),
    "the seed": (replace(PAIR, recipe=replace(GALLERY, seed=1)), DIGESTS),
    "the network": (replace(PAIR, recipe=replace(GALLERY, network="vgg19")), DIGESTS),
    "the format": (replace(PAIR, output=OutputFormat("tiff")), DIGESTS),
    "the bits": (replace(PAIR, output=OutputFormat(bits=16)), DIGESTS),
    "the provenance": (replace(PAIR, output=OutputFormat(provenance=False)), DIGESTS),
    "the frames": (replace(PAIR, output=OutputFormat(frames=5)), DIGESTS),
    "the background": (replace(PAIR, output=OutputFormat(background="black")), DIGESTS),
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_shapes_the_files_is_part_of_the_identity(what):
    """Another one is another picture."""
    pair, digests = CHANGED[what]

    assert PAIR.pair_id(DIGESTS) != pair.pair_id(digests)


def test_all_identities_differ():
    """No two changes amount to the same."""
    assert len({pair.pair_id(digests) for pair, digests in CHANGED.values()}) == len(CHANGED)


SAME = {
    "paths": (
        replace(PAIR, content="/elsewhere/hound.jpg"),
        DIGESTS | {"/elsewhere/hound.jpg": DIGESTS["/a/dog.jpg"]},
    ),
    "names": (replace(PAIR, content_name="hound", style_name="x", recipe_name="y"), DIGESTS),
    "words about it": (replace(PAIR, labels={"subject": "dogs"}, credits=("me",)), DIGESTS),
    "the order of painting": (replace(PAIR, priority=3), DIGESTS),
    "a quality that the format has not": (replace(PAIR, output=OutputFormat(quality=50)), DIGESTS),
}


def test_equal_recipes_are_one_recipe_however_their_numbers_are_written():
    """2 and 2.0 paint the same, whichever is met first."""
    ids = set()
    for number in (2, 2.0):
        pairs._recipe_sha256.cache_clear()
        pair = replace(PAIR, recipe=replace(GALLERY, style_scale=number))
        ids.add(pair.pair_id(DIGESTS))

    assert len(ids) == 1


@pytest.mark.parametrize("what", SAME)
def test_what_shapes_no_file_is_no_part_of_the_identity(what):
    """The same picture is not painted again."""
    pair, digests = SAME[what]

    assert PAIR.pair_id(DIGESTS) == pair.pair_id(digests)


def test_the_quality_of_a_jpeg_is_part_of_its_identity():
    """It decides the bytes."""
    jpegs = [replace(PAIR, output=OutputFormat("jpeg", quality=quality)) for quality in (80, 90)]

    assert len({jpeg.pair_id(DIGESTS) for jpeg in jpegs}) == 2


def test_an_output_tells_what_decides_its_bytes():
    """Records keep it."""
    assert OutputFormat("jpeg", frames=5).parameters() == {
        "format": "jpeg",
        "bits": 8,
        "quality": 95,
        "provenance": True,
        "frames": 5,
        "background": "white",
    }
    assert set(OutputFormat().parameters()) == {"format", "bits", "provenance", "background"}


def test_a_stem_tells_content_style_recipe_and_the_beginning_of_the_identity():
    """So a folder can be read by eye."""
    assert PAIR.stem("0123456789abcdef" * 4) == "dog--moderns--evening--0123456789"
    assert PAIR.stem("0123456789abcdef" * 4, digits=12) == "dog--moderns--evening--0123456789ab"


def test_a_side_that_is_not_there_is_not_in_the_stem():
    """A texture has no content."""
    texture = replace(PAIR, content=None, content_name="")

    assert texture.stem("0" * 64) == "moderns--evening--0000000000"


def test_a_pattern_fits_whole_texts_and_cares_for_capitals():
    """``*`` stands for any text, folders included."""
    assert PAIR.matches("*/dog.jpg")
    assert PAIR.matches("d?g--mod*")
    assert not PAIR.matches("Dog")
    assert not PAIR.matches("do")


NAMES = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        [
            "con",
            "NUL.txt",
            "..",
            ".",
            "-rf",
            "~",
            "a/b",
            "a\\b",
            "北斎",
            "ÅÄÖ",
            "A\u030a",
            "É",
            "\x00",
            "--",
            "i\u0307",
            "ſ",
            "™",
            "İ",
            "com1",
            "a" * 500,
        ]
    ),
)


@settings(max_examples=300, deadline=None)
@given(NAMES)
def test_a_slug_is_safe_on_every_file_system(name):
    """Whatever a picture is called, its slug is a plain word."""
    found = slug(name)

    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", found)
    assert len(found) <= 60
    assert not re.fullmatch("con|prn|aux|nul|com[0-9]|lpt[0-9]", found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Village Street in Auvers", "village-street-in-auvers"),
        ("van_gogh--1890", "van-gogh-1890"),
        ("Müller & Söhne", "muller-sohne"),
        ("Straße", "strasse"),
        ("北斎", "img"),
        ("", "img"),
        ("CON", "con-img"),
        ("…", "img"),
        ("x" * 99, "x" * 50),
    ],
)
def test_a_slug_recalls_the_name(name, expected):
    """As far as plain letters can."""
    assert slug(name) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=2, max_size=30))
def test_file_names_never_collide(names):
    """Names that differ in case, in accents or not at all are kept apart by the identity."""
    stems = []
    for number, (content, style, recipe) in enumerate(names):
        pair = replace(PAIR, content_name=content, style_name=style, recipe_name=recipe)
        stems.append(pair.stem(pair.pair_id(DIGESTS | {"/a/dog.jpg": f"{number:064x}"})))

    assert len({unicodedata.normalize("NFC", stem).casefold() for stem in stems}) == len(stems)
    assert all(re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]*--[0-9a-f]{10}", stem) for stem in stems)
    assert max(len(f"{stem}.conflict-999.losses.csv".encode()) for stem in stems) <= 200


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("dog", "wave", "evening"), "dog × wave"),
        (("dog", "", "dream"), "dog · dream"),
        (("", "wave", "texture"), "wave · texture"),
        (("", "", "flamingo"), "flamingo"),
    ],
)
def test_a_title_tells_what_there_is_of_a_pair(names, expected):
    """Where one side is missing, the recipe tells apart what would be called the same."""
    assert title(*names) == expected
