"""What a manifest says of regions: where a picture's masks lie, and which style paints which.

A region is a name. A content's entry says what places of the picture it means, a pairing says in
whose manner they are painted, and what has no style stays as it is in the photo.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from manifests.fields import Color, Location, Name, OneOrMore, StrictModel, wrong
from manifests.problems import quoted
from nst_core.masks import REST

MAX_REGIONS = 20
NAME_OF_PICTURE = "{name}"
"""Stands for the picture's file name, without ending, in the location of its mask."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,39}")


def _fit_names(regions: dict[str, Any]) -> dict[str, Any]:
    for name in regions:
        if name == REST:
            said = f"'{REST}' is what lies in none of a picture's regions; give this another name"
            raise wrong("E-MANIFEST-REGION", said)
        if not _NAME.fullmatch(name):
            said = f"{quoted(name)} names a region: up to 40 letters, digits, spaces, - and _"
            raise wrong("E-MANIFEST-REGION", said)
    return regions


def _short_mask(value: Any) -> Any:
    return {"mask": value} if isinstance(value, str) else value


def _short_style(value: Any) -> Any:
    return {"style": value} if isinstance(value, str | list) else value


class Mask(StrictModel):
    """Which places of a picture belong to a region.

    Args:
        mask: Path or s3:// address of a picture of the same shape, at any scale; {name} in it
            stands for the picture's own file name, without its ending.
        color: The places of this colour; without it, the lighter a place the more it belongs, and
            what is transparent does not.
        feather: How far edges fade to either side, in pixels of the mask.
    """

    mask: Location
    color: Color | None = None
    feather: Annotated[float, Field(ge=0, le=1000)] = 0


Regions = Annotated[
    dict[
        Name,
        Annotated[Mask, BeforeValidator(_short_mask, json_schema_input_type=Location | Mask)],
    ],
    Field(min_length=1, max_length=MAX_REGIONS),
    AfterValidator(_fit_names),
]


class RegionStyle(StrictModel):
    """In whose manner a region is painted.

    Args:
        style: Names of style sets, every picture of which is taken in turn.
        region: Of the style's picture, the region whose manner it is; the whole without it.
    """

    style: OneOrMore[Name]
    region: Name | None = None


RegionStyles = Annotated[
    dict[
        Name,
        Annotated[
            RegionStyle,
            BeforeValidator(_short_style, json_schema_input_type=Name | list[Name] | RegionStyle),
        ],
    ],
    Field(min_length=1, max_length=MAX_REGIONS),
]


def _sets_or_regions(value: Any) -> str:
    return "<regions>" if isinstance(value, dict) else "<sets>"


# Tags in angle brackets cannot be mistaken for keys when an error's place is looked up.
PairingStyle = Annotated[
    Annotated[OneOrMore[Name], Tag("<sets>")] | Annotated[RegionStyles, Tag("<regions>")],
    Discriminator(_sets_or_regions),
]
