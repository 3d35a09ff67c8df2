"""The painter, on one tiny pair with the real network."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
import torch
from PIL import Image

from manifests.pairs import OutputFormat
from nst_core.errors import DivergedError, RecipeError
from nst_core.images import decode, resize
from nst_core.optimizers import LBFGS
from nst_core.presets import preset
from nst_core.sketches import require_room
from nst_core.terms import TotalVariation
from tasks.fetching import Fetched
from tasks.jobs import StopFlag, Stopped
from tasks.painter import main
from tasks.render import FetchedMask, FetchedStyle, PaintJob
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
        styles=(FetchedStyle(fetched[1]),),
        folder=tmp_path / "folder",
        checkpoints=tmp_path / "checkpoints",
    )


def painted(job):
    """Paint a job on the CPU and return its result."""
    return main({"pair": job, "device": "cpu"}, lambda _: None, StopFlag())


def stopped_after_three(job):
    """Paint three steps of a job, and leave as when a night is stopped."""
    asked = []

    class StopAfterThree(StopFlag):
        def is_set(self) -> bool:
            asked.append(1)
            return len(asked) == 3

    with pytest.raises(Stopped, match="stopped at step 3 of 6"):
        main({"pair": job, "device": "cpu"}, lambda _: None, StopAfterThree())


def test_a_small_limit_shortens_the_history_and_says_so(job):
    """At a limit under what the network alone takes, everything is done that can be."""
    roomy = painted(replace(job, memory=int(8e9)))
    tight = painted(replace(job, memory=int(1e9), pair_id="b" * 64))

    assert roomy.degraded == ()
    assert tight.degraded == ("short history",)
    assert tight.objective["last"] < tight.objective["first"]


def test_a_painting_goes_on_in_the_memory_it_began_in(job):
    """What is free by then would give other tiles, and with them other pixels."""
    tight = replace(job, memory=int(1e9))
    before = painted(replace(tight, pair_id="b" * 64)).picture.read_bytes()
    stopped_after_three(tight)
    resumed = painted(replace(job, memory=int(8e9)))

    assert resumed.resumed_at == [3]
    assert resumed.degraded == ("short history",)
    assert resumed.picture.read_bytes() == before


def test_all_numbers_of_threads_are_told(job):
    """They decide how sums are rounded: two pictures of one recipe may differ for that reason."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        stopped_after_three(job)
        torch.set_num_threads(2)
        resumed, whole = painted(job), painted(replace(job, pair_id="b" * 64))
    finally:
        torch.set_num_threads(before)

    assert resumed.environment["threads"] == [1, 2]
    assert whole.environment["threads"] == 2


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
    extras = painted(replace(job, output=OutputFormat(frames=frames))).extras
    kept = [int(name[6:12]) for name in sorted(extras) if name.startswith("frame_")]

    assert kept == steps
    assert ("frames.webp" in extras) == bool(steps)


def test_a_video_is_made_where_there_is_an_encoder(job):
    """And where there is none the picture is painted all the same, with a word about it."""
    result = painted(replace(job, output=OutputFormat(frames=2, video="mp4")))

    has_video = "video.mp4" in result.extras
    assert has_video == (find_encoder() is not None)
    assert any("encoder" in warning for warning in result.warnings) != has_video


def test_the_file_claims_its_resolution(job):
    """The dots per inch that were asked for."""
    with Image.open(painted(replace(job, output=OutputFormat(dpi=150))).picture) as image:
        assert image.info["dpi"] == pytest.approx((150, 150), abs=0.05)


def test_what_was_done_otherwise_is_done_on_and_told_after_an_interruption(job):
    """The next night knows of no divergence; the checkpoint and with it the record do."""
    gentle = replace(job, gentler=1, frugal=1)
    before = painted(replace(gentle, pair_id="b" * 64)).picture.read_bytes()
    stopped_after_three(gentle)

    resumed = painted(job)

    assert resumed.resumed_at == [3]
    assert resumed.degraded == ("short history", "steps gentler by 2")
    assert resumed.picture.read_bytes() == before


def test_a_draft_is_the_beginning_of_its_picture(job):
    """Small, and refined to the very bytes that would have been painted without it."""
    octaves = replace(job.recipe.octaves, size=48, smallest=32, steps=(3, 3))
    job = replace(job, recipe=replace(job.recipe, octaves=octaves))
    undrafted = painted(replace(job, pair_id="b" * 64))

    draft = painted(replace(job, draft=True)).picture
    with Image.open(draft) as image:
        assert max(image.size) < 48
    refined = painted(job)

    assert (refined.resumed_at, refined.steps) == ([3], 6)
    assert refined.picture.read_bytes() == undrafted.picture.read_bytes()


def spoilt(job):
    """Paint a job that ends in no painting; return its error's code."""
    with pytest.raises(DivergedError) as caught:
        painted(job)
    return caught.value.code


def test_one_flat_color_is_no_painting(job):
    """Smoothing alone leaves nothing; another try begins anew and not where this one ended."""
    faint = [replace(term, weight=1e-12) for term in job.recipe.terms if term.kind != "gamut"]
    smooth = replace(job.recipe, terms=(*faint, TotalVariation(weight=1e6)))
    job = replace(job, recipe=smooth)
    stopped_after_three(job)

    assert spoilt(job) == "E-DIVERGED-FLAT"
    assert list(job.checkpoints.rglob("*.safetensors")) == []


def test_the_untouched_photo_is_no_painting(job):
    """Where steps lead nowhere, nothing is painted."""
    resting = LBFGS(first_step=1e-6, largest_step=1e-6)

    untouched = replace(job.recipe, optimizer=resting, start="content")
    assert spoilt(replace(job, recipe=untouched)) == "E-DIVERGED-UNCHANGED"


def test_a_record_tells_only_what_its_optimizer_can_do_without(job):
    """Adam has no history to shorten, and gives way to no other optimiser."""
    job = replace(job, frugal=3, gentler=1)
    gentler = "steps gentler by 2"

    assert job.degraded == ("short history", "tiles", "adam", gentler)
    assert replace(job, recipe=preset("crowson").recipe).degraded == ("tiles", gentler)


def test_a_photo_too_narrow_is_told_as_before_the_night(job, tmp_path):
    """Of the painting's coarsest octave, not of the sketch that comes first."""
    Image.new("RGB", (2000, 3)).save(tmp_path / "narrow.png")
    data = (tmp_path / "narrow.png").read_bytes()
    narrow = Fetched(tmp_path / "narrow.png", sha256(data).hexdigest(), len(data))
    recipe = preset("gallery").recipe

    with pytest.raises(RecipeError) as told:
        require_room(recipe, (3, 2000))
    with pytest.raises(RecipeError) as refused:
        painted(replace(job, recipe=recipe, content=narrow))

    assert str(refused.value) == str(told.value)


def test_a_region_is_painted_and_the_rest_is_the_photo(job, tmp_path):
    """From a mask's file to the picture's: to the last bit of every pixel outside."""
    mask = Image.new("L", (24, 18))
    mask.paste(255, (0, 0, 12, 18))
    mask.save(tmp_path / "left.png")
    data = (tmp_path / "left.png").read_bytes()
    left = FetchedMask(Fetched(tmp_path / "left.png", sha256(data).hexdigest(), len(data)))
    styles = tuple(replace(style, region="left") for style in job.styles)
    result = painted(replace(job, styles=styles, regions=(("left", left),)))
    content = resize(decode(job.content.read()).pixels, (24, 32), job.recipe.resampling)
    found = decode(result.picture.read_bytes()).pixels

    assert (found - content)[..., 18:].abs().max() <= 0.5 / 255 + 1e-6
    assert (found - content)[..., :14].abs().mean() > 0.005
    assert "gram_relu1_1@left" in result.objective["terms"]
    assert "gram_relu1_1@left" in result.losses.read_text().splitlines()[0]
