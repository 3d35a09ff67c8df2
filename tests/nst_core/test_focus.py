"""Where a content counts most: at its subject, by the real network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nst_core.bound import measure
from nst_core.dials import Dials, turn
from nst_core.errors import RecipeError
from nst_core.focus import focused, objects, saliency
from nst_core.images import decode, resize
from nst_core.legibility import legibility
from nst_core.objective import bind
from nst_core.octaves import Octave
from nst_core.pictures import Pictures, Style
from nst_core.presets import preset
from nst_core.recipe import Recipe
from nst_core.regions import Guidance
from nst_core.studio import Studio
from nst_core.synthesis import synthesize
from nst_core.terms import Content, Gram, Wasserstein
from tests.nst_core.test_tiled_objective import DoubleStudio, difference
from tests.nst_core.toy import convolutions, natural, toy_recipe

GALLERY = preset("gallery").recipe
DOG = Path(__file__).parents[2] / "manifests/examples/pictures/contents/german_shepherd.jpg"


@pytest.fixture(scope="module")
def studio() -> Studio:
    """One for all: its network is loaded once."""
    return Studio()


@pytest.fixture(scope="module")
def dog() -> torch.Tensor:
    """A dog before a meadow."""
    return resize(decode(DOG.read_bytes()).pixels, (120, 160), "bicubic")


def stands_out(pixels, studio):
    """Give the saliency of pixels."""
    return saliency(pixels, objects(pixels, studio.features(GALLERY)))


def pictures_of(content):
    return Pictures(content, [Style(natural(7, 48, 48), key="seven")])


def test_a_head_stands_out_from_the_meadow(dog, studio):
    """It is where people look."""
    seen = stands_out(dog, studio)
    head, meadow = seen[..., 5:45, 115:145], seen[..., 5:45, :80]

    assert seen.shape == (1, 1, 120, 160)
    assert head.mean() > 1.5 * meadow.mean()


def test_nothing_stands_out_of_a_plain_surface(studio):
    """All of its places count alike, and none of them not at all."""
    nothing = torch.zeros(1, 8, 7, 10)

    assert torch.equal(
        saliency(torch.full((1, 3, 112, 160), 0.5), nothing), torch.ones(1, 1, 112, 160)
    )


def test_the_more_focus_the_more_a_subject_counts(dog, studio):
    """At the places where it is, on average over the picture 1."""
    counts = []
    for focus in (1.0, 2.0, 3.0):
        guidance = focused(replace(GALLERY, focus=focus), pictures_of(dog), studio)
        at = guidance.at((15, 20))
        assert at.mean().item() == pytest.approx(1)
        counts.append(at[..., 1:5, 15:18].mean().item())

    assert 1 < counts[0] < counts[1] < counts[2]


def test_where_all_places_count_alike_none_is_looked_for(dog, studio):
    """It would take time for nothing."""
    assert focused(replace(GALLERY, focus=0.0), pictures_of(dog), studio) is None


def test_what_is_lost_of_the_subject_costs_more(dog, studio):
    """The same square made grey, on the head and on the meadow."""
    recipe = replace(GALLERY, terms=(Content(),), legibility=None, precision="fp32")
    octave = Octave(size=(120, 160), side=160, steps=1)
    styles = pictures_of(dog).styles

    def dearer(focus):
        objective = bind(recipe, studio, octave, dog, styles, focus=focus)
        costs = []
        for left in (112, 20):
            image = dog.clone()
            image[..., 8:44, left : left + 36] = 0.5
            costs.append(objective.parts(image)["content_relu4_2"].item())
        return costs[0] / costs[1]

    assert dearer(focused(recipe, pictures_of(dog), studio)) > 2 * dearer(None)


def test_scores_of_a_whole_picture_have_no_places_to_weigh():
    """They are compared as they are."""
    scores = torch.arange(6.0)[None]

    assert measure(Content(layer="logits"), scores, Guidance(torch.rand(1, 1, 8, 8))) == (scores,)


def test_tiles_do_not_show_in_what_is_focused():
    """In float64 they change no digit that counts."""
    terms = (Content(layer="relu2_1"), Wasserstein(layer="relu1_1"))
    recipe, studio = toy_recipe(terms=terms), DoubleStudio(convolutions)
    octave = Octave(size=(45, 38), side=45, steps=1)
    content, image = natural(0, 45, 38).double(), natural(2, 45, 38).double()
    styles = [Style(natural(3, 40, 50).double(), "one")]
    focus = Guidance(natural(5, 20, 20)[:, :1].double())
    whole = bind(recipe, studio, octave, content, styles, focus=focus)
    tiled = bind(recipe, studio, octave, content, styles, focus=focus, tile=16)
    (loss, gradient), (tiled_loss, tiled_gradient) = whole(image), tiled(image)

    assert tiled_loss.item() == pytest.approx(loss.item(), rel=1e-12)
    assert difference(gradient, tiled_gradient) < 1e-12


def test_legibility_is_seen_at_the_subject(dog, studio):
    """As much noise takes more of it there than beside it."""
    features = studio.features(GALLERY)
    rough = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(1))

    def left(top, at, focus):
        image = dog.clone()
        image[..., top : top + 40, at : at + 40] = rough
        return legibility(image, dog, features, focus=focus)

    on_the_head, beside = (left(5, at, 2.0) for at in (110, 20))
    assert on_the_head < beside - 0.1
    assert left(5, 110, 2.0) < left(5, 110, 0.0)


@pytest.mark.slow
def test_a_subject_keeps_more_of_itself_at_the_same_legibility(dog, studio):
    """And what is around it is painted more boldly."""
    style = Style(
        decode((DOG.parents[1] / "ukiyo_e" / "hokusai_great_wave.jpg").read_bytes()).pixels,
        key="style",
    )
    features = studio.features(GALLERY)
    where = focused(GALLERY, Pictures(dog, [style]), studio)
    lost = {}
    for focus in (0.0, 2.0):
        recipe = turn(GALLERY, Dials(size=160, focus=focus))
        image = synthesize(recipe, Pictures(dog, [style]), studio=studio).image
        maps = [features(each, ["relu4_2"])["relu4_2"].float() for each in (image, dog)]
        apart = (maps[0] - maps[1]).square().mean(1, keepdim=True)
        subject = where.at(apart.shape[-2:]) > 1.5
        lost[focus] = apart[subject].mean().item(), apart[~subject].mean().item()

    assert lost[2.0][0] < lost[0.0][0]
    assert lost[2.0][1] > lost[0.0][1]


def test_a_network_that_tells_no_objects_cannot_be_asked_to_focus():
    """Asked, it says so; unasked, it paints all places alike."""
    terms = (Content(layer="block3"), Gram(layer="block1"))
    plain = Recipe(network="efficientnet-lite0", terms=terms)

    assert turn(plain, Dials()).focus == 0
    with pytest.raises(RecipeError, match="say focus: 0, or take a VGG"):
        turn(plain, Dials(focus=2.0))


def test_without_a_content_there_is_nothing_to_focus_on():
    """Asked, the recipe says so; unasked, a texture in the gallery's style has none."""
    textures = replace(GALLERY, legibility=None)

    assert turn(textures, Dials(content_weight=0)).focus == 0
    with pytest.raises(RecipeError, match="the recipe compares none"):
        turn(textures, Dials(content_weight=0, focus=2.0))


def test_recipes_that_do_not_focus_keep_their_identity():
    """Pictures painted before there was such a dial are up to date."""
    assert "focus" not in turn(GALLERY, Dials(focus=0.0)).parameters()
    assert GALLERY.parameters()["focus"] == 2.0
