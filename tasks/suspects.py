"""Finished pictures to look at first: near-duplicates, and unusually high losses."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tasks.thumbnails import Thumbnails

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tasks.durable import FileEntry
    from tasks.finished import Finished

_GRID = 24
_CELLS = 4  # Across and down, for the first look.
_ROUNDING = 0.01
_ALIKE = 4.0  # Mean difference per channel, of 255: what re-encoding a picture does is about 1.
_MIN_SET = 5
_FAR = 3.5  # In robust standard deviations (Iglewicz & Hoaglin 1993).


def near_duplicates(root: Path, pictures: Sequence[FileEntry]) -> list[list[int]]:
    """Return groups of pictures that hardly differ: styles or recipes that changed nothing.

    Two pictures are alike if, reduced to 24 × 24 pixels, they differ by less than 4 of 255 per
    channel on average. Pictures that cannot be read are passed over; `nst verify` is about them.

    Args:
        root: The output's folder; the small copies that the gallery shows are made if need be.
        pictures: To compare.

    Returns:
        Groups of two or more, by their places in ``pictures``; each is of those alike to its first.
    """
    thumbnails = Thumbnails(root)
    seen, pixels = [], []
    for number, picture in enumerate(pictures):
        thumbnail = thumbnails.of(picture.sha256, [root / picture.file])
        if thumbnail:
            with Image.open(root / thumbnail.file(thumbnail.widths[0])) as image:
                small = image.convert("RGB").resize((_GRID, _GRID), Image.Resampling.BOX)
            seen.append(number)
            pixels.append(np.asarray(small))
    if not seen:
        return []
    exact = np.stack(pixels)  # (pictures, 24, 24, 3)
    # Means never differ by more than what they are the means of: who differs here is no twin.
    cells = exact.reshape(-1, _CELLS, _GRID // _CELLS, _CELLS, _GRID // _CELLS, 3)
    coarse = cells.mean(axis=(2, 4), dtype=np.float32).reshape(len(seen), -1)
    groups, grouped = [], set[int]()
    for first in range(len(seen)):
        if first in grouped:
            continue
        near = _nearer(coarse[first:], coarse[first], _ALIKE + _ROUNDING) + first
        alike = near[_nearer(exact[near].reshape(len(near), -1), exact[first].ravel(), _ALIKE)]
        twins = [int(number) for number in alike if number not in grouped]
        if len(twins) > 1:
            grouped.update(twins)
            groups.append([seen[number] for number in twins])
    return groups


def _nearer(many: np.ndarray, one: np.ndarray, limit: float) -> np.ndarray:
    """Return the rows that differ from one by less than a limit, on average."""
    return np.flatnonzero(np.abs(many - one.astype(np.float32)).mean(axis=1) < limit)


def outliers(finished: Sequence[Finished]) -> list[tuple[int, float]]:
    """Return pictures whose loss is far above what their style set and recipe usually reach.

    What counts is the delivered loss over the first, since contents differ in where they begin;
    its logarithm's distance from the set's median, over the median such distance.

    Returns:
        Their places in ``finished``, each with how many times the median it is, the worst first.
    """
    sets: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for number, one in enumerate(finished):
        if one.first_loss > 0 and one.last_loss > 0 and not one.draft:
            members = sets.setdefault((one.style_set, one.recipe_name), [])
            members.append((number, one.last_loss / one.first_loss))
    found = []
    for members in sets.values():
        if len(members) < _MIN_SET:
            continue
        logs = np.log([share for _, share in members])
        distances = logs - np.median(logs)
        spread = max(1.4826 * float(np.median(np.abs(distances))), 0.05)
        usual = median(share for _, share in members)
        found += [
            (number, share / usual)
            for (number, share), distance in zip(members, distances, strict=True)
            if distance / spread > _FAR
        ]
    return sorted(found, key=lambda each: -each[1])
