"""The painter, on one tiny pair with the real network."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from PIL import Image

from nst_core.presets import preset
from tasks.fetching import Fetched
from tasks.jobs import StopFlag, Stopped
from tasks.painter import main
from tasks.render import PaintJob
from tasks.time_lapse import find_encoder
from tests.tasks.toy_gallery import gradient


@pytest.fixture
def job(tmp_path):
    """A pair of two gradients, painted in six steps at 32 pixels."""
    fetched = []
    for number in (1, 2):
        path = tmp_path / f"{number}.png"
        path.write_bytes(gradient(number))
        fetched.append(Fetched(path, sha256(path.read_bytes()).hexdigest(), path.stat().st_size))
    recipe = preset("jcjohnson").recipe
    (tmp_path / "folder").mkdir()
    return PaintJob(
        pair_id="a" * 64,
        recipe=replace(recipe, octaves=replace(recipe.octaves, size=32, steps=(6,))),
        content=fetched[0],
        styles=((fetched[1], 1.0),),
        folder=tmp_path / "folder",
        checkpoints=tmp_path / "checkpoints",
    )


def painted(job):
    """Paint a job on the CPU and return its result."""
    return main({"pair": job, "device": "cpu"}, lambda _: None, StopFlag())


def test_a_small_limit_shortens_the_history_and_says_so(job):
    """At a limit under what the network alone takes, everything is done that can be."""
    roomy = painted(replace(job, memory=int(8e9)))
    tight = painted(replace(job, memory=int(1e9), pair_id="b" * 64))

    assert roomy["degraded"] == ()
    assert tight["degraded"] == ("short history",)
    assert tight["objective"]["last"] < tight["objective"]["first"]


def test_a_painting_goes_on_in_the_memory_it_began_in(job):
    """What is free by then would give other tiles, and with them other pixels."""
    tight = replace(job, memory=int(1e9))
    before = painted(replace(tight, pair_id="b" * 64))["picture"].read_bytes()
    steps = []

    class StopAfterThree(StopFlag):
        def is_set(self) -> bool:
            steps.append(1)
            return len(steps) == 3

    with pytest.raises(Stopped):
        main({"pair": tight, "device": "cpu"}, lambda _: None, StopAfterThree())
    resumed = painted(replace(job, memory=int(8e9)))

    assert resumed["resumed_at"] == [3]
    assert resumed["degraded"] == ("short history",)
    assert resumed["picture"].read_bytes() == before


@pytest.mark.parametrize(
    ("frames", "steps"),
    [
        (None, []),
        (2, [2, 4, 6]),
        (4, [4, 6]),
        ((0, 1, 3), [0, 1, 3, 6]),
        ((2, 60), [2, 6]),
    ],
)
def test_pictures_on_the_way_are_kept_when_asked(job, frames, steps):
    """At an interval or at steps, 0 being the start; the finished picture ends the row."""
    extras = painted(replace(job, frames=frames))["extras"]
    kept = [int(name[6:12]) for name in sorted(extras) if name.startswith("frame_")]

    assert kept == steps
    assert ("frames.webp" in extras) == bool(steps)


def test_a_video_is_made_where_there_is_an_encoder(job):
    """And where there is none the picture is painted all the same, with a word about it."""
    result = painted(replace(job, frames=2, video="mp4"))

    has_video = "video.mp4" in result["extras"]
    assert has_video == (find_encoder() is not None)
    assert any("encoder" in warning for warning in result["warnings"]) != has_video


def test_the_file_claims_its_resolution(job):
    """The dots per inch that were asked for."""
    with Image.open(painted(replace(job, dpi=150))["picture"]) as image:
        assert image.info["dpi"] == pytest.approx((150, 150), abs=0.05)
