"""What only shows when the parts of a manifest are seen together.

These checks look at the tree and not at the models, so that a mistake in one place does not keep
those in all others from being told.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from manifests.fields import MAX_ENTRIES
from manifests.problems import quoted
from manifests.recipe_entry import DEFAULT_RECIPE
from manifests.sweep_entry import RecipeFamily
from manifests.sweeps import family_mistakes, variants
from nst_core.errors import did_you_mean
from nst_core.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from manifests.documents import Document
    from manifests.problems import Path, Problem

_MOST_LISTED = 10
# What a pairing names, and where that is defined.
_NAMED = {
    "content": "content_sets",
    "style": "style_sets",
    "guide": "style_sets",
    "recipe": "recipes",
}


def check(document: Document) -> Iterator[Problem]:
    """Yield recipes that cannot be painted, unknown names, pairings that bring wrong pictures.

    Args:
        document: Its tree is a mapping.
    """
    reads = {name: preset.reads for name, preset in PRESETS.items()}
    for name, given in islice(_mapping(document.tree, "recipes").items(), MAX_ENTRIES):
        entry, is_whole = _entry(given)
        reads.pop(name, None)
        if entry is None:
            continue
        found = list(family_mistakes(entry))
        for path, mistake in found:
            # What shows only in the whole may be due to what is missing.
            if path or is_whole:
                yield document.problem(mistake.code, ("recipes", name, *path), str(mistake))
        if is_whole and not found:
            each = (variant.recipe.reads for variant in variants(name, entry))
            reads[name] = frozenset[str]().union(*each)
    for path, pairing in _pairings(document.tree):
        yield from _check_names(document, pairing, path)
        yield from _check_pictures(document, pairing, path, reads)


def _check_names(document: Document, pairing: dict[str, Any], path: Path) -> Iterator[Problem]:
    """Yield a problem for every name that the manifest does not define."""
    for key, among in _NAMED.items():
        known = {**_mapping(document.tree, among), **(PRESETS if key == "recipe" else {})}
        is_told = not isinstance(document.tree.get(among, {}), dict)
        for place, name in _names(pairing, key):
            if name not in known and not is_told:
                listed = ", ".join(islice(known, _MOST_LISTED)) or f"none; add it to {among}"
                hint = (
                    did_you_mean(name, islice(known, MAX_ENTRIES))
                    or f"; this manifest has {listed}"
                )
                said = f"no {among.removesuffix('s').replace('_', ' ')} {quoted(name)}{hint}"
                yield document.problem("E-MANIFEST-NAME", (*path, *place), said)


def _check_pictures(
    document: Document,
    pairing: dict[str, Any],
    path: Path,
    reads: Mapping[str, frozenset[str]],
) -> Iterator[Problem]:
    """Yield a problem where a recipe reads a picture that the pairing lacks, or the reverse.

    Args:
        document: The manifest.
        pairing: One of its pairings.
        path: Where it stands.
        reads: Which pictures each recipe reads, as far as that is known.
    """
    named = [name for _, name in _names(pairing, "recipe")]
    for name in dict.fromkeys(named if "recipe" in pairing else [DEFAULT_RECIPE]):
        for key in ("content", "style") if name in reads else ():
            is_there = key in pairing or (key == "style" and "guide" in pairing)
            if key in reads[name] and not is_there:
                said = f"recipe {quoted(name)} reads a {key} picture; add {key}: with names of sets"
                yield document.problem("E-MANIFEST-READS", path, said)
            elif key not in reads[name] and is_there:
                written = key if key in pairing else "guide"
                said = f"recipe {quoted(name)} reads no {key} picture; leave {written} out"
                yield document.problem("E-MANIFEST-READS", (*path, written), said)


def _pairings(tree: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the pairings with their places; a single one may be written without a list."""
    given = tree.get("pairings")
    if isinstance(given, dict):
        yield ("pairings",), given
    elif isinstance(given, list):
        for index, pairing in enumerate(given):
            if isinstance(pairing, dict):
                yield ("pairings", index), pairing


def _names(pairing: dict[str, Any], key: str) -> Iterator[tuple[Path, str]]:
    """Yield the names that a pairing gives for a key, with their places in it."""
    given = pairing.get(key)
    each: dict[Path, Any] = {(key,): given}
    if key == "style" and isinstance(given, dict):  # by region of the content
        each = {
            (key, region, "style") if isinstance(one, dict) else (key, region): (
                one.get("style") if isinstance(one, dict) else one
            )
            for region, one in given.items()
        }
    for path, said in each.items():
        if isinstance(said, str):
            yield path, said
        elif isinstance(said, list):
            for index, name in enumerate(said):
                if isinstance(name, str):
                    yield (*path, index), name


def _entry(given: Any) -> tuple[RecipeFamily | None, bool]:
    """Return a recipe's entry without what pydantic refuses, and whether that is all of it."""
    try:
        return RecipeFamily.model_validate_json(json.dumps(given), strict=True), True
    except ValidationError as error:
        refused = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
    # Without its network or preset it cannot be said what is wrong with the rest.
    if not isinstance(given, dict) or refused & {"network", "preset"} or not refused & set(given):
        return None, False
    return _entry({key: value for key, value in given.items() if key not in refused})[0], False


def _mapping(tree: dict[str, Any], key: str) -> dict[str, Any]:
    found = tree.get(key)
    return found if isinstance(found, dict) else {}
