"""Which pictures the sets of a manifest hold, once its patterns are looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from manifests.naming import name_of
from manifests.problems import printable, quoted
from manifests.schema import StyleSet
from nst_core.errors import NSTError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from manifests.problems import Path, Problem
    from manifests.schema import ContentSet, Manifest

    Find = Callable[[str], Sequence[str]]


class Picture(NamedTuple):
    """A picture of a set.

    Args:
        location: Absolute path or ``s3://bucket/key``.
        weight: Its share in the subject that it belongs to.
        credit: Who made it, where it comes from.
    """

    location: str
    weight: float
    credit: str | None


class Subject(NamedTuple):
    """One side of a pair: a content, a style, or several pictures that are one style.

    Args:
        name: For people, fit to print.
        pictures: Their weights add up to 1.
        labels: What the gallery calls it.
    """

    name: str
    pictures: tuple[Picture, ...]
    labels: dict[str, str]

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

    Attributes:
        problems: Patterns that find nothing.
    """

    def __init__(self, manifest: Manifest, find: Find) -> None:
        self.problems: list[Problem] = []
        self._manifest = manifest
        self._find = find
        self._subjects: dict[Path, tuple[Subject, ...]] = {}
        self._singles: dict[Path, str] = {}

    def contents(self, names: Sequence[str] | None) -> list[Subject]:
        """Return the pictures of content sets; one nothing if there are no names."""
        return self._all("content_sets", self._manifest.content_sets, names)

    def styles(self, names: Sequence[str] | None) -> list[Subject]:
        """Return the pictures of style sets, a blend as one; one nothing if there are no names."""
        return self._all("style_sets", self._manifest.style_sets, names)

    def single(self, text: str, path: Path) -> str:
        """Return the location of the one picture that the manifest names at a path."""
        if path not in self._singles:
            found = self._found(text, path)
            if len(found) > 1:
                said = f"{quoted(text)} finds {len(found)} pictures; name one"
                self._refuse(path, said)
            self._singles[path] = found[0] if found else ""
        return self._singles[path]

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
                pictures[location] = Picture(location, weight, credit)
        name = str(path[1])
        labels = given.labels(name)
        if isinstance(given, StyleSet) and given.blend:
            whole = sum(picture.weight for picture in pictures.values())
            shares = [one._replace(weight=one.weight / whole) for one in pictures.values()]
            yield Subject(name, tuple(shares), labels)
        else:
            for picture in pictures.values():
                yield Subject(printable(name_of(picture.location)), (picture,), labels)

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
        if not found:
            self._refuse(path, printable(reason))
        return found

    def _refuse(self, path: Path, message: str) -> None:
        self.problems.append(self._manifest.problem("E-MANIFEST-NOMATCH", path, message))
