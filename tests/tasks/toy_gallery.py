"""A finished night in small: gradients for photos and paintings, published like real ones."""

from __future__ import annotations

import math
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from manifests.picture_sources import StyleSource
from tasks.failures import Failure
from tasks.output import Output
from tasks.records import GrownFrom, Objective, Painting

CONTENTS = ("cat", "harbour", "old books", "turtle")
STYLES = ("The Scream", "Great Wave", "Starry Night", "Cliff Walk", "Woodcut", "La Calanque")
MOVEMENTS = ("Expressionism", "Ukiyo-e", "Expressionism", "Impressionism", "Cubism", "Pointillism")
RECIPE = {"network": "vgg19", "seed": 0, "start": "content", "terms": [{"kind": "tv"}]}


class Toy(NamedTuple):
    """One pair: where its originals lie, and its picture."""

    content: str
    style: str
    picture: bytes


def gradient(seed: int, size=(48, 36)) -> bytes:
    """Return a PNG that differs plainly from that of any other seed."""
    width, height = size
    phase = [math.tau * ((seed * step) % 1) for step in (0.618, 0.414, 0.236)]
    turn = 1 + seed % 5
    pixels = bytes(
        round(127.5 + 127.5 * math.sin(angle + turn * (x / width + (c + 1) * y / height)))
        for y in range(height)
        for x in range(width)
        for c, angle in enumerate(phase)
    )
    data = BytesIO()
    Image.frombytes("RGB", size, pixels).save(data, "PNG")
    return data.getvalue()


def losses(first=4.0, last=0.2, steps=40) -> bytes:
    """Return a loss log of two octaves."""
    rows = ["step,octave,width,height,seconds,total,content,style"]
    for step in range(1, steps + 1):
        total = last + (first - last) * math.exp(-step / 6)
        octave = 1 if step <= steps // 2 else 2
        rows.append(f"{step},{octave},48,36,{step / 10},{total},{total / 4},{total * 3 / 4}")
    return ("\n".join(rows) + "\n").encode()


def originals(folder, names, seed=0):
    """Write an original for each name and return their locations."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for number, name in enumerate(names):
        path = folder / f"{number}.png"
        path.write_bytes(gradient(seed + number))
        found[name] = str(path)
    return found


def pair(number, content, style, *, collection="spring-show", **changes):
    """Return pair ``number`` as a painter hands it over; names and locations may be anything."""
    (content_name, content_place), (style_name, style_place) = content, style
    pair_id = sha256(f"{collection} {number}".encode()).hexdigest()
    fields = {
        "collection": collection,
        "stem": f"content-{number}--style--evening--{pair_id[:10]}",
        "pair_id": pair_id,
        "content_name": content_name,
        "style_name": style_name,
        "recipe_name": "evening",
        "content": content_place,
        "content_sha256": content_place and _sha256(content_place),
        "styles": (StyleSource(location=style_place, weight=1.0, sha256=_sha256(style_place)),),
        "recipe": RECIPE,
        "network": "vgg19",
        "weights_sha256": "3" * 64,
        "algorithm_version": 1,
        "output": {"format": "png", "bits": 8},
        "objective": Objective(first=4.0, last=0.2, terms={"style": 0.2}),
        "steps": 40,
        "seconds": 12.5,
        "environment": {"torch": "2.13", "device": "toy"},
    }
    return Painting(**fields | changes)


def publish(output, painting, seed, *, frames=0, losses=losses()):  # noqa: B008 - bytes
    """Publish a pair with a picture of its own, and return its record."""
    extras = {}
    for number in range(1, frames + 1):
        data = BytesIO()
        Image.open(BytesIO(gradient(seed * 100 + number))).save(data, "WEBP")
        extras[f"frame_{number * 10:06d}.webp"] = data.getvalue()
    if frames:
        extras["frames.webp"] = extras["frame_000010.webp"]
    return output.publish(painting, picture=gradient(seed), losses=losses, extras=extras)


def enlarged(output, record, number, seed):
    """Publish a print of a finished picture, and return its record."""
    fields = {name: getattr(record, name) for name in Painting.model_fields}
    pair_id = sha256(f"print {number}".encode()).hexdigest()
    sha = record.files["picture"].sha256
    changes = {
        "collection": "prints",
        "stem": f"content-{number}--style--evening-print--{pair_id[:10]}",
        "pair_id": pair_id,
        "recipe_name": "evening print",
        "grown_from": GrownFrom(
            collection=record.collection, stem=record.stem, pair_id=record.pair_id, sha256=sha
        ),
    }
    return publish(output, Painting(**fields | changes), seed)


def failed(painting, **changes):
    """Return the failure a pair would be."""
    names = ("collection", "stem", "pair_id", "content_name", "style_name", "recipe_name")
    fields = {name: getattr(painting, name) for name in (*names, "content")}
    return Failure(
        **fields
        | {
            "styles": tuple(style.location for style in painting.styles),
            "stage": "render",
            "kind": "input",
            "code": "E-IMG-TRUNCATED",
            "message": "the end of the file is missing",
            "remedy": "copy the photo again",
            "attempts": 2,
        }
        | changes
    )


def hang(root, *, frames=4, failing=(7,), drafts=(3,), collection="spring-show"):
    """Publish four contents in six styles into ``root``, one of them failed; return the output."""
    output = Output(root)
    contents = originals(root.parent / "photos", CONTENTS)
    styles = originals(root.parent / "art", STYLES, seed=50)
    number = 0
    for content in contents.items():
        for style, movement in zip(styles.items(), MOVEMENTS, strict=True):
            number += 1
            painting = pair(
                number,
                content,
                style,
                collection=collection,
                labels={"subject": content[0], "movement": movement, "style_set": movement},
                credits=(f"{content[0]}: photo by A. Nobody",),
                draft=number in drafts,
                objective=Objective(first=4.0, last=0.2 + number / 100, terms={"style": 0.2}),
                degraded=("short history",) if number == 5 else (),
            )
            if number in failing:
                output.fail(failed(painting))
            else:
                publish(output, painting, 200 + number, frames=frames if number == 1 else 0)
    return output


def _sha256(location: str) -> str:
    """Return the hash of an original; one that is nowhere has any."""
    known = Path(location).is_file() if location.isprintable() else False
    return sha256(Path(location).read_bytes() if known else location.encode()).hexdigest()
