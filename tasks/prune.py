"""Taking finished pairs out of an output, so that a crash leaves no record without its picture.

The record is moved first: from that instant the pair is unfinished, and its files are only files.
They follow it; should that be cut short, the moved record tells the next time what has to follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.durable import DISK, Disk, explained, make_folder
from tasks.records import Record
from tasks.sealed import RecordError

if TYPE_CHECKING:
    from tasks.output import Output

FOLDER = "pruned"


def prune(output: Output, record: Record, *, disk: Disk = DISK) -> None:
    """Move a pair from its collection to ``.work/pruned``.

    Args:
        output: Whose lock the caller holds.
        record: The pair's; it need not be in this folder.
        disk: The steps to write with.

    Raises:
        OutputError: The pair may be there still, or its files without it.
    """
    if _move(output, record.file, disk):
        output.ledger.note("pair_pruned", pair_id=record.pair_id, record=record.file)
    _follow(output, record, disk)


def finish_pruning(output: Output) -> None:
    """Move the files that a crash has kept from following their record.

    Raises:
        OutputError: Some may be there still.
    """
    for path in sorted((output.work / FOLDER).glob("*/*--*.json")):
        with explained(path):
            data = path.read_bytes()
        try:
            record = Record.decode(data, name=str(path))
        except RecordError:
            continue  # it names no files
        if not (output.root / record.file).exists():  # painted anew since then, they are its own
            _follow(output, record, DISK)


def _follow(output: Output, record: Record, disk: Disk) -> None:
    for entry in record.files.values():
        _move(output, entry.file, disk)


def _move(output: Output, name: str, disk: Disk) -> bool:
    """Move a file durably, if it is there."""
    source, target = output.root / name, output.work / FOLDER / name
    if not source.exists():
        return False
    make_folder(target.parent, disk=disk)
    with explained(source):
        disk.rename(source, target)
        disk.fsync_dir(target.parent)
        disk.fsync_dir(source.parent)
    return True
