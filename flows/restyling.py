"""`nst restyle`: a new style set in a manifest, and only its pairs painted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.forecast import forecast_pairs
from flows.notifying import notified
from flows.reporting import say_goodbye
from flows.run import command_of, paint_pairs, resolve_output
from flows.sources import absolute, read_text
from manifests.adding import with_style_set
from manifests.locations import is_pattern, is_remote
from manifests.planning import expand
from manifests.reader import parse
from manifests.writing import label_of, said
from nst_core.errors import NSTError
from tasks.durable import write_atomic
from tasks.storage import find, store_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.exit_codes import ExitCode
    from flows.run import RunOptions
    from manifests.pairs import Pair
    from manifests.schema import Manifest


class RestyleError(NSTError):
    """A style set that is not named as it must be."""

    code = "E-RESTYLE"
    kind = "input"


@dataclass(frozen=True)
class Restyled:
    """A manifest with one more style set, not written yet.

    Args:
        source: Where it lies, absolute.
        text: As it will be.
        manifest: The same, read.
        pairs: Those that the new set adds.
    """

    source: str
    text: str
    manifest: Manifest
    pairs: Sequence[Pair]

    def plan(self, options: RunOptions) -> dict[str, Any]:
        """Return what painting the new pairs takes, as plain values; see `nst plan`."""
        return forecast_pairs(self.manifest, self.pairs, options, is_all=False)

    def write(self) -> None:
        """Put the new text in the manifest's place.

        Raises:
            NSTError: It cannot be written; the old one is whole and in place.
        """
        if is_remote(self.source):
            store_for(self.source).write(self.source, self.text.encode())
        else:
            write_atomic(Path(self.source).resolve(), self.text.encode())

    def paint(self, options: RunOptions) -> tuple[ExitCode, dict[str, Any]]:
        """Paint the new pairs; see :func:`flows.run.run`."""
        paint = partial(paint_pairs, self.manifest, self.pairs, source=self.source, options=options)
        code, summary = notified(self.source, paint)
        target = resolve_output(self.manifest, options.output)
        say_goodbye(code, summary, target=target, command=command_of(self.source, options))
        return code, summary


def restyled(
    source: str,
    name: str,
    images: Sequence[str],
    *,
    labels: dict[str, str],
    pairings: Sequence[int] | None = None,
) -> Restyled:
    """Add a style set to a manifest and find out what that adds to paint; nothing is written.

    Args:
        source: The manifest: a path or s3:// address.
        name: Of the set.
        images: Files, folders, patterns or addresses; paths count from the working directory.
        labels: Of the set: movement, material, technique; if none, what its folder is called.
        pairings: Positions of the pairings that get it; by default all that name style sets.

    Raises:
        ManifestError: The set cannot be added, or holds no pictures.
        StorageError: A bucket is not to be had.
    """
    place = absolute(source)
    folder = place.rpartition("/")[0] or "/"
    text = with_style_set(
        read_text(place),
        name,
        [_as_said(image, folder) for image in images],
        name=source,
        labels=labels or _labels_of(images),
        pairings=pairings,
    )
    manifest = parse(text, name=source, folder=folder)
    pairs = [pair for pair in expand(manifest, find) if pair.labels.get("style_set") == name]
    return Restyled(place, text, manifest, pairs)


def chosen(given: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name and the pictures that the command line's ``NAME=PATH`` mean.

    Raises:
        RestyleError: One is written otherwise, or they name several sets.
    """
    pairs = [text.partition("=") for text in given]
    for text, (name, _, path) in zip(given, pairs, strict=True):
        if not (name and path):
            raise RestyleError(f"{text!r} is not like NAME=PATH", remedy="say --style NAME=PATH")
    names = dict.fromkeys(name for name, _, _ in pairs)
    if len(names) > 1:
        raise RestyleError(
            f"{' and '.join(map(repr, names))} are several sets, and one is added at a time",
            remedy="say --style NAME=PATH with one name, and once more for each further path",
        )
    return pairs[0][0], [path for _, _, path in pairs]


def _labels_of(images: Sequence[str]) -> dict[str, str]:
    """Return what the names of folders say of a set, if they all say the same."""
    folders = [
        image if is_remote(image) else str(Path(image).expanduser().absolute()) for image in images
    ]
    said_of = {label_of(folder.rstrip("/")) for folder in folders}
    label = said_of.pop() if len(said_of) == 1 else None
    return dict([label]) if label else {}


def _as_said(image: str, folder: str) -> str:
    """Return pictures that the command line names as the manifest shall name them."""
    if is_remote(image):
        return image
    path = Path(image).expanduser().absolute()
    if is_pattern(image) and not path.exists():
        return str(path)
    return said(str(path), folder, is_folder=path.is_dir())
