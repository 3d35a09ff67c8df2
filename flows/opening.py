"""Opening a night: the output is locked and put in order, and the slots are started."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from flows.night import Night
from tasks.engines import slot_pool
from tasks.lock import hold
from tasks.output import Output
from tasks.render import Renderer
from tasks.sealed import PRODUCT_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from flows.observing import Observer
    from manifests.pairs import Pair
    from manifests.schema import Manifest
    from tasks.settings import Settings


@contextmanager
def open_night(
    manifest: Manifest,
    pairs: Sequence[Pair],
    *,
    root: Path,
    settings: Settings,
    observer: Observer,
    source: str,
    deadline: float = math.inf,
    retry_failed: bool = False,
    draft: bool = False,
    painter: str = "tasks.painter:main",
    keep: str | None = None,
) -> Iterator[Night]:
    """Lock the output, start the slots and give the night; at its end stop the slots and unlock.

    Args:
        manifest: What was asked for.
        pairs: Expanded from it.
        root: The output's folder on this machine.
        settings: The machine's facts.
        observer: Is told what happens.
        source: The manifest's name, for whoever meets the lock.
        deadline: Moment of ``time.monotonic()`` at which everything must be saved.
        retry_failed: Whether pairs that failed in an earlier night are tried again.
        draft: Whether every pair is painted small first.
        painter: What paints in the slots, ``module:function``; a `tasks.jobs.Entry`.
        keep: See :func:`tasks.engines.slot_pool`.

    Raises:
        OutputLockedError: Another run holds the output.
        OutputError: It cannot be written.
        NSTError: There are no such devices here, or no such cluster.
    """
    output = Output(root)
    with ExitStack() as stack:
        stack.enter_context(hold(output.work, manifest=source))
        # After a kill or a power cut sizes do not suffice: every finished file is read again.
        rehash = not output.ledger.ended_cleanly()
        output.recover()
        output.ledger.note("run_start", manifest=source, product=PRODUCT_VERSION)
        pool, memory = stack.enter_context(
            slot_pool(settings, painter, most=len(pairs), logs=output.work / "slots", keep=keep)
        )
        renderer = Renderer(pool, deadline=deadline, memory=memory)
        night = Night(
            manifest=manifest,
            pairs=pairs,
            output=output,
            settings=settings,
            renderer=renderer,
            observers=[observer],
            deadline=deadline,
            retry_failed=retry_failed,
            rehash=rehash,
            draft=draft,
        )
        yield night
        output.ledger.note("run_end", **Counter[str](outcome.state for outcome in night.outcomes))
