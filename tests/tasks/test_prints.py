"""Prints: which pair enlarges a finished picture, and that it stays the same picture."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from manifests.pairs import Mask, Origin, StylePicture
from manifests.papers import paper
from manifests.picture_sources import MaskSource, RegionSource, StyleSource
from nst_core.errors import RecipeError
from nst_core.images import resize
from nst_core.networks import NETWORKS
from nst_core.octaves import Octaves
from nst_core.pictures import Pictures
from nst_core.presets import PRESETS
from nst_core.synthesis import synthesize
from nst_core.terms import Content, Gram
from tasks.output import Output
from tasks.prints import PrintSize, larger, print_of
from tests.nst_core.toy import TOY, natural, style, toy_recipe, toy_studio
from tests.tasks.painted_pairs import painted

PRESET = PRESETS["gallery"].recipe
ROOT = Path("/shows/out")


def published(tmp_path, **changes):
    """Return the record of an 8 × 6 picture of the gallery preset."""
    octaves = replace(PRESET.octaves, size=16)
    recipe = replace(PRESET, octaves=octaves).parameters()
    return painted(0, **{"recipe": recipe} | changes).publish(Output(tmp_path / "out"))


def test_a_print_starts_from_the_finished_picture(tmp_path):
    """At its size, in its colours, and goes on to the size of the print."""
    record = published(tmp_path)

    pair = print_of(record, ROOT, PrintSize(size=32))

    assert pair.start == f"{ROOT}/{record.files['picture'].file}"
    assert pair.recipe.start == "picture"
    assert pair.recipe.octaves.sides() == (16, 32, 64)


def test_a_print_is_otherwise_painted_as_the_picture_was(tmp_path):
    """The same pictures, and the same recipe but for start, octaves and how far styles grow."""
    record = published(tmp_path, styles=STYLES)

    pair = print_of(record, ROOT, PrintSize(size=32))

    assert (pair.content, pair.content_name) == (record.content, record.content_name)
    assert [(s.location, s.weight) for s in pair.styles] == [("/art/a.jpg", 3.0), ("/b.jpg", 1.0)]
    before = {"start": "content", "octaves": PRESET.octaves, "enlarge_style": True}
    assert replace(pair.recipe, **before) == PRESET
    assert pair.recipe.octaves.carry == "change"


STYLES = (
    StyleSource(location="/art/a.jpg", weight=3.0, sha256="a" * 64),
    StyleSource(location="/b.jpg", weight=1.0, sha256="b" * 64),
)


def test_a_print_has_the_regions_of_its_picture(tmp_path):
    """Where they lie, whose they are, and that their masks are still the same."""
    own = MaskSource(location="/own.png", sha256="c" * 64, color="red")
    sky = MaskSource(location="/sky.png", sha256="d" * 64, feather=2.5)
    styles = (STYLES[0].model_copy(update={"region": "sky", "mask": own}),)
    regions = (RegionSource(name="sky", mask=sky),)

    pair = print_of(published(tmp_path, styles=styles, regions=regions), ROOT, PrintSize(size=32))

    assert pair.regions == (("sky", Mask("/sky.png", None, 2.5)),)
    assert pair.styles == (StylePicture("/art/a.jpg", 3.0, "sky", Mask("/own.png", "red", 0)),)
    assert (pair.expected["/own.png"], pair.expected["/sky.png"]) == ("c" * 64, "d" * 64)


def test_a_print_knows_what_its_pictures_were(tmp_path):
    """Every picture that it reads must have the bytes that the record tells."""
    record = published(tmp_path, styles=STYLES)
    picture = record.files["picture"]

    pair = print_of(record, ROOT, PrintSize(size=32))

    assert pair.origin == Origin("spring", record.stem, record.pair_id, picture.sha256)
    assert pair.expected == {
        record.content: record.content_sha256,
        "/art/a.jpg": "a" * 64,
        "/b.jpg": "b" * 64,
        pair.start: picture.sha256,
    }


def test_a_print_has_the_files_format_and_its_own_dpi(tmp_path):
    """As the picture was written, but for intermediate frames."""
    output = {"format": "tiff", "bits": 16, "frames": 10, "background": "black"}

    pair = print_of(published(tmp_path, output=output), ROOT, PrintSize(size=32, dpi=240))

    assert pair.output.parameters() == {
        "format": "tiff",
        "bits": 16,
        "provenance": True,
        "dpi": 240,
        "background": "black",
    }


def test_a_print_fits_on_its_paper(tmp_path):
    """An 8 × 6 picture on A6 at 60 dots per inch: 105 mm are 248 px, and so it is 330 px long."""
    pair = print_of(published(tmp_path), ROOT, PrintSize(paper=paper("a6"), dpi=60))

    assert pair.recipe.octaves.size == 660  # this record's recipe says 16 where its picture has 8


def test_a_print_of_a_print_is_called_a_print(tmp_path):
    """Not a print print."""
    pair = print_of(published(tmp_path, recipe_name="evening print"), ROOT, PrintSize(size=32))

    assert pair.recipe_name == "evening print"


@pytest.mark.parametrize(
    ("changes", "size", "code"),
    [
        ({}, 8, "E-PRINT-SIZE"),
        ({}, 40_000, "E-PRINT-SIZE"),
        ({"output": {"format": "webp", "quality": 90}}, 20_000, "E-PRINT-SIZE"),
        ({"draft": True}, 32, "E-PRINT-DRAFT"),
        ({"recipe": {"brushes": 3}}, 32, "E-RECIPE-RECORD"),
    ],
)
def test_what_cannot_become_a_print_is_refused(tmp_path, changes, size, code):
    """Too small, too large for the format, a draft, a recipe of another version."""
    record = published(tmp_path, **changes)

    with pytest.raises(RecipeError) as refused:
        print_of(record, ROOT, PrintSize(size=size))

    assert refused.value.code == code


STEP_BY_STEP = [name for name, row in PRESETS.items() if row.recipe.canvas.kind != "fourier"]


@pytest.mark.parametrize("name", PRESETS)
def test_a_print_of_every_preset_has_its_size(name):
    """Whatever paints it."""
    recipe = PRESETS[name].recipe

    octaves = larger(recipe, 4).octaves

    assert (octaves.size, octaves.zooms) == (4 * recipe.octaves.size, 0)


def test_a_journeys_print_leaves_the_photo_behind():
    """Where it zoomed to, the photo shows something else."""
    recipe = replace(PRESET, octaves=replace(PRESET.octaves, zooms=3))

    assert larger(recipe, 4).octaves.carry == "image"


@pytest.mark.parametrize("name", STEP_BY_STEP)
@pytest.mark.parametrize("factor", [1.2, 1.5, 2, 4, 12.8])
def test_every_walk_begins_at_the_finished_size(name, factor):
    """And ends at the print's, whatever the preset and the factor, in octaves about 2 apart."""
    recipe = PRESETS[name].recipe

    sides = larger(recipe, factor).octaves.sides()

    assert sides[0] == recipe.octaves.size
    assert sides[-1] == round(recipe.octaves.size * factor)
    assert max(b / a for a, b in pairwise(sides)) < 2.9


@pytest.fixture(scope="module")
def enlarged():
    """A picture of 24 pixels, and its print of 96, painted through the toy network."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "toy", TOY)
        recipe = toy_recipe(
            terms=(Content(layer="relu2_1"), Gram(layer="relu1_1")),
            octaves=Octaves(size=24, smallest=16, steps=(20,), carry="change"),
        )
        content, styles = natural(1), [style(2, height=60, width=60)]
        studio = toy_studio()
        finished = synthesize(recipe, Pictures(content, styles), studio=studio).image
        pictures = Pictures(content, styles, start=finished)
        yield finished, synthesize(larger(recipe, 4), pictures, studio=studio).image
    torch.set_num_threads(threads)


def test_a_print_is_the_same_picture(enlarged):
    """Enlarged four times and reduced again it correlates with the finished picture by 0.9."""
    finished, print_ = enlarged

    assert print_.shape[-2:] == (96, 96)
    assert correlation(resize(print_, (24, 24)), finished) > 0.9


def test_a_print_has_finer_paint(enlarged):
    """What an enlarged file lacks: detail that the finished picture has no room for."""
    finished, print_ = enlarged

    assert detail(print_) > 2 * detail(resize(finished, (96, 96)))


def correlation(first, second):
    """Return Pearson's correlation of two pictures' values."""
    both = torch.stack([first.flatten(), second.flatten()])
    return torch.corrcoef(both)[0, 1].item()


def detail(picture):
    """Return the energy of differences between neighbouring pixels."""
    return picture.diff(dim=-1).square().mean().item() + picture.diff(dim=-2).square().mean().item()
