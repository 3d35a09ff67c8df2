from __future__ import annotations

import pytest
from torchvision.models import GoogLeNet_Weights

from nst_core.errors import RecipeError
from nst_core.imagenet import class_index, class_names


def test_names_are_torchvisions():
    """Both trained with the same order of classes, and both are asked by the same names."""
    assert list(class_names()) == GoogLeNet_Weights.IMAGENET1K_V1.meta["categories"]


@pytest.mark.parametrize(
    ("given", "index"),
    [
        ("ground beetle", 302),
        ("black swan", 100),
        ("tricycle", 870),
        ("Flamingo", 130),
        (302, 302),
        ("Cardigan", 264),
        ("cardigan", 474),
    ],
)
def test_class_is_found_by_name_or_id(given, index: int):
    """Capitals matter only where they tell the dog from the garment."""
    assert class_index(given, class_names()) == index


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ground beatle", "there is no class 'ground beatle'; did you mean 'ground beetle'?"),
        (1000, "there is no class 1000; they count from 0 to 999"),
        (-1, "there is no class -1; they count from 0 to 999"),
        ("CARDIGAN", "two classes are called 'CARDIGAN'; say 264 or 474 for the one you mean"),
    ],
)
def test_unknown_class_is_refused(given, message: str):
    """The error tells the nearest name, the range, or the ids to choose from."""
    with pytest.raises(RecipeError) as refused:
        class_index(given, class_names())

    assert str(refused.value) == message
    assert refused.value.code == "E-RECIPE-CLASS"
