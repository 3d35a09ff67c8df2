"""Verifying a whole output: is every byte still what its record says?

Looking changes nothing. Repairing takes the record of each damaged pair aside, which makes the
pair unfinished, so that the next run paints exactly those again; what lies in the way then is
kept under another name, never overwritten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tasks.durable import sha256_file
from tasks.records import Record
from tasks.sealed import RecordError, is_sealed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tasks.output import Output

Problem = Literal["missing", "changed", "swapped", "edited", "unreadable", "stray"]

_RECORD = re.compile(r".+--[0-9a-f]{10,64}\.json")


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Args:
        problem: What is wrong with the file; a ``stray`` belongs to no pair and damages none.
        file: Its name relative to the output.
        message: What was found, in one sentence.
        record: Name of the damaged pair's record, relative to the output.
        pair_id: The damaged pair, where it can still be told.
    """

    problem: Problem
    file: str
    message: str
    record: str | None = None
    pair_id: str | None = None


@dataclass(frozen=True)
class Verification:
    """What a look at an output found.

    Args:
        pairs: How many records were found.
        files: How many files they list.
        bytes: How much was read.
        findings: Everything that is not as it should be, by file.
    """

    pairs: int
    files: int
    bytes: int
    findings: tuple[Finding, ...]

    @property
    def damaged(self) -> tuple[str, ...]:
        """Return the records of damaged pairs, each once, relative to the output."""
        return tuple(sorted({finding.record for finding in self.findings if finding.record}))


def verify(output: Output) -> Verification:
    """Read and hash everything an output holds and compare it with its records.

    To be called while no run writes there.

    Raises:
        NewerRecordError: A later version of this product wrote a record; that one can verify it.
    """
    names = [
        f"{folder.name}/{path.name}"
        for folder in output.collections()
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]
    places = [name for name in names if _RECORD.fullmatch(name)]
    records: list[Record] = []
    findings: list[Finding] = []
    for place in places:
        record, finding = _read(output.root / place, place)
        records += [record] if record else []
        findings += [finding] if finding else []
    owners = {entry.sha256: entry.file for record in records for entry in record.files.values()}
    for record in records:
        findings += _damages(output.root, record, owners)
    findings += _vanished(output, set(names))
    findings += _strays(output.root, names, set(places), records, owners)
    return Verification(
        pairs=len(places),
        files=sum(len(record.files) for record in records),
        bytes=sum(entry.bytes for record in records for entry in record.files.values()),
        findings=tuple(sorted(findings, key=lambda finding: finding.file)),
    )


def take_damaged_aside(output: Output, verification: Verification) -> tuple[str, ...]:
    """Make every damaged pair unfinished, so that the next run paints it again.

    Returns:
        Names of the damaged pairs' records, relative to the output.

    Raises:
        OutputError: Some of the pairs may still count as finished.
    """
    for record in verification.damaged:
        if (output.root / record).exists():
            output.set_aside(output.root / record)
    return verification.damaged


def _read(path: Path, place: str) -> tuple[Record | None, Finding | None]:
    """Return the record in its place, if it can be relied on, and what is wrong with it."""
    try:
        data = path.read_bytes()
        record = Record.decode(data, name=place)
    except (OSError, RecordError) as error:
        return None, Finding("unreadable", place, str(error), record=place)
    if record.file != place:
        return None, Finding("swapped", place, f"holds the record of {record.file}", record=place)
    if not is_sealed(data):
        message = "was changed after it was written"
        return record, Finding("edited", place, message, record=place, pair_id=record.pair_id)
    return record, None


def _damages(root: Path, record: Record, owners: dict[str, str]) -> Iterator[Finding]:
    """Yield what is wrong with the files of a record."""
    for entry in record.files.values():
        pair = {"record": record.file, "pair_id": record.pair_id}
        if not (root / entry.file).is_file():
            yield Finding("missing", entry.file, "is not there", **pair)
            continue
        try:
            found = sha256_file(root / entry.file)
        except OSError as error:
            yield Finding("unreadable", entry.file, str(error), **pair)
            continue
        if found == entry.sha256:
            continue
        if found in owners:
            yield Finding("swapped", entry.file, f"holds the bytes of {owners[found]}", **pair)
        else:
            message = f"was {entry.sha256[:10]}, {entry.bytes} bytes; is {found[:10]}"
            yield Finding("changed", entry.file, message, **pair)


def _vanished(output: Output, names: set[str]) -> Iterator[Finding]:
    """Yield records that the ledger saw published and that are gone."""
    done: dict[str, str] = {}
    for event in output.ledger.events():
        if event.get("event") == "pair_done" and "record" in event:
            done[str(event["record"])] = str(event.get("pair_id"))
        elif event.get("event") == "pair_pruned":
            done.pop(str(event.get("record")), None)
    for record, pair_id in sorted(done.items()):
        if record not in names:
            message = "was published and is not there"
            yield Finding("missing", record, message, record=record, pair_id=pair_id)


def _strays(
    root: Path,
    names: list[str],
    places: set[str],
    records: list[Record],
    owners: dict[str, str],
) -> Iterator[Finding]:
    """Yield files that no record lists, but for those whose own record cannot be relied on."""
    known = places | {entry.file for record in records for entry in record.files.values()}
    doubted = places - {record.file for record in records}
    doubted_stems = tuple(place.removesuffix("json") for place in doubted)
    for name in names:
        if name in known or name.startswith(doubted_stems):
            continue
        try:
            twin = owners.get(sha256_file(root / name))
        except OSError:
            twin = None
        message = f"holds the bytes of {twin}" if twin else "is listed by no record"
        yield Finding("stray", name, message)
