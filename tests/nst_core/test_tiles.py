from __future__ import annotations

import pytest
import torch

from nst_core.activations import Activation, Guide, Unit
from nst_core.errors import RecipeError
from nst_core.networks import network
from nst_core.terms import Content, Gram, TotalVariation, Wasserstein
from nst_core.tiles import cut, measured, reach, require_tileable, whole_maps, why_whole
from tests.nst_core.toy import TOY, picture, toy_recipe

VGG = network("vgg19")
SIZES = [(45, 38), (64, 64), (17, 90), (16, 16), (31, 33)]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [("relu1_1", 1), ("pool1", 2), ("relu2_1", 4), ("relu4_2", 40), ("relu5_1", 80)],
)
def test_reach_is_the_receptive_field_in_whole_cells(layer: str, expected: int):
    """Convolutions at each depth add their cell: 70 px at relu5_1, which are 5 cells of 16."""
    assert reach(VGG, frozenset({layer})) == expected


@pytest.mark.parametrize("layer", ["relu1_1", "relu2_1", "pool2"])
@pytest.mark.parametrize("offset", range(4))
def test_nothing_beyond_the_reach_is_seen(studio, layer: str, offset: int):
    """A pixel further away than the reach changes no cell."""
    features = studio.features(toy_recipe())
    far, unit = reach(TOY, frozenset({layer})), TOY.smallest_side(frozenset({layer}))
    one = picture(1, 32, 32)
    other = one.clone()
    at = 16 + offset
    other[..., at, at] += 0.1
    before, after = (features(image, [layer])[layer] for image in (one, other))
    rows = (before != after).any(1)[0].any(1).nonzero()[:, 0]

    assert (rows.min() + 1) * unit + far > at
    assert rows.max() * unit - far <= at


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("side", [16, 20, 40, None])
@pytest.mark.parametrize("layer", ["relu1_1", "relu2_1", "pool2"])
def test_every_cell_belongs_to_one_tile(size, side, layer: str):
    """At each layer the interiors cover all cells that the poolings leave, and none twice."""
    scale = TOY.smallest_side(frozenset({layer}))
    owners = torch.zeros(1, 1, size[0] // scale, size[1] // scale)
    tiles = cut(size, side, TOY, ["relu1_1", "pool2"])
    for tile in tiles:
        tile.part(owners, scale).add_(1)

    assert owners.min() == owners.max() == 1
    assert sum(tile.share(scale) for tile in tiles) == pytest.approx(1)


@pytest.mark.parametrize("size", [(2048, 2048), (4961, 3508), (511, 97)], ids=str)
@pytest.mark.parametrize("side", [128, 256, 700])
def test_tiles_are_no_larger_than_asked(size, side: int):
    """Memory is planned by the side that is asked for."""
    for tile in cut(size, side, VGG, ["relu5_1"]):
        interior = 1
        for span in (tile.down, tile.across):
            interior *= span.stop - span.start
            assert span.before % 64 == 0
        assert 0 < interior <= side**2


@pytest.mark.parametrize(
    ("size", "grid"), [((2048, 2048), (1, 2)), ((1000, 5000), (1, 2)), ((5000, 1000), (2, 1))]
)
def test_tiles_are_cut_where_they_overlap_least(size, grid):
    """Of all grids of tiles that are no larger, the one in which the network sees fewest pixels."""
    tiles = cut(size, 1800, VGG, ["relu5_1"])

    assert (len({tile.down for tile in tiles}), len({tile.across for tile in tiles})) == grid


def test_picture_without_a_side_is_one_tile():
    """A whole picture is its own tile, and its own window."""
    (tile,) = cut((45, 38), None, TOY, ["relu2_1"])

    assert tile.window(picture(1, 45, 38)).shape == (1, 3, 45, 38)


@pytest.mark.parametrize("border", ["zeros", "replicate"])
@pytest.mark.parametrize("pooling", ["max", "avg"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_maps_of_tiles_are_those_of_the_picture(studio, border: str, pooling: str, size):
    """Put together, the tiles' maps are what the network makes of the whole."""
    features = studio.features(toy_recipe(border=border, pooling=pooling))
    layers = ["conv1_1", "relu1_1", "pool1", "relu2_1"]
    image = picture(1, *size)
    found = whole_maps(features, image, layers, 16)

    for layer, maps in features(image, layers).items():
        torch.testing.assert_close(found[layer], maps)


def test_measurements_of_tiles_are_those_of_the_picture(studio):
    """Means over positions are put together from the tiles', however unequal these are."""
    features, image = studio.features(toy_recipe()), picture(1, 45, 38)
    terms = (Gram(layer="relu1_1"), Wasserstein(layer="relu2_1"), Gram(layer="image"))
    whole, pieces = (measured(features, image, terms, side) for side in (None, 16))

    for term in terms:
        torch.testing.assert_close(pieces[term], whole[term])


def test_terms_say_whether_a_picture_may_be_cut():
    """Means over positions and judges of the canvas may; others have to say so first."""
    terms = [Content(), Gram(layer="relu1_1"), Wasserstein(layer="relu1_1"), TotalVariation()]

    assert why_whole(VGG, terms) is None
    assert why_whole(VGG, [*terms, Guide(layer="relu1_1")]) == (
        "term guide on relu1_1 judges whole pictures, not tiles"
    )


@pytest.mark.parametrize(
    "term", [Activation(layer="relu4_1", margin=2), Unit(layer="relu4_1", unit=3, at="center")]
)
def test_places_of_the_picture_are_none_of_a_tile(term):
    """Edges and the centre are the whole picture's."""
    assert why_whole(VGG, [term]) is not None


def test_class_scores_belong_to_the_whole_picture():
    """A score is no mean over positions, whatever the term says."""
    why = why_whole(network("vgg16"), [Gram(layer="logits")])

    assert why == "term gram on logits judges whole pictures, not tiles"


def test_only_a_vgg_sees_tiles():
    """How far the cells of other networks see is not known here; terms on the canvas still may."""
    other = network("googlenet")

    assert why_whole(other, [TotalVariation()]) is None
    with pytest.raises(RecipeError, match=r"googlenet sees whole pictures.*more memory") as caught:
        require_tileable(other, [Gram(layer="inception3a")])
    assert caught.value.code == "E-RECIPE-TILES"
