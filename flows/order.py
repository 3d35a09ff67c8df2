"""In which order a night takes its pairs: what was left comes first, what is alike together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from manifests.comparing import Planned
    from tasks.finished import Finished
    from tasks.output import Output


def unfinished_first(planned: Iterable[Planned], output: Output) -> list[Planned]:
    """Return pairs of equal priority so that begun ones come first, then those left before.

    New pictures may arrive every day; without this, the last in the manifest would wait for ever.
    Among equals, pairs of one size and of the same styles follow each other wherever the manifest
    has them: a slot measures a style once, and an allocator likes canvases of one size.

    Args:
        planned: In the manifest's order, which stays where nothing else counts.
        output: Knows what was begun and what the last run has left.
    """
    begun = _names(output.work / "checkpoints")
    left = _left(output.root / "summary.json")
    pairs = list(planned)
    first: dict[object, int] = {}
    for one in pairs:
        first.setdefault(_kin(one), len(first))
        first.setdefault(_kin(one)[0], len(first))
    return sorted(
        pairs,
        key=lambda one: (
            -one.pair.priority,
            one.pair_id not in begun,
            one.pair_id not in left,
            first[_kin(one)[0]],
            first[_kin(one)],
        ),
    )


def undrafted(planned: Iterable[Planned], drafts: Mapping[str, Finished]) -> list[Planned]:
    """Return those pairs that can be painted small first, and are not yet.

    Args:
        planned: In their order.
        drafts: By the pairs' identity.
    """
    return [
        one
        for one in planned
        if one.pair_id not in drafts and len(one.pair.recipe.octaves.sides()) > 1
    ]


def most_promising_first(
    planned: Iterable[Planned], drafts: Mapping[str, Finished]
) -> list[Planned]:
    """Return pairs so that those come first whose drafts have the least left of their objective.

    Args:
        planned: In the order that stays where drafts tell no difference, or there are none.
        drafts: By the pairs' identity.
    """

    def left(one: Planned) -> float:
        draft = drafts.get(one.pair_id)
        return draft.last_loss / max(draft.first_loss, 1e-12) if draft else 0.0

    return sorted(planned, key=left)


def _kin(planned: Planned) -> tuple[int, tuple[str, ...]]:
    """Return what a pair has in common with those that a slot paints well after it."""
    pair = planned.pair
    return pair.recipe.octaves.size, tuple(style.location for style in pair.styles)


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:
        return set()


def _left(summary: Path) -> set[str]:
    try:
        pairs = json.loads(summary.read_bytes())["pairs"]
        return {pair["pair_id"] for pair in pairs if pair["state"] == "left"}
    except (OSError, ValueError, KeyError, TypeError):
        return set()  # no run before, or none that ended: nothing is known to have waited
