"""Values of the command line in place of the manifest's: ``--set recipe.evening.size=256``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from manifests import strict_yaml
from manifests.problems import ManifestError, Problem, quoted
from nst_core.errors import did_you_mean
from nst_core.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from manifests.documents import Document

SOURCE = "--set"

_SHORT = {"recipe": "recipes"}


def override(document: Document, settings: Sequence[str]) -> Iterator[Problem]:
    """Put values into a document's tree; they are checked later, with all others.

    Args:
        document: Changed in place; what was set has no line, but ``--set`` as its file.
        settings: Each ``path.to.key=value``; ``recipe.NAME.field`` may name a preset that the
            manifest uses as it is. The value is read as in a manifest.

    Yields:
        A problem for each that cannot be put anywhere.
    """
    for setting in settings:
        try:
            _set(document, setting)
        except ManifestError as error:
            yield from error.problems


def _set(document: Document, setting: str) -> None:
    dotted, equals, text = setting.partition("=")
    keys: list[Any] = [part.strip() for part in dotted.split(".")]
    if not equals or not all(keys):
        raise _error(f"{quoted(setting)} is not like recipe.NAME.field=value", dotted)
    keys[0] = _SHORT.get(keys[0], keys[0])
    node = document.tree
    if _turns_a_preset(keys):
        recipes = node.setdefault("recipes", {})
        if isinstance(recipes, dict):
            recipes.setdefault(keys[1], {"preset": keys[1]})
    for index, key in enumerate(keys):
        is_last = index == len(keys) - 1
        keys[index] = _entry(node, key, dotted, may_be_new=is_last)
        if not is_last:
            node = node[keys[index]]
    node[keys[-1]] = _value(text, dotted)
    document.set_from_outside[tuple(keys)] = SOURCE


def _turns_a_preset(keys: list[str]) -> bool:
    """Tell whether a setting may turn a preset that the manifest uses as it is."""
    return len(keys) > 2 and keys[0] == "recipes" and keys[1] in PRESETS  # noqa: PLR2004


def _entry(node: Any, key: str, dotted: str, *, may_be_new: bool) -> str | int:
    """Return the key or position under which a node has, or may get, an entry."""
    if isinstance(node, list) and key in (positions := [str(at) for at in range(len(node))]):
        return positions.index(key)
    if isinstance(node, dict) and (key in node or may_be_new):
        return key
    hint = did_you_mean(key, node) if isinstance(node, dict) else ""
    raise _error(f"the manifest has no {quoted(key)} there{hint}", dotted)


def _value(text: str, dotted: str) -> Any:
    try:
        document = strict_yaml.load(text, name=SOURCE)
    except ManifestError as error:
        problems = error.problems
    else:
        problems = tuple(document.problems)
    if problems:
        # Line and column of a command line help nobody.
        raise ManifestError(
            replace(problem, line=None, column=None, path=dotted) for problem in problems
        )
    if document.tree is None:
        raise _error("has no value; give it one", dotted)
    return document.tree


def _error(message: str, dotted: str) -> ManifestError:
    return ManifestError([Problem("E-MANIFEST-SET", SOURCE, None, None, dotted, message)])
