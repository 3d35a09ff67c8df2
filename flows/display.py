"""What a person sees while a night goes on: a live table on a terminal, plain lines without one."""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from flows.console import standard_error
from flows.observing import Observer
from manifests.wording import counted, printable, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from flows.night import Night
    from flows.observing import Outcome
    from manifests.comparing import Planned

_MARKS = {
    "complete": "[green]✓[/]",
    "kept": "[dim]=[/]",
    "failed": "[red]✗[/]",
    "left": "[yellow]…[/]",
}
_SECONDS_BETWEEN_LINES = 15.0
# Room for the ^C that terminals show: wrapped into the next line, it would shift the table.
_ECHO = len("^C")
_STOPPING = "stopping: what is painted is being saved; once more ends it at once"
_WIDEST = len("4096×4096 px  loss 1.23e+04")
# Rows below the pairs: how many more, that it stops, the whole night, and the cursor's.
_BELOW = 4


@dataclass
class _UnderWay:
    """A pair that is being painted."""

    began: float
    stage: str = "waiting for a slot"
    done: int = 0
    planned: int = 0
    total: float = math.nan
    told: float = field(default=-math.inf)


class Tally:
    """How the night stands, from events; both displays read it."""

    def __init__(self) -> None:
        self.under_way: dict[str, tuple[Planned, _UnderWay]] = {}
        self.counts = dict.fromkeys(_MARKS, 0)
        self.planned = 0
        self.preparing = "slots start"
        self._began = time.monotonic()

    def open(self, night: Night) -> None:
        """Take over the plan."""
        self.preparing = "slots start"
        self.planned = len(night.planned)
        self._began = time.monotonic()

    def event(self, planned: Planned, event: dict[str, Any]) -> _UnderWay:
        """Take over a painter's event."""
        _, pair = self.under_way.setdefault(planned.pair_id, (planned, _UnderWay(time.monotonic())))
        if event["kind"] == "progress":
            pair.stage = "{1}×{0} px".format(*event["size"])
            pair.done, pair.planned = event["done"], event["planned"]
            pair.total = event["total"]
        elif event["kind"] == "stage":
            pair.stage, pair.planned = event["stage"], 0
        elif event["kind"] == "sketch":
            pair.stage = f"sketch {event['number']} of at most {event['most']}"
        elif event["kind"] == "retry":
            pair.stage = f"attempt {event['attempt']}"
        elif event["kind"] == "draft":  # under way no more, until it is its turn to be refined
            pair.stage, pair.planned = "draft is published", 0
            del self.under_way[planned.pair_id]
        return pair

    def end(self, outcome: Outcome) -> None:
        """Take over a pair's end."""
        self.under_way.pop(outcome.planned.pair_id, None)
        self.counts[outcome.state] += 1

    @property
    def seconds(self) -> float:
        """Since the command began, or since the plan was known."""
        return time.monotonic() - self._began

    @property
    def ended(self) -> int:
        """Pairs that came to an end."""
        return sum(self.counts.values())

    @property
    def shares(self) -> float:
        """How much is painted of the pairs under way, in pairs."""
        return sum(one.done / one.planned for _, one in self.under_way.values() if one.planned)

    @property
    def seconds_left(self) -> float:
        """Estimate for the whole night, from the pairs painted so far; NaN while unknown."""
        shares = self.shares
        painted = self.counts["complete"] + shares
        if painted < 0.2:  # noqa: PLR2004 # before that, start-up is most of what was measured
            return math.nan
        left = self.planned - self.ended - shares
        return self.seconds / painted * left


class LiveDisplay(Observer):
    """A live table for a terminal.

    Args:
        console: Where to draw.
    """

    def __init__(self, console: Console) -> None:
        self._tally = Tally()
        self._title = ""
        self._is_stopping = False
        self._kept = 0
        self._console = console
        self._guard = Lock()
        self._live = Live(
            console=console, refresh_per_second=4, get_renderable=self._render, transient=True
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        self._live.stop()

    def prepares(self, what: str) -> None:
        """The night does this before it knows its pairs."""
        with self._guard:
            self._tally.preparing = what

    def opened(self, night: Night) -> None:
        """The night knows its pairs."""
        with self._guard:
            self._title = night.manifest.collection
            # Opened once more where pictures came late, which may be of finished pairs.
            kept = self._tally.counts["kept"] - self._kept
            self._kept += kept
            self._tally.open(night)
        if kept:
            self._live.console.print(f"[dim]= kept {kept}, finished in earlier runs[/]")

    def event(self, planned: Planned, event: dict[str, Any]) -> None:
        """A pair under way reported something."""
        with self._guard:
            self._tally.event(planned, event)
        if event["kind"] == "draft":
            self._live.console.print(Text(f"~ {printable(planned.pair.title)}  draft", style="dim"))

    def stopping(self) -> None:
        """The night was asked to end; that takes seconds."""
        with self._guard:
            self._is_stopping = True

    def ended(self, outcome: Outcome) -> None:
        """A pair came to its end."""
        with self._guard:
            self._tally.end(outcome)
        if outcome.state != "kept":
            self._live.console.print(
                Text.from_markup(_MARKS[outcome.state]).append(f" {describe(outcome)}", style="")
            )

    def _render(self) -> RenderableType:
        with self._guard:
            return Group(*self._rows())

    def _rows(self) -> Iterator[RenderableType]:
        tally = self._tally
        width = self._console.width - _ECHO
        table = _grid(width)
        if not tally.planned:
            _add_waiting(table, f"setting up, {span(tally.seconds)}", tally.preparing)
        elif not tally.under_way and tally.ended < tally.planned:
            _add_waiting(table, f"waiting, {span(tally.seconds)}", tally.preparing)
        room = max(1, self._console.height - _BELOW)
        for planned, pair in islice(tally.under_way.values(), room):
            shown = pair.stage
            if not math.isnan(pair.total):
                shown = f"{shown}  loss {pair.total:.3g}"
            table.add_row(
                Text(f"  {printable(planned.pair.title)}"),
                ProgressBar(total=pair.planned or None, completed=pair.done, width=20),
                Text(shown, style="dim"),
            )
        yield table
        if (more := len(tally.under_way) - room) > 0:
            yield Text(f"  and {more} more", style="dim")
        if self._is_stopping:
            yield Text(f"  {_STOPPING}", style="yellow")
        if not tally.planned:
            return
        overall = _grid(width)
        left = tally.seconds_left
        overall.add_row(
            Text(
                f"{printable(self._title)}  {tally.ended} of {tally.planned}"
                + (f", {tally.counts['failed']} failed" if tally.counts["failed"] else ""),
                style="bold",
            ),
            ProgressBar(total=tally.planned, completed=tally.ended + tally.shares, width=20),
            Text("" if math.isnan(left) else f"{span(left)} left", style="bold"),
        )
        yield overall


def _add_waiting(table: Table, what: str, stage: str) -> None:
    """Add a row whose bar moves, since nobody knows how long it takes."""
    table.add_row(Text(f"  {what}"), ProgressBar(total=None, width=20), Text(stage, style="dim"))


def _grid(width: int) -> Table:
    """Return an empty table: a name, a bar, and what is left or reached."""
    table = Table.grid(padding=(0, 1), expand=True)
    table.width = width
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(width=20)
    table.add_column(width=_WIDEST, no_wrap=True, justify="right")
    return table


class LineDisplay(Observer):
    """Plain lines for a pipe or a log.

    Args:
        stream: Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._tally = Tally()
        self._guard = Lock()
        self._prepared = time.monotonic()

    def __enter__(self) -> Self:
        """Tell that the run has begun."""
        self._say("setting up: slots, Prefect, pictures")
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to tidy."""

    def prepares(self, what: str) -> None:
        """The night does this before it knows its pairs."""
        with self._guard:
            now = time.monotonic()
            if now - self._prepared < _SECONDS_BETWEEN_LINES:
                return
            self._prepared = now
        self._say(f"setting up: {what}")

    def opened(self, night: Night) -> None:
        """The night knows its pairs."""
        with self._guard:
            self._tally.open(night)
        self._say(beginning(night))

    def event(self, planned: Planned, event: dict[str, Any]) -> None:
        """A pair under way reported something."""
        with self._guard:
            pair = self._tally.event(planned, event)
            now = time.monotonic()
            is_passing = event["kind"] in {"progress", "sketch"}
            if is_passing and now - pair.told < _SECONDS_BETWEEN_LINES:
                return
            pair.told = now
        if event["kind"] == "retry":
            self._say(f"{planned.pair.title}: {event['why']}; attempt {event['attempt']} begins")
        elif pair.planned:
            self._say(
                f"{planned.pair.title}: {pair.stage}, step {pair.done} of {pair.planned},"
                f" loss {pair.total:.4g}"
            )
        else:
            self._say(f"{planned.pair.title}: {pair.stage}")

    def stopping(self) -> None:
        """The night was asked to end; that takes seconds."""
        self._say(_STOPPING)

    def ended(self, outcome: Outcome) -> None:
        """A pair came to its end."""
        with self._guard:
            self._tally.end(outcome)
            left = self._tally.seconds_left
            progress = f" ({self._tally.ended} of {self._tally.planned}"
        if outcome.state == "kept":
            return
        progress += ")" if math.isnan(left) or not left else f", {span(left)} left)"
        # What failed in an earlier night is told before the plan is known.
        self._say(f"{outcome.state} {describe(outcome)}{progress if self._tally.planned else ''}")

    def _say(self, line: str) -> None:
        with suppress(OSError):  # whoever read it may be gone
            self._stream.write(f"{printable(line)}\n")  # in one piece: other threads speak, too
            self._stream.flush()


def display(*, quiet: bool = False) -> LiveDisplay | LineDisplay:
    """Return the display that suits where standard error goes.

    Args:
        quiet: Plain lines even on a terminal.
    """
    console = standard_error()
    return LineDisplay(sys.stderr) if quiet or not console.is_terminal else LiveDisplay(console)


def beginning(night: Night) -> str:
    """Return one line on a night that knows its pairs."""
    kept = sum(outcome.state == "kept" for outcome in night.outcomes)
    waiting = f", {night.stranded} wait for pictures" if night.stranded else ""
    return (
        f"{night.manifest.collection}: {counted(len(night.planned), 'pair')}, kept {kept},"
        f" {len(night.left)} to paint in {counted(night.renderer.slots, 'slot')}{waiting}"
    )


def describe(outcome: Outcome) -> str:
    """Return one line on a pair's end."""
    name = printable(outcome.planned.pair.title)
    if (finished := outcome.finished) is not None:
        picture = finished.picture
        degraded = f", {', '.join(finished.degraded)}" if finished.degraded else ""
        return f"{name}  {picture.width}×{picture.height} px in {span(finished.seconds)}{degraded}"
    if outcome.failure is not None:
        failure = outcome.failure
        remedy = f"; {failure.remedy}" if failure.remedy else ""
        return f"{name}  {failure.code}: {printable(failure.message + remedy)}"
    return name
