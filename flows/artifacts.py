"""What a run leaves in Prefect's own pages: its progress, a table of its pairs, the report, a link.

They are a window, not the truth: what Prefect does not take is not shown, and after the first
refusal nothing more is tried, as each would cost seconds.
"""

from __future__ import annotations

import base64
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from PIL import ImageOps
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from flows.reporting import reported
from manifests.locations import is_remote
from manifests.naming import slug
from manifests.wording import printable
from tasks.catalogue import Catalogue
from tasks.lettering import encoded
from tasks.locations import join
from tasks.report import markdown
from tasks.sheets import contact_sheets

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from flows.night import Night
    from flows.observing import Outcome
    from flows.run_log import RunLog

_log = logging.getLogger(__name__)

_SECONDS_BETWEEN = 5.0
# A page of Prefect's with more rows is no pleasure; the gallery and collection.csv have them all.
_MOST_ROWS = 1000
# Looking at more would hold up the end of the run.
_MOST_PICTURES = 200
_SHEET, _SHEET_QUALITY = (1200, 1200), 60
_FIRST = ("failed", "left", "complete", "kept")


class Artifacts:
    """The artifacts of one flow run; made and used within it.

    Args:
        night: The run's.
        log: What was said of it so far.
        page: Where its gallery page will be found: a folder, or ``s3://bucket/prefix``.
        command: What continues the run.
        with_pictures: Whether the server may have a small contact sheet.
    """

    def __init__(
        self, night: Night, log: RunLog, *, page: str, command: str, with_pictures: bool = False
    ) -> None:
        self._night = night
        self._with_pictures = with_pictures
        self._log = log
        self._command = command
        self._page = join(page, "index.html")
        self._key = slug(night.manifest.collection)
        self._progress: UUID | None = None
        self._told = -_SECONDS_BETWEEN
        self._is_refused = False

    def progress(self) -> None:
        """Show how many pairs have come to their end; often called, seldom sent."""
        if time.monotonic() - self._told >= _SECONDS_BETWEEN:
            self._told = time.monotonic()
            self._attempt(self._show_progress)

    def leave(self) -> None:
        """Show how everything ended."""
        report = reported(self._night, command=self._command)
        name = printable(report.collection)
        outcomes = sorted(self._night.outcomes, key=lambda outcome: _FIRST.index(outcome.state))
        counts = ", ".join(f"{number} {state}" for state, number in report.counts.items())
        self._log.say(f"{name}: {counts}")
        more = f"; the first {_MOST_ROWS} are shown" if len(outcomes) > _MOST_ROWS else ""
        self._attempt(self._show_progress)
        self._attempt(
            create_table_artifact,
            table=[_row(outcome) for outcome in outcomes[:_MOST_ROWS]],
            key=f"{self._key}-pairs",
            description=f"Pairs of {name}: {counts}{more}.",
        )
        self._attempt(
            create_markdown_artifact,
            # To look at every picture would hold up the end of the flow; summary.md tells of twins.
            markdown=markdown(self._night.output, report, hasty=True) + self._sheet(),
            key=f"{self._key}-report",
            description=f"Report of {name}.",
        )
        self._attempt(
            create_link_artifact,
            link=self._page if is_remote(self._page) else Path(self._page).as_uri(),
            link_text=f"Gallery of {name}",
            key=f"{self._key}-gallery",
            description=f"The page to walk through: `{printable(self._page)}`.",
        )

    def _show_progress(self) -> None:
        self._log.send()
        outcomes = self._night.outcomes
        ended = sum(outcome.state != "left" for outcome in outcomes)
        percent = 100.0 * ended / max(1, len(outcomes))
        told = f"{ended} of {len(outcomes)} pairs have come to their end."
        if self._progress is None:
            made = create_progress_artifact(percent, key=f"{self._key}-progress", description=told)
            self._progress = cast("UUID", made)  # no coroutine, as this is no asynchronous caller
        else:
            update_progress_artifact(self._progress, percent, description=told)

    def _sheet(self) -> str:
        """Return the first contact sheet in Markdown, small, if it may be shown and can be made."""
        night = self._night
        if not self._with_pictures or night.is_over or len(night.pairs) > _MOST_PICTURES:
            return ""
        try:
            output = night.output
            catalogue = Catalogue(output.root, list(output.records()), output.failures())
            sheet = next(contact_sheets(output.root, catalogue, night.manifest.collection))
            _, top, _, bottom = ImageOps.invert(sheet).getbbox() or (0, 0, *sheet.size)
            sheet = sheet.crop((0, 0, sheet.width, bottom + top))  # an empty rest is for paper
            sheet.thumbnail(_SHEET)
            data = base64.b64encode(encoded(sheet, "WEBP", quality=_SHEET_QUALITY)).decode()
        except Exception as error:  # noqa: BLE001 # a picture more or less is no reason to stop
            _log.debug("no contact sheet for Prefect: %s", error)
            return ""
        return f"\n![contact sheet](data:image/webp;base64,{data})\n"

    def _attempt(self, show: Callable[..., object], **arguments: Any) -> None:
        if self._is_refused:
            return
        try:
            show(**arguments)
        except Exception as error:  # noqa: BLE001 # whatever Prefect's trouble is, painting goes on
            self._is_refused = True
            _log.debug("Prefect shows no artifacts: %s", error)


def _row(outcome: Outcome) -> dict[str, Any]:
    pair, finished, failure = outcome.planned.pair, outcome.finished, outcome.failure
    return {
        "state": outcome.state,
        "pair": printable(pair.title),
        "recipe": printable(pair.recipe_name),
        "seconds": round(outcome.seconds, 1) or None,
        "loss": float(f"{finished.last_loss:.4g}") if finished else None,
        "picture": finished.picture.file if finished else None,
        # The longest comes last, or it would push the others out of sight.
        "why": printable(f"{failure.code}: {failure.message}") if failure else None,
    }
