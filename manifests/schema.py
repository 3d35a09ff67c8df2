"""What a manifest says, as frozen models; README's manifest guide tells it to people."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from manifests import locations
from manifests.documents import Document
from manifests.fields import (
    MAX_ENTRIES,
    NOT_TOO_MANY,
    Collection,
    Color,
    Location,
    Name,
    OneOrMore,
    StrictModel,
    Text,
    TimeOfDay,
    wrong,
)
from manifests.problems import Path, Problem
from manifests.recipe_entry import DEFAULT_RECIPE
from manifests.region_entry import PairingStyle, Regions
from manifests.sweep_entry import RecipeFamily


def _short_image(value: Any) -> Any:
    return {"image": value} if isinstance(value, str) else value


def _short_set(value: Any) -> Any:
    return {"images": value} if isinstance(value, str | list) else value


class Image(StrictModel):
    """One picture, or all that a pattern finds, with what is to be said about it.

    Args:
        image: Path, folder, pattern (*, ?, [abc], ** for any number of folders) or s3:// address.
        credit: Who made it, where it comes from; shown with every picture painted from it.
        weight: Share in a blended style set; 1 by default. Each picture of a pattern has it.
        regions: Names for parts of it, each with its mask.
    """

    image: Location
    credit: Text | None = None
    regions: Regions | None = None
    weight: Annotated[float, Field(gt=0, le=1e6)] | None = None


ShortImage = Annotated[
    Image, BeforeValidator(_short_image, json_schema_input_type=Location | Image)
]
Images = OneOrMore[ShortImage]


class ContentSet(StrictModel):
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


class StyleSet(StrictModel):
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


class Pairing(StrictModel):
    """Which contents meet which styles by which recipes: every one of them, every combination.

    Args:
        content: Names of content sets; left out where the recipe reads no photo.
        style: Names of style sets; left out where the recipe reads no style. Or region: style set
            for regions of the content; rest is what lies in none, and what has no style stays.
        guide: The same under another name, for dreams that are guided by a picture.
        recipe: Names of recipes, or of presets as they are.
        exclude: Patterns; a pair is left out if one fits its content's or style's path or name,
            or content--style as the picture's file name has them.
        priority: Higher is painted earlier.
    """

    content: OneOrMore[Name] | None = None
    style: PairingStyle | None = None
    guide: OneOrMore[Name] | None = None
    recipe: OneOrMore[Name] = (DEFAULT_RECIPE,)
    exclude: OneOrMore[Text] | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0

    @model_validator(mode="after")
    def _has_one_or_the_other(self) -> Self:
        if self.style is not None and self.guide is not None:
            raise wrong("E-MANIFEST-GUIDE", "a guide takes the style's place; give one of the two")
        return self


class Manifest(StrictModel):
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
    content_sets: dict[Name, ShortContentSet] = Field(default_factory=dict, max_length=MAX_ENTRIES)
    style_sets: dict[Name, ShortStyleSet] = Field(default_factory=dict, max_length=MAX_ENTRIES)
    recipes: dict[Name, RecipeFamily] = Field(default_factory=dict, max_length=MAX_ENTRIES)
    pairings: Annotated[OneOrMore[Pairing], NOT_TOO_MANY]
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

    def recipe(self, name: str) -> RecipeFamily:
        """Return the recipe of that name; a preset's name needs no recipe of its own."""
        return self.recipes.get(name) or RecipeFamily(preset=name)

    def location(self, text: str) -> str:
        """Return the absolute path or address that a text of this manifest means."""
        return locations.resolved(text, self._folder)

    def pattern(self, text: str) -> str:
        """Return the same of a text that may stand for several pictures."""
        return locations.resolved_pattern(text, self._folder)
