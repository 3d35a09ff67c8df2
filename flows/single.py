"""`nst paint`: one picture, through the same path as a collection, without a manifest."""

from __future__ import annotations

import glob
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.commands import command_line
from flows.run import paint_pairs
from flows.sources import absolute
from manifests.locations import is_remote
from manifests.planning import expand
from manifests.problems import ManifestError
from manifests.reader import parse
from nst_core.errors import RecipeError, did_you_mean
from nst_core.presets import PRESETS
from tasks.durable import write_atomic
from tasks.scratch import require_scratch
from tasks.settings import Settings
from tasks.storage import find

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flows.exit_codes import ExitCode
    from flows.run import RunOptions
    from manifests.problems import Problem

_FORMATS = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
}

_IN_MANIFEST = re.compile(r"^(recipes?\.[^.]*|(content|style)_sets.*|pairings\.0)\.?")


def paint_one(
    content: str | None,
    styles: Sequence[str],
    picture: Path,
    *,
    dials: Mapping[str, Any],
    overrides: Sequence[str] = (),
    options: RunOptions,
) -> tuple[ExitCode, dict[str, Any]]:
    """Paint one picture; interrupted, the same call continues.

    Args:
        content: The photo, a path or s3:// address; None where the recipe reads none.
        styles: The painting; several are blended, and a dream reads none.
        picture: Where the result goes; its ending decides the format.
        dials: Of the recipe, as a manifest writes them.
        overrides: ``field=value`` of the recipe.
        options: Of the run; its ``output`` is ours.

    Returns:
        How it ended, and the pair as `summary.json` tells it, with ``picture`` where it lies.

    Raises:
        ManifestError: A dial is wrong, or a picture does not exist.
        RecipeError: The ending is of no format that can be written; there are several pairs; or
            the result would take the place of one of its originals.
        SettingsError: The scratch folder cannot be written.
    """
    suffix = picture.suffix.lower()
    if suffix not in _FORMATS:
        raise RecipeError(
            f"no picture format ends in '{suffix}'{did_you_mean(suffix, _FORMATS)}",
            code="E-RECIPE-FORMAT",
            remedy=f"end the picture's name in one of {', '.join(_FORMATS)}",
        )
    for override in overrides:
        if "=" not in override:
            raise RecipeError(
                f"--set {override!r} is not like field=value",
                code="E-MANIFEST-SET",
                remedy="say --set size=512",
            )
    wanted = {
        "content": content and _one(content),
        "styles": [_one(style) for style in styles],
        "recipe": {**dials, "format": _FORMATS[suffix]},
        "overrides": list(overrides),
    }
    digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]
    scratch = Settings.from_environment().scratch
    require_scratch(scratch)
    folder = scratch / "paint" / digest
    # Named as messages should call it.
    name = dials["preset"] if dials["preset"] in PRESETS else "recipe"
    pairing = {"recipe": name} | ({"content": "photo"} if content else {})
    pairing |= {"style": "painting"} if styles else {}
    text = json.dumps(
        {
            "collection": "paint",
            "output": str(folder),
            "content_sets": {"photo": [wanted["content"]]} if content else {},
            "style_sets": {"painting": {"images": wanted["styles"], "blend": len(styles) > 1}}
            if styles
            else {},
            "recipes": {name: wanted["recipe"]},
            "pairings": [pairing],
        }
    )
    try:
        manifest = parse(
            text,
            name="nst paint",
            folder=str(Path.cwd()),
            overrides=[f"recipe.{name}.{override}" for override in overrides],
        )
        pairs = expand(manifest, find)
    except ManifestError as error:
        raise ManifestError(dict.fromkeys(map(_as_typed, error.problems))) from None
    if len(pairs) > 1:
        raise RecipeError(
            f"these are {len(pairs)} pictures, and {picture} is one",
            code="E-PAINT-SEVERAL",
            remedy="name one photo and its painting; nst new makes a gallery of folders",
        )
    for location in pairs[0].locations:
        if not is_remote(location) and Path(location).resolve() == picture.resolve():
            raise RecipeError(
                f"{picture} is what it would be painted from",
                code="E-PAINT-OVER",
                remedy="choose another name after -o",
            )
    command = command_line(
        *("paint", *([content] if content else []), *styles, "-o", str(picture)),
        options={
            **dials,
            "device": options.device,
            "memory-limit": options.memory_limit,
            "set": tuple(overrides),
        },
    )
    code, summary = paint_pairs(
        manifest, pairs, source="nst paint", options=options, command=command
    )
    told: dict[str, Any] = {**summary["pairs"][0]}
    if told["picture"]:
        write_atomic(picture.resolve(), (folder / told["picture"]).read_bytes())
        told |= {"picture": str(picture), "losses": None, "record": None}
        shutil.rmtree(folder)
    return code, told


def _as_typed(problem: Problem) -> Problem:
    """Return a problem with its place on the command line; nobody wrote the manifest."""
    where = _IN_MANIFEST.sub("", problem.path)
    message, _, _ = problem.message.partition("; add ")  # to the pairing
    return replace(problem, line=None, column=None, path=where, message=message)


def _one(location: str) -> str:
    """Return a location that means this one picture, whatever characters are in its name."""
    return location if is_remote(location) else glob.escape(absolute(location))
