"""Picks: which finished pictures a curator wants, as the gallery page saves them or as typed.

A pick is what the page's ``picks.json`` holds, or one word: a picture's stem (with or without its
collection), its file (with or without folders), the first ten or more digits of its pair, or a
pattern over these and over the names of content and style, which passes prints over.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from manifests.naming import SHORTEST_ID, slug
from nst_core.errors import RecipeError, did_you_mean
from tasks.durable import explained
from tasks.locations import is_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tasks.records import Record

_DIGITS = re.compile(rf"[0-9a-f]{{{SHORTEST_ID},64}}")
# Of files with picks; no picture is called so.
_LISTS = {".json", ".txt"}
_LONGEST_FILE = 16 << 20
_NAMES_SHOWN = 5


class _Pick(BaseModel):
    """A pick of the page; what else it says of the picture is for people."""

    pair_id: str


class _Page(BaseModel):
    """What the gallery page saves as ``picks.json``."""

    picks: list[_Pick]


def picks(given: Iterable[str]) -> list[str]:
    """Return picks as single words, files read.

    Args:
        given: Files, and words that are no files. A file is the page's ``picks.json`` or text
            with a word a line; empty lines and what follows ``#`` do not count.

    Raises:
        OutputError: A file cannot be read.
        RecipeError: E-PICKS, a file holds no picks, or is not there.
    """
    words: list[str] = []
    for each in given:
        path = Path(each)
        if is_picture(path.name) and path.is_file():  # the picture itself, by its path
            words.append(path.name)
            continue
        if not path.is_file():
            if path.suffix in _LISTS:
                raise RecipeError(
                    f"there is no file {each}",
                    code="E-PICKS",
                    remedy="name it where your browser has saved it",
                )
            words.append(each)
            continue
        with explained(path), path.open("rb") as file:
            text = file.read(_LONGEST_FILE).decode("utf-8-sig", "replace")
        words += _words(text, each)
    return words


def chosen(records: Sequence[Record], words: Sequence[str]) -> list[Record]:
    """Return the records that picks mean, each once, in the order of the picks.

    Args:
        records: Of an output's finished pictures.
        words: See :func:`picks`.

    Raises:
        RecipeError: E-PICKS; a pick means no picture here, or nothing is picked.
    """
    if not words:
        raise RecipeError(
            "nothing is picked",
            code="E-PICKS",
            remedy="star pictures on the gallery page and save the picks",
        )
    called = [(record, _called(record)) for record in records]
    found: dict[str, Record] = {}
    missing = []
    for word in words:
        fitting = [record for record, names in called if _means(word, record, names)]
        found |= {record.file: record for record in fitting}
        missing += [] if fitting else [word]
    if missing:
        shown = ", ".join(map(repr, missing[:_NAMES_SHOWN]))
        more = f" and {len(missing) - _NAMES_SHOWN} more" if len(missing) > _NAMES_SHOWN else ""
        hint = did_you_mean(missing[0], (name for _, names in called for name in names))
        raise RecipeError(
            f"no finished picture here is called {shown}{more}{hint}",
            code="E-PICKS",
            remedy="give the gallery page's picks.json, a picture's file name, or a pattern",
        )
    return list(found.values())


def _words(text: str, name: str) -> list[str]:
    if not text.lstrip().startswith("{"):
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        return [line for line in lines if line]
    try:
        return [pick.pair_id for pick in _Page.model_validate(json.loads(text)).picks]
    except (ValueError, ValidationError, RecursionError) as error:
        raise RecipeError(
            f"{name} is not what the gallery page saves as picks.json",
            code="E-PICKS",
            remedy="save the picks again on the page, or write a picture's name a line",
        ) from error


def _own(record: Record) -> tuple[str, ...]:
    """Return the names that only this picture has."""
    file = record.files["picture"].file
    stem = f"{record.collection}/{record.stem}"
    return (record.stem, stem, file, file.rpartition("/")[2])


def _called(record: Record) -> tuple[str, ...]:
    names = [name for name in (record.content_name, record.style_name) if name]
    return (*_own(record), *names, "--".join(map(slug, names)))


def _means(word: str, record: Record, names: tuple[str, ...]) -> bool:
    if word in _own(record) or (_DIGITS.fullmatch(word) and record.pair_id.startswith(word)):
        return True
    # A print is meant only by its own name, or the same pattern would mean more the next time.
    return record.grown_from is None and any(fnmatchcase(name, word) for name in names)
