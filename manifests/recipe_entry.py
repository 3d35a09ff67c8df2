"""What a manifest says of a recipe: a preset, dials, parts of the core, and what to write.

The core's parts (terms, canvas, optimiser, octaves) are taken in as they are, so that a manifest
can say whatever the core can paint. Pydantic reads these plain dataclasses by the rules of the
model around them: without unknown keys, without guesses. :mod:`manifests.recipes` makes a recipe
of it.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from manifests import locations
from manifests.fields import (
    NOT_TOO_MANY,
    LayerWeights,
    Location,
    MannerName,
    NetworkName,
    OneOrMore,
    PresetName,
    StrictModel,
    wrong,
)
from manifests.pairs import FormatName, FrameSteps
from nst_core import recipe as core
from nst_core.canvases import Canvas
from nst_core.networks import Border, Pooling, Precision
from nst_core.octaves import Octaves
from nst_core.optimizers import Optimizer
from nst_core.style_statistics import Statistic
from nst_core.terms import Term
from nst_core.transforms import Transform

DEFAULT_RECIPE = "gallery"


def _one_picture(text: str) -> str:
    if not locations.means_one(text):
        raise wrong("E-MANIFEST-LOCATION", "one picture, not a pattern")
    return text


def _short_format(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


def _pixels_unless_said(value: Any) -> Any:
    return {"kind": "pixels"} | value if isinstance(value, dict) else value


class Layers(StrictModel):
    """On which of the network's layers a preset's terms compare.

    Args:
        content: Layers for the photo: a list, or layer: weight. The terms' total weight stays.
        style: The same for the style.
        dream: The same for what a dream grows.
    """

    content: LayerWeights | None = None
    style: LayerWeights | None = None
    dream: LayerWeights | None = None


class StartPicture(StrictModel):
    """A picture to start from.

    Args:
        picture: Path or s3:// address of one picture.
    """

    picture: Annotated[Location, AfterValidator(_one_picture)]


class StartMix(StrictModel):
    """The content under noise, to start from.

    Args:
        mix: Share of the noise: 0 is the content, 1 is noise alone.
    """

    mix: Annotated[float, Field(ge=0, le=1)]


class Frames(StrictModel):
    """Pictures on the way, and an animation of them.

    Args:
        every: Steps from one to the next.
        at: Steps after which a picture is kept, instead; 0 is the start.
        video: Also make a video of them, where ffmpeg or imageio-ffmpeg is installed.
    """

    every: Annotated[int, Field(ge=1)] | None = None
    at: Annotated[OneOrMore[Annotated[int, Field(ge=0)]], NOT_TOO_MANY] | None = None
    video: Literal["mp4"] | None = None

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if (self.every is None) == (self.at is None):
            raise wrong("E-MANIFEST-FRAMES", "say either every: N or at: [steps]")
        return self

    @property
    def steps(self) -> FrameSteps:
        """What the output is told: an interval, or the steps in order."""
        return tuple(sorted(set(self.at or ()))) if self.every is None else self.every


class Format(StrictModel):
    """The picture file.

    Args:
        type: PNG and TIFF keep every pixel, JPEG and WebP are smaller.
        bits: Per channel; 16 for png and tiff only.
        quality: Of jpeg and webp, 1 to 100.
        provenance: Whether the file tells how it was painted, from what and by which recipe.
        dpi: Dots per inch that the file claims, for whoever prints it.
    """

    type: FormatName = "png"
    bits: Literal[8, 16] = 8
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    provenance: bool = True
    dpi: Annotated[int, Field(ge=1, le=10_000)] | None = None

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        is_exact = self.type in {"png", "tiff"}
        if self.bits == 16 and not is_exact:  # noqa: PLR2004
            raise wrong("E-MANIFEST-FORMAT", f"{self.type} has 8 bits; png and tiff can have 16")
        if self.quality is not None and is_exact:
            raise wrong("E-MANIFEST-FORMAT", f"{self.type} loses nothing and has no quality")
        return self


def _name_or_part(value: Any) -> str:
    return "<name>" if isinstance(value, str) else "<part>"


# Tags in angle brackets cannot be mistaken for keys when an error's place is looked up.
OptimizerChoice = Annotated[
    Annotated[Literal["lbfgs", "adam"], Tag("<name>")]
    | Annotated[Annotated[Optimizer, Field(discriminator="kind")], Tag("<part>")],
    Discriminator(_name_or_part),
]
TermList = tuple[Annotated[Term, Field(discriminator="kind")], ...]
TransformList = tuple[Annotated[Transform, Field(discriminator="kind")], ...]
CanvasChoice = Annotated[
    Annotated[Canvas, Field(discriminator="kind")],
    BeforeValidator(_pixels_unless_said, json_schema_input_type=Canvas),
]


def _how_to_start(value: Any) -> str:
    is_mix = isinstance(value, StartMix) or (isinstance(value, dict) and "mix" in value)
    return "<mix>" if is_mix else _name_or_part(value)


Init = Annotated[
    Annotated[Literal["content", "noise"], Tag("<name>")]
    | Annotated[StartPicture, Tag("<part>")]
    | Annotated[StartMix, Tag("<mix>")],
    Discriminator(_how_to_start),
]


class RecipeEntry(StrictModel):
    """How to paint: a preset, the dials turned on it, and parts put in place of its own.

    Args:
        preset: Where to start from: gallery, unless terms are given.
        manner: Material, technique or movement whose dials are turned, but for those given here;
            off for none. By default what the style set names, where the preset is gallery.
        size: Of the finished picture, in pixels, measured as the preset measures it.
        steps: Optimiser steps per octave, coarsest first; the last number serves the rest. Given,
            no octave ends sooner.
        legibility: How well the subject is to be seen, in every style alike: 0.05 to 0.99, or off.
        focus: How much more the photo counts where its subject is, the rest being painted the more
            boldly: 0 for all places alike, 2 in gallery, up to 4.
        content_weight: Factor on the preset's own; 2 keeps more of the photo.
        style_weight: Factor on the preset's own; 2 paints more strongly.
        tv_weight: Factor on the preset's own total variation; 2 lays the paint smoother.
        style_scale: Size of the strokes; 2 paints with strokes twice as large.
        color: The style's colours; the style recoloured to match-content; painted in greys under
            the photo's chroma (keep-luminance); the photo's chroma put back at the end
            (chroma-after); nothing but the style's palette; or the canvas's own with as much
            contrast as the gamut holds (full-contrast).
        init: What the canvas shows first: the content, noise, a mix of both, or a picture.
        seed: Of everything random.
        layers: On which layers the preset's terms compare.
        statistic: What of a style is compared, in place of the preset's; the weights are adapted.
        unit: What a picture of a unit shows: an ImageNet class by name or id, or a channel.
        network: Whose features are compared.
        pooling: Between the network's blocks.
        optimizer: lbfgs or adam at their defaults, or one with its numbers.
        precision: Of the feature maps: bf16 where the hardware has it (auto), or always one.
        frames: Keep pictures on the way, and animate them.
        format: Of the finished picture: png, jpeg, webp or tiff, or one with its options.
        terms: What is minimised, in place of the preset's terms.
        noise: With init noise, its standard deviation: of pixels around mid-grey, in units of
            [0, 1], or of a fourier canvas's coefficients.
        transforms: What happens to the canvas before the network sees it, in each step anew.
        canvas: The variables of the optimisation.
        octaves: The coarse-to-fine walk, in place of the preset's; size and steps still turn it.
        border: What the first convolution sees outside the picture; replicate leaves no frame.
        style_fit: Fit of style to canvas at scale 1: equal area, or equal longest side.
        style_size: Longest side at which styles are measured, in pixels, whatever the canvas.
        enlarge_style: Whether a style smaller than that is enlarged, or taken as it is; or how
            many times it may be enlarged.
        resampling: Filter with which contents and styles are resized.
        log_every: Steps between two rows of the loss log.
    """

    preset: PresetName | None = None
    manner: MannerName | None = None
    size: int | None = None
    steps: OneOrMore[int] | None = None
    legibility: float | Literal["off"] | None = None
    focus: float | None = None
    content_weight: float | None = None
    style_weight: float | None = None
    tv_weight: float | None = None
    style_scale: float | None = None
    color: core.Color | None = None
    init: Init | None = None
    seed: int | None = None
    layers: Layers | None = None
    statistic: Statistic | None = None
    unit: int | str | None = None
    network: NetworkName | None = None
    pooling: Pooling | None = None
    optimizer: OptimizerChoice | None = None
    precision: Precision | None = None
    frames: Frames | None = None
    format: Annotated[
        Format, BeforeValidator(_short_format, json_schema_input_type=FormatName | Format)
    ] = Format()
    terms: Annotated[TermList, NOT_TOO_MANY] | None = None
    noise: float | None = None
    transforms: Annotated[TransformList, NOT_TOO_MANY] | None = None
    canvas: CanvasChoice | None = None
    octaves: Octaves | None = None
    border: Border | None = None
    style_fit: Literal["area", "longest"] | None = None
    style_size: int | None = None
    enlarge_style: bool | float | None = None
    resampling: Literal["bicubic", "bilinear", "lanczos"] | None = None
    log_every: int | None = None
