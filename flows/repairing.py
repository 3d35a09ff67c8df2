"""`nst verify`: is everything in an output as it was published, and if not, paint it again."""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from flows.enlarging import enlarge, ordered
from flows.exit_codes import gravest
from flows.inputs import Inputs
from flows.last_run import LastRun
from flows.notifying import notified
from flows.run import RunOptions, paint_pairs
from flows.sources import read_manifest
from manifests.comparing import identify
from manifests.naming import PRINTS
from manifests.planning import expand
from tasks.lock import hold
from tasks.output import Output
from tasks.settings import Settings
from tasks.storage import find
from tasks.verify import take_damaged_aside, verify

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from flows.exit_codes import ExitCode
    from manifests.pairs import Pair
    from manifests.schema import Manifest

_log = logging.getLogger(__name__)


def verified(root: Path) -> dict[str, Any]:
    """Return what a look at every byte of an output found, as plain values."""
    found = verify(Output(root))
    return {
        "pairs": found.pairs,
        "files": found.files,
        "bytes": found.bytes,
        "damaged": list(found.damaged),
        "findings": [asdict(finding) for finding in found.findings],
    }


def repaired(root: Path, *, quiet: bool = False) -> ExitCode:
    """Set damaged pairs aside and paint them again, and no others, by the last run's manifest.

    Prints come last, as what they grow from may be damaged too.

    Args:
        root: The output.
        quiet: Plain lines even on a terminal.

    Raises:
        OutputError: Nobody knows any more by which manifest it was painted; all is as it was.
        OutputLockedError: A run is painting into it.
        ManifestError: That manifest is gone or wrong.
    """
    output = Output(root)
    with hold(output.work, manifest="nst verify --repair"):
        found = verify(output)
        are_prints = [record.startswith(f"{PRINTS}/") for record in found.damaged]
        remedy = "run 'nst run MANIFEST' instead: it paints what is damaged again"
        last = None if all(are_prints) else LastRun.of(root, remedy=remedy)
        orders = ordered(root) if any(are_prints) else []
        damaged = take_damaged_aside(output, found)
    codes = []
    if last is not None:
        options = RunOptions(output=last.output, overrides=last.overrides, quiet=quiet)
        manifest = read_manifest(last.manifest, overrides=last.overrides)
        pairs = _painted_as(damaged, manifest, last.output)
        paint = partial(paint_pairs, manifest, pairs, source=last.manifest, options=options)
        codes.append(notified(last.manifest, paint)[0])
    codes += [enlarge(order, RunOptions(quiet=quiet))[0] for order in orders]
    return gravest(codes)


def _painted_as(damaged: Iterable[str], manifest: Manifest, output: str) -> list[Pair]:
    """Return the pairs of a manifest whose records are damaged; photos may have been renamed."""
    beginnings = {
        PurePosixPath(record).stem.rpartition("--")[2]
        for record in damaged
        if not record.startswith(f"{PRINTS}/")
    }
    pairs = expand(manifest, find, output=output)
    inputs = Inputs.of(pairs, Settings.from_environment())
    found = [
        one
        for one in identify(pairs, inputs.digests())
        if any(one.pair_id.startswith(beginning) for beginning in beginnings)
    ]
    if (gone := len(beginnings) - len(found)) > 0:
        _log.warning("%d damaged pictures are no longer asked for, and not painted again", gone)
    return [one.pair for one in found]
