"""The thousand classes of ImageNet, by id and by name."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import TYPE_CHECKING

from nst_core.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence


@functools.cache
def class_names() -> tuple[str, ...]:
    """Return the names in the order of the class ids, as torchvision writes them."""
    return tuple(files("nst_core").joinpath("imagenet_classes.txt").read_text("utf-8").splitlines())


def class_index(given: str | int, names: Sequence[str]) -> int:
    """Return a class's id.

    Args:
        given: The id itself, or the name; capitals matter only where they tell a dog (Cardigan,
            264) from a garment (cardigan, 474).
        names: All names in the order of the ids.

    Raises:
        RecipeError: No such class, naming the nearest; or two of that name, naming their ids.
    """
    if isinstance(given, int):
        if not 0 <= given < len(names):
            raise RecipeError(
                f"there is no class {given}; they count from 0 to {len(names) - 1}",
                code="E-RECIPE-CLASS",
            )
        return given
    if given in names:
        return names.index(given)
    plain = given.casefold()
    found = [index for index, name in enumerate(names) if name.casefold() == plain]
    if len(found) == 1:
        return found[0]
    if found:
        ids = " or ".join(map(str, found))
        raise RecipeError(
            f"two classes are called '{given}'; say {ids} for the one you mean",
            code="E-RECIPE-CLASS",
        )
    raise RecipeError(
        f"there is no class '{given}'{did_you_mean(given, names)}", code="E-RECIPE-CLASS"
    )
