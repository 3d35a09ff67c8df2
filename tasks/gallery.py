"""The page to walk through in the morning: OUT/index.html, from the records alone.

The page is static and complete: it asks no other host for anything and works from a folder, any
web server or a bucket. Its script and style lie in OUT/assets under the hash of what they hold, so
that a page, old or new, never meets the script of another. Data reaches the page in two ways only:
as text that Jinja escapes, and as one block of JSON that the script reads and writes out as text.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from tasks.catalogue import Catalogue, titled
from tasks.durable import write_atomic
from tasks.output import Output
from tasks.sealed import PRODUCT_VERSION, now
from tasks.thumbnails import FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jinja2 import Template

_SCRIPTS = (
    "data.js",
    "picks.js",
    "routes.js",
    "wall.js",
    "grid.js",
    "curves.js",
    "stage.js",
    "recipe.js",
    "picture.js",
    "main.js",
)
_FONTS = {
    "normal": "eb-garamond-latin-wght-normal.woff2",
    "italic": "eb-garamond-latin-wght-italic.woff2",
}


def build(out: Path) -> Path:
    """Write the gallery page of an output and return its path; the old page stays until then.

    Args:
        out: The output's folder, of one collection or several.

    Raises:
        NewerRecordError: A record was written by a later version of this product.
        OutputError: The page, or a picture's small copies, could not be written.
    """
    output = Output(out)
    catalogue = Catalogue(out, list(output.records()), output.failures())
    assets = {
        "script": _asset(out, "\n".join(["'use strict';", *map(_template, _SCRIPTS)]), "js"),
        "style": _asset(out, _fonts() + _template("page.css"), "css"),
        "icon": _asset(out, _template("icon.svg"), "svg"),
    }
    write_atomic(out / "index.html", rendered(catalogue, assets).encode())
    return out / "index.html"


def rendered(catalogue: Catalogue, assets: Mapping[str, str]) -> str:
    """Return the page as HTML.

    Args:
        catalogue: What it shows.
        assets: Addresses of its ``script``, ``style`` and ``icon``.
    """
    return _page().render(
        title=titled(*catalogue.shows),
        titled=titled,
        catalogue=catalogue,
        data=catalogue.data(),
        counts=catalogue.counts(),
        built=now(),
        version=PRODUCT_VERSION,
        **assets,
    )


@cache
def _page() -> Template:
    environment = Environment(
        loader=PackageLoader("tasks"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    return environment.get_template("page.html")


def _template(name: str) -> str:
    return (files("tasks") / "templates" / name).read_text("utf-8")


def _asset(out: Path, text: str, ending: str) -> str:
    """Write a file of the page under its hash, once, and return its address."""
    data = text.encode()
    path = out / FOLDER / f"gallery-{hashlib.sha256(data).hexdigest()[:16]}.{ending}"
    if not path.is_file() or path.read_bytes() != data:
        write_atomic(path, data)
    return f"./{FOLDER}/{path.name}"


def _fonts() -> str:
    """Return the typeface as CSS; inside it, because browsers fetch no fonts for file pages."""
    faces = ""
    for style, name in _FONTS.items():
        data = (files("tasks") / "templates" / "vendor" / name).read_bytes()
        faces += (
            f'@font-face{{font-family:"EB Garamond";font-style:{style};font-weight:400 800;'
            f"font-display:swap;src:url(data:font/woff2;base64,{base64.b64encode(data).decode()})"
            'format("woff2")}\n'
        )
    return faces
