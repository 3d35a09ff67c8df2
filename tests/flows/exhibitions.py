"""A toy collection whose output is a bucket."""

from __future__ import annotations

from contextlib import contextmanager

from flows import threads
from flows.uploading import Uploading
from tasks.staging import staging_folder
from tasks.storage import store_for
from tests.flows.toy_collection import ToyCollection


class Exhibition:
    """A toy collection whose output is a bucket, on one machine.

    Args:
        collection: The collection.
        target: ``s3://bucket/prefix``.
    """

    def __init__(self, collection, target):
        self.collection = collection
        self.target = target
        self.scratch = collection.folder / "scratch"
        self.root = collection.output = staging_folder(target, self.scratch)

    @contextmanager
    def night(self, **options):
        """Open a night, with its way to the bucket."""
        with (
            self.collection.night(**options) as night,
            Uploading(night, self.target, source="toy.yaml") as uploading,
        ):
            yield night, uploading

    def paint(self, **options):
        """Go through a night; return the states of its pairs, and what came of the uploads."""
        with self.night(**options) as (night, uploading):
            threads.paint(night)
            drained = uploading.finish()
            return {o.planned.pair.content_name: o.state for o in night.outcomes}, drained

    def objects(self):
        """Return the pairs' objects in the bucket, with their bytes."""
        store = store_for(self.target)
        return {
            info.location.removeprefix(f"{self.target}/"): store.read(info.location)
            for info in store.listing(f"{self.target}/toy/")
        }

    def files(self):
        """Return the pairs' files on this machine, with their bytes."""
        return {f"toy/{path.name}": path.read_bytes() for path in self.root.glob("toy/*")}


def puts(line):
    """Return the names of the pairs' objects that were put, in order."""
    paths = [seen.path for seen in line.seen if seen.method == "PUT" and "/toy/" in seen.path]
    return [path.rpartition("/")[2] for path in paths]


def another_machine(exhibition, folder):
    """Return the same collection on a machine that has painted nothing."""
    collection = ToyCollection(folder)
    return Exhibition(collection, exhibition.target)
