"""What became of the night: for scripts, for the person with the coffee, and for a spreadsheet.

OUT/summary.json     every pair and its state; `planned = complete + kept + failed + left`
OUT/summary.md       at most 40 lines, what to do next included
OUT/collection.csv   every record of the output, one line each
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from manifests.wording import counted, printable, span
from tasks.durable import write_atomic
from tasks.suspects import near_duplicates, outliers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tasks.failures import Failure
    from tasks.finished import Finished
    from tasks.output import Output
    from tasks.records import Record

State = Literal["complete", "kept", "failed", "left"]
STATES: tuple[State, ...] = ("complete", "kept", "failed", "left")
MAX_LINES = 40
_NAMES_SHOWN = 3
_KINDS_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class ReportedPair:
    """One planned pair, after the night.

    Args:
        pair_id: Its identity; None where its pictures could not be read.
        name: For people: content × style.
        content: Its location; none where the recipe needs no content.
        style: Locations of its style pictures.
        recipe: The recipe's name.
        state: What became of it.
        finished: What is remembered of a pair that has a picture.
        failure: Why it failed, or could not be painted yet.
        seconds: Spent painting it in this run.
    """

    pair_id: str | None
    name: str
    content: str | None
    style: tuple[str, ...]
    recipe: str
    state: State
    finished: Finished | None = None
    failure: Failure | None = None
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the pair as `summary.json` tells it; files are relative to the output."""
        finished = self.finished
        return {
            "pair_id": self.pair_id,
            "content": self.content,
            "style": list(self.style),
            "recipe": self.recipe,
            "state": self.state,
            "picture": finished.picture.file if finished else None,
            "losses": finished.losses if finished else None,
            "record": finished.file if finished else None,
            "seconds": round(self.seconds, 3),
            "error": f"{self.failure.code}: {self.failure.message}" if self.failure else None,
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """A run, after its end or on the way.

    Args:
        collection: Its name.
        pairs: Every planned pair.
        seconds: Wall time of the run so far.
        command: What continues it, ready to paste.
        waiting: Finished pictures that are not uploaded yet.
        notes: Whatever else a person should know, one sentence each.
    """

    collection: str
    pairs: Sequence[ReportedPair]
    seconds: float
    command: str
    waiting: int = 0
    notes: Sequence[str] = field(default=())

    @property
    def counts(self) -> dict[str, int]:
        """How many pairs are in each state; together they are all."""
        found = Counter(pair.state for pair in self.pairs)
        return {state: found[state] for state in STATES}

    def summary(self) -> dict[str, Any]:
        """Return the run as `summary.json` tells it."""
        return {
            "collection": self.collection,
            "planned": len(self.pairs),
            **self.counts,
            "seconds": round(self.seconds, 3),
            "pairs": [pair.as_json() for pair in self.pairs],
        }


def write_report(output: Output, report: Report, *, hasty: bool = False) -> dict[str, Any]:
    """Write all three files, each whole, and return the summary.

    Args:
        output: Where to.
        report: What they tell.
        hasty: Do without what takes a look at the pictures themselves.

    Raises:
        NewerRecordError: A record was written by a later version of this product.
        OutputError: They could not be written.
    """
    summary = report.summary()
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(output.root / "summary.json", f"{text}\n".encode())
    write_atomic(output.root / "summary.md", markdown(output, report, hasty=hasty).encode())
    write_atomic(output.root / "collection.csv", table(output.records()).encode())
    return summary


def markdown(output: Output, report: Report, *, hasty: bool = False) -> str:
    """Return the report for people, at most 40 lines of Markdown; see `write_report`."""
    painted = [(_text(pair.name), pair.finished) for pair in report.pairs if pair.finished]
    names, finished = [name for name, _ in painted], [one for _, one in painted]
    twins = [] if hasty else near_duplicates(output.root, [one.picture for one in finished])
    counts = report.counts
    lines = [
        f"# {_text(report.collection)}",
        "",
        f"{len(report.pairs)} planned = " + " + ".join(f"{counts[s]} {s}" for s in STATES) + ".",
        *_pace(report),
        *_held(finished),
        *_upload(report),
        *(_text(note) for note in report.notes[:_NAMES_SHOWN]),
    ]
    marks = [
        ("Degraded", [f"{name}: {', '.join(f.degraded)}" for name, f in painted if f.degraded]),
        ("Drafts, to be refined by the next run", [name for name, f in painted if f.draft]),
        ("Near-duplicates", [" = ".join(names[number] for number in group) for group in twins]),
        (
            "Loss out of line with its style set",
            [f"{names[n]} ({times:.1f} × the median)" for n, times in outliers(finished)],
        ),
    ]
    for title, marked in marks:
        if marked:
            lines += ["", f"**{title}** ({len(marked)}): {_few(marked)}"]
    lines += _reasons([pair for pair in report.pairs if pair.failure])
    if step := next_step(counts, report.command, waiting=report.waiting):
        lines += ["", f"{step[0]}:", "", f"    {printable(step[1])}"]
    assert len(lines) <= MAX_LINES, lines
    return "\n".join(lines) + "\n"


def next_step(
    counts: Mapping[str, int], command: str, *, waiting: int = 0
) -> tuple[str, str] | None:
    """Return what for and what to type next, or None where nothing is to be done.

    Args:
        counts: How many pairs are in each state.
        command: What continues the run.
        waiting: Finished pictures that are not uploaded yet.
    """
    if counts["left"] or waiting:
        return "To continue", command
    if counts["failed"]:
        option = "--retry-failed"
        again = command if option in command.split() else f"{command} {option}"
        return "To try again what failed, once it is mended", again
    return None


def _pace(report: Report) -> list[str]:
    """Return time per pair and throughput, where something was painted."""
    times = sorted(pair.seconds for pair in report.pairs if pair.state == "complete")
    if not times:
        drafts = sum(pair.finished.draft for pair in report.pairs if pair.finished)
        done = "No picture was finished" if drafts else "Nothing new was painted"
        return [f"{done} in {span(report.seconds)}."]
    rate = 3600 * len(times) / max(report.seconds, 1e-9)
    slowest = times[min(len(times) - 1, int(0.9 * len(times)))]
    within = f"{span(median(times))} per pair in the middle, 9 of 10 in {span(slowest)}"
    return [f"{span(report.seconds)} in all; {within}; {rate:.0f} pairs an hour."]


def _held(finished: Sequence[Finished]) -> list[str]:
    """Return the room the pictures take, and how many an interruption could not harm."""
    if not finished:
        return []
    size = sum(one.bytes for one in finished)
    resumed = sum(bool(one.resumed_at) for one in finished)
    return [
        f"Pictures and logs take {size / 1e6:.1f} MB"
        + (f"; resumed from a checkpoint: {resumed}." if resumed else ".")
    ]


def _upload(report: Report) -> list[str]:
    return [f"Not uploaded yet: {counted(report.waiting, 'picture')}."] if report.waiting else []


def _reasons(told: Sequence[ReportedPair]) -> list[str]:
    """Return why pairs failed or were left, a line for each code: how many, and what to do."""
    if not told:
        return []
    by_code: dict[tuple[State, str], list[ReportedPair]] = {}
    for pair in told:
        assert pair.failure
        by_code.setdefault((pair.state, pair.failure.code), []).append(pair)
    ranked = sorted(by_code.items(), key=lambda item: -len(item[1]))
    states = sorted({state for state, _ in by_code})
    lines = ["", f"## {' and '.join(states).capitalize()}", ""]
    for (state, code), pairs in ranked[:_KINDS_SHOWN]:
        failure = pairs[0].failure
        assert failure
        remedy = failure.remedy or ""
        advice = f" **{_text(remedy[:1].upper() + remedy[1:])}.**" if remedy else ""
        names = _few([_text(pair.name) for pair in pairs])
        stop = "" if failure.message.endswith("?") else "."
        where = f"{failure.stage}, left" if state == "left" else failure.stage
        lines.append(
            f"- {len(pairs)} × `{printable(code)}` in {where}: {_text(failure.message)}"
            f"{stop}{advice} ({names})"
        )
    if rest := sum(len(pairs) for _, pairs in ranked[_KINDS_SHOWN:]):
        lines.append(f"- {rest} more of other kinds.")
    if "failed" in states:
        lines += ["", "What failed has a file in `failed/`, with everything that is known of it."]
    return lines


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return "; ".join(names[:_NAMES_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _text(text: str) -> str:
    """Return foreign text on one line, so that Markdown shows it as it is."""
    shown = printable(text if len(text) <= 160 else f"{text[:159]}…")  # noqa: PLR2004
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|!" else c for c in shown)


_LABELS = ("subject", "movement", "material", "technique", "content_set", "style_set")
COLUMNS = (
    *("collection", "pair_id", "content_name", "style_name", "recipe_name", *_LABELS),
    *("picture", "width", "height", "bytes", "sha256", "losses", "content", "content_sha256"),
    *("styles", "style_sha256", "network", "weights_sha256", "algorithm_version"),
    *(
        "first_loss",
        "last_loss",
        "legibility",
        "content_factor",
        "steps",
        "seconds",
        "attempts",
        "draft",
        "degraded",
    ),
    *("warnings", "credits", "product_version", "finished"),
)


def table(records: Iterable[Record]) -> str:
    """Return records as CSV: flat columns that are always the same, lists joined by ``" | "``.

    Text that a spreadsheet would take for a formula is given an apostrophe in front.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for record in records:
        row = _row(record)
        writer.writerow({name: _harmless(value) for name, value in row.items()})
    return text.getvalue()


def _row(record: Record) -> dict[str, Any]:
    picture, found = record.files["picture"], record.legibility
    own = {name: getattr(record, name) for name in COLUMNS if hasattr(record, name)}
    return own | {
        **{name: record.labels.get(name, "") for name in _LABELS},
        "picture": picture.file,
        "width": picture.width,
        "height": picture.height,
        "bytes": picture.bytes,
        "sha256": picture.sha256,
        "losses": record.files["losses"].file if "losses" in record.files else "",
        "styles": [style.location for style in record.styles],
        "style_sha256": [style.sha256 for style in record.styles],
        "first_loss": record.objective.first,
        "last_loss": record.objective.last,
        "legibility": found.reached if found else "",
        "content_factor": found.content_factor if found else "",
        "draft": int(record.draft),
    }


def _harmless(value: Any) -> Any:
    if isinstance(value, list | tuple):
        value = " | ".join(value)
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
