"""What a manifest says, as frozen models; README's manifest guide tells it to people.

The core's parts (terms, canvas, optimiser, octaves) are taken into a recipe as they are, so that a
manifest can say whatever the core can paint.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    model_validator,
)

from manifests import locations
from manifests.fields import (
    Collection,
    Color,
    LayerWeights,
    Location,
    Name,
    NetworkName,
    OneOrMore,
    PresetName,
    Text,
    TimeOfDay,
    wrong,
)
from manifests.problems import Path, Problem
from manifests.strict_yaml import Document
from nst_core import recipe as core
from nst_core.canvases import Pixels
from nst_core.networks import Pooling
from nst_core.octaves import Octaves
from nst_core.optimizers import Optimizer
from nst_core.terms import Term

DEFAULT_RECIPE = "gallery"
MAX_ENTRIES = 500
"""Of sets, recipes and pairings each: a manifest is to be checked in half a second."""

_NOT_TOO_MANY = Field(max_length=MAX_ENTRIES)


def _one_picture(text: str) -> str:
    if locations.is_pattern(text):
        raise wrong("E-MANIFEST-LOCATION", "one picture, not a pattern")
    return text


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False
    )


def _short_image(value: Any) -> Any:
    return {"image": value} if isinstance(value, str) else value


def _short_set(value: Any) -> Any:
    return {"images": value} if isinstance(value, str | list) else value


def _short_format(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class Image(_Model):
    """One picture, or all that a pattern finds, with what is to be said about it.

    Args:
        image: Path, folder, pattern (*, ?, [abc], ** for any number of folders) or s3:// address.
        credit: Who made it, where it comes from; shown with every picture painted from it.
        weight: Share in a blended style set; 1 by default. Each picture of a pattern has it.
    """

    image: Location
    credit: Text | None = None
    weight: Annotated[float, Field(gt=0, le=1e6)] | None = None


ShortImage = Annotated[
    Image, BeforeValidator(_short_image, json_schema_input_type=Location | Image)
]
Images = OneOrMore[ShortImage]


class ContentSet(_Model):
    """Photos that belong together.

    Args:
        images: Paths, folders, patterns or s3:// addresses.
        subject: What they show: faces, houses, dogs.
        credit: For all that have none of their own.
    """

    images: Images
    subject: Text | None = None
    credit: Text | None = None

    def labels(self, name: str) -> dict[str, str]:
        """Return what the gallery calls the pictures of this set, which has that name."""
        return {"content_set": name} | ({"subject": self.subject} if self.subject else {})


class StyleSet(_Model):
    """Paintings that belong together.

    Args:
        images: Paths, folders, patterns or s3:// addresses; each picture is a style of its own.
        movement: Art movement, such as Impressionism.
        material: What they are made with, such as Watercolors.
        technique: How they are made, such as Pointillism.
        subject: What they show.
        credit: For all that have none of their own.
        blend: Whether the pictures together are one style, averaged by their weights.
    """

    images: Images
    movement: Text | None = None
    material: Text | None = None
    technique: Text | None = None
    subject: Text | None = None
    credit: Text | None = None
    blend: bool = False

    def labels(self, name: str) -> dict[str, str]:
        """Return what the gallery calls the pictures of this set, which has that name."""
        said = {
            "style_set": name,
            "movement": self.movement,
            "material": self.material,
            "technique": self.technique,
            "style_subject": self.subject,
        }
        return {key: value for key, value in said.items() if value is not None}

    @model_validator(mode="after")
    def _weights_need_a_blend(self) -> Self:
        if not self.blend and any(image.weight is not None for image in self.images):
            raise wrong(
                "E-MANIFEST-WEIGHT", "only the pictures of a blend have weights; add blend: true"
            )
        return self


ShortContentSet = Annotated[
    ContentSet,
    BeforeValidator(_short_set, json_schema_input_type=Location | list[ShortImage] | ContentSet),
]
ShortStyleSet = Annotated[
    StyleSet,
    BeforeValidator(_short_set, json_schema_input_type=Location | list[ShortImage] | StyleSet),
]


class Layers(_Model):
    """On which of the network's layers a preset's terms compare.

    Args:
        content: Layers for the photo: a list, or layer: weight. The terms' total weight stays.
        style: The same for the style.
    """

    content: LayerWeights | None = None
    style: LayerWeights | None = None


class StartPicture(_Model):
    """A picture to start from.

    Args:
        picture: Path or s3:// address of one picture.
    """

    picture: Annotated[Location, AfterValidator(_one_picture)]


class Frames(_Model):
    """Pictures on the way, and an animation of them.

    Args:
        every: Steps from one to the next.
    """

    every: Annotated[int, Field(ge=1)]


FormatName = Literal["png", "jpeg", "webp", "tiff"]


class Format(_Model):
    """The picture file.

    Args:
        type: PNG and TIFF keep every pixel, JPEG and WebP are smaller.
        bits: Per channel; 16 for png and tiff only.
        quality: Of jpeg and webp, 1 to 100.
        provenance: Whether the file tells how it was painted, from what and by which recipe.
    """

    type: FormatName = "png"
    bits: Literal[8, 16] = 8
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    provenance: bool = True

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
Init = Annotated[
    Annotated[Literal["content", "noise"], Tag("<name>")] | Annotated[StartPicture, Tag("<part>")],
    Discriminator(_name_or_part),
]


class RecipeEntry(_Model):
    """How to paint: a preset, the dials turned on it, and parts put in place of its own.

    Args:
        preset: Where to start from: gallery, unless terms are given.
        size: Of the finished picture, in pixels, measured as the preset measures it.
        steps: Optimiser steps per octave, coarsest first; the last number serves the rest.
        content_weight: Factor on the preset's own; 2 keeps more of the photo.
        style_weight: Factor on the preset's own; 2 paints more strongly.
        style_scale: Size of the strokes; 2 paints with strokes twice as large.
        color: The style's colours, the style recoloured to match-content, or the photo's chroma
            put back at the end (chroma-after).
        init: What the canvas shows first: the content, noise, or a picture.
        seed: Of everything random.
        layers: On which layers the preset's terms compare.
        network: Whose features are compared.
        pooling: Between the network's blocks.
        optimizer: lbfgs or adam at their defaults, or one with its numbers.
        precision: Of the feature maps: bf16 where the hardware has it (auto), or always one.
        frames: Keep pictures on the way, and animate them.
        format: Of the finished picture: png, jpeg, webp or tiff, or one with its options.
        terms: What is minimised, in place of the preset's terms.
        noise: With init noise, the standard deviation around mid-grey, in units of [0, 1].
        canvas: The variables of the optimisation.
        octaves: The coarse-to-fine walk, in place of the preset's; size and steps still turn it.
        border: What the first convolution sees outside the picture; replicate leaves no frame.
        style_fit: Fit of style to canvas at scale 1: equal area, or equal longest side.
        enlarge_style: Whether a style smaller than that is enlarged, or taken as it is.
        resampling: Filter with which contents and styles are resized.
        log_every: Steps between two rows of the loss log.
    """

    preset: PresetName | None = None
    size: int | None = None
    steps: OneOrMore[int] | None = None
    content_weight: float | None = None
    style_weight: float | None = None
    style_scale: float | None = None
    color: core.Color | None = None
    init: Init | None = None
    seed: int | None = None
    layers: Layers | None = None
    network: NetworkName | None = None
    pooling: Pooling | None = None
    optimizer: OptimizerChoice | None = None
    precision: core.Precision | None = None
    frames: Frames | None = None
    format: Annotated[
        Format, BeforeValidator(_short_format, json_schema_input_type=FormatName | Format)
    ] = Format()
    terms: Annotated[TermList, _NOT_TOO_MANY] | None = None
    noise: float | None = None
    canvas: Pixels | None = None
    octaves: Octaves | None = None
    border: Literal["zeros", "replicate"] | None = None
    style_fit: Literal["area", "longest"] | None = None
    enlarge_style: bool | None = None
    resampling: Literal["bicubic", "bilinear", "lanczos"] | None = None
    log_every: int | None = None


class Pairing(_Model):
    """Which contents meet which styles by which recipes: every one of them, every combination.

    Args:
        content: Names of content sets; left out where the recipe reads no photo.
        style: Names of style sets; left out where the recipe reads no style.
        recipe: Names of recipes, or of presets as they are.
        exclude: Patterns; a pair is left out if one fits its content's or style's path or name,
            or content--style as the picture's file name has them.
        priority: Higher is painted earlier.
    """

    content: OneOrMore[Name] | None = None
    style: OneOrMore[Name] | None = None
    recipe: OneOrMore[Name] = (DEFAULT_RECIPE,)
    exclude: OneOrMore[Text] | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0


class Manifest(_Model):
    """A collection to be painted: which pictures meet, by which recipes, and where they go.

    Args:
        collection: Names the gallery, the run and the folder of the pictures.
        output: Folder, or s3://bucket/prefix; a relative one starts where the manifest lies.
        background: What shows through transparent pictures: a colour's name or #rrggbb.
        content_sets: Photos by set.
        style_sets: Paintings by set.
        recipes: Ways of painting by name.
        pairings: What meets what.
        finish_by: Time of day at which the run ends: 07:00, or 07:00 Europe/Berlin.
        draft: Paint everything small first, then refine.
    """

    collection: Collection
    output: Location
    background: Color = "white"
    content_sets: Annotated[dict[Name, ShortContentSet], _NOT_TOO_MANY] = {}
    style_sets: Annotated[dict[Name, ShortStyleSet], _NOT_TOO_MANY] = {}
    recipes: Annotated[dict[Name, RecipeEntry], _NOT_TOO_MANY] = {}
    pairings: Annotated[OneOrMore[Pairing], _NOT_TOO_MANY]
    finish_by: TimeOfDay | None = None
    draft: bool = False

    _folder: str = PrivateAttr(default=".")
    _document: Document = PrivateAttr(default_factory=lambda: Document("manifest"))

    def remember(self, document: Document, folder: str) -> None:
        """Keep where everything stands, and where relative paths start; the reader's business."""
        self._document, self._folder = document, folder

    def problem(self, code: str, path: Path, message: str) -> Problem:
        """Return a problem with an entry, at the entry's place in the text.

        Args:
            code: See :class:`Problem`.
            path: In the longest form that the entry can be written in.
            message: What is wrong.
        """
        return self._document.problem(code, self._document.find(path)[0], message)

    def recipe(self, name: str) -> RecipeEntry:
        """Return the recipe of that name; a preset's name needs no recipe of its own."""
        return self.recipes.get(name) or RecipeEntry(preset=name)

    def location(self, text: str) -> str:
        """Return the absolute path, pattern or address that a text of this manifest means."""
        return locations.resolved(text, self._folder)
