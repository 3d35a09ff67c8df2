"""`nst new`: a manifest from folders of photos and paintings, for its owner to go on with."""

from __future__ import annotations

import json
import os.path
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from manifests import locations, strict_yaml
from manifests.fields import collection_name
from manifests.problems import ManifestError, Problem, quoted
from manifests.wording import counted, is_printable
from nst_core import manners
from nst_core.errors import NSTError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from manifests.sets import Find

_PLAIN = re.compile(r"[A-Za-z0-9_./]([A-Za-z0-9_./ -]*[A-Za-z0-9_./-])?")

# A folder of folders often says what these are; else its own name may.
_KINDS = {"movements": "movement", "materials": "material", "techniques": "technique"}

_TEMPLATE = """\
# Every photo of the content sets meets every painting of the style sets.
#
#   nst check FILE      says everything that is wrong, before anything starts
#   nst plan FILE       says what there is to paint, and how long it takes
#   nst run FILE        paints it; the same command again paints only what is missing
#
# Paths start at the folder of this file. Files, folders, patterns (*, ?, ** for any number of
# folders) and s3://bucket/prefix/ are all fine.
# Editors complete and check this file once they know its schema: nst schema > manifest.schema.json

# Names the gallery, and the folder of its pictures.
collection: {collection}
output: out

content_sets:
{contents}
  # Written out, a set can say more:
  # NAME: {{images: [photos/*.jpg], subject: faces, credit: "Whom to credit"}}

# Each picture is a style of its own; with "blend: true" the pictures of a set are one style.
style_sets:
{styles}
  # NAME: {{movement: Impressionism, images: [art/*.jpg], credit: "Whom to credit"}}
  # In place of movement: material or technique.

recipes:
  evening:
    preset: gallery          # nst presets lists the others
    size: 512                # pixels on the longest side
    # legibility: 0.8        # shows more of the photo, whatever the style
    # style_scale: 1.5       # larger strokes
    # color: match-content   # the photo's colours
    # frames: {{every: 20}}    # keeps pictures on the way

# {count}.
pairings:
  - content: [{content_names}]
    style: [{style_names}]
    recipe: evening
    # exclude: ["*/portrait-07*", "portrait-*--monet-*"]

# finish_by: 07:00 Europe/Berlin
"""


@dataclass(frozen=True)
class Composed:
    """A manifest that was written for its owner to go on with.

    Args:
        text: The manifest.
        photos: How many its content sets hold.
        paintings: How many its style sets hold.
        labels: What the names of folders say of style sets: by the name of the set
            ``("movement", "Pop art")``, or with ``material`` or ``technique``.
    """

    text: str
    photos: int
    paintings: int
    labels: dict[str, tuple[str, str]]

    @property
    def count(self) -> str:
        """How much it asks for, for people."""
        return _count(self.photos, self.paintings)


@dataclass(frozen=True)
class _Folder:
    """A folder that becomes a set."""

    name: str
    location: str
    pictures: int

    @property
    def label(self) -> tuple[str, str] | None:
        """See :func:`label_of`."""
        return label_of(self.location)

    @property
    def count(self) -> str:
        """How many pictures there are, for people."""
        return counted(self.pictures, "picture")


def compose(
    contents: Sequence[str],
    styles: Sequence[str],
    *,
    find: Find,
    folder: str,
    collection: str,
) -> Composed:
    """Compose a commented manifest that pairs all contents with all styles.

    A folder that holds pictures becomes a set of its name; one that only holds folders of
    pictures becomes a set for each of these. A style set says what it shows if its folder, or
    the one around it, is called like a manner: ``art/watercolors``, ``art/impressionism/monet``.

    Args:
        contents: Absolute paths of folders, or ``s3://bucket/prefix``.
        styles: The same.
        find: See :func:`manifests.planning.expand`.
        folder: Where the manifest will lie.
        collection: Its name, or what one is to be made from.

    Raises:
        ManifestError: Folders without pictures, or whose names a manifest cannot hold.
        NSTError: A store does not answer.
    """
    content_sets, style_sets = _sets(contents, find), _sets(styles, find)
    photos = sum(one.pictures for one in content_sets.values())
    paintings = sum(one.pictures for one in style_sets.values())
    text = _TEMPLATE.format(
        collection=scalar_text(collection_name(collection)),
        contents="\n".join(_content_lines(content_sets, folder)),
        styles="\n".join(_style_lines(style_sets, folder)),
        count=_count(photos, paintings),
        content_names=", ".join(map(scalar_text, content_sets)),
        style_names=", ".join(map(scalar_text, style_sets)),
    )
    labels = {name: one.label for name, one in style_sets.items() if one.label}
    return Composed(text, photos, paintings, labels)


def _sets(given: Iterable[str], find: Find) -> dict[str, _Folder]:
    """Return the sets that folders become, by names that are all different."""
    sets: dict[str, _Folder] = {}
    for location in given:
        _require_writable(location)
        for one in _folders(location.rstrip("/"), find):
            names = [one.name, *(f"{one.name}-{number}" for number in range(2, len(sets) + 2))]
            sets[next(name for name in names if name not in sets)] = one
    return sets


def _folders(location: str, find: Find) -> Iterator[_Folder]:
    """Yield the folder itself if it holds pictures, else those in it that do."""
    found, reason = _found(f"{location}/", find)
    if found:
        yield _Folder(_name(location), location, len(found))
        return
    inner: dict[str, int] = defaultdict(int)
    for picture in _found(f"{locations.escaped(location)}/*/*", find)[0]:
        inner[picture.rpartition("/")[0]] += 1
    if not inner:
        raise _error("E-MANIFEST-NOMATCH", f"{quoted(location)} holds no pictures: {reason}")
    for one, pictures in inner.items():
        _require_writable(one)
        yield _Folder(_name(one), one, pictures)


def _found(pattern: str, find: Find) -> tuple[Sequence[str], str]:
    """Return the pictures that fit, or none and the reason."""
    try:
        return find(pattern), ""
    except NSTError as error:
        if error.kind != "input":
            raise
        return (), str(error)


def _name(location: str) -> str:
    return PurePosixPath(location).name[:80] or "pictures"


def _content_lines(sets: dict[str, _Folder], folder: str) -> Iterator[str]:
    for name, one in sets.items():
        yield f"  {scalar_text(name)}: [{scalar_text(_path(one, folder))}]  # {one.count}"


def _style_lines(sets: dict[str, _Folder], folder: str) -> Iterator[str]:
    for name, one in sets.items():
        path = scalar_text(_path(one, folder))
        if label := one.label:
            said = f"{{{label[0]}: {scalar_text(label[1])}, images: [{path}]}}"
        else:
            said = f"[{path}]"
        yield f"  {scalar_text(name)}: {said}  # {one.count}"


def label_of(folder: str) -> tuple[str, str] | None:
    """Return what the name of a folder of paintings says of them, or that of the one around it.

    Args:
        folder: An absolute path or ``s3://`` address, without a slash at its end.

    Returns:
        ``("movement", "Pop art")``, or with ``material`` or ``technique``; None for no manner.
    """
    path = PurePosixPath(folder)
    if kind := _KINDS.get(path.parent.name.casefold()):
        return kind, _title(path.name)
    for name in (path.name, path.parent.name):
        if kind := manners.kind_of(name):
            return kind, _title(name)
    return None


def _title(name: str) -> str:
    return re.sub(r"[-_ ]+", " ", name).strip().capitalize() or name


def _count(photos: int, paintings: int) -> str:
    sides = f"{counted(photos, 'photo')} × {counted(paintings, 'painting')}"
    return f"{sides}: {counted(photos * paintings, 'picture')}"


def _path(one: _Folder, folder: str) -> str:
    return said(one.location, folder, is_folder=True)


def said(location: str, folder: str, *, is_folder: bool) -> str:
    """Return a location as the manifest says it: from where the manifest lies, if that is near.

    Args:
        location: An absolute path or ``s3://`` address, no pattern.
        folder: Where the manifest lies: an absolute path or ``s3://bucket/prefix``.
        is_folder: Whether all the pictures in it are meant.
    """
    path = location
    are_here = not (locations.is_remote(path) or locations.is_remote(folder))
    if are_here and os.path.commonpath([path, folder]) != "/":
        path = os.path.relpath(path, folder)
    if path.startswith("~"):
        path = f"./{path}"
    # What would be read as a pattern is written as one.
    if not is_folder:
        return locations.escaped(path) if locations.is_pattern(path) else path
    return f"{locations.escaped(path)}/*" if locations.is_pattern(path) else f"{path}/"


def scalar_text(text: str) -> str:
    """Return a text as YAML, in quotes where it needs them."""
    if _PLAIN.fullmatch(text) and strict_yaml.scalar(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)


def _require_writable(location: str) -> None:
    reason = locations.reason_against(location)
    if not is_printable(location):
        reason = "has characters that do not print"
    if reason:
        # What is wrong with an address may be a password in it.
        shown = "an address" if "://" in location else quoted(location)
        raise _error("E-MANIFEST-LOCATION", f"{shown}: {reason}")


def _error(code: str, message: str) -> ManifestError:
    return ManifestError([Problem(code, "nst new", None, None, "", message)])
