"""Small collections to paint: made-up pictures, the manifest that pairs them, and its nights."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import yaml
from PIL import Image

from flows import threads
from flows.enlarging import prepared
from flows.observing import Observer
from flows.opening import open_night
from manifests.planning import expand
from manifests.reader import read
from tasks.output import Output
from tasks.settings import Settings
from tasks.storage import find
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

TINY = {"preset": "jcjohnson", "size": 32, "steps": [3], "log_every": 1}


def draw(path, *, size=(48, 36)):
    """Draw stripes on a gradient; the picture is the same whenever its name is."""
    seed = hashlib.sha256(path.stem.encode()).digest()
    image = Image.new("RGB", size)
    for x in range(size[0]):
        for y in range(size[1]):
            stripe = 40 * ((x * seed[6] + y * seed[7]) // 512 % 2)
            color = (seed[band] + x * seed[band + 3] // 64 + stripe for band in range(3))
            image.putpixel((x, y), tuple(value % 256 for value in color))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def states(outcomes):
    """Return the outcomes' states by content."""
    return {name: outcome.state for name, outcome in outcomes.items()}


class Guest(Observer):
    """Sees a night, and remembers.

    Attributes:
        night: Once it is planned.
        events: (content, event) in order.
        ended: Outcomes in order.
    """

    def __init__(self):
        self.night = None
        self.events = []
        self.ended_ = []

    def opened(self, night):
        """Remember the night."""
        self.night = night

    def event(self, planned, event):
        """Remember an event."""
        self.events.append((planned.pair.content_name, event))

    def ended(self, outcome):
        """Remember an outcome."""
        self.ended_.append(outcome)


class ToyCollection:
    """A folder with pictures, the manifest that pairs them, and nights that paint it.

    Args:
        folder: Where; the output is ``out`` in it.
        contents: Names of the content pictures; a name may say how the toy painter fails at it.
        styles: Names of the style pictures.
        recipe: Fields besides those of ``TINY``, or in their place.
    """

    def __init__(self, folder: Path, *, contents=("cat", "dog"), styles=("monet",), **recipe):
        self._at(folder)
        for name in contents:
            draw(self.content(name))
        for name in styles:
            draw(folder / "paintings" / f"{name}.png")
        self.write(recipes={"tiny": TINY | recipe})

    def _at(self, folder):
        self.folder = folder
        self.path = folder / "toy.yaml"
        self.output = folder / "out"

    @classmethod
    def found(cls, folder):
        """Return the collection that is in a folder already."""
        collection = cls.__new__(cls)
        collection._at(folder)
        return collection

    def copied(self, folder):
        """Return a copy of everything in another folder, the output included."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return ToyCollection.found(folder)

    def content(self, name):
        """Return the path of a content picture."""
        return self.folder / "photos" / f"{name}.png"

    def write(self, **sections):
        """Write the manifest, with other sections where they are given."""
        usual = {
            "collection": "toy",
            "output": "out",
            "content_sets": {"photos": ["photos/*.png"]},
            "style_sets": {"paintings": {"material": "Hashes", "images": ["paintings/*.png"]}},
            "recipes": {"tiny": TINY},
            "pairings": [{"content": "photos", "style": "paintings", "recipe": "tiny"}],
        }
        self.path.write_text(yaml.safe_dump(usual | sections))

    def await_tarrying(self):
        """Return once a pair whose content tarries is in its second step."""
        until(lambda: list(self.output.glob(".work/painting/*/mark")))

    def release(self):
        """Let the pairs that tarry go on."""
        for mark in self.output.glob(".work/painting/*/mark"):
            mark.with_name("go").touch()

    @contextmanager
    def night(self, *, guest=None, root=None, slots=1, prints=None, engine=None, **options):
        """Open a night of the manifest as it is now, with the toy painter in the slots.

        ``prints``, if given, is an order of prints, which then are painted instead; ``engine`` are
        settings that say who lends the slots.
        """
        manifest = read(self.path)
        manifest, pairs = prepared(prints) if prints else (manifest, expand(manifest, find))
        with open_night(
            manifest,
            pairs,
            root=root or self.output,
            settings=Settings(
                device="cpu",
                slots=slots,
                torch_threads=1,
                scratch=self.folder / "scratch",
                **(engine or {}),
            ),
            observer=guest or Guest(),
            source=str(self.path),
            painter="tests.flows.toy_painter:main",
            **options,
        ) as night:
            yield night

    def paint(self, **options):
        """Go through a night without Prefect; return its outcomes by content."""
        with self.night(**options) as night:
            threads.paint(night)
            return {outcome.planned.pair.content_name: outcome for outcome in night.outcomes}

    def record(self, outcome):
        """Return the whole record of a pair that was painted."""
        found = Output(self.output).record_of(outcome.planned.pair_id)
        assert found is not None
        return found
