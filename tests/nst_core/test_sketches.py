"""Finding the content weight, by sketches that are not painted here."""

import math
from dataclasses import replace

import pytest

from nst_core.octaves import Octaves
from nst_core.presets import preset
from nst_core.sketches import SKETCHES, expected, find, sketch_of, weighted

GALLERY = preset("gallery").recipe


class Easel:
    """Sketches whose legibility is a function of the factor; remembers the factors."""

    def __init__(self, legible) -> None:
        self._legible = legible
        self.factors: list[float] = []

    def __call__(self, factor: float) -> float:
        self.factors.append(factor)
        return self._legible(factor)


@pytest.mark.parametrize("slope", [0.04, 0.08, 0.15])
@pytest.mark.parametrize("at_one", [0.5, 0.6, 0.75])
def test_the_factor_is_found(slope: float, at_one: float):
    """Whatever the style: some give way soon, some late."""
    easel = Easel(lambda factor: at_one + slope * math.log(factor))
    factor = find(0.65, easel)
    sketched = len(easel.factors)
    nearest = at_one + slope * max(min((0.65 - at_one) / slope, math.log(12)), -math.log(12))

    assert easel(factor) == pytest.approx(nearest, abs=0.015)
    assert sketched <= 3


def test_a_legible_pair_is_sketched_once():
    """At its own weight."""
    easel = Easel(lambda _: 0.66)

    assert find(0.65, easel) == 1
    assert easel.factors == [1]


def test_what_cannot_be_legible_still_is_painted():
    """The factor stays within limits, and so do the sketches."""
    easel = Easel(lambda factor: 0.1 + 0.001 * math.log(factor))
    factor = find(0.65, easel)

    assert factor == pytest.approx(12)
    assert len(easel.factors) < SKETCHES


def test_the_nearest_sketch_is_taken():
    """Legibility is not everywhere smooth in the weight."""
    easel = Easel(lambda factor: 0.8 if factor > 0.7 else 0.3)
    factor = find(0.65, easel)

    assert len(easel.factors) == SKETCHES
    assert easel(factor) == 0.8


def test_content_alone_is_weighed():
    """And nothing is left to find."""
    heavier = weighted(GALLERY, 3)
    pairs = list(zip(GALLERY.terms, heavier.terms, strict=True))

    assert heavier.legibility is None
    assert all(
        after.weight == before.weight * (3 if before.kind == "content" else 1)
        for before, after in pairs
    )


def test_a_sketch_is_small():
    """In size and in steps, whatever the painting; of small ones, no larger."""
    large = sketch_of(replace(GALLERY, octaves=replace(GALLERY.octaves, size=4096)), 1)
    small = sketch_of(replace(GALLERY, octaves=Octaves(size=64, steps=(3,))), 1)

    assert large.octaves.sides() == (113, 160)
    assert (small.octaves.sides(), small.octaves.steps) == ((45, 64), (3, 3))


def test_sketches_are_forecast():
    """Three of them; none where nothing is to be found."""
    assert len(expected(GALLERY, (300, 400))) == 6
    assert expected(replace(GALLERY, legibility=None), (300, 400)) == ()
