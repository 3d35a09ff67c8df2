from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nst_core.activations import Activation, Unit
from nst_core.errors import RecipeError
from nst_core.features import Features
from nst_core.networks import network
from nst_core.objective import bind
from nst_core.octaves import Octave
from nst_core.pictures import Style
from nst_core.presets import preset
from nst_core.studio import Studio
from nst_core.terms import Content, Gamut, Gram, TotalVariation, Wasserstein
from nst_core.transforms import Jitter, RandomScale, seen_in
from nst_core.weights import load_weights
from tests.nst_core.toy import convolutions, natural, toy_recipe

EVERY_TERM = (
    Content(layer="relu2_1", weight=0.5),
    Content(layer="conv1_1", weight=0.1),
    Gram(layer="relu1_1", weight=2.0),
    Gram(layer="relu1_1", weight=3.0, divide_by="chw"),
    Gram(layer="image", weight=3.0),
    Wasserstein(layer="relu2_1", weight=3.0),
    Wasserstein(layer="pool1", weight=0.7),
    TotalVariation(weight=0.25),
    Gamut(weight=7.0),
    Activation(layer="relu2_1", weight=0.2),
    Activation(layer="conv2_1", weight=0.1, channels=(1, 3)),
    Unit(layer="relu1_1", unit=2, weight=0.3),
)


class DoubleStudio(Studio):
    """A studio that computes in float64, where nothing but exactness is left to compare."""

    def __init__(self, load) -> None:
        super().__init__(load=load)
        self._double: dict[object, Features] = {}

    def features(self, recipe):
        """Give the recipe's network in float64."""
        key = (recipe.network, recipe.pooling, recipe.border)
        if key not in self._double:
            row = network(recipe.network)
            self._double[key] = Features(
                row,
                self._load(row),
                dtype=torch.float64,
                pooling=recipe.pooling,
                border=recipe.border,
            )
        return self._double[key]


def both(recipe, studio, size, side, *, dtype=torch.float64):
    """Bind an objective whole and in tiles; give both, and a canvas."""
    height, width = size
    octave = Octave(size=size, side=max(size), steps=1)
    content, style, image = (natural(seed, height, width).to(dtype) for seed in range(3))
    styles = [Style(style, "style")]
    return (
        bind(recipe, studio, octave, content, styles),
        bind(recipe, studio, octave, content, styles, tile=side),
        1.2 * image - 0.1,
    )


def difference(one, other):
    """Give the norm of a difference, relative to the norm of the first."""
    return ((one - other).norm() / one.norm()).item()


@pytest.mark.parametrize("size", [(45, 38), (32, 48), (17, 50)], ids=str)
@pytest.mark.parametrize("side", [16, 24])
@pytest.mark.parametrize("border", ["zeros", "replicate"])
def test_tiled_gradient_is_the_gradient(size, side: int, border: str):
    """In float64 tiles change no digit that counts, at odd sizes and both kinds of border."""
    recipe = toy_recipe(terms=EVERY_TERM, border=border)
    whole, tiled, image = both(recipe, DoubleStudio(convolutions), size, side)
    (loss, gradient), (tiled_loss, tiled_gradient) = whole(image), tiled(image)

    assert tiled_gradient.dtype == torch.float64
    assert difference(gradient, tiled_gradient) < 1e-12
    assert tiled_loss.item() == pytest.approx(loss.item(), rel=1e-12)


@pytest.mark.parametrize("term", EVERY_TERM, ids=str)
def test_each_term_is_exact_by_itself(term):
    """No term hides behind a heavier one."""
    recipe = toy_recipe(terms=(term,))
    whole, tiled, image = both(recipe, DoubleStudio(convolutions), (45, 38), 16)

    assert difference(whole(image)[1], tiled(image)[1]) < 1e-12
    assert tiled.parts(image).keys() == whole.parts(image).keys()
    torch.testing.assert_close(tiled.parts(image), whole.parts(image), rtol=1e-12, atol=0)


@pytest.mark.parametrize("pooling", ["max", "avg", "l2"])
def test_tiles_fit_every_pooling(pooling: str):
    """Poolings of tiles fall into step with those of the whole picture."""
    recipe = toy_recipe(terms=EVERY_TERM, pooling=pooling)
    whole, tiled, image = both(recipe, DoubleStudio(convolutions), (45, 38), 16)

    assert difference(whole(image)[1], tiled(image)[1]) < 1e-12


def test_tiles_see_what_the_network_would_see():
    """The canvas is shifted and scaled before it is cut, and the gradient comes back from there."""
    recipe = toy_recipe(terms=(EVERY_TERM[2], *EVERY_TERM[-5:]))
    whole, tiled, image = both(recipe, DoubleStudio(convolutions), (45, 38), 16)
    seen = seen_in([Jitter(pixels=7), RandomScale()], seed=1, octave=0, step=3)
    (loss, gradient), (tiled_loss, tiled_gradient) = whole(image, seen), tiled(image, seen)

    assert difference(gradient, tiled_gradient) < 1e-12
    assert tiled_loss.item() == pytest.approx(loss.item(), rel=1e-12)
    torch.testing.assert_close(tiled.parts(image, seen), whole.parts(image, seen))


def test_parts_are_named_and_ordered_as_without_tiles(studio):
    """The loss log has the same columns."""
    recipe = toy_recipe(terms=EVERY_TERM)
    whole, tiled, image = both(recipe, studio, (45, 38), 16, dtype=torch.float32)
    tiled(image)

    assert list(tiled.parts(image)) == list(tiled.latest) == list(whole.parts(image))
    torch.testing.assert_close(dict(tiled.latest), tiled.parts(image), rtol=1e-3, atol=0)


def test_tiled_evaluation_repeats_to_the_bit(studio):
    """An interrupted painting goes on as it would have."""
    _, tiled, image = both(toy_recipe(terms=EVERY_TERM), studio, (45, 38), 16, dtype=torch.float32)
    (loss, gradient), (again, gradient_again) = tiled(image), tiled(image)

    assert torch.equal(loss, again)
    assert torch.equal(gradient, gradient_again)


def test_canvas_terms_alone_need_no_tiles(studio):
    """Without a layer of the network nothing is cut."""
    recipe = toy_recipe(terms=(TotalVariation(), Gamut()))
    whole, tiled, image = both(recipe, studio, (45, 38), 16, dtype=torch.float32)

    torch.testing.assert_close(tiled(image), whole(image))


def test_targets_in_tiles_are_not_taken_for_whole_ones(studio):
    """What was painted before in the same process leaves no trace, not even in the last bit."""
    seen = []
    measure = studio.remember
    studio.remember = lambda key, how: (seen.append(key), measure(key, how))[1]
    both(toy_recipe(terms=(Gram(layer="relu1_1"),)), studio, (45, 38), 16, dtype=torch.float32)

    assert len(set(seen)) == 2


def test_term_that_cannot_be_cut_is_refused_before_anything_is_measured(monkeypatch, studio):
    """A recipe with such a term says so at once."""
    monkeypatch.setattr(Gram, "averages", None)

    with pytest.raises(RecipeError, match="term gram on relu1_1 judges whole pictures") as caught:
        both(toy_recipe(), studio, (45, 38), 16, dtype=torch.float32)

    assert caught.value.code == "E-RECIPE-TILES"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gallery", "gatys-2016", "jcjohnson"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_tiled_gradient_is_the_gradient_of_the_real_network(name: str, dtype):
    """With VGG-19 at an odd size: within fp32 rounding, and in float64 to its rounding."""
    studio = DoubleStudio(load_weights) if dtype == torch.float64 else Studio()
    # In bf16, which is chosen where processors are good at it, nothing could be told.
    recipe = replace(preset(name).recipe, precision="fp32")
    whole, tiled, image = both(recipe, studio, (141, 118), 64, dtype=dtype)
    (loss, gradient), (tiled_loss, tiled_gradient) = whole(image), tiled(image)
    # W2's eigendecompositions spread the rounding of fp32.
    tolerance = 1e-12 if dtype == torch.float64 else 1e-3

    assert difference(gradient, tiled_gradient) < tolerance
    assert tiled_loss.item() == pytest.approx(loss.item(), rel=tolerance)
