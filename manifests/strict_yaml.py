"""YAML without its traps: what is read is what is written, and every value knows its place.

PyYAML only takes the text apart; what the parts mean is decided here, as YAML 1.2 does: ``no`` and
``1:30`` are texts, ``1e-3`` is a number, ``012`` is twelve. Keys are always texts. Refused, since
each is either a mistake or an attack: the same key twice, keys without a value, anchors and
aliases, tags, several documents, NaN and infinity, characters that do not print, and anything
very big or very deep. The text is read as a stream, so that refusing costs no memory.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from manifests.documents import Document, Place
from manifests.problems import (
    MAX_PROBLEMS,
    ManifestError,
    Path,
    Problem,
    dotted,
    quoted,
)
from manifests.wording import is_printable

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MAX_NODES = 30_000

_LONGEST_NUMBER = 40

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

# Beside what YAML itself forbids, the line breaks that only some programs count as such.
_NOT_YAML = re.compile(
    "[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)

_ALIAS_HINT = "a text that starts with * or & goes in quotes"
# What the parser's words mostly mean, by words of theirs.
_HINTS = {
    "alias": _ALIAS_HINT,
    "anchor": _ALIAS_HINT,
    "tag": "a text that starts with ! goes in quotes",
    "cannot start any token": "a text that starts with @, % or ` goes in quotes",
    "mapping values are not allowed": "a text that contains ': ' goes in quotes",
    "could not find expected ':'": "a key is followed by a colon and a space",
    "while parsing a block mapping": "keys of one mapping stand in one column",
    "while parsing a block collection": "entries of one list stand in one column",
    "<document start>": "keys of one mapping stand in one column",
    "while parsing a flow": "a bracket is not closed, or a comma is missing",
    "while scanning a quoted scalar": "a quote is not closed",
}


def load(source: bytes | str, *, name: str) -> Document:
    """Take a text apart.

    Args:
        source: The text, or its UTF-8 bytes.
        name: What problems call it.

    Returns:
        The document; its problems are those that leave the rest readable.

    Raises:
        ManifestError: The text is too big or too deep, or no YAML from some place on.
    """
    text = decoded(source, name)
    composer = _Composer(Document(name))
    try:
        # libyaml if PyYAML was built with it, as it mostly is; pure Python takes 20 times as long.
        composer.compose(yaml.parse(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)))
    except yaml.MarkedYAMLError as error:
        composer.refuse("E-YAML-SYNTAX", error.problem_mark or error.context_mark, _told(error))
        raise ManifestError(composer.document.problems) from None
    return composer.document


def scalar(text: str) -> str | int | float | bool | None:
    """Return what an unquoted scalar means in YAML 1.2.

    Raises:
        ValueError: A number that is not finite, or too long to be meant.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    is_integer = _INTEGER.fullmatch(text) is not None
    is_float = not is_integer and _FLOAT.fullmatch(text) is not None
    if (is_integer or is_float) and len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} characters")
    if is_integer:
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if is_float and math.isfinite(number := float(text)):
        return number
    if is_float or _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a finite number")
    return text


def decoded(source: bytes | str, name: str) -> str:
    """Return the text with plain line breaks, once it is known to be decent.

    Raises:
        ManifestError: It is too big, not UTF-8, or has characters that are no text.
    """

    def refuse(code: str, message: str, before: str | None = None) -> NoReturn:
        line = column = None
        if before is not None:
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise ManifestError([Problem(code, name, line, column, "", message)])

    if len(source) > MAX_BYTES:
        refuse("E-YAML-SIZE", f"more than {MAX_BYTES:,} bytes; patterns name many pictures at once")
    try:
        text = source if isinstance(source, str) else source.decode("utf-8")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        refuse("E-YAML-ENCODING", "not UTF-8 text; save the file as UTF-8", before)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if wrong := _NOT_YAML.search(text):
        before = text[: wrong.start()]
        if wrong[0] == "\t":
            refuse("E-YAML-TAB", "a tab; write spaces, or \\t between double quotes", before)
        refuse("E-YAML-CHARACTER", f"the character U+{ord(wrong[0]):04X}, which is no text", before)
    return text


def _told(error: yaml.MarkedYAMLError) -> str:
    said = ": ".join(part for part in (error.context, error.problem) if part)
    hint = next((hint for words, hint in _HINTS.items() if words in said), None)
    return f"{said}; {hint}" if hint else said


class _Composer:
    """Builds the tree from the parser's events, and notes what is refused on the way."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._nodes = 0

    def compose(self, events: Iterator[Any]) -> None:
        next(events)  # the stream starts
        if isinstance(next(events), yaml.StreamEndEvent):
            return
        self.document.tree = self._node(next(events), (), events)
        next(events)  # the document ends
        if not isinstance(event := next(events), yaml.StreamEndEvent):
            self.refuse(
                "E-YAML-DOCUMENTS", event.start_mark, "a second document; write one per file"
            )

    def refuse(self, code: str, mark: Any, message: str, path: Path = ()) -> None:
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        problems = self.document.problems
        problems.append(Problem(code, self.document.name, line, column, dotted(path), message))
        if len(problems) > MAX_PROBLEMS:
            raise ManifestError(problems)

    def _stop(self, code: str, mark: Any, message: str) -> NoReturn:
        self.refuse(code, mark, message)
        raise ManifestError(self.document.problems)

    def _node(self, event: Any, path: Path, events: Iterator[Any]) -> Any:
        mark = event.start_mark
        if path not in self.document.places:
            self.document.places[path] = Place(mark.line + 1, mark.column + 1)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop("E-YAML-NODES", mark, f"more than {MAX_NODES:,} values")
        if len(path) > MAX_DEPTH:
            self._stop("E-YAML-DEPTH", mark, f"nested deeper than {MAX_DEPTH} levels")
        if event.anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            said = f"{quoted(sign + event.anchor)} is an alias or anchor; write the value itself"
            self.refuse("E-YAML-ALIAS", mark, f"{said}, or {_ALIAS_HINT}", path)
        match event:
            case yaml.ScalarEvent():
                value = self._scalar(event, path)
            case yaml.SequenceStartEvent():
                value = self._list(path, events)
            case yaml.MappingStartEvent():
                value = self._mapping(path, events)
            case _:
                return None
        if event.tag is not None:
            said = f"the tag {quoted(event.tag)}; manifests have none"
            self.refuse("E-YAML-TAG", mark, f"{said}; {_HINTS['tag']}", path)
        return value

    def _scalar(self, event: Any, path: Path) -> Any:
        # A block of text ends in a line break that nobody means.
        text = event.value.removesuffix("\n") if event.style in {"|", ">"} else event.value
        if not is_printable(text):
            said = f"{quoted(text)} has several lines, or characters that do not print"
            self.refuse("E-YAML-CHARACTER", event.start_mark, said, path)
        if not event.implicit[0]:
            return text
        try:
            value = scalar(text)
        except ValueError as error:
            self.refuse("E-YAML-NUMBER", event.start_mark, str(error), path)
            return None
        if value is None and path:
            said = "has no value; give it one, or remove it"
            self.refuse("E-YAML-EMPTY", event.start_mark, said, path)
        return value

    def _list(self, path: Path, events: Iterator[Any]) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            values.append(self._node(event, (*path, len(values)), events))
        return values

    def _mapping(self, path: Path, events: Iterator[Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            mark = event.start_mark
            if not isinstance(event, yaml.ScalarEvent):
                # What follows such a key cannot be told apart any more.
                self._stop("E-YAML-KEY", mark, "a key is a text, not a list, a mapping or an alias")
            self._scalar_key(event, path)
            key = event.value
            if key in values:
                first = self.document.places[*path, key].line
                said = f"{quoted(key)} given twice (first at line {first})"
                self.refuse("E-YAML-DUPKEY", mark, said, (*path, key))
                self._node(next(events), (*path, key), events)
                continue
            self.document.places[*path, key] = Place(mark.line + 1, mark.column + 1)
            values[key] = self._node(next(events), (*path, key), events)
        return values

    def _scalar_key(self, event: Any, path: Path) -> None:
        self._nodes += 1
        if event.anchor is not None or event.tag is not None:
            self.refuse("E-YAML-KEY", event.start_mark, "a key has no anchor and no tag", path)
        if not event.value or not is_printable(event.value):
            said = f"the key {quoted(event.value)} is empty or has characters that do not print"
            self.refuse("E-YAML-KEY", event.start_mark, said, path)
