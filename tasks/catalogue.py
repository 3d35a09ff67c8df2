"""The gallery as data: everything the page shows, from the records alone.

What many pictures share (a content, a style, a recipe, a machine) is told once and pointed to by
its number, so that the page of 2,000 pictures stays a few megabytes.
"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from os import cpu_count
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import yaml

from manifests.locations import escaped
from manifests.naming import PRINTS, in_words
from tasks.curves import curves
from tasks.recorded_recipes import entry_of
from tasks.thumbnails import Thumbnails

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from manifests.picture_sources import MaskSource
    from tasks.durable import FileEntry
    from tasks.failures import Failure
    from tasks.records import Record
    from tasks.thumbnails import Thumbnail

Told = TypeVar("Told", "Record", "Failure")

SHEETS = "sheets"
FACETS = ("subject", "movement", "material", "technique")
_SHOWN_BY_BROWSERS = (".png", ".jpg", ".webp")


class _Table:
    """Rows told once; `number` gives a row's place, adding it if it is new."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._places: dict[str, int] = {}

    def number(self, row: dict[str, Any]) -> int:
        key = json.dumps(row, sort_keys=True)
        if key not in self._places:
            self._places[key] = len(self.rows)
            self.rows.append(row)
        return self._places[key]


class Catalogue:
    """The page's data, gathered record by record.

    Args:
        root: The output's folder.
        records: Of the finished pairs.
        failures: Of the failed ones.
    """

    def __init__(self, root: Path, records: Sequence[Record], failures: Sequence[Failure]) -> None:
        records, failures = _in_words(records), _in_words(failures)
        self._root = root
        self._thumbnails = _thumbnails(root, records)
        self._contents, self._styles = _Table(), _Table()
        self._recipes, self._environments = _Table(), _Table()
        self._recipe_numbers: dict[str, int] = {}
        # A name that stands under every picture tells nothing of any.
        self._names_recipes = len({record.recipe_name for record in records}) > 1
        self.pictures = [self._picture(record) for record in hung(records)]
        self.failures = [self._failure(failure) for failure in failures]
        self.collections = sorted({each["collection"] for each in self.pictures + self.failures})
        # Prints hang beside what they enlarge; they are no show of their own.
        self.shows = [name for name in self.collections if name != PRINTS] or self.collections

    def data(self) -> dict[str, Any]:
        """Return everything as plain JSON, the way `templates/data.js` reads it."""
        return {
            "contents": self._contents.rows,
            "styles": self._styles.rows,
            "recipes": self._recipes.rows,
            "environments": self._environments.rows,
            "collections": self.collections,
            "facets": self.facets(),
            "pictures": self.pictures,
            "failures": self.failures,
        }

    def facets(self) -> dict[str, list[str]]:
        """Return what pictures can be chosen by, and the values that occur."""
        values = {
            "collection": self.collections,
            **{
                name: sorted({p["labels"][name] for p in self.pictures if name in p["labels"]})
                for name in FACETS
            },
            "recipe": sorted({row["recipe_name"] for row in self.pictures + self.failures}),
            "state": sorted({row["state"] for row in self.pictures + self.failures}),
        }
        return {name: found for name, found in values.items() if len(found) > 1}

    def counts(self) -> Counter[str]:
        """Return how many pictures, contents, styles, failures and drafts there are."""
        return Counter(
            pictures=len(self.pictures),
            contents=len({p["content"] for p in self.pictures if p["content"] is not None}),
            styles=len({p["style"] for p in self.pictures if p["style"] is not None}),
            failures=len(self.failures),
            drafts=sum(p["state"] == "draft" for p in self.pictures),
            prints=sum(p["origin"] is not None for p in self.pictures),
        )

    def credits(self) -> list[str]:
        """Return every line that whoever shows the pictures must show, once."""
        return list(dict.fromkeys(line for p in self.pictures for line in p["credits"]))

    def sheets(self) -> list[str]:
        """Return the addresses of the contact sheets that are there to print."""
        found = sorted(path for path in (self._root / SHEETS).glob("*.pdf") if "." not in path.stem)
        return [_quoted(path.relative_to(self._root).as_posix()) for path in found]

    def comparisons(self) -> dict[str, str]:
        """Return the addresses of the comparison sheets that are there, by what they compare."""
        found = sorted((self._root / SHEETS).glob("*.*.png"))
        return {
            path.stem.partition(".")[2].replace("--", ", "): _quoted(f"{SHEETS}/{path.name}")
            for path in found
        }

    def _picture(self, record: Record) -> dict[str, Any]:
        picture, losses = record.files["picture"], record.files.get("losses")
        thumbnail = self._thumbnails[picture.sha256]
        origin = record.grown_from
        return {
            "key": f"{record.collection}/{record.stem}",
            "title": record.content_name or record.style_name or record.recipe_name,
            "after": record.style_name if record.content_name else "",
            "collection": record.collection,
            "content": self._content(record),
            "style": self._style(record),
            "recipe": self._recipe(record),
            "recipe_name": record.recipe_name,
            "labels": {name: text for name, text in record.labels.items() if name in FACETS},
            "tags": [
                *(record.labels[name] for name in FACETS[1:] if record.labels.get(name)),
                *([record.recipe_name] if self._names_recipes else []),
            ],
            "credits": record.credits,
            "state": _state(record),
            "origin": origin and f"{origin.collection}/{origin.stem}",
            "degraded": record.degraded,
            "warnings": record.warnings,
            "file": _address(picture),
            "shown": picture.file.endswith(_SHOWN_BY_BROWSERS),
            "width": picture.width or (thumbnail and thumbnail.width),
            "height": picture.height or (thumbnail and thumbnail.height),
            "bytes": picture.bytes,
            "thumbnail": _plain(thumbnail),
            "losses": losses and _address(losses),
            "record": _quoted(record.file),
            "animation": _address(record.files["frames"]) if "frames" in record.files else None,
            "video": _address(record.files["video"]) if "video" in record.files else None,
            "frames": [
                {"step": step, "file": _address(frame)} for step, frame in record.frames.items()
            ],
            "curves": self._curves(losses),
            "loss": record.objective.last,
            "legibility": record.legibility and record.legibility.model_dump(),
            "first_loss": record.objective.first,
            "steps": record.steps,
            "seconds": record.seconds,
            "attempts": record.attempts,
            "resumed_at": record.resumed_at,
            "finished": record.finished,
            "pair_id": record.pair_id,
            "sha256": picture.sha256,
            "environment": self._environments.number(
                {
                    "network": record.network,
                    "weights_sha256": record.weights_sha256,
                    "algorithm_version": record.algorithm_version,
                    "product_version": record.product_version,
                    **record.environment,
                }
            ),
        }

    def _failure(self, failure: Failure) -> dict[str, Any]:
        content, style = self._known_content(failure), self._known_style(failure)
        return {
            "key": f"failed/{failure.stem}",
            "title": failure.content_name or failure.style_name or failure.recipe_name,
            "after": failure.style_name if failure.content_name else "",
            "collection": failure.collection,
            "content": content,
            "style": style,
            "recipe_name": failure.recipe_name,
            "labels": {},
            "state": "failed",
            "stage": failure.stage,
            "code": failure.code,
            "message": failure.message,
            "remedy": failure.remedy,
            "attempts": failure.attempts,
            "traceback": failure.traceback,
            "when": failure.when,
            "record": _quoted(f"failed/{failure.stem}.json"),
        }

    def _content(self, record: Record) -> int | None:
        if record.content is None or record.content_sha256 is None:
            return None
        return self._contents.number(
            {
                "name": record.content_name,
                "location": record.content,
                "pattern": escaped(record.content),
                "sha256": record.content_sha256,
                "thumbnail": _plain(self._thumbnails[record.content_sha256]),
                **_regions((region.name, region.mask) for region in record.regions),
            }
        )

    def _style(self, record: Record) -> int | None:
        if not record.styles:
            return None
        pictures = [
            {
                "location": style.location,
                "pattern": escaped(style.location),
                "weight": style.weight,
                "sha256": style.sha256,
                "thumbnail": _plain(self._thumbnails[style.sha256]),
                **({"region": style.region} if style.region else {}),
                **_regions([("own", style.mask)] if style.mask else []),
            }
            for style in record.styles
        ]
        return self._styles.number({"name": record.style_name, "pictures": pictures})

    def _recipe(self, record: Record) -> int:
        start = record.start and record.start.location
        key = json.dumps([record.recipe_name, record.recipe, record.output, start])
        # Thousands of pictures share a recipe, and writing YAML takes milliseconds.
        if key not in self._recipe_numbers:
            text = yaml.safe_dump(entry_of(record), sort_keys=False, allow_unicode=True, width=88)
            background = record.output.get("background", "white")
            self._recipe_numbers[key] = self._recipes.number(
                {"name": record.recipe_name, "yaml": text, "background": background}
            )
        return self._recipe_numbers[key]

    def _known_content(self, failure: Failure) -> int | None:
        """Return the failed content's number: that of the painted one in the same place, if any."""
        if failure.content is None:
            return None
        for number, row in enumerate(self._contents.rows):
            if row["location"] == failure.content:
                return number
        return self._contents.number(
            {
                "name": failure.content_name,
                "location": failure.content,
                "sha256": None,
                "thumbnail": None,
            }
        )

    def _known_style(self, failure: Failure) -> int | None:
        if not failure.styles:
            return None
        for number, row in enumerate(self._styles.rows):
            if tuple(picture["location"] for picture in row["pictures"]) == failure.styles:
                return number
        pictures = [
            {"location": location, "weight": None, "sha256": None, "thumbnail": None}
            for location in failure.styles
        ]
        return self._styles.number({"name": failure.style_name, "pictures": pictures})

    def _curves(self, losses: FileEntry | None) -> dict[str, Any] | None:
        return curves((self._root / losses.file).read_bytes()) if losses else None


def _in_words(told: Sequence[Told]) -> list[Told]:
    """Return records with names for people: older ones have those of files."""
    return [
        one.model_copy(
            update={
                "content_name": in_words(one.content_name),
                "style_name": in_words(one.style_name),
            }
        )
        for one in told
    ]


def _state(record: Record) -> str:
    if record.draft:
        return "draft"
    if record.degraded:
        return "degraded"
    return "print" if record.grown_from else "finished"


def titled(*collections: str) -> str:
    """Return what the page calls one collection, or several together."""
    if len(collections) != 1:
        return "Gallery"
    words = collections[0].replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def hung(records: Sequence[Record]) -> list[Record]:
    """Return records along the diagonals of the grid: neighbours differ in content and style.

    Prints come last.
    """
    contents = {name: i for i, name in enumerate(dict.fromkeys(r.content_name for r in records))}
    styles = {name: i for i, name in enumerate(sorted({r.style_name for r in records}))}

    def place(record: Record) -> tuple[bool, str, int, int]:
        row, column = contents[record.content_name], styles[record.style_name]
        is_print = record.grown_from is not None
        return is_print, record.collection, (row + column) % len(styles), row

    return sorted(records, key=place)


def _thumbnails(root: Path, records: Sequence[Record]) -> dict[str, Thumbnail | None]:
    """Return the copies of every picture, content and style, making those that are missing."""
    places: dict[str, set[str | Path]] = {}
    for record in records:
        picture = record.files["picture"]
        places.setdefault(picture.sha256, set()).add(root / picture.file)
        for location, sha256 in record.originals.items():
            places.setdefault(sha256, set()).add(location)
    thumbnails = Thumbnails(root)
    with ThreadPoolExecutor(max_workers=min(4, cpu_count() or 1)) as threads:
        made = threads.map(thumbnails.of, places, places.values())
        return dict(zip(places, made, strict=True))


def _plain(thumbnail: Thumbnail | None) -> dict[str, Any] | None:
    return asdict(thumbnail) if thumbnail else None


def _regions(masks: Iterable[tuple[str, MaskSource]]) -> dict[str, Any]:
    """Return what a manifest says of a picture's regions, where it has any."""
    told = [
        {"name": name, "pattern": escaped(one.location), "color": one.color, "feather": one.feather}
        for name, one in masks
    ]
    return {"regions": told} if told else {}


def _address(entry: FileEntry) -> str:
    return _quoted(entry.file)


def _quoted(file: str) -> str:
    """Return a file's address relative to the page; a name can be no address of its own."""
    return f"./{quote(file)}"
