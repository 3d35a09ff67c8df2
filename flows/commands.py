"""Commands in words, as a person types them to have the same again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def command_line(*words: str, options: Mapping[str, object]) -> str:
    """Return a command ready to paste.

    Args:
        words: What it begins with, after ``nst``.
        options: By name: a value, True for one that has none, or a tuple for one that is repeated;
            None or False for what is not given.
    """
    typed = ["nst", *words]
    for name, given in options.items():
        for value in given if isinstance(given, tuple) else (given,):
            if value is not None and value is not False:
                typed += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return shlex.join(typed)
