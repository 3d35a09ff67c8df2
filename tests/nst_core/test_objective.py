from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch

from nst_core.colors import match_color
from nst_core.errors import RecipeError
from nst_core.images import resize
from nst_core.objective import bind, style_size
from nst_core.octaves import Octave
from nst_core.pictures import Style
from nst_core.terms import Content, Gamut, Gram, TotalVariation, Wasserstein
from tests.nst_core.toy import WatchedStudio, picture, style, toy_recipe

if TYPE_CHECKING:
    from nst_core.studio import Studio

OCTAVE = Octave(size=(12, 16), side=16, steps=1)
FINER = Octave(size=(24, 32), side=32, steps=1)
EVERY_TERM = (
    Content(layer="relu2_1", weight=0.5),
    Gram(layer="relu1_1", weight=2.0),
    Wasserstein(layer="relu2_1", weight=3.0),
    TotalVariation(weight=0.25),
    Gamut(weight=7.0),
)


def losses(recipe, studio, styles, *, octave=OCTAVE, content=None, image=None):
    """Give every term's loss of an image, as numbers."""
    content = picture(0, *octave.size) if content is None else content
    image = picture(7, *octave.size) if image is None else image
    parts = bind(recipe, studio, octave, content, styles).parts(image)
    return {name: part.item() for name, part in parts.items()}


def test_parts_are_the_terms_times_their_weights(studio: Studio):
    """Every term is weighted and named; each compares with its own picture."""
    recipe = toy_recipe(terms=EVERY_TERM)
    content, painting, image = picture(0), style(1), picture(7) * 1.2
    features = studio.features(recipe)
    layers = {"relu1_1", "relu2_1", "image"}
    fitted = resize(painting.pixels, (14, 14), "bicubic")
    maps, of_content, of_style = (features(each, layers) for each in (image, content, fitted))

    def expected(term, source):
        target = term.target(term.measure(source[term.layer]))
        return term.weight * term.loss(term.measure(maps[term.layer]), target).item()

    assert losses(recipe, studio, [painting], image=image) == pytest.approx(
        {
            "content_relu2_1": expected(EVERY_TERM[0], of_content),
            "gram_relu1_1": expected(EVERY_TERM[1], of_style),
            "wasserstein_relu2_1": expected(EVERY_TERM[2], of_style),
            "total_variation": expected(EVERY_TERM[3], maps),
            "gamut": expected(EVERY_TERM[4], maps),
        },
        rel=1e-4,
    )


def test_objective_is_the_sum_of_its_parts(studio: Studio):
    """What is minimised is what is logged."""
    objective = bind(toy_recipe(terms=EVERY_TERM), studio, OCTAVE, picture(0), [style(1)])
    total, _ = objective(picture(7))

    torch.testing.assert_close(total, torch.stack(list(objective.parts(picture(7)).values())).sum())


def test_gradient_is_the_derivative_along_any_direction(studio: Studio):
    """A small step along a direction changes the objective as the gradient says."""
    objective = bind(toy_recipe(terms=EVERY_TERM), studio, OCTAVE, picture(0), [style(1)])
    image = picture(7) * 1.1
    _, gradient = objective(image)
    along = 1e-3 * gradient / gradient.norm()
    change = (objective(image + along)[0] - objective(image - along)[0]) / 2

    torch.testing.assert_close(change, (gradient * along).sum(), rtol=0.01, atol=0)


def test_latest_parts_are_kept_for_the_report_of_a_divergence(studio: Studio):
    """The last evaluation's losses are there without another pass."""
    objective = bind(toy_recipe(), studio, OCTAVE, picture(0), [style(1)])
    total, _ = objective(picture(7))

    torch.testing.assert_close(sum(objective.latest.values()), total)


def test_term_without_weight_is_neither_measured_nor_logged(studio: Studio):
    """A weight of 0 is as good as no term, and the others keep their names."""
    recipe = toy_recipe(
        terms=(Gram(layer="relu1_1", weight=0), Gram(layer="relu1_1"), TotalVariation())
    )

    assert set(losses(recipe, studio, [style(1)])) == {"gram_relu1_1#2", "total_variation"}


@pytest.mark.parametrize("term", [Gram(layer="relu1_1"), Wasserstein(layer="relu2_1")], ids=str)
def test_blending_a_picture_with_itself_changes_nothing(studio: Studio, term):
    """Several styles that are one picture are that picture, whatever their weights."""
    recipe, once = toy_recipe(terms=(term,)), style(1)
    twice = [style(1, weight=0.3), style(1, weight=1.7)]

    assert losses(recipe, studio, twice) == pytest.approx(losses(recipe, studio, [once]), rel=1e-4)


@pytest.mark.parametrize("term", [Gram(layer="relu1_1"), Wasserstein(layer="relu2_1")], ids=str)
def test_style_weights_are_shares(studio: Studio, term):
    """Only the proportion of the weights counts."""
    recipe = toy_recipe(terms=(term,))
    small, large = ([style(1, weight=scale), style(2, weight=3 * scale)] for scale in (0.25, 100.0))

    assert losses(recipe, studio, small) == pytest.approx(losses(recipe, studio, large), rel=1e-4)


def test_blended_target_is_the_weighted_mean_of_measurements(studio: Studio):
    """Two styles give one Gram matrix: the mean of theirs by weight."""
    term = Gram(layer="relu1_1")
    recipe = toy_recipe(terms=(term,))
    features, image = studio.features(recipe), picture(7)

    def gram(pixels):
        return term.measure(features(pixels, ["relu1_1"])["relu1_1"])[0]

    one, other = (resize(picture(seed, 14, 14), (14, 14)) for seed in (1, 2))
    blended = 0.25 * gram(one) + 0.75 * gram(other)
    expected = (gram(image) - blended).square().mean().item()

    assert losses(recipe, studio, [style(1), style(2, weight=3.0)], image=image) == pytest.approx(
        {"gram_relu1_1": expected}, rel=1e-4
    )


def test_style_targets_are_remembered():
    """A second pair with the same style sends its content through the network, and no style."""
    studio = WatchedStudio()
    bind(toy_recipe(), studio, OCTAVE, picture(0), [style(1, height=9, width=25)])
    first = list(studio.seen)
    studio.seen.clear()
    bind(toy_recipe(), studio, OCTAVE, picture(3), [style(1, height=9, width=25)])

    assert sorted(first) == [(8, 23), (12, 16)]
    assert studio.seen == [(12, 16)]


@pytest.mark.parametrize(
    "changes",
    [
        {"style_scale": 0.5},
        {"pooling": "avg"},
        {"border": "replicate"},
        {"resampling": "bilinear"},
        {"terms": (Gram(layer="relu1_1", divide_by="chw"),)},
    ],
)
def test_targets_of_another_recipe_are_not_mistaken(changes):
    """Whatever changes a target is part of what it is remembered under."""
    recipe = toy_recipe(**{"terms": (Gram(layer="relu1_1"),)} | changes)
    studio, styles = WatchedStudio(), [style(1, height=9, width=25)]
    bind(toy_recipe(terms=(Gram(layer="relu1_1"),)), studio, OCTAVE, picture(0), styles)
    afresh = losses(recipe, WatchedStudio(), styles)

    assert losses(recipe, studio, styles) == afresh


def test_targets_do_not_depend_on_a_terms_weight():
    """A recipe that paints the style more strongly finds its targets there."""
    studio = WatchedStudio()
    bind(toy_recipe(terms=(Gram(layer="relu1_1"),)), studio, OCTAVE, picture(0), [style(1)])
    studio.seen.clear()
    strong = toy_recipe(terms=(Gram(layer="relu1_1", weight=50.0),))
    bind(strong, studio, OCTAVE, picture(0), [style(1)])

    assert studio.seen == []


def test_each_octave_has_its_own_targets():
    """Styles are measured at the size that fits each octave."""
    studio = WatchedStudio()
    bind(toy_recipe(), studio, OCTAVE, picture(0), [style(1)])
    studio.seen.clear()
    bind(toy_recipe(), studio, FINER, picture(0, 24, 32), [style(1)])

    assert sorted(studio.seen) == [(24, 32), (28, 28)]


def test_matched_styles_are_measured_for_each_content():
    """Recoloured to the content, a style's target belongs to that content alone."""
    studio, recipe = WatchedStudio(), toy_recipe(color="match-content")
    for seed in (0, 3):
        bind(recipe, studio, OCTAVE, picture(seed), [style(1)])

    assert len(studio.seen) == 4


def test_matched_style_has_the_contents_colours(studio: Studio):
    """With match-content the target is that of the recoloured style picture."""
    terms = (Gram(layer="relu1_1"),)
    recolored = Style(match_color(style(1).pixels, picture(0)), key="recoloured")

    assert losses(
        toy_recipe(terms=terms, color="match-content"), studio, [style(1)]
    ) == pytest.approx(losses(toy_recipe(terms=terms), studio, [recolored]))


@pytest.mark.parametrize(
    ("changes", "size", "expected"),
    [
        ({}, (300, 300), (14, 14)),
        ({}, (100, 400), (7, 28)),
        ({"style_scale": 2.0}, (300, 300), (28, 28)),
        ({"style_fit": "longest"}, (300, 300), (16, 16)),
        ({"style_fit": "longest"}, (100, 400), (4, 16)),
        ({}, (7, 7), (14, 14)),
        ({"enlarge_style": False}, (7, 7), (7, 7)),
        ({"enlarge_style": False}, (300, 300), (14, 14)),
        ({"enlarge_style": 1.5}, (8, 8), (12, 12)),
        ({"enlarge_style": 1.5}, (300, 300), (14, 14)),
        ({"style_fit": "longest", "enlarge_style": False, "style_scale": 3.0}, (30, 20), (30, 20)),
        ({}, (2, 4000), (2, 620)),
    ],
)
def test_style_is_measured_at_the_size_that_fits(changes, size, expected):
    """Area or longest side fits the canvas, times the scale, never under the network's minimum."""
    assert style_size(toy_recipe(**changes), OCTAVE, size, smallest=2) == expected


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
def test_style_without_a_share_is_refused(weight: float):
    """A weight that cannot be normalised is refused with its value."""
    with pytest.raises(RecipeError, match=rf"a style's weight is {weight}; it must be positive"):
        style(1, weight=weight)
