"""Pictures of a gallery for the README: wall, grid and a picture's page; light, dark and phone.

    python benchmarks/screenshots.py out/quickstart [--to docs] [--picture STEM]

Any output will do; the page is opened as it lies there, in Chromium, from its file.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# One hash of the page's address for each view; {key} is the picture that is shown.
VIEWS = {"wall": "#/wall", "grid": "#/grid", "picture": "#/picture/{key}"}
QUALITY = 76


@dataclass(frozen=True)
class Shot:
    """One picture for the README.

    Args:
        view: A key of `VIEWS`.
        scheme: ``light`` or ``dark``.
        size: (width, height) of the window in CSS pixels; phones have twice as many dots.
    """

    view: str
    scheme: str
    size: tuple[int, int] = (1280, 860)

    @property
    def is_phone(self) -> bool:
        """Whether the window is a phone's."""
        return self.size[0] < 500  # noqa: PLR2004

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"gallery-{self.view}-{'phone' if self.is_phone else self.scheme}.webp"


SHOTS = (
    *(Shot(view, scheme) for view in VIEWS for scheme in ("light", "dark")),
    *(Shot(view, "light", (390, 844)) for view in ("wall", "picture")),
)


def take(browser: Browser, address: str, key: str, shot: Shot) -> bytes:
    """Return a view of the page as WebP, once every picture that is in sight is loaded.

    Args:
        browser: To look with.
        address: Of the page.
        key: Of the picture whose page is shown.
        shot: What to take.
    """
    context = browser.new_context(
        viewport={"width": shot.size[0], "height": shot.size[1]},
        color_scheme=shot.scheme,
        device_scale_factor=2 if shot.is_phone else 1,
        has_touch=shot.is_phone,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{address}{VIEWS[shot.view].format(key=key)}")
    page.wait_for_selector("html[data-ready]")
    _await_pictures(page)
    image = Image.open(BytesIO(page.screenshot(animations="disabled")))
    context.close()
    data = BytesIO()
    image.convert("RGB").save(data, "WEBP", quality=QUALITY, method=6)
    return data.getvalue()


def _await_pictures(page: Page) -> None:
    """Wait until every image in the window is decoded."""
    page.evaluate(
        """async () => {
        await document.fonts.ready;
        const isSeen = (image) => {
          const box = image.getBoundingClientRect();
          const isInside = box.bottom > 0 && box.top < innerHeight && box.right > 0;
          return box.width && isInside && box.left < innerWidth;
        };
        await Promise.all([...document.images].filter(isSeen).map((image) => image.decode()));
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    }"""
    )


def chosen_key(page: Path, stem: str | None) -> str:
    """Return the key of the picture to show: that of a stem, or the one in the middle.

    Raises:
        SystemExit: The page has no such picture.
    """
    html = page.read_text("utf-8")
    block = html.partition('<script type="application/json" id="data">')[2].partition("</script>")[
        0
    ]
    pictures = [
        each for each in json.loads(block)["pictures"] if stem is None or stem in each["key"]
    ]
    if not pictures:
        raise SystemExit(f"{page} has no picture{f' called {stem}' if stem else ''}")
    key: str = pictures[len(pictures) // 2]["key"]
    return key


def main() -> None:
    """Take every shot of one gallery."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", type=Path, help="Output folder with its index.html.")
    parser.add_argument("--to", type=Path, default=Path("docs"), help="Where the files go.")
    parser.add_argument("--picture", help="Part of the name of the picture whose page is shown.")
    given = parser.parse_args()
    page = (given.output / "index.html").resolve()
    key = chosen_key(page, given.picture)
    given.to.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for shot in SHOTS:
            path = given.to / shot.name
            path.write_bytes(take(browser, page.as_uri(), key, shot))
            print(f"{path} {path.stat().st_size / 1e3:.0f} kB")
        browser.close()


if __name__ == "__main__":
    main()
