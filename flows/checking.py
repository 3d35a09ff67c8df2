"""`nst check`: everything that would go wrong in the night, before the night."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from flows.inputs import Inputs, locations
from flows.notifying import require_command
from flows.prefect_database import database_bytes
from flows.run import resolve_output
from flows.sources import read_manifest
from manifests.locations import is_remote
from manifests.planning import expand
from manifests.problems import ManifestError
from nst_core.errors import NSTError
from nst_core.masks import require_fit
from nst_core.networks import NETWORKS
from nst_core.sketches import require_room
from tasks.calibration import file_bytes
from tasks.comparisons import comparison_bytes
from tasks.engines import require_slots
from tasks.metrics import require_metrics
from tasks.output import Output
from tasks.probe import probe
from tasks.redaction import redact
from tasks.scratch import require_scratch
from tasks.settings import Settings
from tasks.sheets import sheet_bytes
from tasks.staging import local_folder
from tasks.storage import find, store_for
from tasks.weights import require_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from manifests.pairs import Pair
    from nst_core.recipe import Recipe

_TYPICAL = (3, 4)


def check(source: str, *, output: str | None = None) -> list[dict[str, Any]]:
    """Return every problem, each with ``code``, ``kind`` and ``message``; none if all is well.

    Args:
        source: The manifest: a path or s3:// address.
        output: In place of the manifest's output.
    """
    problems: list[dict[str, Any]] = []
    pairs: Sequence[Pair] = ()
    try:
        manifest = read_manifest(source)
        settings = Settings.from_environment()
        target = resolve_output(manifest, output)
        pairs = expand(
            manifest,
            find,
            output=target,
            on_warning=lambda problem: problems.append(_told(problem.code, problem)),
        )
    except ManifestError as error:
        return [_told(problem.code, problem) for problem in error.problems]
    except NSTError as error:
        return [*problems, _of_error(error)]
    for step in _steps(pairs, settings, target):
        try:
            step()
        except NSTError as error:
            if (problem := _of_error(error)) not in problems:  # several steps may meet one
                problems.append(problem)
    return problems


def _steps(
    pairs: Sequence[Pair], settings: Settings, target: str
) -> Iterator[Callable[[], object]]:
    """Yield looks at one thing each; what is wrong with it is raised."""
    try:
        require_scratch(settings.scratch)
    except NSTError as lost:  # nothing comes from a bucket then, and every picture would tell that
        yield partial(_raise, lost)
        pairs = [pair for pair in pairs if not any(map(is_remote, pair.locations))]
    for name in sorted({pair.recipe.network for pair in pairs} & NETWORKS.keys()):
        yield partial(require_weights, [name])
    inputs = Inputs.of(pairs, settings)
    for location in locations(pairs):
        yield partial(inputs.header, location)
    # In several manners a recipe's name means several.
    asked = {
        (pair.content, pair.recipe_name, pair.labels.get("manner")): pair.recipe for pair in pairs
    }
    for (content, *_), recipe in asked.items():
        yield partial(_fit, content, recipe, inputs)
    masked = ((mask.location, picture) for pair in pairs for picture, mask in pair.masked)
    for mask, picture in dict.fromkeys(masked):
        yield partial(_hold, mask, picture, inputs)
    if is_remote(target):
        yield lambda: probe(store_for(target, settings), target)
    yield partial(_probe_folder, target, settings, _bytes_of(pairs))
    yield partial(require_slots, settings)
    yield partial(require_command, settings)
    yield partial(require_metrics, settings)


def _raise(error: NSTError) -> None:
    raise error


def _fit(content: str | None, recipe: Recipe, inputs: Inputs) -> None:
    """Hold a photo's shape, or a square without one, against what the network can see."""
    try:
        header = inputs.header(content) if content else None
    except NSTError:
        return  # told already
    try:
        require_room(recipe, (header.height, header.width) if header else (1, 1))
    except NSTError as error:
        raise error.about(content or "a pair without a photo") from error


def _hold(mask: str, picture: str, inputs: Inputs) -> None:
    """Hold a mask against its picture."""
    try:
        headers = [inputs.header(location) for location in (mask, picture)]
    except NSTError:
        return  # told already
    try:
        require_fit(*((header.height, header.width) for header in headers))
    except NSTError as error:
        raise error.about(mask) from error


def _bytes_of(pairs: Sequence[Pair]) -> int:
    """Return the forecast of all that a night writes into a new output."""
    contents = {pair.content for pair in pairs}
    styles = {tuple(style.location for style in pair.styles) for pair in pairs}
    return (
        sum(int(file_bytes(pair.recipe, _TYPICAL)) for pair in pairs)
        + sheet_bytes(len(contents), len(styles))
        + comparison_bytes(sum(len(pair.sheets) for pair in pairs))
        + database_bytes(len(pairs))
    )


def _probe_folder(target: str, settings: Settings, needed: int) -> None:
    """Find out whether an output's folder can be written, and leave none that was not there."""
    root = local_folder(target, settings.scratch)
    missing = [folder for folder in (root / ".work", root, *root.parents) if not folder.exists()]
    try:
        Output(root).probe(needed=needed)
    finally:
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()


def _of_error(error: NSTError) -> dict[str, Any]:
    return {"code": error.code, "kind": error.kind, "message": redact(str(error))}


def _told(code: str, problem: object) -> dict[str, Any]:
    text = str(problem).partition(f"{code} ")[2]
    return {"code": code, "kind": "warning" if code.startswith("W-") else "input", "message": text}
