from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nst_core.architectures import VGG
from nst_core.footprint import UNLIMITED, Memory, shortened, working
from nst_core.networks import network
from nst_core.octaves import Octave
from nst_core.optimizers import LBFGS, Adam
from nst_core.presets import preset
from nst_core.terms import Content, Gamut, TotalVariation, Wasserstein
from nst_core.tiles import cut
from tests.nst_core.toy import toy_recipe

GALLERY = preset("gallery").recipe
NETWORK = network(GALLERY.network)
SLIM = replace(
    network("vgg19"), name="slim", architecture=VGG(blocks=(1, 1, 1), widths=(64, 64, 64))
)
GIB = 2**30
LAYERS = ["relu5_1"]


def octave(width, height, steps=25):
    """Give a canvas."""
    return Octave((height, width), max(width, height), steps)


def test_without_a_limit_pictures_are_whole():
    """Whatever their size, nothing is done without."""
    way = working(GALLERY, octave(8192, 8192), UNLIMITED)

    assert (way.tile, way.history, way.is_shortened, way.work) == (None, 24, False, 1)


def test_history_is_no_longer_than_the_steps_there_are():
    """Pairs that never come into being take no memory."""
    few, many = (working(GALLERY, octave(512, 512, steps)) for steps in (5, 80))

    assert (few.history, many.history) == (4, 50)
    assert not few.is_shortened
    assert many.bytes - few.bytes == 46 * 24 * 512**2


@pytest.mark.parametrize(
    "size", [(1024, 768), (2048, 2048), (4096, 4096), (4961, 3508), (3508, 4961)], ids=str
)
@pytest.mark.parametrize("limit", [6 * GIB, 12 * GIB])
def test_the_way_fits_into_the_limit(size, limit: int):
    """Prints of 300 dpi on A3 fit into 6 GB."""
    assert working(GALLERY, octave(*size), Memory(limit)).bytes <= limit


@pytest.mark.parametrize("limit", [3 * GIB, 6 * GIB])
def test_tiles_are_as_large_as_fit(limit: int):
    """Larger tiles are less work, so none that would fit is passed over."""
    way = working(GALLERY, octave(2000, 1500), Memory(limit))
    larger = working(GALLERY, octave(2000, 1500), Memory(1.5 * limit))

    assert way.tile is not None
    assert larger.tile is None or larger.tile > way.tile or larger.history > way.history


def test_tiles_come_before_a_shorter_history():
    """They cost time, a history costs quality."""
    whole = working(GALLERY, octave(1024, 1024))
    way = working(GALLERY, octave(1024, 1024), Memory(0.6 * whole.bytes))

    assert way.tile is not None
    assert not way.is_shortened


def test_a_history_is_rounded_before_it_is_shortened():
    """Half as many bits lose nothing that a picture shows, fewer pairs a little; a record tells."""
    ways = [
        working(GALLERY, octave(4096, 3072), Memory(limit * GIB, bf16=True)) for limit in (12, 7, 5)
    ]

    assert [(way.is_rounded, way.history) for way in ways[:2]] == [(False, 24), (True, 24)]
    assert ways[2].is_rounded
    assert 4 <= ways[2].history < 24
    assert [way.is_shortened for way in ways] == [False, True, True]


@pytest.mark.parametrize("size", [(4096, 3072), (4961, 3508)], ids=str)
@pytest.mark.parametrize("bf16", [False, True])
def test_a_print_takes_no_more_than_twice_the_work(size, bf16):
    """Within 6 GiB: a shorter history is better than tiles that are mostly their neighbours'."""
    assert working(GALLERY, octave(*size), Memory(6 * GIB, bf16=bf16)).work <= 2


def test_freed_memory_is_kept_before_tiles_are_cut():
    """With less and less room: whole and kept, whole and given back, in tiles."""
    ways = [
        working(GALLERY, octave(1024, 1024), Memory(limit))
        for limit in (None, 8 * GIB, 4 * GIB, 3 * GIB)
    ]

    assert [(way.keeps_freed, way.tile is None) for way in ways] == [
        (True, True),
        (True, True),
        (False, True),
        (False, False),
    ]


def test_maps_of_fewer_bits_leave_more_room():
    """Where a recipe leaves it open, the device decides; where it does not, the recipe does."""
    there = [Memory(4 * GIB, bf16=bf16) for bf16 in (False, True)]
    as_it_comes = [working(GALLERY, octave(1280, 1280), each) for each in there]
    exact = [
        working(replace(GALLERY, precision="fp32"), octave(1280, 1280), each) for each in there
    ]

    assert [way.tile is None for way in as_it_comes] == [False, True]
    assert exact[0] == exact[1]


def test_the_limit_decides_the_peak_and_not_the_picture():
    """At four times the pixels the forecast is the same within 15 %."""
    small, large = (
        working(GALLERY, octave(side, side), Memory(6 * GIB)).bytes for side in (2048, 4096)
    )

    assert large == pytest.approx(small, rel=0.15)


def test_history_is_kept_at_four_pairs_whatever_the_limit():
    """With fewer, L-BFGS would hardly be better than plain descent."""
    way = working(GALLERY, octave(4096, 4096), Memory(GIB))

    assert (way.tile, way.history, way.is_shortened) == (128, 4, True)
    assert way.bytes > GIB


def test_work_counts_both_passes_over_all_windows():
    """3/2 for the pass without its way back, times the area that windows share."""
    way = working(GALLERY, octave(2048, 2048), Memory(6 * GIB))
    seen = sum(tile.pixels for tile in cut((2048, 2048), way.tile, NETWORK, LAYERS))

    assert way.work == pytest.approx(3 / 2 * seen / 2048**2)


def test_frugal_takes_a_quarter():
    """Where the estimate was too low, the next one down is taken without looking at the limit."""
    way = working(GALLERY, octave(1024, 1024), Memory(frugal=True))
    tiles = cut((1024, 1024), way.tile, NETWORK, LAYERS)

    assert max(tile.pixels for tile in tiles) <= 1024**2 / 4


def test_recipes_that_see_whole_pictures_are_left_whole():
    """Of those only the history can be shortened."""
    recipe = toy_recipe(network="googlenet", terms=(Content(layer="inception3a"),))
    way = working(recipe, octave(4096, 4096), Memory(6 * GIB))

    assert way.tile is None
    assert way.is_shortened


def test_adam_has_no_history():
    """Its state is as large as the canvas."""
    recipe = replace(GALLERY, optimizer=Adam())

    assert working(recipe, octave(4096, 4096), Memory(6 * GIB)).history == 0


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (LBFGS(history=50), LBFGS(history=7)),
        (LBFGS(history=5), LBFGS(history=5)),
        (Adam(), Adam()),
    ],
    ids=str,
)
def test_only_a_longer_history_is_shortened(optimizer, expected):
    """Everything else of the recipe stays."""
    recipe = replace(GALLERY, optimizer=optimizer)

    assert shortened(recipe, 7) == replace(recipe, optimizer=expected)


_EVALUATE = """
import resource, sys
import torch
from dataclasses import replace
from nst_core.footprint import Memory, working
from nst_core.networks import NETWORKS
from nst_core.pictures import Style
from nst_core.objective import bind
from nst_core.octaves import Octave
from nst_core.studio import Studio
from tests.nst_core.test_footprint import SLIM, slim_recipe
from tests.nst_core.toy import convolutions

torch.set_num_threads(1)
side, limit = int(sys.argv[1]), float(sys.argv[2])
NETWORKS["slim"] = SLIM
recipe, octave = slim_recipe(), Octave((side, side), side, 25)
way = working(recipe, octave, Memory(limit))
kept = torch.bfloat16 if way.is_rounded else torch.float32
history = torch.ones(2 * way.history, 3, side, side, dtype=kept)
content = torch.linspace(0, 1, 3 * side * side).view(1, 3, side, side)
style = Style(torch.rand(1, 3, 64, 64), "style")
objective = bind(recipe, Studio(load=convolutions), octave, content, [style], tile=way.tile)
objective(content)
print(way.tile, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def slim_recipe():
    """Give the gallery's terms as far as relu3_1, on a network that is quick."""
    terms = (
        Content(layer="relu3_1", weight=0.015),
        *(Wasserstein(layer=f"relu{block}_1") for block in (1, 2, 3)),
        TotalVariation(weight=2.0),
        Gamut(weight=50.0),
    )
    free = replace(GALLERY, legibility=None, focus=0.0)
    return replace(free, network="slim", terms=terms, precision="fp32")


def peak(side: int, limit: float) -> tuple[str, float]:
    """Evaluate once in a process of its own; give the tiles and its peak in bytes."""
    ran = subprocess.run(
        [sys.executable, "-c", _EVALUATE, str(side), str(limit)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    tile, told = ran.stdout.split()
    return tile, float(told)


@pytest.mark.slow
def test_the_peak_is_the_limits_and_not_the_pictures():
    """At four times the pixels a process takes as much, and no more than it may."""
    limit = 4e9
    (small_tile, small), (large_tile, large) = (peak(side, limit) for side in (1448, 2896))

    assert int(large_tile) < int(small_tile)
    assert large == pytest.approx(small, rel=0.15)
    assert max(small, large) <= limit
