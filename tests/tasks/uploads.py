"""Folders on their way to a bucket: what lies in either."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.staging import remote_records

if TYPE_CHECKING:
    from tasks.output import Output
    from tasks.records import Record
    from tasks.store import Store
    from tests.tasks.fault_proxy import FaultProxy

TARGET = "s3://memory/spring"
MINUTE = 60.0


def stems(output: Output) -> list[str]:
    """Return the finished pairs of a folder."""
    return sorted(record.stem for record in output.records())


def whole(store: Store, target: str) -> list[str]:
    """Return the finished pairs of a bucket, having compared every byte with their records."""
    records = remote_records(store, target)
    for record in records:
        for entry in record.files.values():
            data = store.read(f"{target}/{entry.file}")
            assert (len(data), sha256(data).hexdigest()) == (entry.bytes, entry.sha256)
    return sorted(record.stem for record in records)


def first_record(output: Output) -> Record:
    """Return the record of pair 0."""
    return next(record for record in output.records() if "photo-0" in record.stem)


def puts(line: FaultProxy) -> list[str]:
    """Return the endings of the names that were written over the line, in order."""
    paths = [Path(request.path) for request in line.seen if request.method == "PUT"]
    return [path.name.partition(".")[2] for path in paths]
