"""Painted pairs as a painter hands them over, small enough to publish by the hundred."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from manifests.picture_sources import StyleSource
from tasks.failures import Failure
from tasks.records import Objective, Painting


class Painted(NamedTuple):
    """What `Output.publish` takes."""

    painting: Painting
    picture: bytes
    losses: bytes
    extras: dict[str, bytes]

    def publish(self, output):
        """Publish this pair."""
        return output.publish(
            self.painting, picture=self.picture, losses=self.losses, extras=self.extras
        )

    def failed(self, error, **changes):
        """Return the failure this pair would be, had an error ended it."""
        names = set(Failure.model_fields) & set(Painting.model_fields) - {"styles"}
        fields = {name: getattr(self.painting, name) for name in names}
        styles = tuple(style.location for style in self.painting.styles)
        return Failure.of(error, **fields | {"styles": styles, "stage": "render"} | changes)


def painted(number=0, *, seconds=1.0, **changes):
    """Return pair ``number``, painted; the seconds it took also stand in its loss log."""
    pair_id = sha256(b"pair %d" % number).hexdigest()
    fields = {
        "collection": "spring",
        "stem": f"photo-{number}--monet--evening--{pair_id[:10]}",
        "pair_id": pair_id,
        "content_name": f"photo-{number}",
        "style_name": "monet",
        "recipe_name": "evening",
        "content": f"/photos/{number}.jpg",
        "content_sha256": sha256(b"photo %d" % number).hexdigest(),
        "styles": (StyleSource(location="/art/monet.jpg", weight=1.0, sha256="2" * 64),),
        "recipe": {"size": 8, "steps": 2},
        "network": "vgg19",
        "weights_sha256": "3" * 64,
        "algorithm_version": 1,
        "output": {"format": "png", "bits": 8},
        "objective": Objective(first=1.5, last=0.1, terms={"style": 0.1}),
        "steps": 2,
        "seconds": seconds,
    }
    picture = BytesIO()
    Image.new("RGB", (8, 6), (number % 256, 100, 200)).save(picture, "PNG")
    losses = f"step,octave,width,height,seconds,total\n1,0,8,6,{seconds},{number}\n".encode()
    extras = {"frames.webp": b"frames of pair %d" % number}
    return Painted(Painting(**fields | changes), picture.getvalue(), losses, extras)
