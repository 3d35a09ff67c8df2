"""Which pictures the sets of a manifest hold, once its patterns are looked up."""

from __future__ import annotations

from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from manifests.locations import escaped
from manifests.naming import name_of, names_of, stem_of
from manifests.pairs import Mask
from manifests.problems import quoted
from manifests.region_entry import NAME_OF_PICTURE
from manifests.schema import StyleSet
from manifests.wording import printable
from nst_core.errors import NSTError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from manifests.problems import Path, Problem
    from manifests.region_entry import RegionStyle
    from manifests.schema import ContentSet, Image, Manifest

    Find = Callable[[str], Sequence[str]]


class Picture(NamedTuple):
    """A picture of a set.

    Args:
        location: Absolute path or ``s3://bucket/key``.
        weight: Its share in the subject that it belongs to.
        credit: Who made it, where it comes from.
        regions: Those that it has, by name.
        region: Of a content, the one that this style paints; empty for all of it.
        mask: Of this style, the places that count; None for all.
    """

    location: str
    weight: float
    credit: str | None
    regions: Mapping[str, Mask] = MappingProxyType({})
    region: str = ""
    mask: Mask | None = None


class Subject(NamedTuple):
    """One side of a pair: a content, a style, or several pictures that are one style.

    Args:
        name: For people, fit to print.
        pictures: Their weights add up to 1.
        labels: What the gallery calls it.
        shared: Those that hold for all of several styles; None where labels do.
    """

    name: str
    pictures: tuple[Picture, ...]
    labels: dict[str, str]
    shared: dict[str, str] | None = None

    @property
    def credits(self) -> list[str]:
        """The lines that must be shown with it."""
        return [picture.credit for picture in self.pictures if picture.credit]


NOTHING = Subject("", (), {})
"""The side of a pair that its recipe does not read."""


class Sets:
    """The sets of one manifest; every pattern is looked up once.

    Args:
        manifest: Whose sets.
        find: See :func:`manifests.planning.expand`.
        output: Likewise.

    Attributes:
        problems: Patterns that find nothing.
    """

    def __init__(self, manifest: Manifest, find: Find, output: str | None = None) -> None:
        self.problems: list[Problem] = []
        self._manifest = manifest
        self._find = find
        self._subjects: dict[Path, tuple[Subject, ...]] = {}
        self._singles: dict[tuple[Path, str], str] = {}
        outputs = [one.rstrip("/") for one in (manifest.location(manifest.output), output) if one]
        inside = product(outputs, (manifest.collection, "assets", "sheets", "prints"))
        self._painted = tuple(f"{folder}/" for folder in (*outputs, *map("/".join, inside)))

    def contents(self, names: Sequence[str] | None) -> list[Subject]:
        """Return the pictures of content sets; one nothing if there are no names."""
        return self._all("content_sets", self._manifest.content_sets, names)

    def styles(self, names: Sequence[str] | None) -> list[Subject]:
        """Return the pictures of style sets, a blend as one; one nothing if there are no names."""
        return self._all("style_sets", self._manifest.style_sets, names)

    def by_region(self, styles: Mapping[str, RegionStyle], path: Path) -> list[Subject]:
        """Return every combination of styles for the regions of a content.

        Args:
            styles: What paints which region.
            path: Where the manifest says so.
        """
        return [
            _together(combination)
            for combination in product(
                *(
                    [
                        _painting(name, one, given.region)
                        for one in self._in_region(given, name, path)
                    ]
                    for name, given in styles.items()
                )
            )
        ]

    def _in_region(self, given: RegionStyle, name: str, path: Path) -> Iterator[Subject]:
        """Yield the styles that can paint a region: all, if their own is there."""
        for subject in self.styles(given.style):
            lacking = [one for one in subject.pictures if given.region not in (None, *one.regions)]
            for one in lacking:
                self.lacks_region(one, str(given.region), (*path, name, "region"))
            if not lacking:
                yield subject

    def lacks_region(self, picture: Picture, region: str, path: Path) -> None:
        """Note that a pairing asks for a region that a picture does not have."""
        hint = did_you_mean(region, picture.regions) or (
            f"; it has {', '.join(picture.regions)}"
            if picture.regions
            else "; it has none: give its entry regions"
        )
        said = f"{printable(name_of(picture.location))} has no region {quoted(region)}{hint}"
        problem = self._manifest.problem("E-MANIFEST-REGION", path, said)
        if problem not in self.problems:
            self.problems.append(problem)

    def single(self, text: str, path: Path) -> str:
        """Return the location of the one picture that the manifest names at a path."""
        if (path, text) not in self._singles:
            found = self._found(text, path)
            if len(found) > 1:
                said = f"{quoted(text)} finds {len(found)} pictures; name one"
                self._refuse(path, said)
            self._singles[path, text] = found[0] if found else ""
        return self._singles[path, text]

    def unused(self) -> Iterator[Path]:
        """Yield the sets that nobody has asked for."""
        for among in ("content_sets", "style_sets"):
            for name in getattr(self._manifest, among):
                if (among, name) not in self._subjects:
                    yield (among, name)

    def _all(
        self,
        among: str,
        sets: dict[str, ContentSet] | dict[str, StyleSet],
        names: Sequence[str] | None,
    ) -> list[Subject]:
        if names is None:
            return [NOTHING]
        for name in names:
            if (among, name) not in self._subjects:
                self._subjects[among, name] = tuple(self._in_set((among, name), sets[name]))
        return [subject for name in names for subject in self._subjects[among, name]]

    def _in_set(self, path: Path, given: ContentSet | StyleSet) -> Iterator[Subject]:
        # A later entry may say more about a picture that an earlier pattern has found.
        pictures: dict[str, Picture] = {}
        for index, image in enumerate(given.images):
            for location in self._found(image.image, (*path, "images", index, "image")):
                weight = 1.0 if image.weight is None else image.weight
                credit = image.credit or given.credit
                regions = self._regions(image, location, (*path, "images", index, "regions"))
                pictures[location] = Picture(location, weight, credit, regions)
        name = str(path[1])
        labels = given.labels(name)
        if isinstance(given, StyleSet) and given.blend:
            whole = sum(picture.weight for picture in pictures.values())
            shares = [one._replace(weight=one.weight / whole) for one in pictures.values()]
            yield Subject(name, tuple(shares), labels)
        else:
            called = names_of(pictures)
            for location, picture in pictures.items():
                yield Subject(printable(called[location]), (picture,), labels)

    def _regions(self, image: Image, location: str, path: Path) -> Mapping[str, Mask]:
        """Return the masks of one of the pictures that an entry finds."""
        return {
            name: Mask(
                self.single(
                    given.mask.replace(NAME_OF_PICTURE, escaped(stem_of(location))),
                    (*path, name, "mask"),
                ),
                given.color,
                float(given.feather),
            )
            for name, given in (image.regions or {}).items()
        }

    def _found(self, text: str, path: Path) -> Sequence[str]:
        location = self._manifest.pattern(text)
        reason = f"{quoted(text)} finds no picture ({location})"
        found: Sequence[str] = ()
        try:
            found = self._find(location)
        except NSTError as error:
            if error.kind != "input":
                raise
            reason = str(error)
        photos = [one for one in found if not self._is_swept(one, location)]
        if found and not photos:
            reason = f"{quoted(text)} finds only what was painted into the output"
        if not photos:
            self._refuse(path, printable(reason))
        return photos

    def _is_swept(self, found: str, pattern: str) -> bool:
        """Tell whether a pattern found what this manifest painted, though it does not ask for it.

        A gallery among its photos would be painted again every night, with all that it grew by.
        """
        return any(
            found.startswith(folder) and not f"{pattern}/".startswith(folder)
            for folder in self._painted
        )

    def _refuse(self, path: Path, message: str) -> None:
        self.problems.append(self._manifest.problem("E-MANIFEST-NOMATCH", path, message))


def _painting(region: str, style: Subject, own: str | None) -> Subject:
    """Return a style as the painter of a region, in the manner of one of its own if that is so."""
    pictures = tuple(
        one._replace(region=region, mask=one.regions[own] if own else None)
        for one in style.pictures
    )
    name = f"{style.name} {own}" if own else style.name
    return style._replace(name=f"{name} ({region})", pictures=pictures)


def _together(styles: Sequence[Subject]) -> Subject:
    """Return the styles of several regions as one side of a pair."""
    labels: dict[str, str] = {}
    for key in dict.fromkeys(key for style in styles for key in style.labels):
        said = dict.fromkeys(style.labels[key] for style in styles if key in style.labels)
        labels[key] = ", ".join(said)
    pictures = tuple(picture for style in styles for picture in style.pictures)
    shared = dict(set.intersection(*(set(style.labels.items()) for style in styles)))
    return Subject(" + ".join(style.name for style in styles), pictures, labels, shared)
