"""Adding a style set to the text of a manifest, whose comments and layout are its owner's.

The strict reader knows where everything stands, so that only a few lines are put in. What came of
it is read again and compared: if anything else has changed, nothing is written.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from manifests.documents import Document
from manifests.problems import ManifestError, quoted
from manifests.strict_yaml import load
from manifests.writing import scalar_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from manifests.problems import Path

_STEP = 2


def with_style_set(
    text: str,
    set_name: str,
    images: Sequence[str],
    *,
    name: str,
    labels: dict[str, str] | None = None,
    pairings: Sequence[int] | None = None,
) -> str:
    """Return a manifest's text with one more style set.

    Args:
        text: The manifest's.
        set_name: Of the new set.
        images: Its pictures, as the manifest shall say them.
        name: What problems call the manifest.
        labels: Of the set: movement, material, technique, subject.
        pairings: Positions of the pairings that get the set; by default all that have styles.

    Raises:
        ManifestError: The set is there already, no pairing can take it, or the text is written in
            a way that this cannot edit.
    """
    edited = _Text(text, name)
    style_sets = edited.document.tree.get("style_sets") or {}
    if set_name in style_sets:
        raise edited.problem(
            ("style_sets", set_name),
            f"there is a style set {quoted(set_name)} already; choose another name",
        )
    said: Any = list(images)
    if labels:
        said = {**labels, "images": said}
    wanted = set(edited.pairings_with_styles() if pairings is None else pairings)
    if not wanted:
        raise edited.problem(("pairings",), "no pairing names style sets; add the set to one")
    # From the end backwards, so that what stands before keeps its place.
    for index in sorted(wanted, reverse=True):
        edited.add_to_list(edited.styles_of(index), scalar_text(set_name))
    edited.add_to_mapping(("style_sets",), set_name, said)
    edited.require_no_other_change(set_name, said, wanted)
    return edited.text


class _Text:
    """A manifest's text, its places, and edits of it from its end to its beginning."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.document = load(text, name=name)
        if not isinstance(self.document.tree, dict):
            raise self.problem((), "the manifest is no mapping")
        self._name = name

    def problem(self, path: Path, message: str) -> ManifestError:
        return ManifestError([self.document.problem("E-MANIFEST-EDIT", path, message)])

    def pairings_with_styles(self) -> list[int]:
        """Return the positions of the pairings that name style sets for all of a picture."""
        pairings = self.document.tree.get("pairings")
        if isinstance(pairings, dict):  # one pairing, written without its brackets
            pairings = [pairings]
        return [
            index
            for index, pairing in enumerate(pairings or ())
            if isinstance(pairing, dict) and isinstance(pairing.get("style"), str | list)
        ]

    def styles_of(self, index: int) -> Path:
        """Return the path of a pairing's style sets."""
        pairings = self.document.tree.get("pairings")
        if isinstance(pairings, dict):
            return ("pairings", "style")
        if not isinstance(pairings, list) or not 0 <= index < len(pairings):
            raise self.problem(("pairings",), f"there is no pairing {index}")
        return ("pairings", index, "style")

    def add_to_list(self, path: Path, word: str) -> None:
        """Put one more scalar at the end of a list, or beside the one value in its place."""
        value = self._value(path)
        if value is None:
            raise self.problem(path, "this pairing names no style sets")
        if isinstance(value, dict):
            raise self.problem(path, "this pairing names a style for each region; edit it by hand")
        if isinstance(value, list):
            last = self._offset((*path, len(value) - 1))
            if self._is_flow(path):
                end = last + len(self._scalar_at(last))
                self._put(end, f", {word}")
            else:
                line = self._line_of(last)
                indent = re.match(r" *", line)[0]  # type: ignore[index] # it matches anything
                self._put(self._end_of_line(last), f"\n{indent}- {word}")
            return
        start = self._offset_of_value(path)
        scalar = self._scalar_at(start)
        self.text = f"{self.text[:start]}[{scalar}, {word}]{self.text[start + len(scalar) :]}"

    def add_to_mapping(self, path: Path, key: str, value: Any) -> None:
        """Put one more entry behind the last of a mapping; the mapping is made if there is none."""
        mapping = self._value(path)
        line = f"{scalar_text(key)}: {_flow(value)}"
        if not mapping:
            raise self.problem(path, "there are no style sets yet; write the first by hand")
        last = list(mapping)[-1]
        at = self._offset((*path, last))
        if self._is_flow(path):
            self._put(at, f"{line}, ")
            return
        column = self.document.places[*path, last].column - 1
        # Behind the last entry's own lines, not behind comments that follow it further left.
        end = there = self._end_of_line(at)
        while there < len(self.text):
            following = self._line_after(there)
            there += 1 + len(following)
            if _belongs(following, column):
                end = there
            elif following.strip():
                break
        self._put(end, f"\n{' ' * column}{line}")

    def require_no_other_change(self, set_name: str, said: Any, pairings: Iterable[int]) -> None:
        """Read the text again; raise if anything is not as it should be now."""
        wanted = copy.deepcopy(self.document.tree)
        wanted["style_sets"][set_name] = said
        for index in pairings:
            there = wanted["pairings"]
            pairing = there if isinstance(there, dict) else there[index]
            styles = pairing["style"]
            pairing["style"] = [*(styles if isinstance(styles, list) else [styles]), set_name]
        try:
            found = load(self.text, name=self._name)
        except ManifestError:
            found = Document(self._name)
        if found.tree != wanted or found.problems:
            raise self.problem(("style_sets",), "is written in a way that is edited by hand only")

    def _value(self, path: Path) -> Any:
        value = self.document.tree
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            else:
                value = value[step] if isinstance(value, list) and isinstance(step, int) else None
        return value

    def _offset(self, path: Path) -> int:
        """Return where an entry stands: a mapping's key, a list's value."""
        place = self.document.places[path]
        lines = self.text.split("\n")
        return sum(len(line) + 1 for line in lines[: place.line - 1]) + place.column - 1

    def _offset_of_value(self, path: Path) -> int:
        """Return where the value of a mapping's key begins, behind its colon."""
        match = re.compile(r"[^:]*:\s*").match(self.text, self._offset(path))
        assert match
        return match.end()

    def _is_flow(self, path: Path) -> bool:
        """Tell whether the list or mapping of a key is written in brackets."""
        return self.text[self._offset_of_value(path)] in "[{"

    def _scalar_at(self, start: int) -> str:
        """Return a scalar as it is written, with its quotes."""
        match = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,\]}\n#]+""").match(
            self.text, start
        )
        return match[0].rstrip() if match else ""

    def _line_of(self, offset: int) -> str:
        start = self.text.rfind("\n", 0, offset) + 1
        return self.text[start : self._end_of_line(offset)]

    def _line_after(self, end: int) -> str:
        """Return the line behind the one that ends there."""
        return self.text[end + 1 : self._end_of_line(end + 1)]

    def _end_of_line(self, offset: int) -> int:
        end = self.text.find("\n", offset)
        return len(self.text) if end < 0 else end

    def _put(self, offset: int, words: str) -> None:
        self.text = self.text[:offset] + words + self.text[offset:]


def _belongs(line: str, column: int) -> bool:
    """Tell whether a line continues an entry whose key stands in that column."""
    words = line.lstrip(" ")
    indent = len(line) - len(words)
    # The items of a list may stand in the column of its key.
    return bool(words.strip()) and (indent > column or (indent == column and words[:2] == "- "))


def _flow(value: Any) -> str:
    """Return plain values as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return scalar_text(value)
