"""The kinds of values in a manifest, each with what it must be and a shorter way to write it.

A check raises a ``PydanticCustomError`` whose type is the problem's code and whose message says
what would be right; :mod:`manifests.explaining` gives it its place.
"""

import re
from collections.abc import Callable
from datetime import time
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from manifests import locations
from manifests.naming import NO_COLLECTIONS, PRINTS, is_reserved, slug
from manifests.problems import quoted
from nst_core.errors import NSTError, did_you_mean
from nst_core.manners import MANNERS, manner
from nst_core.networks import NETWORKS, network
from nst_core.presets import PRESETS, preset

Item = TypeVar("Item")

_TIME_OF_DAY = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?: +([A-Za-z0-9_+/-]+))?")
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
_TAKEN = NO_COLLECTIONS | {PRINTS}
_COLOR = re.compile(r"#(?:[0-9a-fA-F]{3}){1,2}|[a-z]+")


def wrong(code: str, message: str) -> PydanticCustomError:
    """Return the error that a check of a value raises."""
    return PydanticCustomError(code, "{message}", {"message": message})


def time_of_day(text: str) -> time:
    """Return what ``07:00`` or ``07:00 Europe/Berlin`` means; without a zone, this machine's.

    Raises:
        ValueError: No time of day, or no such zone.
    """
    match = _TIME_OF_DAY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{quoted(text)} is no time of day; write 07:00 or 07:00 Europe/Berlin")
    hour, minute, zone = int(match[1]), int(match[2]), match[3]
    if zone is None:
        return time(hour, minute)
    zones = available_timezones()
    if zone not in zones:
        raise ValueError(f"there is no time zone {quoted(zone)}{did_you_mean(zone, zones)}")
    return time(hour, minute, tzinfo=ZoneInfo(zone))


def collection_name(text: str) -> str:
    """Return a name that a collection may have, made from any text."""
    name = slug(text)
    return f"{name}-pictures" if name in _TAKEN else name


def _time(text: str) -> str:
    try:
        time_of_day(text)
    except ValueError as error:
        raise wrong("E-MANIFEST-TIME", str(error)) from None
    return text


def _location(text: str) -> str:
    if reason := locations.reason_against(text):
        raise wrong("E-MANIFEST-LOCATION", reason)
    return text


def _collection(text: str) -> str:
    if not _FOLDER.fullmatch(text) or is_reserved(text) or text.casefold() in _TAKEN:
        fit = quoted(collection_name(text))
        message = f"names a folder: letters, digits, - and _, for example {fit}"
        raise wrong("E-MANIFEST-COLLECTION", message)
    return text


def _color(text: str) -> str:
    from PIL import ImageColor  # noqa: PLC0415  only a background needs it

    if not _COLOR.fullmatch(text) or (text[0] != "#" and text not in ImageColor.colormap):
        hint = did_you_mean(text, ImageColor.colormap) or "; write a name such as white, or #rrggbb"
        raise wrong("E-MANIFEST-COLOR", f"{quoted(text)} is no colour{hint}")
    return text


def _known(look_up: Callable[[str], object]) -> Callable[[str], str]:
    """Return the check that a name stands in one of the core's tables."""

    def check(name: str) -> str:
        try:
            look_up(name)
        except NSTError as error:
            raise wrong(error.code, str(error)) from None
        return name

    return check


def _listed(value: Any) -> Any:
    """Take one value for a list of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _weighted(value: Any) -> Any:
    """Take a list of layers for layers of equal weight."""
    if isinstance(value, list) and all(isinstance(layer, str) for layer in value):
        return dict.fromkeys(value, 1.0)
    return value


class StrictModel(BaseModel):
    """What every model of a manifest is: frozen, without unknown keys, without guesses."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False
    )


MAX_ENTRIES = 500
"""Of sets, recipes, pairings or terms: a manifest is to be checked in half a second."""

NOT_TOO_MANY = Field(max_length=MAX_ENTRIES)

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Collection = Annotated[str, AfterValidator(_collection)]
Location = Annotated[str, AfterValidator(_location)]
Color = Annotated[str, AfterValidator(_color)]
TimeOfDay = Annotated[str, AfterValidator(_time)]
PresetName = Annotated[
    str, AfterValidator(_known(preset)), Field(json_schema_extra={"enum": list(PRESETS)})
]
MannerName = Annotated[
    str,
    AfterValidator(_known(lambda name: name == "off" or manner(name))),
    Field(json_schema_extra={"enum": [*MANNERS, "off"]}),
]
NetworkName = Annotated[
    str, AfterValidator(_known(network)), Field(json_schema_extra={"enum": list(NETWORKS)})
]


class _OrJustOne:
    """Tells editors that a list of one may be written without its brackets."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        array = handler(core_schema)
        return {"anyOf": [array["items"], array]}


OneOrMore = Annotated[tuple[Item, ...], Field(min_length=1), BeforeValidator(_listed), _OrJustOne()]
LayerWeights = Annotated[
    dict[str, Annotated[float, Field(ge=0)]],
    Field(min_length=1),
    BeforeValidator(_weighted, json_schema_input_type=list[str] | dict[str, float]),
]
