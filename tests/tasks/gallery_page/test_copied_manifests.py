"""The manifest that the page shows of a picture paints just this picture again."""

from __future__ import annotations

import shutil
from dataclasses import replace

from manifests.pairs import Mask, StylePicture
from manifests.picture_sources import MaskSource, RegionSource, StartSource, StyleSource
from manifests.planning import expand
from manifests.reader import parse
from nst_core.octaves import Octaves
from nst_core.presets import preset
from tasks.gallery import build
from tasks.prints import PrintSize, print_of
from tests.tasks.gallery_page.visiting import until
from tests.tasks.toy_gallery import enlarged, hang, pair, publish


def test_the_copied_manifest_of_a_print_paints_it_again(visit, tmp_path):
    """It names the picture to start from, and a collection that a manifest may have."""
    output = hang(tmp_path / "out", frames=0)
    recipe = replace(preset("gallery").recipe, octaves=Octaves(size=48, smallest=40))
    painting = pair(
        99,
        ("cat", str(tmp_path / "photos" / "0.png")),
        ("scream", str(tmp_path / "art" / "0.png")),
        recipe=recipe.parameters(),
        output={"format": "png", "bits": 8, "provenance": True, "background": "white"},
    )
    finished = publish(output, painting, 5)
    wanted = print_of(finished, output.root, PrintSize(size=96))
    digests = dict(wanted.expected)
    grown = enlarged(
        output,
        finished.model_copy(
            update={
                "recipe": wanted.recipe.parameters(),
                "output": wanted.output.parameters(),
                "start": StartSource(location=wanted.start, sha256=digests[wanted.start]),
            }
        ),
        1,
        900,
    )
    build(output.root)
    page = visit((output.root / "index.html").as_uri()).go(f"#/picture/prints/{grown.stem}")
    text = page.locator("pre").text_content()

    manifest = parse(text, name="copied.yaml", folder=str(tmp_path))
    (again,) = expand(manifest, lambda pattern: [pattern])
    assert again.pair_id(digests) == wanted.pair_id(digests)


def test_the_copied_manifest_paints_exactly_this_picture(visit, tmp_path):
    """Copy as YAML gives a manifest whose one pair has the recorded recipe and pictures."""
    recipe = preset("gallery").recipe
    output = hang(tmp_path / "out", frames=0)
    # A name that a manifest would take for a pattern.
    odd = tmp_path / "art" / "a [1] *.png"
    shutil.copy(tmp_path / "art" / "0.png", odd)
    content = ("cat: #1", str(tmp_path / "photos" / "0.png"))
    painting = pair(
        99,
        content,
        ("odd", str(odd)),
        recipe=recipe.parameters(),
        output={
            "format": "png",
            "bits": 16,
            "provenance": True,
            "frames": 20,
            "video": "mp4",
            "dpi": 72,
            "background": "black",
        },
    )
    record = publish(output, painting, 99)
    tab = visit(build(output.root).as_uri(), permissions=["clipboard-read", "clipboard-write"])
    page = tab.go(f"#/picture/{record.collection}/{record.stem}")

    page.click("#copy-yaml")
    until(page, "document.querySelector('#copy-yaml').textContent === 'Copied'")
    text = page.evaluate("navigator.clipboard.readText()")

    manifest = parse(text, name="copied.yaml", folder=str(tmp_path))
    (again,) = expand(manifest, lambda pattern: [pattern.replace("[[]", "[").replace("[*]", "*")])
    assert again.recipe == recipe
    assert (again.content, again.styles[0].location) == (content[1], str(odd))
    assert again.output.parameters() == painting.output


def test_the_copied_manifest_paints_the_same_regions(visit, tmp_path):
    """Each in its own manner, through the same masks."""
    output = hang(tmp_path / "out", frames=0)
    places = {name: str(tmp_path / f"{name}.png") for name in ("sky", "sun", "own")}
    masks = {
        "sky": MaskSource(location=places["sky"], sha256="1" * 64, feather=2.5),
        "sun": MaskSource(location=places["sun"], sha256="2" * 64, color="red"),
        "own": MaskSource(location=places["own"], sha256="3" * 64),
    }
    art = [str(tmp_path / "art" / f"{number}.png") for number in range(3)]
    painting = pair(99, ("cat", str(tmp_path / "photos" / "0.png")), ("many", art[0]))
    painting = painting.model_copy(
        update={
            "recipe": preset("gallery").recipe.parameters(),
            "regions": tuple(RegionSource(name=name, mask=masks[name]) for name in ("sky", "sun")),
            "styles": (
                StyleSource(location=art[0], weight=0.75, sha256="4" * 64, region="sky"),
                StyleSource(location=art[1], weight=0.25, sha256="5" * 64, region="sky"),
                StyleSource(
                    location=art[2], weight=1, sha256="6" * 64, region="rest", mask=masks["own"]
                ),
            ),
        }
    )
    record = publish(output, painting, 99)
    page = visit(build(output.root).as_uri()).go(f"#/picture/{record.collection}/{record.stem}")

    manifest = parse(page.locator("pre").text_content(), name="copied.yaml", folder=str(tmp_path))
    (again,) = expand(manifest, lambda pattern: [pattern])
    assert again.regions == (
        ("sky", Mask(places["sky"], None, 2.5)),
        ("sun", Mask(places["sun"], "red", 0)),
    )
    assert again.styles == (
        StylePicture(art[0], 0.75, "sky"),
        StylePicture(art[1], 0.25, "sky"),
        StylePicture(art[2], 1, "rest", Mask(places["own"])),
    )
