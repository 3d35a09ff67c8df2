"""Finished pictures that a person should look at first: twins, and losses out of line."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tasks.thumbnails import Thumbnails

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tasks.records import Record

_GRID = 24
_ALIKE = 4.0  # Mean difference per channel, of 255: what re-encoding a picture does is about 1.
_MIN_SET = 5
_FAR = 3.5  # In robust standard deviations (Iglewicz & Hoaglin 1993).


def near_duplicates(root: Path, records: Sequence[Record]) -> list[list[Record]]:
    """Return groups of pictures that hardly differ: styles or recipes that changed nothing.

    Two pictures are alike if, reduced to 24 × 24 pixels, they differ by less than 4 of 255 per
    channel on average. Pictures that cannot be read are passed over; `nst verify` is about them.

    Args:
        root: The output's folder; the small copies that the gallery shows are made if need be.
        records: Of the pictures to compare.

    Returns:
        Groups of two or more, each of pictures alike to the group's first.
    """
    thumbnails = Thumbnails(root)
    seen, pixels = [], []
    for record in records:
        picture = record.files["picture"]
        thumbnail = thumbnails.of(picture.sha256, [root / picture.file])
        if thumbnail:
            with Image.open(root / thumbnail.file(thumbnail.widths[0])) as image:
                small = image.convert("RGB").resize((_GRID, _GRID), Image.Resampling.BOX)
            seen.append(record)
            pixels.append(np.asarray(small, dtype=np.float32).ravel())
    groups, grouped = [], set[int]()
    for first in range(len(seen)):
        if first in grouped:
            continue
        rest = np.stack(pixels[first:])
        alike = np.flatnonzero(np.abs(rest - pixels[first]).mean(axis=1) < _ALIKE) + first
        twins = [int(number) for number in alike if number not in grouped]
        if len(twins) > 1:
            grouped.update(twins)
            groups.append([seen[number] for number in twins])
    return groups


def outliers(records: Sequence[Record]) -> list[tuple[Record, float]]:
    """Return pictures whose loss is far above what their style set and recipe usually reach.

    What counts is the delivered loss over the first, since contents differ in where they begin;
    its logarithm's distance from the set's median, over the median such distance.

    Returns:
        Each with how many times the median it is, the worst first.
    """
    sets: dict[tuple[str, str], list[tuple[Record, float]]] = {}
    for record in records:
        first, last = record.objective.first, record.objective.last
        if first > 0 and last > 0 and not record.draft:
            name = record.labels.get("style_set", record.style_name)
            sets.setdefault((name, record.recipe_name), []).append((record, last / first))
    found = []
    for members in sets.values():
        if len(members) < _MIN_SET:
            continue
        logs = np.log([share for _, share in members])
        distances = logs - np.median(logs)
        spread = max(1.4826 * float(np.median(np.abs(distances))), 0.05)
        usual = median(share for _, share in members)
        found += [
            (record, share / usual)
            for (record, share), distance in zip(members, distances, strict=True)
            if distance / spread > _FAR
        ]
    return sorted(found, key=lambda each: -each[1])
