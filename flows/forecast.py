"""`nst plan`: which pairs are new, kept, changed or orphaned, and what painting them takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.display import span
from flows.inputs import Inputs, locations
from flows.run import resolve_output
from flows.sources import read_manifest
from flows.watching import title
from manifests.comparing import compare, identify
from manifests.planning import expand, only
from nst_core.errors import NSTError
from nst_core.image_reading import inspect
from tasks.calibration import file_bytes, memory, speed
from tasks.devices import detect_slots
from tasks.locations import is_remote
from tasks.output import Output
from tasks.settings import Settings
from tasks.storage import find, store_for
from tasks.upload import remote_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from manifests.comparing import Plan, Planned
    from manifests.pairs import Pair
    from manifests.schema import Manifest
    from nst_core.octaves import Size
    from tasks.records import Record

_UNKNOWN_SIZE: Size = (3, 4)


def forecast(
    source: str,
    *,
    output: str | None = None,
    only_pairs: str | None = None,
    device: str | None = None,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the plan of a manifest as plain values.

    Args:
        source: The manifest: a path or s3:// address.
        output: In place of its output.
        only_pairs: Glob over pairs.
        device: In place of ``NST_DEVICE``.
        overrides: ``recipe.NAME.field=value``.

    Raises:
        ManifestError: The manifest is wrong.
        NSTError: The bucket or the device is not to be had.
    """
    manifest = read_manifest(source, overrides=overrides)
    pairs = only(expand(manifest, find), only_pairs)
    return forecast_pairs(manifest, pairs, output=output, device=device)


def forecast_pairs(
    manifest: Manifest,
    pairs: Sequence[Pair],
    *,
    output: str | None = None,
    device: str | None = None,
) -> dict[str, Any]:
    """Return the plan of some pairs of a manifest; see :func:`forecast`.

    Args:
        manifest: Where they come from.
        pairs: What to paint; what else is finished counts as orphaned.
        output: In place of the manifest's.
        device: In place of ``NST_DEVICE``.
    """
    settings = Settings.from_environment()
    if device:
        settings = replace(settings, device=device)
    inputs = Inputs(settings)
    inputs.fetch_all(locations(pairs))
    digests = inputs.digests()
    target = resolve_output(manifest, output)
    finished = painted(target, manifest.collection, settings)
    plan = compare(identify(pairs, digests), finished, digests)
    specs = detect_slots(settings.device, slots=settings.slots, threads=settings.torch_threads)
    sizes = {location: _size(location, inputs, settings) for location in locations(pairs)}
    cost = 0.0
    if plan.to_paint:
        rate = speed(specs, settings.scratch)
        cost = plan.seconds(
            lambda pair: rate.seconds(pair.recipe, _content_size(pair, sizes)), slots=len(specs)
        )
    to_paint = [one.pair for one in plan.to_paint]
    told = {
        "collection": manifest.collection,
        "output": target,
        "counts": {
            "new": len(plan.new),
            "kept": len(plan.kept),
            "changed": len(plan.changed),
            "orphaned": len(plan.orphaned),
        },
        "slots": len(specs),
        "seconds": cost,
        "memory_bytes": max(
            (memory(pair.recipe, _content_size(pair, sizes)) for pair in to_paint), default=0.0
        ),
        "output_bytes": sum(
            file_bytes(pair.recipe, _content_size(pair, sizes)) for pair in to_paint
        ),
        "pairs": _rows(plan),
    }
    return told | {"text": _text(told)}


def painted(target: str, collection: str, settings: Settings) -> list[Record]:
    """Return what is finished, from wherever the output goes."""
    if is_remote(target):
        records = remote_records(store_for(target, settings), target)
    else:
        records = list(Output(Path(target)).records())
    return [record for record in records if record.collection == collection]


def _size(location: str, inputs: Inputs, settings: Settings) -> Size:
    try:
        header = inspect(inputs.require(location).read(), max_pixels=settings.max_pixels)
    except NSTError:
        return _UNKNOWN_SIZE  # the pair will fail; `nst check` tells why
    return header.height, header.width


def _content_size(pair: Pair, sizes: Mapping[str, Size]) -> Size:
    return sizes[pair.content] if pair.content else (1, 1)


def _rows(plan: Plan) -> list[dict[str, Any]]:
    rows = [_row("new", one) for one in plan.new]
    rows += [_row("changed", change.planned, "; ".join(change.why)) for change in plan.changed]
    rows += [_row("kept", one) for one in plan.kept]
    rows += [
        {
            "state": "orphaned",
            "pair_id": record.pair_id,
            "content": record.content,
            "style": [style.location for style in record.styles],
            "recipe": record.recipe_name,
            "content_name": getattr(record, "content_name", ""),
            "style_name": getattr(record, "style_name", ""),
            "why": "no longer in the manifest; the picture stays",
        }
        for record in plan.orphaned
    ]
    return rows


def _row(state: str, planned: Planned, why: str = "") -> dict[str, Any]:
    pair = planned.pair
    return {
        "state": state,
        "pair_id": planned.pair_id,
        "name": title(planned),
        "content": pair.content,
        "style": [style.location for style in pair.styles],
        "recipe": pair.recipe_name,
        "content_name": pair.content_name,
        "style_name": pair.style_name,
        "why": why,
    }


def _text(told: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in told["counts"].items() if count)
    if not told["seconds"]:
        return f"{counts}: nothing to paint"
    return (
        f"{counts}: about {span(told['seconds'])} in {told['slots']} slots,"
        f" {told['memory_bytes'] / 1e9:.1f} GB of memory in each,"
        f" {told['output_bytes'] / 1e6:.1f} MB of pictures"
    )
