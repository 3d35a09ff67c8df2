"""The page in any light, at any width, from a bucket, and with hostile names."""

from __future__ import annotations

import mimetypes
import shutil

import pytest

from tasks.catalogue import Catalogue
from tasks.gallery import rendered
from tests.tasks.gallery_page.visiting import key_of, until, with_frames
from tests.tasks.test_gallery import HOSTILE


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_system_s_lights(visit, scheme):
    """Dark paper in the dark, light paper in the light."""
    page = visit(color_scheme=scheme).go()
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert color == {"light": "rgb(252, 252, 250)", "dark": "rgb(22, 21, 20)"}[scheme]


def test_lights_are_remembered(visit):
    """Who turns the lights low finds them low next time."""
    page = visit().go()
    page.click("#theme")
    page.click("#theme")
    page.reload()
    page.wait_for_selector("html[data-ready]")

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("width", [320, 390, 1600])
def test_no_view_is_wider_than_its_screen(visit, night, width):
    """From a small phone to a desk, nothing scrolls sideways but the grid's own box."""
    tab = visit(viewport={"width": width, "height": 700})

    for route in ("#/wall", "#/grid", "#/picks", with_frames(night)):
        assert tab.go(route).evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_accessible(visit, night, scheme):
    """No rule of axe is broken on the wall, its filters, the grid, the picks, or at a picture."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="needs axe-playwright-python")
    page = visit(color_scheme=scheme, bypass_csp=True).go()
    page.locator(".work .star").first.click()
    page.click("#more")
    page.add_script_tag(path=axe.AXE_FILE_PATH)

    for route in ("#/wall", "#/grid", "#/picks", with_frames(night)):
        page.evaluate("hash => { location.hash = hash; }", route)
        page.wait_for_timeout(50)
        found = page.evaluate("axe.run({preload: false})")["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_the_page_works_from_a_bucket(visit, night, s3_client, s3_server):
    """Put into a bucket as it is, the page works from there."""
    s3_client.create_bucket(Bucket="gallery", ACL="public-read")
    for path in night.root.rglob("*"):
        name = path.relative_to(night.root).as_posix()
        if path.is_file() and not name.startswith(".work"):
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            s3_client.put_object(
                Bucket="gallery",
                Key=f"show/{name}",
                Body=path.read_bytes(),
                ContentType=kind,
                ACL="public-read",
            )

    page = visit(f"{s3_server}/gallery/show/index.html").go(key_of(night))

    until(page, "document.querySelector('.easel img').naturalWidth > 0")
    assert page.locator("svg.chart").count() == 1


def test_500_hostile_names_cannot_script(visit, night, tmp_path):
    """In every view of a page of hostile names no script runs, and each name is shown as it is."""
    shutil.copytree(night.root, tmp_path / "out")
    record, failure = next(night.records()), night.failures()[0]
    names = [f"{HOSTILE[n % len(HOSTILE)]} {n}".replace("alert(1)", "hacked=1") for n in range(500)]
    records = [
        record.model_copy(
            update={
                "stem": f"hostile-{n}--{record.pair_id[:10]}",
                "content_name": names[5 * n],
                "style_name": names[5 * n + 1],
                "labels": {"movement": names[5 * n + 2], "subject": "x"},
                "credits": (names[5 * n + 3],),
                "recipe_name": names[5 * n + 4],
            }
        )
        for n in range(99)
    ]
    failed = failure.model_copy(
        update=dict(
            zip(
                ("content_name", "style_name", "message", "remedy", "code"),
                names[495:],
                strict=True,
            )
        )
    )
    catalogue = Catalogue(tmp_path / "out", records, [failed])
    endings = {"script": "js", "style": "css", "icon": "svg"}
    assets = {
        name: f"./assets/{next((tmp_path / 'out' / 'assets').glob(f'gallery-*.{ending}')).name}"
        for name, ending in endings.items()
    }
    html = rendered(catalogue, assets)
    (tmp_path / "out" / "index.html").write_text(html, "utf-8")
    tab = visit((tmp_path / "out" / "index.html").as_uri())

    for route in ("#/wall", "#/grid", f"#/picture/spring-show/{records[7].stem}", "#/picks"):
        page = tab.go(route)
        page.keyboard.press("s")
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.scripts.length") == 2
    page = tab.go()
    titles = page.locator(".work .title").all_text_contents()
    # HTML has no way to write the character 0.
    assert set(titles) == {record.content_name.replace("\x00", "") for record in records}
