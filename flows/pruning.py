"""`nst prune`: pictures that no manifest asks for any more, listed, and removed if that is said.

A record goes first and its files after it, so that wherever a crash falls no record stands without
its picture. What is removed from a folder is moved to ``.work/pruned`` in it.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.forecast import painted
from flows.inputs import Inputs, locations
from flows.last_run import LastRun
from flows.run import resolve_output
from flows.sources import painted_folder, read_manifest
from manifests.comparing import compare, identify
from manifests.locations import is_remote
from manifests.planning import expand
from tasks.gallery import build
from tasks.lease import Lease
from tasks.locations import join
from tasks.lock import hold
from tasks.output import Output
from tasks.patience import Patience
from tasks.prune import finish_pruning, prune
from tasks.settings import Settings
from tasks.staging import local_folder, remote_records, restore
from tasks.storage import find, store_for
from tasks.upload import GRACE, Spool

if TYPE_CHECKING:
    from pathlib import Path

    from manifests.schema import Manifest
    from tasks.records import Record


@dataclass(frozen=True)
class Orphans:
    """Finished pairs of an output that its manifest does not ask for.

    Args:
        target: The output: a folder or ``s3://bucket/prefix``.
        root: The output's folder on this machine.
        records: Theirs; in the bucket, in the folder, or in both.
    """

    target: str
    root: Path
    records: tuple[Record, ...]

    def as_json(self) -> list[dict[str, Any]]:
        """Return them as plain values."""
        return [
            {
                "pair_id": record.pair_id,
                "record": record.file,
                "picture": record.files["picture"].file,
                "content": record.content_name,
                "style": record.style_name,
                "recipe": record.recipe_name,
                "bytes": sum(entry.bytes for entry in record.files.values()),
            }
            for record in self.records
        ]

    def remove(self) -> None:
        """Remove them, from the bucket first; a bucket's are deleted, a folder's are moved aside.

        The gallery page, where there is one, then shows what is left.

        Raises:
            OutputLockedError: A run is painting into the output.
            OutputError: Some may still be there; the same again continues.
            StorageError: The same of the bucket.
        """
        output = Output(self.root)
        with ExitStack() as stack:
            stack.enter_context(hold(output.work, manifest="nst prune"))
            if is_remote(self.target):
                store = store_for(self.target)
                stack.enter_context(
                    Lease(store, self.target, work=output.work, manifest="nst prune")
                )
                for record in self.records:
                    names = [record.file, *(entry.file for entry in record.in_order)]
                    for name in names:
                        store.delete(join(self.target, name))
            finish_pruning(output)
            for record in self.records:
                prune(output, record)
            if (self.root / "index.html").is_file():
                if is_remote(self.target):
                    restore(output, store, self.target)  # what others have painted is shown, too
                build(self.root)
                if is_remote(self.target):
                    patience = Patience.lasting(GRACE)
                    spool = Spool(output, store, self.target, patience=patience)
                    spool.publish_pages(reports=False)


def orphans(given: str) -> Orphans:
    """Return what nobody asks for any more in an output.

    Args:
        given: The output, a folder or ``s3://bucket/prefix``; or a manifest.

    Raises:
        ManifestError: The manifest is wrong, or finds no pictures.
        NSTError: A picture that it names cannot be read, so that what belongs to it is not known.
    """
    settings = Settings.from_environment()
    manifest, target = _asked(given)
    pairs = expand(manifest, find, output=target)
    inputs = Inputs.of(pairs, settings)
    for location in locations(pairs):
        inputs.require(location)
    root = local_folder(target, settings.scratch)
    found = {record.pair_id: record for record in painted(str(root), manifest.collection, settings)}
    if is_remote(target):
        there = remote_records(store_for(target, settings), target)
        found |= {one.pair_id: one for one in there if one.collection == manifest.collection}
    digests = inputs.digests()
    plan = compare(identify(pairs, digests), found.values(), digests)
    return Orphans(target, root, tuple(found[one.pair_id] for one in plan.orphaned))


def _asked(given: str) -> tuple[Manifest, str]:
    """Return a manifest and its output, whichever of both was given."""
    if given.endswith((".yaml", ".yml", ".json")):
        manifest = read_manifest(given)
        return manifest, resolve_output(manifest, None)
    root = painted_folder(given)
    last = LastRun.of(root, remedy="say 'nst prune MANIFEST' instead")
    return read_manifest(last.manifest, overrides=last.overrides), last.output
