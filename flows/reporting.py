"""How a night stands, as reports tell it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.console import from_here, print_error
from flows.exit_codes import ExitCode
from manifests.locations import is_remote, written_out
from tasks.locations import join
from tasks.report import Report, ReportedPair, next_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.night import Night
    from manifests.pairs import Pair


def reported(night: Night, *, command: str, waiting: int = 0, notes: Sequence[str] = ()) -> Report:
    """Return how an open night stands.

    Args:
        night: Planned.
        command: What continues it.
        waiting: Finished pictures that are not uploaded yet.
        notes: What else a person should know, one sentence each.
    """
    return Report(
        collection=night.manifest.collection,
        pairs=[
            ReportedPair(
                **_names(outcome.planned.pair),
                pair_id=outcome.planned.pair_id,
                state=outcome.state,
                finished=outcome.finished,
                failure=outcome.failure,
                seconds=outcome.seconds,
            )
            for outcome in night.outcomes
        ]
        # Stopped before the pictures were read: no pair has an identity yet.
        or [ReportedPair(**_names(pair), pair_id=None, state="left") for pair in night.pairs],
        seconds=time.monotonic() - night.began,
        command=command,
        waiting=waiting,
        notes=notes,
    )


def say_goodbye(code: ExitCode, summary: dict[str, Any], *, target: str, command: str) -> None:
    """Tell people where to look, and what to type next.

    Args:
        code: How the run ended.
        summary: As `summary.json` holds it.
        target: Where its pictures went.
        command: What continues it.
    """
    page = join(target, "index.html")
    if is_remote(page) or Path(page).is_file():
        print_error(f"the gallery: {from_here(page)}")
    waiting = int(code is ExitCode.NOT_UPLOADED)
    if step := next_step(summary, command, waiting=waiting):
        print_error(f"{step[0].lower()}: {step[1]}")


def _names(pair: Pair) -> dict[str, Any]:
    return {
        "name": pair.title,
        "content": pair.content and written_out(pair.content),
        "style": tuple(written_out(style.location) for style in pair.styles),
        "recipe": pair.recipe_name,
    }
