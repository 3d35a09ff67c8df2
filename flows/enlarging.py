"""`nst enlarge`: picks of the morning become prints, through the same path as any picture."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from flows.commands import command_line
from flows.forecast import forecast_pairs
from flows.notifying import notified
from flows.reporting import say_goodbye
from flows.run import RunOptions, paint_pairs
from flows.sources import absolute
from manifests.locations import is_remote
from manifests.naming import PRINTS
from manifests.papers import paper
from manifests.schema import Manifest
from nst_core.errors import RecipeError
from tasks.durable import NoOutputError, OutputError, explained, write_atomic
from tasks.locations import S3Location
from tasks.lock import hold
from tasks.output import Output
from tasks.picks import chosen, picks
from tasks.prints import PrintSize, print_of
from tasks.settings import Settings
from tasks.staging import restore, staging_folder
from tasks.storage import store_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flows.exit_codes import ExitCode
    from manifests.pairs import Pair
    from tasks.records import Record


@dataclass(frozen=True, kw_only=True)
class PrintOrder:
    """What is to be printed, as it was asked for.

    Args:
        output: Folder, or ``s3://bucket/prefix``, of the finished pictures.
        picks: Files and words; see :mod:`tasks.picks`.
        size: Longest side in pixels.
        paper: Or the sheet that the print is for.
        dpi: Dots per inch on paper.
    """

    output: str
    picks: tuple[str, ...]
    size: int | None = None
    paper: str | None = None
    dpi: int = 300

    @property
    def print_size(self) -> PrintSize:
        """How large the prints become.

        Raises:
            RecipeError: Neither size nor paper is given, or both, or there is no such paper.
        """
        if (self.size is None) == (self.paper is None):
            raise RecipeError(
                "a print has a size or a paper, one of the two",
                code="E-PRINT-SIZE",
                remedy="give --size 4096 or --paper a3",
            )
        return PrintSize(self.size, paper(self.paper) if self.paper else None, self.dpi)

    @property
    def command(self) -> str:
        """What a person types to have it."""
        given = {"picks": tuple(self.picks), "size": self.size, "paper": self.paper}
        return command_line("enlarge", self.output, options={**given, "dpi": self.dpi})


def enlarge(order: PrintOrder, options: RunOptions) -> tuple[ExitCode, dict[str, Any]]:
    """Paint finished pictures again at the size of a print; the same order again continues.

    Args:
        order: What is to be printed.
        options: Of the run; its ``output`` is the order's.

    Returns:
        How it ended, and the summary as `summary.json` holds it.

    Raises:
        RecipeError: A pick means nothing, or cannot become a print of this size; nothing was begun.
        OutputLockedError: Another run holds the output.
        NSTError: The machine is not fit for it.
    """

    def paint() -> tuple[ExitCode, dict[str, Any]]:
        manifest, pairs = prepared(order)
        code, summary = paint_pairs(
            manifest,
            pairs,
            source="nst enlarge",
            options=replace(options, output=manifest.output),
            command=order.command,
        )
        say_goodbye(code, summary, target=manifest.output, command=order.command)
        return code, summary

    return notified(order.command, paint)


def plan(order: PrintOrder, options: RunOptions) -> dict[str, Any]:
    """Return what an order's prints take, as plain values; see `nst plan`.

    Raises:
        RecipeError: See :func:`enlarge`.
        NoOutputError: There is no such output.
    """
    asked = _Asked.of(order)
    return forecast_pairs(asked.manifest, asked.pairs, options, is_all=False)


def prepared(order: PrintOrder) -> tuple[Manifest, list[Pair]]:
    """Return the collection of an order's prints, and their pairs; the output remembers it.

    Raises:
        RecipeError: See :func:`enlarge`.
        NoOutputError: There is no such output.
    """
    asked = _Asked.of(order)
    target = asked.manifest.output
    _remember(asked.root, replace(order, output=target, picks=asked.picked))
    return asked.manifest, asked.pairs


@dataclass(frozen=True)
class _Asked:
    """What an order comes to: the prints' collection, its pairs, and the pictures' own pairs."""

    root: Path
    manifest: Manifest
    pairs: list[Pair]
    picked: tuple[str, ...]

    @classmethod
    def of(cls, order: PrintOrder) -> Self:
        wanted = order.print_size
        target, root = _places(order.output)
        if not root.is_dir():
            raise NoOutputError(f"there is no output in {root}")
        records = chosen(list(Output(root).records()), picks(order.picks))
        pairs = list(_prints(records, root, wanted))
        # No text stands behind it: its pairs come from records.
        manifest = Manifest.model_construct(collection=PRINTS, output=target)
        return cls(root, manifest, pairs, tuple(record.pair_id for record in records))


def ordered(root: Path) -> list[PrintOrder]:
    """Return every order of prints that an output remembers.

    Raises:
        OutputError: It remembers none.
    """
    place = _memory(root)
    try:
        with explained(place):
            told = json.loads(place.read_bytes())
        orders = [PrintOrder(**each | {"picks": tuple(each["picks"])}) for each in told]
        # A folder may have been moved since.
        return [
            order if is_remote(order.output) else replace(order, output=str(root.resolve()))
            for order in orders
        ]
    except (OutputError, ValueError, TypeError, KeyError) as error:
        raise OutputError(
            f"{place} does not tell which prints were made in {root}",
            remedy="run 'nst enlarge' again as before: it paints what is damaged again",
        ) from error


def _places(output: str) -> tuple[str, Path]:
    """Return an output's full name and its folder on this machine, finished pictures in it."""
    if not is_remote(output):
        return absolute(output), Path(absolute(output))
    settings = Settings.from_environment()
    target = str(S3Location.parse(output.rstrip("/")))
    root = staging_folder(target, settings.scratch)
    with hold(root / ".work", manifest="nst enlarge"):
        restore(Output(root), store_for(target, settings), target)
    return target, root


def _prints(records: Sequence[Record], root: Path, wanted: PrintSize) -> Iterator[Pair]:
    """Yield the pair of each print, or raise one error that tells all that cannot become one."""
    problems: list[RecipeError] = []
    for record in records:
        try:
            pair = print_of(record, root, wanted)
        except RecipeError as error:
            problems.append(error)
        else:
            yield pair
    if problems:
        raise RecipeError(". ".join(map(str, problems)), code=problems[0].code)


def _remember(root: Path, order: PrintOrder) -> None:
    """Note an order, for whoever repairs the output."""
    try:
        before = ordered(root)
    except OutputError:
        before = []
    kept = dict.fromkeys([*before, order])
    write_atomic(_memory(root), json.dumps([asdict(each) for each in kept]).encode())


def _memory(root: Path) -> Path:
    return root / ".work" / "prints.json"
