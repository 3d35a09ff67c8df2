"""The files of a pair that travel: to the machine that paints it, and back.

Wherever a pair is painted, its files lie in two folders: ``painting``, where the finished files
wait and the intermediate pictures gather, and ``checkpoints``. Whatever the painter keeps in them
also lies where the next one finds it, should this machine be lost: `Mirror` tells what is new, and
it goes to the machine that asked, or into a bucket (`Keep`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tasks.durable import remove, write_atomic
from tasks.locations import join
from tasks.storage_errors import InputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tasks.fetching import Fetched
    from tasks.render import FetchedMask, FetchedStyle, PaintJob
    from tasks.store import Store

    # ``painting/frame_000010.webp`` and the like.
    Name = str
    Places = Mapping[str, Path]

_log = logging.getLogger(__name__)


def pictures(job: PaintJob) -> list[Fetched]:
    """Return the pictures that a pair reads, masks included."""
    read = [job.content, job.start, *(style.source for style in job.styles)]
    masks = [*(mask for _, mask in job.regions), *(style.mask for style in job.styles)]
    return [picture for picture in (*read, *(mask.source for mask in masks if mask)) if picture]


def places(job: PaintJob) -> dict[str, Path]:
    """Return a pair's two folders by name."""
    return {"painting": job.folder, "checkpoints": job.checkpoints / job.pair_id}


def path_of(found: Places, name: Name) -> Path:
    """Return where a file of a pair lies.

    Args:
        found: The pair's folders; see `places`.
        name: Of one of their files, such as ``painting/frame_000010.webp``.

    Raises:
        ValueError: The name leads out of its folder.
    """
    place, _, file = name.partition("/")
    if "/" in file or file.startswith("."):
        raise ValueError(f"{name!r} is no file of a pair")
    return found[place] / file


def put(found: Places, name: Name, data: bytes) -> None:
    """Write a file of a pair.

    Raises:
        OutputError: It cannot be written.
    """
    write_atomic(path_of(found, name), data)


def drop(found: Places, name: Name) -> None:
    """Remove a file of a pair; fine if there is none.

    Raises:
        OutputError: It cannot be removed.
    """
    remove(path_of(found, name))


def contents(found: Places) -> Iterator[tuple[Name, bytes]]:
    """Yield the files of a pair; those that vanish meanwhile are passed over."""
    for name, path in _files(found):
        try:
            yield name, path.read_bytes()
        except FileNotFoundError:
            continue


def moved(job: PaintJob, *, root: Path, inputs: Path) -> PaintJob:
    """Return the same job on another machine.

    Args:
        job: As the machine that asked knows it.
        root: The pair's folder there.
        inputs: Where its pictures lie there; see `input_path`.
    """

    def here(source: Fetched) -> Fetched:
        return replace(source, path=input_path(inputs, source))

    def mask_here(mask: FetchedMask) -> FetchedMask:
        return replace(mask, source=here(mask.source))

    def style_here(style: FetchedStyle) -> FetchedStyle:
        mask = style.mask and mask_here(style.mask)
        return replace(style, source=here(style.source), mask=mask)

    return replace(
        job,
        content=job.content and here(job.content),
        start=job.start and here(job.start),
        styles=tuple(map(style_here, job.styles)),
        regions=tuple((name, mask_here(mask)) for name, mask in job.regions),
        folder=root / "painting",
        checkpoints=root / "checkpoints",
    )


def input_path(inputs: Path, source: Fetched) -> Path:
    """Return where a picture lies on another machine: by its content, under its name."""
    return inputs / source.sha256 / source.path.name


class Mirror:
    """Tells what has changed among a pair's files since it was last asked.

    Args:
        found: The pair's folders.
    """

    def __init__(self, found: Places) -> None:
        self._places = found
        self._seen = self._look()

    def changes(self) -> tuple[list[tuple[Name, bytes]], list[Name]]:
        """Return the files that are new or different, and the names of those that are gone."""
        now = self._look()
        fresh = []
        for name in [name for name, what in now.items() if self._seen.get(name) != what]:
            try:
                fresh.append((name, path_of(self._places, name).read_bytes()))
            except FileNotFoundError:
                del now[name]
        gone = [name for name in self._seen if name not in now]
        self._seen = now
        return fresh, gone

    def _look(self) -> dict[Name, tuple[int, int, int]]:
        found = {}
        for name, path in _files(self._places):
            try:
                about = path.stat()
            except FileNotFoundError:
                continue
            found[name] = (about.st_ino, about.st_mtime_ns, about.st_size)
        return found


@dataclass(frozen=True)
class Keep:
    """A place in a bucket where pairs that are being painted keep their files.

    A bucket that does not answer costs only the safety of the pair, so it is reported in the log
    and nowhere else.

    Args:
        store: The bucket.
        location: ``s3://bucket/prefix``; each pair has a folder below.
    """

    store: Store
    location: str

    def fetch(self, pair_id: str) -> list[tuple[Name, bytes]]:
        """Return what is kept of a pair."""
        root = self._root(pair_id)
        try:
            names = [entry.location for entry in self.store.listing(root)]
            return [(name.removeprefix(root), self.store.read(name)) for name in names]
        except (StorageError, InputError) as error:
            _log.warning("nothing is taken from %s: %s", root, error)
            return []

    def put(self, pair_id: str, name: Name, data: bytes) -> None:
        """Keep a file of a pair."""
        try:
            self.store.write(self._root(pair_id) + name, data)
        except StorageError as error:
            _log.warning("%s is not kept for other machines: %s", name, error)

    def drop(self, pair_id: str, names: Iterable[Name]) -> None:
        """Remove files of a pair."""
        try:
            for name in names:
                self.store.delete(self._root(pair_id) + name)
        except StorageError as error:
            _log.warning("%s is left in the bucket: %s", self._root(pair_id), error)

    def clear(self, pair_id: str) -> None:
        """Remove all that is kept of a pair."""
        root = self._root(pair_id)
        try:
            names = [entry.location.removeprefix(root) for entry in self.store.listing(root)]
        except StorageError as error:
            _log.warning("%s is left in the bucket: %s", root, error)
        else:
            self.drop(pair_id, names)

    def pairs(self) -> set[str]:
        """Return the pairs of which something is kept.

        Raises:
            StorageError: The bucket does not tell.
        """
        root = join(self.location, "")
        entries = self.store.listing(root)
        return {entry.location.removeprefix(root).partition("/")[0] for entry in entries}

    def _root(self, pair_id: str) -> str:
        return join(self.location, pair_id) + "/"


def _files(found: Places) -> Iterator[tuple[Name, Path]]:
    for place, folder in found.items():
        try:
            paths = sorted(folder.iterdir())
        except FileNotFoundError:
            continue
        for path in paths:
            if not path.name.startswith(".") and path.is_file():  # those are being written
                yield f"{place}/{path.name}", path
