"""An output that goes to a bucket: its folder on this machine, and what is finished there.

`tasks.upload` brings pairs from the folder to the bucket.
"""

from __future__ import annotations

import hashlib
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from manifests.locations import is_remote
from tasks.durable import write_atomic
from tasks.locations import S3Location, join
from tasks.patience import Patience, insist
from tasks.records import Record
from tasks.sealed import RecordError
from tasks.storage_errors import InputError

if TYPE_CHECKING:
    from tasks.output import Output
    from tasks.store import Store

_log = logging.getLogger(__name__)

_RECORD = re.compile(r"(?!failed/)[^./][^/]*/[^/]+--[^/]+\.json")


def local_folder(target: str, scratch: Path) -> Path:
    """Return an output's folder on this machine: the output itself, or see :func:`staging_folder`.

    Args:
        target: An absolute folder or ``s3://bucket/prefix``.
        scratch: See `Settings.scratch`.
    """
    return staging_folder(target, scratch) if is_remote(target) else Path(target)


def staging_folder(target: str, scratch: Path) -> Path:
    """Return the local folder of an output that goes to a bucket.

    It is the same one every night, so that the next run continues where the last one ended.

    Args:
        target: ``s3://bucket/prefix``.
        scratch: See `Settings.scratch`.
    """
    place = S3Location.parse(target.rstrip("/"))
    slug = re.sub(r"[^a-z0-9]+", "-", f"{place.bucket}-{place.key}".lower()).strip("-")[:60]
    digest = hashlib.sha256(str(place).encode()).hexdigest()[:10]
    return scratch / "outputs" / f"{slug}-{digest}"


def remote_records(store: Store, target: str) -> list[Record]:
    """Return the records of the pairs that are finished in the bucket.

    Args:
        store: The bucket's store.
        target: ``s3://bucket/prefix``, the output's place there.

    Returns:
        Those that can be read and whose files are all there with the size they name.

    Raises:
        NewerRecordError: If a later version of this product wrote there.
        StorageError: If the bucket cannot be read.
    """
    root = f"{target.rstrip('/')}/"
    sizes = {info.location.removeprefix(root): info.bytes for info in store.listing(root)}
    names = [name for name in sizes if _RECORD.fullmatch(name)]

    def read(name: str) -> Record | None:
        try:
            record = Record.decode(store.read(root + name), name=root + name)
        except (RecordError, InputError) as error:
            _log.warning("%s does not count: %s", root + name, error)
            return None
        whole = all(sizes.get(file.file) == file.bytes for file in record.files.values())
        return record if whole and record.file == name else None

    with ThreadPoolExecutor(max_workers=8) as pool:
        return [record for record in pool.map(read, names) if record]


def restore(output: Output, store: Store, target: str) -> None:
    """Bring finished pairs back that are in the bucket and not here.

    So a night continues on another machine, or after the local folder is gone, without painting
    anything twice.

    Args:
        output: The local folder, whose lock the caller holds.
        store: The bucket's store.
        target: ``s3://bucket/prefix``, the output's place there.

    Raises:
        StorageError: The bucket cannot be read.
        OutputError: The folder cannot be written.
    """
    patience = Patience.lasting(600.0)
    known = {record.pair_id for record in output.records()}
    missing = [
        record
        for record in insist(lambda: remote_records(store, target), store, patience)
        if record.pair_id not in known
    ]
    for record in missing:
        entries = {entry.file: entry for entry in record.files.values()}
        for name in (*entries, record.file):
            location = join(target, name)
            data = insist(partial(store.read, location), store, patience)
            if name in entries and not entries[name].holds(data):
                _log.warning("%s is damaged in the bucket; its pair is painted again", location)
                break
            write_atomic(output.root / name, data)
