"""`nst plan`: which pairs are new, kept, changed or orphaned, and what painting them takes."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flows.estimates import Estimates
from flows.inputs import Inputs
from flows.run import resolve_output
from flows.simulation import simulate
from flows.sources import read_manifest
from manifests.comparing import compare, identify
from manifests.locations import is_remote
from manifests.naming import title
from manifests.planning import expand, only
from manifests.wording import counted, span
from tasks.calibration import speeds
from tasks.durable import NoOutputError
from tasks.memory import memory_of_slot
from tasks.output import Output
from tasks.staging import remote_records
from tasks.storage import find, store_for
from tasks.tuning import slots_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flows.run import RunOptions
    from manifests.comparing import Plan, Planned
    from manifests.pairs import Pair
    from manifests.schema import Manifest
    from tasks.records import Record
    from tasks.settings import Settings


# A forecast of memory may be so far off.
_TOLERATED = 1.1


def forecast(
    source: str,
    options: RunOptions,
    *,
    against: str | None = None,
    workers: int | None = None,
    cost_per_hour: float | None = None,
) -> dict[str, Any]:
    """Return the plan of a manifest as plain values.

    Args:
        source: The manifest: a path or s3:// address.
        options: Of the run that is planned.
        against: An output that has pictures already, to compare with in place of the run's.
        workers: Slots of a cluster to simulate, each as fast as one of this machine.
        cost_per_hour: Of this machine, or of one worker.

    Raises:
        ManifestError: The manifest is wrong.
        NoOutputError: Nothing is finished in the output to compare with.
        NSTError: The bucket or the device is not to be had.
    """
    manifest = read_manifest(source, overrides=options.overrides)
    if against is not None:
        options = replace(options, output=against)
    target = resolve_output(manifest, options.output)
    pairs = only(expand(manifest, find, output=target), options.only)
    return forecast_pairs(
        manifest,
        pairs,
        options,
        is_all=options.only is None,
        is_begun=against is not None,
        workers=workers,
        cost_per_hour=cost_per_hour,
    )


def forecast_pairs(
    manifest: Manifest,
    pairs: Sequence[Pair],
    options: RunOptions,
    *,
    is_all: bool = True,
    is_begun: bool = False,
    workers: int | None = None,
    cost_per_hour: float | None = None,
) -> dict[str, Any]:
    """Return the plan of some pairs of a manifest; see :func:`forecast`.

    Args:
        manifest: Where they come from.
        pairs: What to paint.
        options: Of the run that is planned.
        is_all: Whether these are all its pairs; only then can others be orphaned.
        is_begun: Whether the output must have pictures already.
        workers: Slots of a cluster to simulate.
        cost_per_hour: Of this machine, or of one worker.
    """
    settings = options.settings()
    inputs = Inputs.of(pairs, settings)
    digests = inputs.digests()
    target = resolve_output(manifest, options.output)
    finished = painted(target, manifest.collection, settings, is_begun=is_begun)
    planned = identify(pairs, digests)
    plan = compare(planned, finished, digests)
    if not is_all:
        plan = replace(plan, orphaned=())
    to_paint = [one.pair for one in plan.to_paint]
    specs = slots_of(settings)
    if workers is None:  # slots that stay empty leave their cores to the others
        specs = specs[: max(1, len(to_paint))]
    allowed = memory_of_slot(specs, limit=settings.memory_limit)
    estimates = Estimates(
        inputs, speeds(specs, settings.scratch, [pair.recipe for pair in to_paint]), limit=allowed
    )
    each = [estimates.of(pair) for pair in to_paint]
    seconds = plan.seconds(lambda pair: estimates.of(pair).seconds, slots=len(specs))
    told: dict[str, Any] = {
        "collection": manifest.collection,
        "output": target,
        "counts": {
            "new": len(plan.new),
            "kept": len(plan.kept),
            "changed": len(plan.changed),
            "orphaned": len(plan.orphaned),
        },
        "copies": len(pairs) - len(planned),
        "hopeless": sum(not estimates.can_be_painted(pair) for pair in to_paint),
        "slots": len(specs),
        "seconds": seconds,
        "memory_bytes": max((one.memory for one in each), default=0.0),
        "allowed_bytes": allowed,
        "output_bytes": sum(one.output_bytes for one in each),
        "pairs": _rows(plan),
    }
    if workers is not None:
        night = simulate(list(map(estimates.job, to_paint)), workers)
        told["simulated"] = night.as_json()
        seconds = night.makespan * workers
    if cost_per_hour is not None:
        told["cost"] = seconds / 3600 * cost_per_hour
    return told | {"text": _text(told)}


def painted(
    target: str, collection: str, settings: Settings, *, is_begun: bool = False
) -> Iterator[Record]:
    """Yield what is finished, from wherever the output goes.

    Raises:
        NoOutputError: It must have been begun, and nothing is there.
    """
    records: Iterable[Record] = (
        remote_records(store_for(target, settings), target)
        if is_remote(target)
        else Output(Path(target)).records()
    )
    if is_begun:
        records = iter(records)
        if (first := next(records, None)) is None:
            raise NoOutputError(
                f"no finished picture is in {target}",
                remedy="name an output that 'nst run' has painted into",
            )
        records = chain([first], records)
    return (record for record in records if record.collection == collection)


def _rows(plan: Plan) -> list[dict[str, Any]]:
    rows = [_row("new", one) for one in plan.new]
    for change in plan.changed:
        why = "; ".join(line.removeprefix("recipe.") for line in change.why)
        rows.append(_row("changed", change.planned, why))
    rows += [_row("kept", one) for one in plan.kept]
    rows += [
        {
            "state": "orphaned",
            "pair_id": record.pair_id,
            "name": title(record.content_name, record.style_name, record.recipe_name),
            "content": record.content,
            "style": [style.location for style in record.styles],
            "recipe": record.recipe_name,
            "manner": record.labels.get("manner"),
            "content_name": record.content_name,
            "style_name": record.style_name,
            "why": "no longer asked for",
        }
        for record in cast("tuple[Record, ...]", plan.orphaned)  # as `painted` gives them
    ]
    return rows


def _row(state: str, planned: Planned, why: str = "") -> dict[str, Any]:
    pair = planned.pair
    return {
        "state": state,
        "pair_id": planned.pair_id,
        "name": planned.pair.title,
        "content": pair.content,
        "style": [style.location for style in pair.styles],
        "recipe": pair.recipe_name,
        "manner": pair.labels.get("manner"),
        "content_name": pair.content_name,
        "style_name": pair.style_name,
        "why": why,
    }


def _text(told: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in told["counts"].items() if count)
    if told["copies"]:  # pictures under several names, which are painted once
        counts += f" ({counted(told['copies'], 'pair')} more of the same bytes)"
    if told["hopeless"]:
        counts += f" ({told['hopeless']:,} cannot be painted, 'nst check' tells why)"
    if not told["seconds"]:
        return f"{counts}: nothing to paint"
    needed, allowed = told["memory_bytes"], told["allowed_bytes"]
    is_too_much = allowed is not None and needed > _TOLERATED * allowed
    here = (
        f"{counts}: about {span(told['seconds'])} in {counted(told['slots'], 'slot')},"
        f" {needed / 1e9:.1f} GB of memory in each"
        f"{f' where {allowed / 1e9:.1f} GB may be taken' if is_too_much else ''},"
        f" {told['output_bytes'] / 1e6:.1f} MB of pictures"
    )
    parts = [here]
    if night := told.get("simulated"):
        parts.append(
            f"with {night['workers']} workers: {span(night['makespan_seconds'])},"
            f" {night['busy']:.0%} busy, the first idle after {span(night['first_idle_seconds'])},"
            f" {night['stragglers']} straggle; {night['read_bytes'] / 1e9:.2f} GB read,"
            f" {night['written_bytes'] / 1e9:.2f} GB written, {night['requests']:,} requests"
        )
    if "cost" in told:
        parts.append(f"cost: {told['cost']:.2f}")
    return "; ".join(parts)
