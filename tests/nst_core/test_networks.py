from __future__ import annotations

import pytest

from nst_core.errors import RecipeError
from nst_core.networks import NETWORKS, network
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
