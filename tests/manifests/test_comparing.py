"""What a night has to do: what is kept, new, changed (why), orphaned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from manifests.comparing import Planned, compare, identify
from manifests.picture_sources import MaskSource, RegionSource, StyleSource
from nst_core.networks import network
from nst_core.recipe import ALGORITHM_VERSION


@dataclass(frozen=True)
class Record:
    pair_id: str
    content: str | None
    content_sha256: str | None
    styles: tuple[StyleSource, ...]
    recipe_name: str
    recipe: dict[str, Any]
    output: dict[str, Any]
    weights_sha256: str
    algorithm_version: int = ALGORITHM_VERSION
    grown_from: None = None
    draft: bool = field(default=False)
    regions: tuple[RegionSource, ...] = ()


def mask(given, digests):
    """Return what the record tells of a mask."""
    return MaskSource(
        location=given.location,
        sha256=digests[given.location],
        color=given.color,
        feather=given.feather,
    )


def painted(planned, digests):
    """Return the record that painting a pair leaves."""
    pair = planned.pair
    return Record(
        pair_id=planned.pair_id,
        content=pair.content,
        content_sha256=pair.content and digests[pair.content],
        styles=tuple(
            StyleSource(
                location=one.location,
                weight=one.weight,
                sha256=digests[one.location],
                region=one.region,
                mask=one.mask and mask(one.mask, digests),
            )
            for one in pair.styles
        ),
        regions=tuple(
            RegionSource(name=name, mask=mask(one, digests)) for name, one in pair.regions
        ),
        recipe_name=pair.recipe_name,
        recipe=pair.recipe.parameters(),
        output=pair.output.parameters(),
        weights_sha256=network(pair.recipe.network).source.sha256,
    )


@pytest.fixture
def planned(shows, digests):
    return identify(shows.pairs(), digests)


@pytest.fixture
def records(planned, digests):
    return [painted(one, digests) for one in planned]


def test_everything_is_new_at_first(planned, digests):
    """Nothing is painted yet."""
    plan = compare(planned, [], digests)

    assert (plan.kept, plan.new, plan.changed, plan.orphaned) == ((), planned, (), ())
    assert plan.to_paint == planned


def test_what_is_painted_is_kept(planned, records, digests):
    """The same command again paints nothing."""
    plan = compare(planned, records, digests)

    assert (plan.kept, plan.to_paint, plan.orphaned) == (planned, (), ())


def test_a_new_style_makes_only_its_own_pairs(shows, records, digests):
    """All others are kept."""
    shows.files = shows.files | {
        "/shows/monet/*.jpg": [
            "/shows/monet/lilies.jpg",
            "/shows/monet/poplars.jpg",
            "/shows/monet/haystacks.jpg",
        ]
    }
    plan = compare(identify(shows.pairs(), digests), records, digests)

    assert [one.pair.style_name for one in plan.to_paint] == ["haystacks"] * 3
    assert len(plan.kept) == 9


def why(plan):
    return {line for change in plan.changed for line in change.why}


def test_an_edited_content_is_told_with_both_hashes(shows, records, digests):
    """Same path, other bytes: the pairs are painted again."""
    edited = digests | {"/shows/faces/ann.jpg": "e" * 64}
    digests["/shows/faces/ann.jpg"] = "e" * 64
    before = records[0].content_sha256[:8]
    plan = compare(identify(shows.pairs(), digests), records, digests)

    assert edited["/shows/faces/ann.jpg"] == "e" * 64
    assert why(plan) == {f"content: {before} → eeeeeeee"}
    assert (len(plan.changed), len(plan.kept), plan.orphaned) == (3, 6, ())


def test_an_edited_style_is_told_by_its_name(shows, records, digests):
    """In a blend it has to be found among others."""
    before = digests["/shows/cross.jpg"][:8]
    digests["/shows/cross.jpg"] = "e" * 64
    plan = compare(identify(shows.pairs(), digests), records, digests)

    assert why(plan) == {f"style cross.0: {before} → eeeeeeee"}


def test_another_weight_is_told(shows, records, digests):
    """Weights of a blend are relative."""
    plan = compare(identify(shows.pairs(("weight: 3", "weight: 1")), digests), records, digests)

    assert why(plan) == {"style homer.1: 0.75 → 0.5", "style cross.1: 0.25 → 0.5"}


def test_two_styles_of_one_name_are_told_apart(shows, digests):
    """Each has its own line, though only folders tell their files apart."""
    where = ("cross.jpg]", "more/homer.jpg]")
    shows.files = shows.files | {"/shows/more/homer.jpg": ["/shows/more/homer.jpg"]}
    records = [painted(one, digests) for one in identify(shows.pairs(where), digests)]
    plan = compare(
        identify(shows.pairs(where, ("weight: 3", "weight: 1")), digests), records, digests
    )

    assert why(plan) == {"style 1, homer.1: 0.75 → 0.5", "style 2, homer.1: 0.25 → 0.5"}


def test_another_dial_is_told_with_both_numbers(shows, records, digests):
    """Old picture and new one have the same name for people."""
    plan = compare(identify(shows.pairs(("size: 256", "size: 300")), digests), records, digests)

    assert why(plan) == {"recipe.octaves.size: 256 → 300"}
    assert (len(plan.changed), plan.new, plan.orphaned) == (9, (), ())


def test_another_format_is_told(shows, records, digests):
    """What was not there before came from nothing."""
    changes = ("{size: 256}", "{size: 256, format: jpeg}")
    plan = compare(identify(shows.pairs(changes), digests), records, digests)

    assert why(plan) == {"output.format: png → jpeg", "output.quality: nothing → 95"}


def test_other_weights_and_another_program_are_told(planned, records, digests):
    """Both paint other pixels from the same pictures."""
    older = [
        replace(one, pair_id=f"{number:064}", weights_sha256="0" * 64, algorithm_version=0)
        for number, one in enumerate(records)
    ]
    plan = compare(planned, older, digests)

    assert why(plan) == {"weights: old → new", f"algorithm_version: 0 → {ALGORITHM_VERSION}"}


def test_of_several_older_pictures_the_nearest_is_compared(planned, records, digests):
    """After many changes of a recipe, the last step is told."""
    far = replace(
        records[0], pair_id="1" * 64, recipe={**records[0].recipe, "seed": 5, "network": "vgg16"}
    )
    near = replace(records[0], pair_id="2" * 64, recipe={**records[0].recipe, "seed": 5})
    plan = compare(planned[:1], [far, near], digests)

    assert [change.why for change in plan.changed] == [("recipe.seed: 5 → 0",)]
    assert plan.orphaned == ()


def moved(record):
    """Return the record of a picture that was painted before its folders were moved."""
    styles = [one.model_copy(update={"location": f"/old{one.location}"}) for one in record.styles]
    return replace(record, content=record.content and f"/old{record.content}", styles=tuple(styles))


def test_a_moved_folder_hides_no_change(shows, records, digests):
    """What was painted from the same bytes elsewhere is the older picture."""
    now = identify(shows.pairs(("size: 256", "size: 300")), digests)
    plan = compare(now, [moved(one) for one in records], digests)

    assert why(plan) == {"recipe.octaves.size: 256 → 300"}
    assert (len(plan.changed), plan.new, plan.orphaned) == (9, (), ())


def test_a_draft_is_to_be_painted_again(planned, records, digests):
    """Its identity is that of the picture to come."""
    plan = compare(planned, [replace(records[0], draft=True), *records[1:]], digests)

    assert [change.why for change in plan.changed] == [("only a draft so far",)]
    assert plan.to_paint == planned[:1]


def test_what_is_in_the_manifest_no_more_is_orphaned(shows, records, digests):
    """It stays where it is."""
    fewer = identify(shows.pairs(("[faces, houses]", "[faces]")), digests)
    plan = compare(fewer, records, digests)

    assert {one.content for one in plan.orphaned} == {"/shows/houses/gable.jpg"}
    assert (len(plan.orphaned), len(plan.kept)) == (3, 6)


def test_equal_bytes_under_two_names_are_one_picture(shows, digests):
    """A copy of a photo is not painted again."""
    digests["/shows/faces/bob.jpg"] = digests["/shows/faces/ann.jpg"]

    assert [one.pair.content_name for one in identify(shows.pairs(), digests)] == [
        "ann",
        "gable",
    ] * 3


def test_identities_that_begin_alike_are_told_apart_by_longer_names(shows, digests, monkeypatch):
    """Ten digits suffice but once in a million nights."""
    ids = iter(["a" * 12 + f"{number:052x}" for number in range(9)])
    monkeypatch.setattr("manifests.pairs.Pair.pair_id", lambda *_: next(ids))
    stems = [one.stem for one in identify(shows.pairs(), digests)]

    assert len(set(stems)) == 9
    assert all(stem.rpartition("--")[2].startswith("a" * 12) for stem in stems)


def test_the_time_of_a_night_is_that_of_what_is_to_be_painted(planned, records, digests):
    """Several slots share it, but one pair is painted in one of them."""
    plan = compare(planned, records[:3], digests)

    assert plan.seconds(lambda pair: 10.0) == 60
    assert plan.seconds(lambda pair: 10.0, slots=4) == 15
    assert plan.seconds(lambda pair: 10.0, slots=100) == 10
    assert compare(planned, records, digests).seconds(lambda pair: 10.0) == 0


def test_a_planned_pair_has_a_name(planned):
    """It is that of its files."""
    assert isinstance(planned[0], Planned)
    assert planned[0].stem == planned[0].pair.stem(planned[0].pair_id)
