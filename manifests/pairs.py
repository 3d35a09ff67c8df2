"""A pair: one picture to be painted, and its identity."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from manifests.naming import SHORTEST_ID, slug, stem, stem_of, title
from nst_core.networks import network
from nst_core.recipe import ALGORITHM_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nst_core.preset_types import Axes
    from nst_core.recipe import Recipe

FormatName = Literal["png", "jpeg", "webp", "tiff"]
FrameSteps = int | tuple[int, ...]


@dataclass(frozen=True)
class OutputFormat:
    """What is written for a pair.

    Args:
        format: Of the finished picture.
        bits: Per channel.
        quality: Of jpeg and webp, 1 to 100; the others ignore it.
        provenance: Whether the file tells how it was painted.
        dpi: Dots per inch that the file claims, or None.
        frames: Steps between two intermediate pictures that are kept, or the steps after which
            one is (0 is the start), or None.
        video: What else is made of these: ``mp4``, or None.
        background: What shows through transparent inputs: a colour's name or ``#rrggbb``.
    """

    format: FormatName = "png"
    bits: Literal[8, 16] = 8
    quality: int = 95
    provenance: bool = True
    dpi: int | None = None
    frames: FrameSteps | None = None
    video: Literal["mp4"] | None = None
    background: str = "white"

    def keeps_frame(self, step: int) -> bool:
        """Tell whether a picture is kept after a step; the start, 0, only where it is named."""
        if isinstance(self.frames, tuple):
            return step in self.frames
        return self.frames is not None and step > 0 and step % self.frames == 0

    def parameters(self) -> dict[str, Any]:
        """Return what decides the files' bytes, and nothing that does not."""
        given = dataclasses.asdict(self)
        if self.format in {"png", "tiff"}:
            del given["quality"]
        for name in ("dpi", "frames", "video"):
            if given[name] is None:
                del given[name]
        if isinstance(self.frames, tuple):
            given["frames"] = list(self.frames)
        return given


@dataclass(frozen=True)
class Mask:
    """Which places of a picture belong to a region; see :func:`nst_core.masks.mask_of`.

    Args:
        location: Absolute path or ``s3://bucket/key``.
        color: The places of this colour; None takes how light they are.
        feather: How far edges fade, in pixels of the mask.
    """

    location: str
    color: str | None = None
    feather: float = 0.0

    def identity(self, digests: Mapping[str, str]) -> list[Any]:
        """Return what of it shapes a picture."""
        return [digests[self.location], self.color, self.feather]


@dataclass(frozen=True)
class StylePicture:
    """One style picture of a pair.

    Args:
        location: Absolute path or ``s3://bucket/key``.
        weight: Its share; those of a pair, or of a region, add up to 1.
        region: Of the content, the one that it paints; empty for all of it.
        mask: Which of its own places count; None for all.
    """

    location: str
    weight: float = 1.0
    region: str = ""
    mask: Mask | None = None


@dataclass(frozen=True)
class Origin:
    """The finished picture that a print grows from.

    Args:
        collection: Where it was painted.
        stem: File name of everything about it, without ending.
        pair_id: Its identity, 64 hex digits.
        sha256: Of the picture's bytes.
    """

    collection: str
    stem: str
    pair_id: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A sheet that compares what a recipe's variants make of one content and one style.

    Args:
        recipe: The recipe's name in the manifest.
        content: Location; None where no variant reads a content.
        styles: Locations; empty where no variant reads a style.
        content_name: For people.
        style_name: For people.
    """

    recipe: str
    content: str | None
    styles: tuple[str, ...]
    content_name: str = ""
    style_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One picture to be painted.

    Args:
        content: Absolute path or ``s3://bucket/key``; None where the recipe reads no content.
        styles: The style picture, or all of a blend, or those of each region; empty where the
            recipe reads no style.
        regions: Of the content, those that decide what is painted where, in order of their names.
        start: The first canvas, for recipes that read one.
        recipe_name: The recipe's name in the manifest.
        recipe: How to paint.
        output: What to write.
        content_name: For people, fit to print; empty where there is no content.
        style_name: Of the style picture, or of the blended set; likewise.
        labels: Subject, movement, material, technique, and the names of the sets.
        credits: Lines that whoever shows the picture must show with it.
        priority: Higher is painted earlier.
        sheets: Those that show it, and where: the name of each axis with its value.
        origin: The finished picture that it grows from, if it is a print.
        expected: SHA-256 that the bytes at a location must have, where that is known before.
    """

    content: str | None
    styles: tuple[StylePicture, ...]
    regions: tuple[tuple[str, Mask], ...] = ()
    start: str | None = None
    recipe_name: str
    recipe: Recipe
    output: OutputFormat = OutputFormat()
    content_name: str = ""
    style_name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    credits: tuple[str, ...] = ()
    priority: int = 0
    sheets: tuple[tuple[Sheet, Axes], ...] = ()
    origin: Origin | None = None
    expected: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What people call the painting; see :func:`manifests.naming.title`."""
        return title(self.content_name, self.style_name, self.recipe_name)

    @property
    def pictures(self) -> tuple[str, ...]:
        """Every picture that the pair shows or begins with."""
        singles = [location for location in (self.content, self.start) if location is not None]
        return (*singles, *(style.location for style in self.styles))

    @property
    def masked(self) -> tuple[tuple[str, Mask], ...]:
        """Every mask, with the location of its picture."""
        own = tuple((style.location, style.mask) for style in self.styles if style.mask)
        return (*((self.content, mask) for _, mask in self.regions if self.content), *own)

    @property
    def locations(self) -> tuple[str, ...]:
        """Every picture that the pair reads, masks included."""
        return (*self.pictures, *(mask.location for _, mask in self.masked))

    @property
    def what(self) -> tuple[object, ...]:
        """Everything that decides the picture, as far as it is known without reading files."""
        return (self.content, self.styles, self.regions, self.start, self.recipe, self.output)

    def pair_id(self, digests: Mapping[str, str]) -> str:
        """Return the pair's identity: 64 hex digits over everything that shapes the picture.

        Paths, names, dates, credits and the device are not part of it.

        Args:
            digests: SHA-256 of the bytes at every location of the pair.
        """
        identity = {
            "v": 1,
            "algorithm": ALGORITHM_VERSION,
            "content": self.content and digests[self.content],
            "styles": [[digests[style.location], style.weight] for style in self.styles],
            "start": self.start and digests[self.start],
            "weights": network(self.recipe.network).source.sha256,
            "output": self.output.parameters(),
            # By its hash, since thousands of pairs share a recipe.
            "recipe": _recipe_sha256(self.recipe),
        }
        if any(style.region for style in self.styles):
            identity["regions"] = self._regions(digests)
        return _sha256(identity)

    def _regions(self, digests: Mapping[str, str]) -> list[Any]:
        """Return what of the regions shapes the picture; their names do not."""
        names = [name for name, _ in self.regions]
        painted = [
            [
                names.index(style.region) if style.region in names else style.region,
                style.mask and style.mask.identity(digests),
            ]
            for style in self.styles
        ]
        return [[mask.identity(digests) for _, mask in self.regions], painted]

    def stem(self, pair_id: str, *, digits: int = SHORTEST_ID) -> str:
        """Return the file name of everything about the pair, without ending.

        Args:
            pair_id: The pair's identity.
            digits: How much of it the name carries.
        """
        return stem(self.content_name, self.style_name, self.recipe_name, pair_id[:digits])

    def matches(self, pattern: str) -> bool:
        """Tell whether a pattern fits one of the pair's paths, names, or slugs.

        Args:
            pattern: ``*`` stands for any text, ``?`` for one character, ``[abc]`` for one of these.
        """
        return any(fnmatchcase(text, pattern) for text in self._called)

    @property
    def slugs(self) -> str:
        """Its pictures, as its file is called: ``dog--starry-night``."""
        return "--".join(slug(name) for name in (self.content_name, self.style_name) if name)

    @cached_property
    def _called(self) -> tuple[str, ...]:
        return (
            *self.pictures,
            *map(stem_of, self.pictures),
            *(name for name in (self.content_name, self.style_name) if name),
            self.recipe_name,
            self.slugs,
            f"{self.slugs}--{slug(self.recipe_name)}",
        )


@lru_cache(maxsize=256)
def _recipe_sha256(recipe: Recipe) -> str:
    return _sha256(recipe.parameters())


def _sha256(value: Any) -> str:
    """Return the hash of a value's one JSON form: sorted keys, no spaces, no NaN."""
    text = json.dumps(
        _one_form(value),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _one_form(value: Any) -> Any:
    """Return a value in which equal numbers look alike: 2.0 is 2."""
    if isinstance(value, dict):
        return {key: _one_form(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_one_form(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
