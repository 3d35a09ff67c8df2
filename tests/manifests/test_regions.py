"""Regions in a manifest: which style paints what, and everything that can be wrong with it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from manifests.adding import with_style_set
from manifests.comparing import compare, identify
from manifests.pairs import Mask
from manifests.planning import expand
from manifests.problems import ManifestError
from manifests.reader import parse
from tests.manifests.test_comparing import painted as record_of

TEXT = """\
collection: show
output: out
content_sets:
  harbour:
    - image: harbour.jpg
      regions:
        sky: sky.png
        house: {mask: labels.png, color: red, feather: 4}
  streets:
    - {image: streets/, regions: {sky: "masks/{name}-sky.png"}}
  plain: harbour.jpg
style_sets:
  monet: {movement: Impressionism, images: [lilies.jpg, poplars.jpg]}
  hokusai:
    movement: Ukiyo-e
    images: [{image: wave.jpg, regions: {water: water.png}}]
pairings:
  - content: harbour
    style: {sky: monet, house: {style: hokusai, region: water}}
"""
ONE = {
    name: [f"/shows/{name}"]
    for name in (
        *("harbour.jpg", "sky.png", "labels.png", "lilies.jpg", "poplars.jpg", "wave.jpg"),
        *("water.png", "masks/north-sky.png", "masks/[[]south]-sky.png"),
    )
}
FILES = {f"/shows/{name}": found for name, found in ONE.items()} | {
    "/shows/streets/": ["/shows/streets/north.jpg", "/shows/streets/[south].jpg"],
    "/shows/masks/[[]south]-sky.png": ["/shows/masks/[south]-sky.png"],
}
PAIRING = TEXT[TEXT.index("  - content: harbour") :]


def pairs(pairing=None, **files):
    """Expand the manifest, another pairing in place of its own."""
    text = TEXT if pairing is None else TEXT.replace(PAIRING, f"  - {pairing}\n")
    manifest = parse(text, name="m.yaml", folder="/shows")
    return expand(manifest, lambda pattern: (FILES | files).get(pattern, []))


def problems(pairing, text=TEXT):
    """Give what is wrong, each with its place and message."""
    changed = text.replace(PAIRING, f"  - {pairing}\n")
    with pytest.raises(ManifestError) as caught:
        expand(
            parse(changed, name="m.yaml", folder="/shows"), lambda pattern: FILES.get(pattern, [])
        )
    return [(each.code, each.path, each.message) for each in caught.value.problems]


def sha256s(pair):
    """Give the hash of the bytes at each location."""
    return {where: hashlib.sha256(where.encode()).hexdigest() for where in pair.locations}


def test_every_combination_of_styles_is_painted():
    """Two for the sky, one for the house: two pairs, each with the places that it paints."""
    first, second = pairs()
    water = Mask("/shows/water.png")

    assert [(one.location, one.region, one.weight, one.mask) for one in first.styles] == [
        ("/shows/lilies.jpg", "sky", 1, None),
        ("/shows/wave.jpg", "house", 1, water),
    ]
    assert second.styles[0].location == "/shows/poplars.jpg"
    assert first.regions == (
        ("house", Mask("/shows/labels.png", "red", 4)),
        ("sky", Mask("/shows/sky.png")),
    )


def test_names_and_labels_tell_both_styles():
    """People see which paints what, and find the pair under either movement."""
    pair = pairs()[0]

    assert pair.style_name == "lilies (sky) + wave water (house)"
    assert pair.labels["movement"] == "Impressionism, Ukiyo-e"
    assert pair.stem("a" * 64) == "harbour--lilies-sky-wave-water-house--gallery--aaaaaaaaaa"


def test_masks_are_read_and_are_no_names():
    """They are fetched like pictures; exclusions speak of pictures."""
    pair = pairs()[0]

    assert set(pair.locations) - set(pair.pictures) == {
        *("/shows/sky.png", "/shows/labels.png", "/shows/water.png")
    }
    assert not pair.matches("*labels*")
    assert pair.matches("*wave*")


def test_only_regions_with_a_style_belong_to_the_pair():
    """What is not painted is no matter, unless all the rest is: that is beside every region."""
    (sky,) = pairs("{content: harbour, style: {sky: hokusai}}")
    (rest,) = pairs("{content: harbour, style: {rest: hokusai}}")

    assert [name for name, _ in sky.regions] == ["sky"]
    assert [name for name, _ in rest.regions] == ["house", "sky"]


def test_a_mask_may_be_named_after_its_picture():
    """One entry serves a folder; names are no patterns."""
    found = pairs("{content: streets, style: {sky: hokusai}}")

    assert [pair.regions[0][1].location for pair in found] == [
        "/shows/masks/north-sky.png",
        "/shows/masks/[south]-sky.png",
    ]


def test_a_pair_without_regions_has_the_identity_it_had():
    """What was painted before there were regions is not painted again."""
    (pair,) = pairs("{content: plain, style: hokusai}")
    digests = sha256s(pair)

    assert "regions" not in pair.pair_id.__doc__
    assert pair.pair_id(digests) == pairs("{content: harbour, style: hokusai}")[0].pair_id(digests)
    assert pair.locations == ("/shows/harbour.jpg", "/shows/wave.jpg")


@pytest.mark.parametrize(
    "change",
    [
        lambda pair: replace(pair, regions=(pair.regions[0], ("sky", Mask("/shows/other.png")))),
        lambda pair: replace(
            pair, regions=(pair.regions[0], ("sky", Mask("/shows/sky.png", "red")))
        ),
        lambda pair: replace(
            pair, regions=(pair.regions[0], ("sky", Mask("/shows/sky.png", None, 2)))
        ),
        lambda pair: replace(
            pair,
            styles=(replace(pair.styles[0], region="house"), replace(pair.styles[1], region="sky")),
        ),
        lambda pair: replace(pair, styles=(pair.styles[0], replace(pair.styles[1], mask=None))),
        lambda pair: replace(pair, styles=(pair.styles[0], replace(pair.styles[1], region="rest"))),
    ],
    ids=["mask", "color", "feather", "exchanged", "own region", "rest"],
)
def test_whatever_shapes_a_region_is_part_of_the_identity(change):
    """Bytes, colour and feather of the masks, and which style paints where."""
    pair = pairs()[0]
    changed = change(pair)
    digests = sha256s(pair) | sha256s(changed)

    assert changed.pair_id(digests) != pair.pair_id(digests)


def test_what_a_region_is_called_is_not():
    """As with pictures, names may change; so may the order in which a manifest has them."""
    pair = pairs()[0]
    called = replace(
        pair,
        regions=(("gable", pair.regions[0][1]), pair.regions[1]),
        styles=(pair.styles[0], replace(pair.styles[1], region="gable")),
    )
    digests = sha256s(pair)

    assert called.pair_id(digests) == pair.pair_id(digests)


def test_another_mask_is_told():
    """`nst plan` says what has changed since the picture was painted."""
    planned = identify(pairs(), sha256s(pairs()[0]) | sha256s(pairs()[1]))
    digests = sha256s(planned[0].pair) | sha256s(planned[1].pair)
    records = [record_of(one, digests) for one in planned]
    edited = digests | {"/shows/sky.png": "e" * 64}
    plan = compare(identify(pairs(), edited), records, edited)

    old = digests["/shows/sky.png"][:8]
    assert [change.why for change in plan.changed] == [(f"region.sky.0: {old} → eeeeeeee",)] * 2


def test_an_unknown_region_is_told_with_the_nearest():
    """At the pairing's own key."""
    assert problems("{content: harbour, style: {hous: monet}}") == [
        (
            "E-MANIFEST-REGION",
            "pairings.0.style.hous",
            "harbour has no region 'hous'; did you mean 'house'?",
        )
    ]


@pytest.mark.parametrize("region", ["sky", "rest"])
def test_a_photo_without_regions_is_told(region):
    """Rest, too, is beside something."""
    assert problems(f"{{content: plain, style: {{{region}: monet}}}}") == [
        (
            "E-MANIFEST-REGION",
            f"pairings.0.style.{region}",
            f"harbour has no region '{region}'; it has none: give its entry regions",
        )
    ]


def test_an_unknown_region_of_a_style_is_told():
    """With those that it has, where none is near."""
    assert problems("{content: harbour, style: {sky: {style: hokusai, region: mountain}}}") == [
        (
            "E-MANIFEST-REGION",
            "pairings.0.style.sky.region",
            "wave has no region 'mountain'; it has water",
        )
    ]


@pytest.mark.parametrize(
    ("style", "path"),
    [
        ("{sky: monnet}", "pairings.0.style.sky"),
        ("{sky: [hokusai, monnet]}", "pairings.0.style.sky.1"),
        ("{sky: {style: monnet, region: water}}", "pairings.0.style.sky.style"),
    ],
)
def test_an_unknown_style_set_is_told_where_it_stands(style, path):
    """In whichever of its forms."""
    said = "no style set 'monnet'; did you mean 'monet'?"

    assert problems(f"{{content: harbour, style: {style}}}") == [("E-MANIFEST-NAME", path, said)]


def test_a_recipe_that_knows_no_regions_is_told():
    """A style alone has no content whose regions these are; a guide compares single positions."""
    ((code, path, said),) = problems("{content: harbour, style: {sky: monet}, recipe: guided-vgg}")

    assert (code, path) == ("E-MANIFEST-REGION", "pairings.0.style")
    assert "recipe 'guided-vgg' cannot paint by region: " in said


def test_a_mask_that_is_not_there_is_told():
    """Like any picture, at its place."""
    text = TEXT.replace("sky.png\n", "ski.png\n")
    ((code, path, said),) = problems("{content: harbour, style: {sky: monet}}", text)

    assert (code, path) == (
        "E-MANIFEST-NOMATCH",
        "content_sets.harbour.0.regions.sky",
    )
    assert said == "'ski.png' finds no picture (/shows/ski.png)"


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("sky: sky.png", "rest: sky.png", "E-MANIFEST-REGION", "give this another name"),
        ("sky: sky.png", "'a/b': sky.png", "E-MANIFEST-REGION", "letters"),
        ("color: red", "color: rde", "E-MANIFEST-COLOR", "did you mean"),
        ("feather: 4", "feather: -1", "E-MANIFEST-RANGE", "at least 0"),
        ("feather: 4", "fether: 4", "E-MANIFEST-UNKNOWN", "did you mean 'feather'?"),
        ("region: water", "regoin: water", "E-MANIFEST-UNKNOWN", "did you mean 'region'?"),
    ],
)
def test_other_mistakes_are_told(old, new, code, said):
    """What is wrong, and what would be right."""
    assert old in TEXT
    text = TEXT.replace(old, new)
    with pytest.raises(ManifestError) as caught:
        parse(text, name="m.yaml", folder="/shows")

    assert [each.code for each in caught.value.problems] == [code]
    assert said in caught.value.problems[0].message


def test_a_style_set_is_not_added_to_regions():
    """Which of them should it paint? The pairing is its owner's to edit."""
    with pytest.raises(ManifestError, match="no pairing names style sets"):
        with_style_set(TEXT, "turner", ["turner/"], name="m.yaml")
    with pytest.raises(ManifestError, match="a style for each region; edit it by hand") as caught:
        with_style_set(TEXT, "turner", ["turner/"], name="m.yaml", pairings=[0])

    assert caught.value.problems[0].code == "E-MANIFEST-EDIT"
