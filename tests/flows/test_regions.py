"""Regions through a night: fetched, painted, recorded, kept, told when they change."""

from __future__ import annotations

import pytest
import yaml
from PIL import Image

from flows import threads
from flows.briefs import Briefs
from manifests.comparing import compare, identify
from manifests.planning import expand
from manifests.reader import read
from tasks.output import Output
from tasks.storage import find
from tests.flows.toy_collection import ToyCollection, draw


@pytest.fixture
def collection(tmp_path):
    """One photo, its left in the manner of one painting and the rest of a part of another."""
    collection = ToyCollection(tmp_path, contents=("cat",), styles=("klee", "monet"))
    mask = Image.new("L", (24, 18))
    mask.paste(255, (0, 0, 12, 18))
    mask.save(tmp_path / "left.png")
    collection.write(
        content_sets={
            "photos": [
                {
                    "image": "photos/cat.png",
                    "regions": {"left": {"mask": "left.png", "feather": 2}},
                }
            ]
        },
        style_sets={
            "klee": ["paintings/klee.png"],
            "monet": [{"image": "paintings/monet.png", "regions": {"pond": "left.png"}}],
        },
        pairings=[
            {
                "content": "photos",
                "style": {"left": "klee", "rest": {"style": "monet", "region": "pond"}},
                "recipe": "tiny",
            }
        ],
    )
    return collection


def test_a_pair_of_regions_is_painted_and_recorded(collection):
    """With the masks' bytes, and which style painted where."""
    outcome = collection.paint()["cat"]
    record = collection.record(outcome)
    sha = record.regions[0].mask.sha256

    assert outcome.state == "complete"
    assert [(style.region, style.mask and style.mask.sha256) for style in record.styles] == [
        ("left", None),
        ("rest", sha),
    ]
    assert [(one.name, one.mask.feather) for one in record.regions] == [("left", 2.0)]
    assert record.regions[0].mask.location == str(collection.folder / "left.png")
    assert record.style_name == "klee (left) + monet pond (rest)"


def planned(collection):
    """Give what the manifest plans now, and the hash of every file that it reads."""
    with collection.night() as night:
        night.inputs.fetch_all(night.locations)
        inputs = night.inputs
    pairs = expand(read(collection.path), find)
    return identify(pairs, inputs.digests()), inputs


def test_the_same_night_again_keeps_it_and_another_mask_does_not(collection):
    """A brush stroke in the mask makes another picture, and the plan says why."""
    collection.paint()
    assert collection.paint()["cat"].state == "kept"

    draw(collection.folder / "left.png", size=(24, 18))
    now, inputs = planned(collection)
    (changed,) = compare(now, Output(collection.output).records(), inputs.digests()).changed

    # The toy painter tells of no real weights.
    assert [why.partition(":")[0] for why in changed.why] == [
        *("style monet in.1.0", "region.left.0", "weights")
    ]


def test_the_painter_is_told_masks_and_the_picture_tells_them(collection, tmp_path):
    """As files on this machine; in the picture's provenance by their hashes, without paths."""
    (only,), inputs = planned(collection)
    briefs = Briefs("toy", inputs, tmp_path / "work", 10**6)
    job = briefs.job(only, draft=False)
    sha = inputs.sha256(str(collection.folder / "left.png"))

    assert [(style.region, style.mask and style.mask.source.sha256) for style in job.styles] == [
        ("left", None),
        ("rest", sha),
    ]
    assert [(name, mask.source.sha256, mask.feather) for name, mask in job.regions] == [
        ("left", sha, 2)
    ]
    assert job.provenance["style_region"] == ["left", "rest"]
    assert job.provenance["region_sha256"] == {"left": sha}


def test_a_pair_without_regions_tells_of_none(collection):
    """Its provenance is what it was before there were any."""
    collection.write(content_sets={"photos": ["photos/*.png"]})
    (first, _), inputs = planned(collection)
    job = Briefs("toy", inputs, collection.folder / "work", 10**6).job(first, draft=False)

    assert ([style.region for style in job.styles], job.regions) == ([""], ())
    assert "style_region" not in job.provenance


def test_a_mask_that_is_gone_costs_only_its_pair(collection):
    """The failure names it."""
    pairing = {"content": "photos", "recipe": "tiny"}
    text = yaml.safe_load(collection.path.read_text())
    text["pairings"].append({**pairing, "style": "klee"})
    collection.path.write_text(yaml.safe_dump(text))
    with collection.night() as night:
        (collection.folder / "left.png").unlink()
        threads.paint(night)
        outcomes = {outcome.planned.pair.style_name: outcome for outcome in night.outcomes}

    assert outcomes["klee"].state == "complete"
    failed = outcomes["klee (left) + monet pond (rest)"]
    assert (failed.state, failed.failure.stage) == ("failed", "fetch")
    assert "left.png" in failed.failure.message
