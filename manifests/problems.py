"""What is wrong in a manifest: every problem with its place, all of them in one error.

A problem's ``code`` is a stable word for scripts. Codes that start with ``E-YAML-`` are about the
text, ``E-MANIFEST-`` about what it says, ``E-RECIPE-`` about how it would paint; ``W-MANIFEST-``
are warnings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from manifests.wording import printable
from nst_core.errors import NSTError

if TYPE_CHECKING:
    from collections.abc import Iterable

Path = tuple[str | int, ...]
"""Where something stands in a manifest: keys and 0-based positions from the top."""

MAX_PROBLEMS = 100
"""More are not told at once; they cost time, and nobody reads them."""

_LONGEST = 60


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or looks wrong, in a manifest.

    Args:
        code: Stable word, ``E-...`` for an error, ``W-...`` for a warning.
        file: Name of the manifest, or ``--set`` for a value of the command line.
        line: From 1; None where there is no line.
        column: From 1, likewise.
        path: Dotted, ``recipes.evening.steps``; positions in lists from 0; empty for the whole.
        message: What is wrong, and what would be right.
    """

    code: str
    file: str
    line: int | None
    column: int | None
    path: str
    message: str

    def __str__(self) -> str:
        """Return the one line that people read."""
        level = "WARNING" if self.code.startswith("W-") else "ERROR"
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        where = f"{printable(place)} {printable(self.path)}".rstrip()
        return f"{level} {self.code} {where}: {self.message}"


class ManifestError(NSTError):
    """A manifest that cannot be used; says everything that is wrong with it.

    Args:
        problems: At least one; up to `MAX_PROBLEMS` are kept, in the order of their places.
    """

    code = "E-MANIFEST"
    kind = "input"

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = tuple(problems)
        self.problems = tuple(sorted(found[:MAX_PROBLEMS], key=_place))
        more = ["There are more problems than these."] if len(found) > MAX_PROBLEMS else []
        super().__init__("\n".join([*map(str, self.problems), *more]))

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the problems when the error crosses a process boundary."""
        return type(self), (self.problems,)


def _place(problem: Problem) -> tuple[int, int]:
    return problem.line or 0, problem.column or 0


def quoted(text: str) -> str:
    """Return a text for a message: printable, in quotes, not too long."""
    short = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return f"'{printable(short)}'"


def described(value: Any) -> str:
    """Return what a value of a manifest is, for a message: ``the number 3``, ``a list``."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {quoted(value)}"
        case list():
            return "a list"
        case _:
            return "a mapping"


def dotted(path: Path) -> str:
    """Return a path as messages write it."""
    return ".".join(str(part) for part in path)
