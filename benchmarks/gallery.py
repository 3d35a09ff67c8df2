"""How light the gallery page is: bytes, time until it can be used, time to build it.

    python benchmarks/gallery.py [--pictures 24 500 2000]

Made-up pictures of 1024 × 768 are published as a night publishes them, in as many contents and
styles as make a square grid; the page is built cold (every small copy is made) and warm, and then
opened in Chromium from a plain web server on this machine. "Usable" is when the script has hung the
wall and the browser's main thread is free again; times are the middle of several visits.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import shutil
import tempfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from manifests.picture_sources import StyleSource
from nst_core.presets import preset
from tasks.gallery import build
from tasks.output import Output
from tasks.records import Objective, Painting

SIZE = (1024, 768)
VISITS = 5
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

# What a visitor waits for: the wall is hung, and the main thread has had a free moment.
USABLE = """() => new Promise((done) => {
  const told = () => requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0));
  const look = () => (document.documentElement.dataset.ready ? told() : setTimeout(look, 1));
  look();
})"""
# How long the page takes over what visitors do: a view, a filter, a picture.
ACT = """(hash) => new Promise((done) => {
  const began = performance.now();
  location.hash = hash;
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - began), 0));
})"""


def painting(number: int) -> bytes:
    """Return a picture with soft forms and grain, so that it is as heavy as a painted one."""
    random = np.random.default_rng(number)
    small = Image.fromarray(random.integers(0, 255, (9, 12, 3), dtype=np.uint8))
    forms = np.asarray(small.resize(SIZE, Image.Resampling.BICUBIC), dtype=np.int16)
    grain = random.normal(0, 14, (SIZE[1], SIZE[0], 1)).astype(np.int16)
    data = BytesIO()
    Image.fromarray((forms + grain).clip(0, 255).astype(np.uint8)).save(data, "JPEG", quality=92)
    return data.getvalue()


def losses() -> bytes:
    """Return a loss log as the gallery preset leaves it: 13 rows of 8 terms."""
    terms = ["content", *(f"wasserstein-relu{n}_1" for n in range(1, 6)), "tv", "gamut"]
    rows = [",".join(["step,octave,width,height,seconds,total", *terms])]
    for step in range(1, 131, 10):
        values = [f"{math.exp(-step / 30) * (1 + place):.6g}" for place in range(9)]
        rows.append(f"{step},{1 + step // 50},1024,768,{step / 2},{','.join(values)}")
    return ("\n".join(rows) + "\n").encode()


def publish(root: Path, count: int) -> None:
    """Publish that many pairs, with their originals beside the output."""
    output = Output(root)
    side = math.ceil(math.sqrt(count))
    originals = []
    for number in range(2 * side):
        data = painting(10_000 + number)
        path = root.parent / "originals" / f"picture_{number:03d}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        originals.append((path, hashlib.sha256(data).hexdigest()))
    recipe, log = preset("gallery").recipe.parameters(), losses()
    for number in range(count):
        content, style = originals[number % side], originals[side + number // side]
        pair_id = hashlib.sha256(b"%d" % number).hexdigest()
        names = content[0].stem, style[0].stem
        output.publish(
            Painting(
                collection="bench",
                stem=f"{'--'.join(names)}--evening--{pair_id[:10]}".replace("_", "-"),
                pair_id=pair_id,
                content_name=names[0],
                style_name=names[1],
                recipe_name="evening",
                content=str(content[0]),
                content_sha256=content[1],
                styles=(StyleSource(location=str(style[0]), weight=1.0, sha256=style[1]),),
                recipe=recipe,
                network="vgg19-normalized",
                weights_sha256="3" * 64,
                algorithm_version=1,
                output={"format": "jpeg", "bits": 8, "quality": 92},
                labels={"subject": f"subject {number % 7}", "movement": f"movement {number % 9}"},
                credits=(f"A painter of picture {number // side}",),
                objective=Objective(first=1.0, last=0.1 + number % 10 / 100),
                steps=130,
                seconds=60.0,
            ),
            picture=painting(number),
            losses=log,
        )


def visited(root: Path) -> dict[str, float]:
    """Return what a visitor's browser measures, in milliseconds and bytes."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/index.html"
    found: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for _ in range(VISITS):
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            loaded = [0]

            def add(response: object, loaded: list[int] = loaded) -> None:
                loaded[0] += int(response.headers.get("content-length", 0))

            page.on("response", add)
            page.goto(address, wait_until="commit")
            found.setdefault("usable", []).append(page.evaluate(USABLE))
            page.wait_for_load_state("networkidle")
            found.setdefault("bytes", []).append(loaded[0])
            key = page.evaluate("pictures[Math.floor(pictures.length / 2)].key")
            for name, route in {
                "filter": "#/wall?movement=movement+3",
                "grid": "#/grid",
                "picture": f"#/picture/{key}",
            }.items():
                found.setdefault(name, []).append(page.evaluate(ACT, route))
            page.context.close()
        browser.close()
    server.shutdown()
    return {name: median(values) for name, values in found.items()}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, nargs="+", default=[24, 500, 2000])
    counts = parser.parse_args().pictures
    columns = ("page kB", "build cold s", "build warm s", "first view kB", "usable ms")
    print("| pictures |", " | ".join((*columns, "filter ms", "grid ms", "picture ms")), "|")
    print("|---" * (len(columns) + 4) + "|")
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="nst-gallery-bench-") as folder:
            root = Path(folder) / "out"
            publish(root, count)
            times = []
            for _ in range(2):
                began = time.perf_counter()
                build(root)
                times.append(time.perf_counter() - began)
            page = (root / "index.html").stat().st_size / 1e3
            seen = visited(root)
        cells = [f"{page:.0f}", *(f"{seconds:.1f}" for seconds in times)]
        cells += [f"{seen['bytes'] / 1e3:.0f}"]
        cells += [f"{seen[name]:.0f}" for name in ("usable", "filter", "grid", "picture")]
        print(f"| {count} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
