from __future__ import annotations

import re

import pytest

from nst_core.errors import RecipeError
from nst_core.networks import NETWORKS, network
from nst_core.recipe import Recipe
from nst_core.terms import Content
from tests.nst_core.toy import TOY

ROWS = pytest.mark.parametrize("row", [*NETWORKS.values()], ids=[*NETWORKS])


def test_network_is_found_by_its_name():
    """The table gives the row that a recipe names."""
    assert network("vgg19").name == "vgg19"


def test_unknown_network_is_answered_with_the_nearest():
    """A slip of the pen gets the name that was meant."""
    with pytest.raises(RecipeError) as refused:
        network("vgg91")

    assert str(refused.value) == "no network 'vgg91'; did you mean 'vgg19'?"
    assert refused.value.code == "E-RECIPE-NETWORK"


def test_network_like_no_other_is_answered_with_all():
    """Where no name is near, all of them are told."""
    with pytest.raises(RecipeError, match=r"^no network 'resnet'; known: vgg19, .*, toy$"):
        network("resnet")


def test_layers_are_named_as_in_the_papers():
    """Blocks and their convolutions count from 1; each block ends in a pooling."""
    assert TOY.layers == ("conv1_1", "relu1_1", "pool1", "conv2_1", "relu2_1", "pool2")


def test_unknown_layer_is_answered_with_the_nearest():
    """The error names the network, the layer and what was probably meant."""
    with pytest.raises(RecipeError) as refused:
        network("vgg19").require_layer("relu4_5")

    assert str(refused.value) == "vgg19 has no layer 'relu4_5'; did you mean 'relu4_4'?"
    assert refused.value.code == "E-RECIPE-LAYER"


def test_layer_like_no_other_is_answered_with_all():
    """Where no name is near, the stages are told; what lies inside them is in the README."""
    with pytest.raises(RecipeError) as refused:
        network("googlenet").require_layer("relu4_2")

    assert str(refused.value) == (
        "googlenet has no layer 'relu4_2'; it has conv1, maxpool1, conv2, conv3, maxpool2,"
        " inception3a, inception3b, maxpool3, inception4a, inception4b, inception4c, inception4d,"
        " inception4e, maxpool4, inception5a, inception5b, logits"
    )


@pytest.mark.parametrize(
    ("layer", "side"), [("relu1_2", 1), ("pool1", 2), ("relu4_2", 8), ("relu5_1", 16)]
)
def test_smallest_side_leaves_one_position_in_the_deepest_layer(layer: str, side: int):
    """Every pooling on the way halves the picture."""
    assert network("vgg19").smallest_side(frozenset({"relu1_1", layer})) == side


def test_smallest_side_without_layers_is_a_pixel():
    """A canvas judged by itself may be of any size."""
    assert network("vgg19").smallest_side(frozenset()) == 1


@ROWS
def test_row_stands_under_its_own_name(row):
    """A row's name is its key in the table."""
    assert NETWORKS[row.name] is row


@ROWS
def test_means_belong_to_convolutions(row):
    """A normalised network has one mean per convolution, none of them zero."""
    convolutions = [layer for layer in row.layers if layer.startswith("conv")]

    assert len(row.layer_means) in {0, len(convolutions)}
    assert all(mean > 0 for mean in row.layer_means)


@ROWS
def test_channels_of_a_layer_are_known(row):
    """Every layer has channels and a smallest side, and the side only grows with depth."""
    sides = [row.smallest_side(frozenset({layer})) for layer in row.layers]

    assert all(row.channels(layer) > 0 for layer in row.layers)
    assert sides == sorted(sides)


@pytest.mark.parametrize(
    ("name", "layer", "channels", "side"),
    [
        ("vgg19", "relu4_2", 512, 8),
        ("vgg16", "logits", 1000, 32),
        ("googlenet", "inception4c", 512, 15),
        ("googlenet", "inception3b.branch3[0]", 32, 7),
        ("inception-v3", "Mixed_6b", 768, 43),
        ("inception-v3", "logits", 1000, 75),
        ("efficientnet-lite0", "head", 1280, 32),
    ],
)
def test_layers_are_as_the_papers_count_them(name: str, layer: str, channels: int, side: int):
    """Channels from their tables; sides as torchvision tells them of whole networks."""
    assert network(name).channels(layer) == channels
    assert network(name).smallest_side(frozenset({layer})) == side


def test_classes_are_those_of_the_scores():
    """A classifier has a name for every score; other networks have none."""
    for row in NETWORKS.values():
        scored = row.channels("logits") if "logits" in row.layers else 0
        assert len(row.classes) == scored


def test_class_is_found_in_a_network():
    """By its name, or by its id."""
    assert network("googlenet").class_index("ground beetle") == 302
    assert network("vgg16").class_index(130) == 130


def test_network_without_classes_names_those_that_have():
    """The error is a remedy at once."""
    with pytest.raises(RecipeError) as refused:
        network("vgg19").class_index("tricycle")

    assert str(refused.value) == (
        "vgg19 scores no classes; networks that do: vgg19-torchvision, vgg16, googlenet,"
        " inception-v3, efficientnet-lite0"
    )
    assert refused.value.code == "E-RECIPE-LAYER"


@pytest.mark.parametrize(
    ("name", "layer", "meant"),
    [
        ("googlenet", "inception_4c", "inception4c"),
        ("googlenet", "inception3b.branch3.0", "inception3b.branch3[0]"),
        ("inception-v3", "mixed_6b", "Mixed_6b"),
        ("efficientnet-lite0", "blocks.5", "block5"),
        ("vgg16", "relu5_4", "relu5_3"),
    ],
)
def test_slips_are_answered_with_the_layer_that_was_meant(name: str, layer: str, meant: str):
    """Names that other tools use for the same layers, for one."""
    with pytest.raises(RecipeError, match=re.escape(f"did you mean '{meant}'?")):
        network(name).require_layer(layer)


def test_recipe_asks_its_network_for_pooling_and_border():
    """A recipe that cannot be painted is no recipe."""
    terms = (Content(layer="inception4c"),)

    assert Recipe(network="googlenet", terms=terms).pooling == "max"
    with pytest.raises(RecipeError, match="border is replicate, but googlenet has its own"):
        Recipe(network="googlenet", terms=terms, border="replicate")
