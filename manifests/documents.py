"""A manifest's text taken apart: a tree of plain values in which everything knows its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from manifests.problems import Path, Problem, dotted

if TYPE_CHECKING:
    from collections.abc import Container


@dataclass(frozen=True)
class Place:
    """Where something stands in a text; line and column from 1."""

    line: int
    column: int


@dataclass
class Document:
    """A text taken apart.

    Args:
        name: What problems call it.
        tree: Mappings, lists, texts, numbers, truth values; None for what was refused.
        places: Of every entry by its path; an entry of a mapping stands where its key does.
        problems: What was refused.
        set_from_outside: Entries that do not come from the text, by path; see
            :mod:`manifests.overrides`.
    """

    name: str
    tree: Any = None
    places: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    set_from_outside: dict[Path, str] = field(default_factory=dict)

    def find(self, path: Path) -> tuple[Path, Any]:
        """Return the part of a path that is in the tree, and the value there.

        A path may name longer forms of what was written short, or a union's kinds, in angle
        brackets. Its last key is kept even if it is not in the tree: it is what is missing.
        """
        found: list[str | int] = []
        value = self.tree
        for index, step in enumerate(path):
            if step in _steps_into(value):
                found.append(step)
                value = value[step]
            elif isinstance(value, dict) and index == len(path) - 1 and _may_be_key(step):
                found.append(step)
                value = None
        return tuple(found), value

    def problem(self, code: str, path: Path, message: str) -> Problem:
        """Return a problem at the place of a path, or of the nearest entry around it."""
        around = [path[:end] for end in range(len(path), -1, -1)]
        for entry in around:
            if entry in self.set_from_outside:
                return Problem(
                    code, self.set_from_outside[entry], None, None, dotted(path), message
                )
        at = next((self.places[entry] for entry in around if entry in self.places), Place(1, 1))
        return Problem(code, self.name, at.line, at.column, dotted(path), message)


def _steps_into(value: Any) -> Container[Any]:
    """Return the keys of a mapping, the positions of a list, nothing for all else."""
    if isinstance(value, list):
        return range(len(value))
    return value if isinstance(value, dict) else ()


def _may_be_key(step: str | int) -> bool:
    return isinstance(step, str) and not step.startswith("<")
