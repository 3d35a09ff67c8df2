"""Manners: how the `gallery` preset is turned for a material, a technique or a movement.

A pencil drawing lives by lines that are finer than any brush, a woodcut by few large shapes. What
tells them apart is the size of the strokes, the layers at which the style is compared, how smooth
the paint lies, whose colours it has, and how much of the subject it leaves. The dials were turned
by eye; docs/manners shows a picture of each.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Literal

from nst_core.dials import Dials
from nst_core.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

_FINE = {"relu1_1": 256.0, "relu2_1": 128.0, "relu3_1": 32.0, "relu4_1": 4.0, "relu5_1": 1.0}
_BROAD = {"relu1_1": 256.0, "relu2_1": 64.0, "relu3_1": 32.0, "relu4_1": 16.0, "relu5_1": 8.0}

_MATERIALS = {
    "oil pastel": Dials(style_layers=_FINE, legibility=0.62),
    "watercolor": Dials(style_scale=0.8, legibility=0.6),
    "white pencil on dark": Dials(legibility=0.68),
    "pencil drawing": Dials(legibility=0.68),
    "colored pencil": Dials(style_layers=_FINE, legibility=0.7),
}
_TECHNIQUES = {
    "pointillism": Dials(style_layers=_FINE, legibility=0.62),
    "underpainting": Dials(style_scale=1.4, tv_weight=2.0, legibility=0.6),
    "blocking in": Dials(style_scale=1.6, tv_weight=3.0, style_layers=_BROAD, legibility=0.58),
    "built-up texture": Dials(style_scale=1.2, tv_weight=0.5, legibility=0.62),
    "dry brushing": Dials(style_scale=1.4, tv_weight=0.5, legibility=0.62),
    "glazing": Dials(tv_weight=2.0, legibility=0.72),
    "scraper": Dials(style_scale=1.1, color="palette", legibility=0.64),
}
_MOVEMENTS = {
    "surrealism": Dials(legibility=0.66),
    "impressionism": Dials(legibility=0.7),
    "cubism": Dials(style_scale=1.3, style_layers=_BROAD, legibility=0.55),
    "pop art": Dials(style_scale=1.3, tv_weight=2.0, legibility=0.66),
    "naturalism": Dials(legibility=0.8),
    "abstract": Dials(style_layers=_BROAD, legibility=0.55),
    "dada": Dials(style_layers=_BROAD, legibility=0.58),
    "expressionism": Dials(style_scale=1.2, legibility=0.58),
    "minimalism": Dials(style_scale=1.3, tv_weight=2.0, legibility=0.68),
    "classicism": Dials(legibility=0.74),
}

MANNERS: dict[str, Dials] = _MATERIALS | _TECHNIQUES | _MOVEMENTS
"""Dials on `gallery`, by name."""

# As people write them, in singular and lower case.
_ALSO = {
    "aquarelle": "watercolor",
    "watercolour": "watercolor",
    "pointillist": "pointillism",
    "divisionism": "pointillism",
    "pencil": "pencil drawing",
    "drawing with pencil": "pencil drawing",
    "graphite": "pencil drawing",
    "colour pencil": "colored pencil",
    "coloured pencil": "colored pencil",
    "color pencil": "colored pencil",
    "white pencil": "white pencil on dark",
    "building up texture": "built-up texture",
    "built up texture": "built-up texture",
    "impasto": "built-up texture",
    "dry brush": "dry brushing",
    "glaze": "glazing",
    "woodcut": "scraper",
    "scraperboard": "scraper",
    "scratchboard": "scraper",
    "pastel": "oil pastel",
    "impressionist": "impressionism",
    "surrealist": "surrealism",
    "cubist": "cubism",
    "popart": "pop art",
    "naturalist": "naturalism",
    "abstract art": "abstract",
    "abstraction": "abstract",
    "dadaism": "dada",
    "expressionist": "expressionism",
    "minimalist": "minimalism",
    "neoclassicism": "classicism",
    "classical": "classicism",
}


def manner(name: str) -> Dials:
    """Return the dials of a manner.

    Args:
        name: As people write it: upper case, plurals and hyphens do not matter.

    Raises:
        RecipeError: Naming the nearest manner.
    """
    known = known_as(name)
    if known is None:
        hint = did_you_mean(name, [*MANNERS, "off"]) or f"; known: {', '.join(MANNERS)}"
        raise RecipeError(f"no manner '{name}'{hint}", code="E-RECIPE-MANNER")
    return MANNERS[known]


def known_as(name: str) -> str | None:
    """Return the manner that people mean by a word, or None."""
    words = re.sub(r"[\s_-]+", " ", name).strip().casefold()
    for word in (words, words.removesuffix("s")):
        plain = _ALSO.get(word, word)
        for known in MANNERS:
            if plain in {known, known.replace("-", " ")}:
                return known
    return None


def kind_of(name: str) -> Literal["material", "technique", "movement"] | None:
    """Return what a word names: a material, a technique or a movement; None if no manner."""
    known = known_as(name)
    if known is None:
        return None
    if known in _MOVEMENTS:
        return "movement"
    return "material" if known in _MATERIALS else "technique"


def fitting(words: Iterable[str]) -> str | None:
    """Return the first manner that any of these words means, or None."""
    return next((known for word in words if (known := known_as(word))), None)


def without(dials: Dials, given: Dials) -> Dials:
    """Return dials but for those that are given otherwise."""
    return dataclasses.replace(
        dials,
        **{
            field.name: None
            for field in dataclasses.fields(Dials)
            if getattr(given, field.name) is not None
        },
    )
