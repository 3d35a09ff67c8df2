"""What a painter reads: pictures, and masks held against them."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from io import BytesIO

import pytest
import torch
from PIL import Image

from manifests.pairs import OutputFormat
from nst_core.errors import ImageError
from nst_core.presets import preset
from tasks.fetching import Fetched
from tasks.pair_files import input_path, moved, pictures
from tasks.reading import Reading
from tasks.render import FetchedMask, FetchedStyle, PaintJob
from tests.tasks.toy_gallery import gradient


@pytest.fixture
def fetched(tmp_path):
    """Put bytes, or an image, into a file and return it as fetched."""

    def put(name, content):
        if isinstance(content, Image.Image):
            data = BytesIO()
            content.save(data, "PNG")
            content = data.getvalue()
        path = tmp_path / name
        path.write_bytes(content)
        return Fetched(path, sha256(content).hexdigest(), len(content))

    return put


@pytest.fixture
def job(tmp_path, fetched):
    """A photo of 48 × 36 of which one style paints the left and another the rest."""
    left = Image.new("L", (24, 18))
    left.paste(255, (0, 0, 12, 18))
    return PaintJob(
        pair_id="a" * 64,
        recipe=preset("gallery").recipe,
        content=fetched("photo.png", gradient(1)),
        styles=(
            FetchedStyle(fetched("one.png", gradient(2)), region="left"),
            FetchedStyle(
                fetched("other.png", gradient(3)),
                region="rest",
                mask=FetchedMask(fetched("own.png", left)),
            ),
        ),
        regions=(("left", FetchedMask(fetched("left.png", left))),),
        folder=tmp_path / "folder",
        checkpoints=tmp_path / "checkpoints",
    )


def test_masks_are_read_at_their_own_size(job):
    """The core fits them to each octave."""
    found = Reading(job).pictures()

    assert found.regions["left"].shape == (1, 1, 18, 24)
    assert found.regions["left"][0, 0, 0].tolist() == [1] * 12 + [0] * 12
    assert [style.region for style in found.styles] == ["left", "rest"]
    assert found.styles[0].mask is None
    torch.testing.assert_close(found.styles[1].mask, found.regions["left"])


def test_what_is_remembered_of_a_style_is_told_apart_by_its_mask(job):
    """The whole picture and a part of it are measured differently, and so is a softer part."""
    left, rest = job.styles
    own = rest.mask
    masks = [None, own, replace(own, feather=3.0), replace(own, color="white")]
    jobs = [replace(job, styles=(left, replace(rest, mask=mask))) for mask in masks]
    keys = {Reading(each).pictures().styles[1].key for each in jobs}

    assert len(keys) == 4


def test_what_is_transparent_in_a_mask_is_outside(job, fetched):
    """People cut a region out; whatever photos show through transparency does not matter here."""
    cut = Image.new("RGBA", (48, 36), (255, 255, 255, 0))
    cut.paste((255, 255, 255, 255), (0, 0, 10, 36))
    regions = (("left", FetchedMask(fetched("cut.png", cut))),)
    mask = (
        Reading(replace(job, regions=regions, output=OutputFormat(background="white")))
        .pictures()
        .regions["left"]
    )

    assert mask[0, 0, 0].tolist() == [1] * 10 + [0] * 38


@pytest.mark.parametrize(
    ("size", "said"),
    [((36, 48), "the mask has 36×48 px, its picture 48×36"), ((48, 36), "the mask is all black")],
)
def test_a_mask_that_is_none_is_named(job, fetched, size, said):
    """The report says which file is wrong, and how."""
    regions = (("left", FetchedMask(fetched("bad.png", Image.new("L", size)))),)
    with pytest.raises(ImageError, match=f"^bad.png: {said}") as caught:
        Reading(replace(job, regions=regions)).pictures()

    assert caught.value.code == "E-IMG-MASK"
    assert caught.value.remedy


def test_masks_travel_with_their_pair(job, tmp_path):
    """A machine that paints for another is given them, and reads the same there."""
    elsewhere = moved(job, root=tmp_path / "there", inputs=tmp_path / "inputs")
    for source, copied in zip(pictures(job), pictures(elsewhere), strict=True):
        assert copied.path == input_path(tmp_path / "inputs", source)
        copied.path.parent.mkdir(parents=True, exist_ok=True)
        copied.path.write_bytes(source.path.read_bytes())
        source.path.unlink(missing_ok=True)

    found = Reading(elsewhere).pictures()
    assert len(pictures(job)) == 5
    assert found.regions["left"].sum() == 12 * 18
    assert found.styles[1].mask is not None
