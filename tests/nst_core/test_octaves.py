from __future__ import annotations

import math

import pytest

from nst_core.octaves import Octave, Octaves, scaled


def test_without_a_smallest_side_there_is_one_octave():
    """The picture is painted at its final size only."""
    assert Octaves(size=512).sides() == (512,)


def test_sides_fall_by_the_ratio_down_to_the_smallest():
    """The walk goes from the coarsest octave up to the size asked for."""
    octaves = Octaves(size=512, smallest=180, ratio=math.sqrt(2))

    assert octaves.sides() == (181, 256, 362, 512)


def test_smallest_side_is_painted_too():
    """An octave of exactly the smallest side belongs to the walk."""
    assert Octaves(size=64, smallest=16, ratio=2).sides() == (16, 32, 64)


def test_picture_smaller_than_the_smallest_side_has_one_octave():
    """The final size is painted whatever the smallest side is."""
    assert Octaves(size=100, smallest=200).sides() == (100,)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [((7,), [7, 7, 7]), ((9, 5), [9, 5, 5]), ((9, 5, 2), [9, 5, 2]), ((9, 5, 2, 1), [9, 5, 2])],
)
def test_last_steps_serve_all_further_octaves(steps: tuple[int, ...], expected: list[int]):
    """Steps are given from the coarsest octave up."""
    octaves = Octaves(size=64, smallest=16, ratio=2, steps=steps)

    assert [octave.steps for octave in octaves.plan((64, 64))] == expected


def test_plan_keeps_the_aspect():
    """Every octave has the picture's own shape; size is its longest side."""
    octaves = Octaves(size=64, smallest=32, ratio=2, steps=(3,))

    assert octaves.plan((300, 400)) == (
        Octave(size=(24, 32), side=32, steps=3),
        Octave(size=(48, 64), side=64, steps=3),
    )


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (100, 1600), (333, 333)])
def test_area_gives_every_shape_as_many_pixels(size: tuple[int, int]):
    """Measured by area, a picture of side s has s² pixels, up to rounding its sides."""
    height, width = scaled(size, 128, "area")

    assert math.isclose(height * width, 128**2, rel_tol=0.02)
    assert math.isclose(height / width, size[0] / size[1], rel_tol=0.02)


def test_narrow_picture_keeps_a_pixel():
    """No side rounds to zero."""
    assert scaled((1, 1000), 100, "longest") == (1, 100)
