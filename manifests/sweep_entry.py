"""What a manifest says of a sweep: dials as lists, each an axis along which a recipe varies."""

import math
from types import NoneType
from typing import Any, Self, Union, get_args

from pydantic import Field, create_model, model_validator
from pydantic.fields import FieldInfo

from manifests.fields import StrictModel, wrong
from manifests.problems import quoted
from manifests.recipe_entry import RecipeEntry
from manifests.sweep_labels import label

MAX_VARIANTS = 200
"""Of one recipe: more pictures fit no sheet and hardly a night."""

_MOST_AXES = 3
# They say what is written, not what is painted.
_NO_AXES = frozenset({"frames", "format", "log_every"})


class Axes(StrictModel):
    """Dials as lists; every combination of their values is a recipe of its own."""

    @property
    def given(self) -> dict[str, tuple[Any, ...]]:
        """The axes, each with its values, in the order in which a recipe's dials are listed."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: values for name, values in found.items() if values is not None}

    @model_validator(mode="after")
    def _is_a_grid(self) -> Self:
        axes = self.given
        if not axes:
            raise wrong("E-MANIFEST-SWEEP", "has no axis; give a dial as a list of values")
        if len(axes) > _MOST_AXES:
            said = f"has {len(axes)} axes; no more than {_MOST_AXES} fit a sheet"
            raise wrong("E-MANIFEST-SWEEP", said)
        if (count := math.prod(map(len, axes.values()))) > MAX_VARIANTS:
            said = f"has {count:,} combinations; no more than {MAX_VARIANTS} can be painted"
            raise wrong("E-MANIFEST-SWEEP", said)
        for name, values in axes.items():
            for place, value in enumerate(values):
                if value in values[:place]:
                    raise wrong("E-MANIFEST-SWEEP", f"{name} has {quoted(label(value))} twice")
        return self


def _axis(field: FieldInfo) -> Any:
    """Return an axis of a dial: a list of what the dial may be."""
    values = tuple(one for one in get_args(field.annotation) if one is not NoneType)
    kind: Any = Union[values]  # noqa: UP007 # made of a tuple, not written out
    return tuple[kind, ...] | None, Field(default=None, min_length=1)


_AXES: dict[str, Any] = {
    name: _axis(field) for name, field in RecipeEntry.model_fields.items() if name not in _NO_AXES
}
_MEANINGS = (RecipeEntry.__doc__ or "").partition("    Args:\n")[2]
Sweep = create_model(
    "Sweep",
    __base__=Axes,
    __doc__=f"{Axes.__doc__}\n\n    Args:\n{_MEANINGS}",
    __module__=__name__,
    **_AXES,
)


class RecipeFamily(RecipeEntry):
    """How to paint, perhaps in several ways: a recipe with some of its dials as lists.

    Args:
        sweep: Dials as lists of values: every combination is painted, and shown on one sheet.
    """

    sweep: Sweep | None = None  # type: ignore[valid-type] # a class made of RecipeEntry's fields

    @model_validator(mode="after")
    def _says_everything_once(self) -> Self:
        for name in self.axes:
            if getattr(self, name) is not None:
                raise wrong("E-MANIFEST-SWEEP", f"{name} is an axis of sweep; say it there only")
        return self

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """The axes of the sweep, each with its values; none without one."""
        return {} if self.sweep is None else self.sweep.given
