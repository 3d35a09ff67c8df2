"""A small sound manifest, and pictures that lie nowhere."""

from __future__ import annotations

import hashlib

import pytest

from manifests.planning import expand
from manifests.reader import parse

TEXT = """\
collection: show
output: out
content_sets:
  faces: {images: [faces/], subject: faces, credit: our own}
  houses: [houses/*.jpg]
style_sets:
  monet: {movement: Impressionism, images: [monet/*.jpg]}
  water:
    material: Watercolor
    blend: true
    images: [{image: homer.jpg, weight: 3, credit: Homer}, cross.jpg]
recipes:
  evening: {size: 256}
  texture: {init: noise, terms: [{kind: gram, layer: relu1_1}]}
pairings:
  - {content: [faces, houses], style: [monet, water], recipe: evening}
"""

FILES = {
    "/shows/faces/": ["/shows/faces/ann.jpg", "/shows/faces/bob.jpg"],
    "/shows/houses/*.jpg": ["/shows/houses/gable.jpg"],
    "/shows/monet/*.jpg": ["/shows/monet/lilies.jpg", "/shows/monet/poplars.jpg"],
    "/shows/homer.jpg": ["/shows/homer.jpg"],
    "/shows/cross.jpg": ["/shows/cross.jpg"],
    "/shows/faces/ann.jpg": ["/shows/faces/ann.jpg"],
}


class Digests(dict):
    """SHA-256 of the bytes at any location: of its name, as long as nobody edits them."""

    def __missing__(self, location):
        return hashlib.sha256(location.encode()).hexdigest()


class Shows:
    """A manifest and the files it speaks of."""

    text = TEXT
    files = FILES

    def manifest(self, *changes):
        """Return the manifest with texts in it replaced."""
        text = self.text
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return parse(text, name="m.yaml", folder="/shows")

    def find(self, pattern):
        return self.files.get(pattern, [])

    def pairs(self, *changes, on_warning=lambda _: None):
        return expand(self.manifest(*changes), self.find, on_warning=on_warning)


@pytest.fixture
def shows():
    return Shows()


@pytest.fixture
def digests():
    return Digests()
