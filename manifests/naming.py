"""Names of files: safe on every file system, whatever the pictures are called."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_SLUG = 50
SHORTEST_ID = 10
PRINTS = "prints"
"""The collection of enlarged pictures in every output; no manifest's own can have that name."""

NO_COLLECTIONS = frozenset({"failed", "assets", "sheets"})
"""Folders of every output for what failed, the page's files and sheets."""

# What Windows and macOS keep for themselves, with or without an ending.
_RESERVED = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=10_000)
def slug(name: str) -> str:
    """Return 1 to 50 characters of ``a-z``, ``0-9`` and single ``-`` that recall a name.

    Different names may have the same slug; the pair's identity keeps their files apart.
    """
    letters = unicodedata.normalize("NFKD", name).casefold()
    ascii_only = letters.encode("ascii", "ignore").decode()
    words = _NOT_SLUG.sub("-", ascii_only).strip("-")[:LONGEST_SLUG].rstrip("-")
    if is_reserved(words):
        return f"{words}-img"
    return words or "img"


def is_reserved(name: str) -> bool:
    """Tell whether some file system keeps a name for itself."""
    return _RESERVED.fullmatch(name.casefold()) is not None


def name_of(location: str) -> str:
    """Return what people call a picture: its file name as words, without folder and ending."""
    return in_words(stem_of(location))


def names_of(locations: Iterable[str]) -> dict[str, str]:
    """Return what people call each of several pictures, told apart where their names are the same.

    These keep their endings then, and of their folders as many as it takes: ``a.jpg`` and
    ``a.png``, ``one/a.jpg`` and ``two/a.jpg``.
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for location in dict.fromkeys(locations):
        alike[name_of(location)].append(location)
    return {
        location: called
        for name, group in alike.items()
        for location, called in zip(group, _apart(group) or [name], strict=True)
    }


def _apart(locations: Sequence[str]) -> list[str]:
    """Return the ends of locations by which several differ; nothing for one alone."""
    if len(locations) == 1:
        return []
    parts = [location.split("/") for location in locations]
    ends = (["/".join(each[-count:]) for each in parts] for count in range(1, max(map(len, parts))))
    return next((each for each in ends if len(set(each)) == len(each)), list(locations))


def stem_of(location: str) -> str:
    """Return a picture's file name without folder and ending."""
    path = PurePosixPath(location)
    return path.stem or path.name


def in_words(name: str) -> str:
    """Return a name with spaces where files have underscores; its slug is the same."""
    return re.sub(r"_+", " ", name).strip() or name


def stem(content: str, style: str, recipe: str, pair_id: str) -> str:
    """Return the file name of everything about a pair, without ending.

    Args:
        content: Name of the content; empty where there is none.
        style: Name of the style picture or set; empty where there is none.
        recipe: Name of the recipe.
        pair_id: As many hex digits of the pair's identity as keep it apart.
    """
    pictures = [slug(name) for name in (content, style) if name]
    return "--".join([*pictures, slug(recipe), pair_id])


def title(content: str, style: str, recipe: str) -> str:
    """Return what people call a painting: content × style, or what there is of it, with its recipe.

    Args:
        content: The content picture's name, or empty.
        style: The style's, or empty.
        recipe: The recipe's.
    """
    if content and style:
        return f"{content} × {style}"
    return " · ".join(filter(None, (content, style, recipe)))
