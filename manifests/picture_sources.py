"""Where the pictures of a pair came from, as its record tells."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from manifests.locations import written_out

# Names, and messages that quote them.
Text = Annotated[str, AfterValidator(written_out)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Frozen(BaseModel):
    """What all parts of a record are: frozen, without unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )


class MaskSource(Frozen):
    """Which places of a picture belonged to a region.

    Args:
        location: Absolute path or ``s3://bucket/key``.
        sha256: Of its bytes.
        color: The places of this colour; none if it was how light they are.
        feather: How far edges faded, in pixels of the mask.
    """

    location: Text
    sha256: Sha256
    color: str | None = None
    feather: float = 0.0


class RegionSource(Frozen):
    """A region of the content.

    Args:
        name: The manifest's.
        mask: Where it lay.
    """

    name: str
    mask: MaskSource


class StyleSource(Frozen):
    """One style picture of a pair.

    Args:
        location: Absolute path or ``s3://bucket/key``.
        weight: Its share among the pair's styles, or among those of its region.
        sha256: Of its bytes.
        region: Of the content, the one that it painted; empty for all of it.
        mask: Which of its own places counted; none for all.
    """

    location: Text
    weight: float
    sha256: Sha256
    region: str = ""
    mask: MaskSource | None = None


class StartSource(Frozen):
    """The first canvas of a pair whose recipe reads one.

    Args:
        location: Absolute path or ``s3://bucket/key``.
        sha256: Of its bytes.
    """

    location: str
    sha256: Sha256
