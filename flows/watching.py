"""`nst watch`: notices new, changed and removed pictures of a manifest, and has them painted.

Nothing tells of a change in a bucket, and not every disk does; so it looks. What was seen last lies
in the output, so that a scan by cron, or a watch that starts again, knows what came meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.exit_codes import ExitCode
from flows.inputs import locations
from flows.run import resolve_output, run
from flows.sources import absolute, read_manifest
from manifests.locations import is_remote
from manifests.planning import expand
from nst_core.errors import NSTError
from tasks.durable import write_atomic
from tasks.output import Output
from tasks.settings import Settings
from tasks.staging import local_folder
from tasks.storage import find, store_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from prefect.events.schemas.events import Event

    from flows.run import RunOptions

_log = logging.getLogger(__name__)

EVENT = "nst.pictures.changed"
# After any other end there is still something to paint, and the next look shall notice it.
_NOTHING_LEFT = {ExitCode.COMPLETE, ExitCode.FAILED_PAIRS, ExitCode.NOT_UPLOADED}

Seen = dict[str, str]


class EventError(NSTError):
    """A Prefect server that could not be told of a difference."""

    code = "E-EVENT"
    kind = "environment"


@dataclass(frozen=True)
class Difference:
    """What has happened to a manifest's pictures since they were seen last.

    Args:
        new: Locations that were not there.
        changed: Locations at which something else lies now; the manifest may be one.
        gone: Locations that are there no more.
    """

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything has happened."""
        return bool(self.new or self.changed or self.gone)

    @classmethod
    def between(cls, before: Mapping[str, str], now: Mapping[str, str]) -> Difference:
        """Return what lies between two looks."""
        return cls(
            new=tuple(sorted(now.keys() - before.keys())),
            changed=tuple(
                sorted(one for one in now.keys() & before.keys() if now[one] != before[one])
            ),
            gone=tuple(sorted(before.keys() - now.keys())),
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"new": list(self.new), "changed": list(self.changed), "gone": list(self.gone)}


class Lookout:
    """Looks at the pictures of one manifest.

    Args:
        source: The manifest: a path or s3:// address.
        output: In place of its output.
    """

    def __init__(self, source: str, *, output: str | None = None) -> None:
        self.source = absolute(source)
        manifest = read_manifest(self.source)
        self.collection = manifest.collection
        self._target = resolve_output(manifest, output)
        root = local_folder(self._target, Settings.from_environment().scratch)
        self._book = Output(root).work / f"seen-{manifest.collection}.json"

    def look(self) -> Seen:
        """Return a fingerprint of every picture that the manifest means now, and of itself.

        Raises:
            ManifestError: It is wrong, or a pattern finds nothing.
            StorageError: A bucket is not to be had.
        """
        pairs = expand(read_manifest(self.source), find, output=self._target)
        return fingerprints([self.source, *locations(pairs)])

    def settled(
        self,
        seconds: float,
        *,
        wait: Callable[[float], object] = time.sleep,
        look: Callable[[], Seen] | None = None,
    ) -> Seen:
        """Return a look that was the same so many seconds before.

        A picture that is still being copied must not be painted half.

        Args:
            seconds: Without any change.
            wait: Waits so long.
            look: In place of :meth:`look`.
        """
        look = look or self.look
        seen = look()
        while True:
            wait(seconds)
            again = look()
            if again == seen:
                return again
            seen = again

    def difference(self, seen: Seen) -> Difference:
        """Return what a look shows that the one before did not; all is new if there was none."""
        try:
            before = json.loads(self._book.read_bytes())
        except (OSError, ValueError):
            before = {}
        return Difference.between(before if isinstance(before, dict) else {}, seen)

    def remember(self, seen: Seen) -> None:
        """Keep a look for the next one.

        Raises:
            OutputError: It could not be kept.
        """
        write_atomic(self._book, json.dumps(seen).encode())


def tend(
    lookout: Lookout, options: RunOptions, *, settle: float, paint: bool
) -> tuple[ExitCode, dict[str, Any]]:
    """Look once; if anything has happened, wait until it has settled, tell of it, paint it.

    Args:
        lookout: Of one manifest.
        options: Of the run.
        settle: Seconds without a change.
        paint: Whether to paint, or only to tell.

    Returns:
        How the painting ended, and what was noticed, as plain values.

    Raises:
        NSTError: The look or the painting was not possible; the next look notices the same again.
    """
    noticed = lookout.difference(lookout.look())
    seen: Seen = {}
    if noticed:
        seen = lookout.settled(settle)
        noticed = lookout.difference(seen)
    told: dict[str, Any] = {"noticed": bool(noticed), **noticed.as_json()}
    code = ExitCode.COMPLETE
    if noticed:
        told["event"] = _told(lookout, noticed, is_needed=not paint)
        if paint:
            code, told["summary"] = run(lookout.source, options)
        if code in _NOTHING_LEFT:
            lookout.remember(seen)
    return code, told


def fingerprints(places: Iterable[str]) -> Seen:
    """Return what tells one state of files and objects from another, without reading them.

    Args:
        places: Absolute paths and s3:// addresses; what is not there is left out.

    Raises:
        StorageError: A bucket is not to be had.
    """
    seen: Seen = {}
    prefixes: dict[str, set[str]] = defaultdict(set)
    for place in places:
        if is_remote(place):
            prefixes[place[: place.rfind("/") + 1]].add(place)
            continue
        try:
            found = os.stat(place)  # noqa: PTH116 # thousands of them
        except OSError:
            continue
        seen[place] = f"{found.st_size}-{found.st_mtime_ns}-{found.st_ino}"
    # A listing tells of a thousand objects; asking for each would cost a request each.
    for prefix, wanted in prefixes.items():
        for info in store_for(prefix).listing(prefix, deep=False):
            if info.location in wanted:
                seen[info.location] = f"{info.bytes}-{info.etag}"
    return seen


def emit(lookout: Lookout, difference: Difference) -> bool:
    """Tell a Prefect server of the difference, if `PREFECT_API_URL` names one; return whether.

    A deployment's trigger may expect the event and paint; see ``prefect.yaml``.

    Raises:
        EventError: The server is not to be had.
    """
    if not os.environ.get("PREFECT_API_URL"):
        return False
    from prefect.events.schemas.events import Event, Resource  # noqa: PLC0415 # it takes seconds

    told = {name: _few(places) for name, places in difference.as_json().items()}
    event = Event(
        event=EVENT,
        resource=Resource(
            {
                "prefect.resource.id": f"nst.collection.{lookout.collection}",
                "prefect.resource.name": lookout.collection,
            }
        ),
        payload={"manifest": lookout.source, **told},
    )
    try:
        asyncio.run(_send(event))
    # Whatever Prefect or its websocket raises: who asks shall notice the same again.
    except Exception as error:
        raise EventError(
            f"the Prefect server could not be told of what has changed: {error}",
            remedy="see PREFECT_API_URL, and whether the server runs",
        ) from error
    return True


def _told(lookout: Lookout, difference: Difference, *, is_needed: bool) -> bool:
    """Tell the server; where this process paints itself, nothing depends on it."""
    try:
        is_told = emit(lookout, difference)
    except EventError as error:
        if is_needed:
            raise
        _log.warning("%s", error)
        return False
    if is_needed and not is_told:
        raise EventError(
            "there is no Prefect server to tell of what has changed",
            remedy="set PREFECT_API_URL, or leave out --no-paint",
        )
    return is_told


async def _send(event: Event) -> None:
    """Send one event and wait until it has arrived.

    By a client of its own: the process's common one keeps to the server that it met first, which
    may have been a run's.
    """
    from prefect.events.clients import get_events_client  # noqa: PLC0415 # it takes seconds

    async with get_events_client(reconnection_attempts=2, checkpoint_every=1) as client:
        await client.emit(event)


def _few(places: Sequence[str]) -> Sequence[str]:
    """Return as many as an event can carry."""
    return places[:200]
