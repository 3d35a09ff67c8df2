"""One output folder: what is finished there, and how a painted pair gets there.

    OUT/<collection>/<stem>.png .losses.csv .frames.webp    written first, in this order
    OUT/<collection>/<stem>.json                            the record: written last
    OUT/failed/<stem>.json                                  what failed, and what to do
    OUT/ledger.jsonl                                        the story
    OUT/assets/                                             what the gallery page shows
    OUT/.work/                                              what runs need among themselves

A pair is finished if, and only if, its record reads, is that pair's, and every file it lists is
there in its size. Who writes into an output holds its lock (`tasks.lock`), yet no picture depends
on that: two runs side by side merely do the same work twice.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING

from PIL import Image

from manifests.naming import NO_COLLECTIONS
from manifests.wording import room
from tasks.durable import (
    DISK,
    Disk,
    DiskFullError,
    FileEntry,
    OutputError,
    explained,
    recover,
    remove,
    set_aside,
    sha256_file,
    write_atomic,
)
from tasks.failures import Failures
from tasks.ledger import Ledger, done, hashes
from tasks.records import Painting, Record
from tasks.sealed import RecordError, is_sealed, now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from tasks.failures import Failure

_ENDINGS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "TIFF": "tif"}


class PictureError(OutputError):
    """What was to be published as a picture is none."""

    code = "E-PICTURE"
    kind = "bug"


class Output:
    """An output folder; the threads of one process may share it.

    Args:
        root: The folder; it need not exist yet.
        disk: The steps to write with.
    """

    def __init__(self, root: Path, *, disk: Disk = DISK) -> None:
        self.root = root
        self.work = root / ".work"
        self.ledger = Ledger(root / "ledger.jsonl", disk=disk)
        self._disk = disk
        self._guard = Lock()
        self._places: dict[str, tuple[str, ...]] | None = None
        self._failures = Failures(root / "failed", disk=disk)

    def probe(self, *, needed: int = 0) -> None:
        """Find out whether a run could write here.

        Args:
            needed: Bytes the run will take.

        Raises:
            NotWritableError: It could not.
            DiskFullError: There is too little room.
        """
        write_atomic(self.work / "probe", b"", disk=self._disk)
        remove(self.work / "probe", disk=self._disk)
        free = shutil.disk_usage(self.root).free
        if free < needed:
            raise DiskFullError(
                f"{self.root} needs {room(needed)}; {room(free)} are free",
                remedy="make room or choose another output",
            )

    def recover(self) -> int:
        """Put in order what killed runs left, and return how many temporary files that removed.

        To be called once, with the lock held, before anything else is written.

        Raises:
            OutputError: Something could not be put in order.
        """
        removed = recover(self.root, disk=self._disk)
        if not self.ledger.path.exists() and (records := list(self.records())):
            self.ledger.rebuild(records)
        for failure in self.failures():
            if record := self.record_of(failure.pair_id, collection=failure.collection):
                self._failures.forget(record)
        with self._guard:  # records may yet come from elsewhere, before the run looks again
            self._places = None
        return removed

    def record_of(
        self, pair_id: str, *, collection: str | None = None, rehash: bool = False
    ) -> Record | None:
        """Return the record of a pair if it is finished.

        Args:
            pair_id: The pair's identity, 64 hex digits.
            collection: Where to look; by default in all collections.
            rehash: Whether sizes do not suffice: read every file and compare its hash.

        Raises:
            NewerRecordError: The record was written by a later version of this product.
        """
        for file in self._places_of(pair_id):
            if collection in {None, file.partition("/")[0]}:
                record = self._read(self.root / file)
                if record and record.pair_id == pair_id and self.is_finished(record, rehash=rehash):
                    return record
        return None

    def records(self) -> Iterator[Record]:
        """Yield the record of every finished pair, by collection and name.

        Raises:
            NewerRecordError: A record was written by a later version of this product.
        """
        for path in self.record_files():
            if record := self.finished_in(path):
                yield record

    def record_files(self) -> Iterator[Path]:
        """Yield every file that may be a record, by collection and name."""
        for folder in self.collections():
            yield from sorted(folder.glob("*--*.json"))

    def finished_in(self, path: Path) -> Record | None:
        """Return the record in a file, if that is one of a finished pair.

        Raises:
            NewerRecordError: The record was written by a later version of this product.
        """
        record = self._read(path)
        return record if record and self.is_finished(record) else None

    def is_finished(self, record: Record, *, rehash: bool = False) -> bool:
        """Return whether every file of a record is there in its size (or, rehashed, its bytes)."""
        try:
            for entry in record.files.values():
                path = self.root / entry.file
                found = path.stat()
                if not stat.S_ISREG(found.st_mode) or found.st_size != entry.bytes:
                    return False
                if rehash and sha256_file(path) != entry.sha256:
                    return False
        except OSError:
            return False
        return True

    def collections(self) -> list[Path]:
        """Return the folders of the collections that are here, by name."""
        if not self.root.is_dir():
            return []
        return sorted(
            path
            for path in self.root.iterdir()
            if path.is_dir() and path.name not in NO_COLLECTIONS and not path.name.startswith(".")
        )

    def publish(
        self,
        painting: Painting,
        *,
        picture: bytes,
        losses: bytes,
        extras: Mapping[str, bytes] | None = None,
    ) -> Record:
        """Publish a painted pair; when this returns, neither kill nor power cut can lose it.

        A pair that is finished already stays as it is, unless it was a draft. A file in the way
        that this product did not write is set aside as ``.conflict-<n>``.

        Args:
            painting: What is known of the pair.
            picture: The encoded picture; its bytes decide the file's ending.
            losses: The loss log, CSV.
            extras: Further files by ending, such as ``frames.webp``; the ending's first word is
                their role in the record.

        Returns:
            The pair's record.

        Raises:
            DiskFullError: No room; what was there before is still there, or set aside.
            OutputError: The pair may or may not be finished; publishing it again finds out.
            PictureError: The picture's bytes are no picture.
            NewerRecordError: A later version of this product finished the pair.
        """
        finished = self.record_of(painting.pair_id, collection=painting.collection, rehash=True)
        if finished and (painting.draft or not finished.draft):
            return finished
        kind, width, height = _inspect(picture)
        parts = {"picture": (kind, picture), "losses": ("losses.csv", losses)}
        for ending, data in (extras or {}).items():
            parts[ending.partition(".")[0]] = (ending, data)
        stem = f"{painting.collection}/{painting.stem}"
        files = {
            role: FileEntry.of(f"{stem}.{ending}", data) for role, (ending, data) in parts.items()
        }
        files["picture"] = replace(files["picture"], width=width, height=height)
        record = Record(**dict(painting), files=files, finished=now())

        self._make_way(record)
        self.ledger.note("pair_publish", pair_id=record.pair_id, files=hashes(files.values()))
        for role, (_, data) in parts.items():
            write_atomic(self.root / files[role].file, data, disk=self._disk)
        self._write_record(record)
        self.ledger.note("pair_done", **done(record))
        self._failures.forget(record)
        return record

    def copy(self, finished: Record, **names: Any) -> Record:
        """Publish a pair that another collection has finished, without painting it again.

        Args:
            finished: The other collection's record.
            names: The fields that differ: collection, stem, names, labels.

        Raises:
            OutputError: A file of the other collection is missing or damaged.
        """
        contents = {}
        for role, entry in finished.files.items():
            with explained(self.root / entry.file):
                contents[role] = (self.root / entry.file).read_bytes()
            if not entry.holds(contents[role]):
                raise OutputError(
                    f"{entry.file} is damaged", remedy="'nst verify --repair' paints it again"
                )
        fields = {name: getattr(finished, name) for name in Painting.model_fields}
        stem = f"{finished.collection}/{finished.stem}."
        return self.publish(
            Painting(**fields | names),
            picture=contents.pop("picture"),
            losses=contents.pop("losses"),
            extras={
                finished.files[role].file.removeprefix(stem): contents[role] for role in contents
            },
        )

    def set_aside(self, path: Path) -> Path:
        """Keep a file that is in the way under another name, and return its new path.

        Raises:
            OutputError: The file may still be there.
        """
        aside = set_aside(path, disk=self._disk)
        self.ledger.note(
            "set_aside", file=path.relative_to(self.root).as_posix(), kept_as=aside.name
        )
        return aside

    def fail(self, failure: Failure) -> None:
        """Keep why a pair failed, in ``failed/<stem>.json``.

        Raises:
            OutputError: It may not be kept.
        """
        self._failures.add(failure)
        self.ledger.note(
            "pair_failed",
            pair_id=failure.pair_id,
            stage=failure.stage,
            kind=failure.kind,
            code=failure.code,
        )

    def failures(self) -> list[Failure]:
        """Return what failed and has not been finished since, by name."""
        return self._failures.all()

    def quarantined(self, pair_id: str) -> Failure | None:
        """Return why a pair is not to be tried again by this version of the program, or None."""
        return self._failures.quarantined(pair_id)

    def _read(self, path: Path) -> Record | None:
        """Return the record in a file, or None where there is none that can be trusted."""
        try:
            record = Record.decode(path.read_bytes(), name=str(path))
        except (OSError, RecordError):
            return None
        return record if self.root / record.file == path else None

    def _places_of(self, pair_id: str) -> list[str]:
        """Return where records of the pair may lie; the folders are listed once."""
        with self._guard:
            if self._places is None:
                self._places = {}
                for folder in self.collections():
                    for path in folder.glob("*--*.json"):
                        self._note_place(path.stem, f"{folder.name}/{path.name}")
            return sorted(self._places.get(pair_id[:10], ()))

    def _note_place(self, stem: str, file: str) -> None:
        assert self._places is not None
        key = stem.rpartition("--")[2][:10]
        known = self._places.get(key, ())
        if file not in known:
            self._places[key] = (*known, file)

    def _make_way(self, record: Record) -> None:
        """Clear what lies where the record and its files will."""
        old = self.root / record.file
        # An old record goes first: it must not stand beside files that are no longer its own.
        if os.path.lexists(old):
            known = self._read(old)
            with explained(old):  # which another run may have removed since
                is_ours = known and known.pair_id == record.pair_id and is_sealed(old.read_bytes())
            if is_ours:
                remove(old, disk=self._disk)
            else:
                self.set_aside(old)
        for entry in record.files.values():
            path = self.root / entry.file
            if os.path.lexists(path) and not self._is_ours(path, entry):
                self.set_aside(path)

    def _is_ours(self, path: Path, entry: FileEntry) -> bool:
        """Return whether what lies where an entry will go is its twin or an earlier try."""
        if not path.is_file():  # a folder, a pipe, a dangling link
            return False
        with explained(path):
            found = sha256_file(path)
        return found == entry.sha256 or self.ledger.has_published(entry.file, found)

    def _write_record(self, record: Record) -> None:
        path = self.root / record.file
        write_atomic(path, record.encode(), disk=self._disk)
        if not self.is_finished(record, rehash=True):
            remove(path, disk=self._disk)
            raise OutputError(f"{path.with_suffix('')}: another run is publishing the same pair")
        with self._guard:
            if self._places is not None:
                self._note_place(record.stem, record.file)


def _inspect(picture: bytes) -> tuple[str, int, int]:
    """Return a picture's ending, width and height, having checked what its format can check."""
    try:
        with Image.open(BytesIO(picture), formats=tuple(_ENDINGS)) as image:
            image.verify()
            return _ENDINGS[str(image.format)], image.width, image.height
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f"the painted picture cannot be read back: {error}") from error
