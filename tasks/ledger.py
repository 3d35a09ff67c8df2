"""The story of an output: what happened when, a line of JSON each, only ever appended.

People read it, and a run asks it two things: whether the run before ended on its own, and which
files are this product's own doing. Without it no picture is lost: the records are the truth.
"""

from __future__ import annotations

import json
from threading import Lock
from typing import TYPE_CHECKING, Literal

from pydantic_core import from_json

from tasks.durable import DISK, Disk, append_line, explained, write_atomic
from tasks.sealed import now

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pydantic import JsonValue

    from tasks.durable import FileEntry
    from tasks.records import Record

Event = Literal[
    "run_start",
    "pair_publish",
    "pair_done",
    "pair_failed",
    "pair_pruned",
    "set_aside",
    "upload_done",
    "run_end",
]


class Ledger:
    """The file of events of one output; threads of one process may share it.

    Args:
        path: The file; it is created with the first event.
        disk: The steps to write with.
    """

    def __init__(self, path: Path, *, disk: Disk = DISK) -> None:
        self.path = path
        self._disk = disk
        self._one_writer = Lock()
        self._guard = Lock()
        self._published: set[tuple[str, str]] = set()
        self._read_up_to = 0

    def note(self, event: Event, **facts: JsonValue) -> None:
        """Append an event, durably.

        Args:
            event: What happened.
            facts: About it; keep a line under 4 KB, which file systems append in one piece.

        Raises:
            OutputError: The event may be missing from the ledger.
        """
        with self._one_writer:
            append_line(self.path, _line(event, now(), facts), disk=self._disk)

    def events(self) -> Iterator[dict[str, JsonValue]]:
        """Yield every event in order, without lines that a crash has torn.

        Raises:
            OutputError: The file is there but cannot be read.
        """
        return (event for _, event in self._events(0))

    def _events(self, start: int) -> Iterator[tuple[int, dict[str, JsonValue]]]:
        """Yield every event from a byte on, each with where its line ends."""
        with explained(self.path):
            try:
                with self.path.open("rb") as file:
                    file.seek(start)
                    for line in file:
                        start += len(line)
                        try:
                            event = from_json(line)
                        except ValueError:
                            continue
                        if isinstance(event, dict):
                            yield start, event
            except FileNotFoundError:
                return

    def ended_cleanly(self) -> bool:
        """Return whether the last run, if there was one, came to its own end."""
        last = None
        for event in self.events():
            if event.get("event") in {"run_start", "run_end"}:
                last = event["event"]
        return last != "run_start"

    def has_published(self, file: str, sha256: str) -> bool:
        """Return whether this product ever published such bytes under a name.

        Args:
            file: Name relative to the output.
            sha256: Of the bytes.

        Raises:
            OutputError: The file is there but cannot be read.
        """
        with self._guard:
            # Only what is new since the last question: a night of drafts asks for every picture.
            for end, event in self._events(self._read_up_to):
                self._read_up_to = end
                files = event.get("files")
                if isinstance(files, dict):
                    self._published |= {(name, str(digest)) for name, digest in files.items()}
            return (file, sha256) in self._published

    def rebuild(self, records: Iterable[Record]) -> None:
        """Write the ledger anew as far as the records know the story.

        Raises:
            OutputError: The old ledger is still in place.
        """
        lines = [
            _line("pair_done", record.finished, done(record))
            for record in sorted(records, key=lambda record: (record.finished, record.file))
        ]
        text = "".join(f"{line}\n" for line in lines)
        with self._one_writer:
            write_atomic(self.path, text.encode(), disk=self._disk)
        with self._guard:
            self._read_up_to = 0


def hashes(files: Iterable[FileEntry]) -> JsonValue:
    """Return files as an event names them: name to SHA-256."""
    return {entry.file: entry.sha256 for entry in files}


def done(record: Record) -> dict[str, JsonValue]:
    """Return the facts of a ``pair_done`` event."""
    return {
        "pair_id": record.pair_id,
        "record": record.file,
        "files": hashes(record.files.values()),
        "seconds": record.seconds,
    }


def _line(event: Event, at: str, facts: dict[str, JsonValue]) -> str:
    return json.dumps({"at": at, "event": event, **facts}, ensure_ascii=False)
