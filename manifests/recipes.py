"""From what a manifest says of a recipe to the recipe itself."""

from __future__ import annotations

from dataclasses import fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from manifests.recipe_entry import (
    DEFAULT_RECIPE,
    Init,
    Layers,
    RecipeEntry,
    StartMix,
    StartPicture,
)
from nst_core.activations import Unit
from nst_core.architectures import LOGITS
from nst_core.dials import Dials, paced, turn
from nst_core.errors import RecipeError
from nst_core.manners import MANNERS, fitting, known_as, without
from nst_core.networks import network
from nst_core.optimizers import Adam
from nst_core.preset_types import Member
from nst_core.presets import preset
from nst_core.recipe import Recipe
from nst_core.terms import Content, Gram, TotalVariation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from manifests.pairs import FrameSteps
    from manifests.problems import Path

TELLING = ("material", "technique", "movement")
"""Labels of a style that may name its manner, the most telling first."""

# How like a manner a label must be to be one misspelt: Fauvism is not, next to cubism.
_NEAR = 0.8

_FIELDS = frozenset(RecipeEntry.model_fields)
_TURNED = frozenset(field.name for field in fields(Dials))

DIALS = _FIELDS & _TURNED - {"optimizer"}
"""Fields of an entry that are dials of the same name; init, optimizer and layers are others'."""

PARTS = _FIELDS & {field.name for field in fields(Recipe)} - _TURNED
"""Fields of an entry that take the place of the recipe's own."""


def recipe_of(entry: RecipeEntry) -> Recipe:
    """Return the recipe that an entry stands for by itself, whatever the style.

    A part that is given takes the place of the preset's whole part; then the dials are turned.

    Args:
        entry: What the manifest says of the recipe.

    Raises:
        RecipeError: It cannot be painted.
    """
    return _applied(entry, _base(entry), manner_for(entry, {}))


def manner_for(entry: RecipeEntry, labels: Mapping[str, str]) -> str | None:
    """Return the manner in which an entry's recipe is turned for a style.

    Args:
        entry: Names one, or says off; if not, and if it starts from `gallery`, the style decides.
        labels: Of the style: its material, technique and movement, of which the first that is
            known counts.
    """
    if entry.manner is not None:
        return known_as(entry.manner)  # none is known as off
    if (entry.preset or DEFAULT_RECIPE) != DEFAULT_RECIPE or entry.terms is not None:
        return None
    return fitting(labels[name] for name in TELLING if name in labels)


def nearly_named(labels: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the label that is a manner but for its spelling, and that manner; None if none is.

    Args:
        labels: As for :func:`manner_for`.
    """
    said = {name: labels[name] for name in TELLING if name in labels}
    if fitting(said.values()):
        return None
    for name, word in said.items():
        if near := get_close_matches(word.casefold(), list(MANNERS), n=1, cutoff=_NEAR):
            return name, near[0]
    return None


def members(entry: RecipeEntry, manner: str | None = None) -> Iterator[Member]:
    """Yield the recipes that an entry stands for: one, or all of its preset's family.

    Args:
        entry: What the manifest says of the recipe.
        manner: See :func:`manner_for`.

    Raises:
        RecipeError: One cannot be painted, or the entry sets what its family walks through.
    """
    family = preset(entry.preset).family if entry.preset else ()
    if family and (entry.terms or entry.layers):
        part = "terms" if entry.terms else "layers"
        raise RecipeError(f"'{entry.preset}' goes through its {part} by itself; leave {part} out")
    for member in family or (Member((), _base(entry)),):
        yield replace(member, recipe=_applied(entry, member.recipe, manner))


def frames_of(entry: RecipeEntry) -> FrameSteps | None:
    """Return when pictures on the way are kept: as the entry says, or as its preset does."""
    if entry.frames is not None:
        return entry.frames.steps
    return (preset(entry.preset).frames if entry.preset else ()) or None


def mistakes(entry: RecipeEntry) -> Iterator[tuple[Path, RecipeError]]:
    """Yield why parts of an entry cannot be painted, each with its place in the entry.

    Everything that the entry says is tried alone, on a recipe that is sound, so that one mistake
    hides no other. Parts that merely do not go together show in :func:`recipe_of` only.
    """
    name = entry.network or (_base(entry).network if entry.terms is None else Recipe.network)
    layers = network(name).layers
    scored = LOGITS if LOGITS in layers else layers[0]
    gram = Gram(layer=layers[0])
    terms = (Content(layer=layers[0]), gram, Unit(layer=scored, unit=0))
    sound = Recipe(terms=terms, network=name)
    # Without what these parts do not go together with.
    bare = Recipe(terms=(gram,), network=name, optimizer=Adam())
    for path, alone in _pieces(entry):
        try:
            _applied(alone, bare if path[0] in {"transforms", "canvas"} else sound)
        except RecipeError as error:
            yield path, error


def _base(entry: RecipeEntry) -> Recipe:
    """Return the recipe that an entry starts from."""
    if entry.preset is None and entry.terms is not None:
        return Recipe(terms=entry.terms, network=entry.network or Recipe.network)
    base = preset(entry.preset or DEFAULT_RECIPE).recipe
    return base if entry.network is None else paced(base, entry.network)


def _applied(entry: RecipeEntry, base: Recipe, manner: str | None = None) -> Recipe:
    parts = {name: value for name in PARTS if (value := getattr(entry, name)) is not None}
    if entry.terms is not None:
        parts |= {"legibility": None, "focus": 0.0}  # terms bring their weights
    if entry.terms is not None and entry.network is not None:
        # Together, since the network must have the terms' layers.
        parts["network"] = entry.network
    dials: dict[str, Any] = {name: getattr(entry, name) for name in DIALS}
    if isinstance(entry.optimizer, str):
        dials["optimizer"] = entry.optimizer
    elif entry.optimizer is not None:
        parts["optimizer"] = entry.optimizer
    if entry.init is not None:
        dials |= _start(entry.init)
    if entry.layers is not None:
        dials |= {f"{group}_layers": getattr(entry.layers, group) for group in Layers.model_fields}
    own = Dials(**dials)
    recipe = replace(base, **parts) if parts else base
    if manner is not None:
        recipe = turn(recipe, without(MANNERS[manner], own))
    return turn(recipe, own)


def _start(init: Init) -> dict[str, Any]:
    """Return the dials that the first canvas has."""
    if isinstance(init, StartMix):
        return {"start": "mix", "mix": init.mix}
    return {"start": "picture" if isinstance(init, StartPicture) else init}


def _pieces(entry: RecipeEntry) -> Iterator[tuple[Path, RecipeEntry]]:
    """Yield everything that an entry says as an entry that says nothing else."""
    for name in RecipeEntry.model_fields:
        if name in entry.model_fields_set - {"preset", "network", "terms", "layers"}:
            yield (name,), RecipeEntry.model_construct(**{name: getattr(entry, name)})
    for index, term in enumerate(entry.terms or ()):
        # A term of weight 0 is no mistake, but alone it would be no recipe.
        terms = (term, TotalVariation())
        yield ("terms", index), RecipeEntry.model_construct(terms=terms)
    for group in Layers.model_fields:
        for layer in getattr(entry.layers, group, None) or ():
            layers = Layers.model_validate({group: {layer: 1.0}})
            yield ("layers", group, layer), RecipeEntry.model_construct(layers=layers)
