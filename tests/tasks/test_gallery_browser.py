"""The gallery page in a real browser: what a visitor sees, and what a hostile name cannot do."""

from __future__ import annotations

import json
import mimetypes
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from manifests.pairs import Mask, StylePicture
from manifests.picture_sources import MaskSource, RegionSource, StartSource, StyleSource
from manifests.planning import expand
from manifests.reader import parse
from nst_core.octaves import Octaves
from nst_core.presets import preset
from tasks.catalogue import Catalogue
from tasks.gallery import build, rendered
from tasks.picks import chosen, picks
from tasks.prints import PrintSize, print_of
from tests.tasks.test_gallery import HOSTILE
from tests.tasks.toy_gallery import enlarged, hang, pair, publish

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
axe = pytest.importorskip("axe_playwright_python.base", reason="needs axe-playwright-python")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A night of 24 pairs, 23 painted, with its page."""
    output = hang(tmp_path_factory.mktemp("night") / "out")
    build(output.root)
    return output


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all tests."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A visitor's tab, and everything in it that should not happen."""

    def __init__(self, browser: Any, address: str, **context: Any) -> None:
        self.home = address.rpartition("/")[0]
        self.address = address
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | context)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", lambda said: self._said(said.type, said.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", self._asked)
        self.page.on("request", lambda request: self._requested(request.url))

    def go(self, route: str = "#/") -> Any:
        """Open a view and return the page."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}{route}")
        self.page.wait_for_selector("html[data-ready]")
        return self.page

    def _said(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.wrong.append(text)

    def _asked(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _requested(self, url: str) -> None:
        if not url.startswith((self.home, "blob:", "about:")):
            self.foreign.append(url)


@pytest.fixture
def visit(browser, night):
    """Return visits to the night's page; at the end nothing may have gone wrong in any."""
    visits = []

    def opened(address=None, **context):
        visits.append(Visit(browser, address or (night.root / "index.html").as_uri(), **context))
        return visits[-1]

    yield opened
    for each in visits:
        each.context.close()
    assert [each.wrong for each in visits] == [[]] * len(visits)
    assert [each.foreign for each in visits] == [[]] * len(visits)


def until(page, expression, argument=None):
    """Wait until an expression is true; Playwright's own wait needs an eval the policy forbids."""
    for _ in range(200):
        if page.evaluate(expression, argument):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"never: {expression}")


def shown(page):
    """Return the titles on the wall, in order."""
    return page.locator(".work:not([hidden]) .title").all_inner_texts()


def key_of(night, number=0):
    """Return the address of the night's picture of that number."""
    record = list(night.records())[number]
    return f"#/picture/{record.collection}/{record.stem}"


def with_frames(night):
    """Return the address of the picture whose frames were kept."""
    record = next(record for record in night.records() if "frames" in record.files)
    return f"#/picture/{record.collection}/{record.stem}"


def test_the_wall_shows_every_picture(visit):
    """23 pictures hang, the first of them loaded."""
    page = visit().go()

    assert len(shown(page)) == 23
    until(page, "document.querySelector('.work img').naturalWidth > 0")


def test_a_picture_fills_its_column_however_small_it_is(visit):
    """On a phone a column is wider than the small copies of small pictures."""
    page = visit(viewport={"width": 390, "height": 844}).go()

    until(
        page,
        """(() => {
        const work = document.querySelector('.work');
        return Math.abs(work.querySelector('img').clientWidth - work.clientWidth) <= 1;
    })()""",
    )


def test_columns_do_not_overlap(visit):
    """No picture of the wall covers another."""
    boxes = (
        visit()
        .go()
        .evaluate(
            """[...document.querySelectorAll('.work')].map((work) => {
            const box = work.getBoundingClientRect();
            return [box.left, box.top, box.right, box.bottom];
        })"""
        )
    )

    for number, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[number + 1 :]:
            apart = other[0] >= right or other[2] <= left or other[1] >= bottom or other[3] <= top
            assert apart


def test_the_grid_has_originals_and_reasons(visit):
    """Contents down, styles across, and where a picture is missing, why."""
    page = visit().go("#/grid")

    assert page.locator("#grid tbody tr").count() == 4
    assert page.locator("#grid thead th img").count() == 6
    assert page.locator("#grid tbody th img").count() == 4
    assert "the end of the file is missing" in page.locator("#grid .failed").inner_text()
    assert page.locator("#grid td mark").all_inner_texts().count("draft") == 1


def test_a_failed_cell_leads_to_the_advice(visit):
    """A click on a failed cell brings its remedy into view."""
    page = visit().go("#/grid")

    page.locator("#grid .failed").click()

    assert "copy the photo again" in page.evaluate("document.activeElement.innerText")


def test_a_filter_chooses_and_has_an_address(visit):
    """A chosen movement leaves its pictures only, also after a reload."""
    page = visit().go()
    page.click("#more")
    page.select_option("select[name=movement]", "Cubism")
    until(page, "location.hash.includes('movement=Cubism')")

    assert len(shown(page)) == 4
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert len(shown(page)) == 4


def test_search_finds_names_without_their_accents_and_case(visit):
    """Typing part of a name leaves what has it."""
    page = visit().go()
    page.keyboard.press("/")
    page.keyboard.type("OLD bóoks")
    until(page, "location.hash.includes('q=')")

    assert set(shown(page)) == {"old books"}
    assert len(shown(page)) == 6


def test_nothing_found_is_said(visit):
    """A search without result says so."""
    page = visit().go("#/wall?q=zebra")

    assert page.locator("#nothing").is_visible()


@pytest.mark.parametrize("order", ["name", "loss", "time"])
def test_the_wall_can_be_sorted(visit, night, order):
    """Pictures hang by name, lowest loss, or newest."""
    page = visit().go(f"#/wall?sort={order}")
    numbers = page.eval_on_selector_all(
        ".work", "works => works.map((work) => Number(work.dataset.number))"
    )
    pictures = Catalogue(night.root, list(night.records()), []).pictures
    hung = [pictures[number] for number in numbers]

    match order:
        case "name":
            names = [picture["title"] for picture in hung]
            assert names == sorted(names)
        case "loss":
            assert [p["loss"] for p in hung] == sorted(p["loss"] for p in hung)
        case "time":
            times = [picture["finished"] for picture in hung]
            assert times == sorted(times, reverse=True)


def test_a_picture_has_its_own_address(visit, night):
    """A link to a picture opens it, with its originals, curves and hashes."""
    page = visit().go(key_of(night))

    record = next(night.records())
    assert page.locator("#picture h2").inner_text() == record.content_name
    assert page.locator(".sources img").count() == 2
    assert page.locator("svg.chart path.series").count() == 3
    assert record.files["picture"].sha256 in page.locator("#picture").inner_text()
    assert "photo by A. Nobody" in page.locator("#picture").inner_text()


def test_an_unknown_picture_leads_to_the_wall(visit):
    """A link to a picture that is gone shows the wall."""
    assert len(shown(visit().go("#/picture/spring-show/gone--0000000000"))) == 23


def test_arrows_walk_and_escape_leaves(visit):
    """Right goes on, left comes back, Escape returns to the wall."""
    page = visit().go()
    page.locator(".work a").first.click()
    # The page turns a moment after its address does, and only then hears the next key.
    first = page.locator(".plate").get_attribute("data-number")
    number = "document.querySelector('.plate').dataset.number"
    page.keyboard.press("ArrowRight")
    until(page, f"number => {number} !== number", first)
    page.keyboard.press("ArrowLeft")
    until(page, f"number => {number} === number", first)
    page.keyboard.press("Escape")

    page.wait_for_selector("#wall:visible")


def test_a_walk_keeps_to_what_was_chosen(visit):
    """From a filtered wall the arrows visit its pictures only."""
    page = visit().go("#/wall?subject=turtle")
    page.locator(".work:not([hidden]) a").first.click()

    assert page.locator(".walk span").first.inner_text() == "1 of 6"


def test_before_and_after_are_compared(visit, night):
    """The slider uncovers the photo from the left."""
    page = visit().go(key_of(night))
    page.keyboard.press("c")
    assert page.locator(".before").is_visible()
    page.locator(".rail input:visible").focus()
    page.keyboard.press("End")

    assert page.evaluate("document.querySelector('.easel').style.getPropertyValue('--split')") == (
        "100%"
    )


def test_the_mouse_moves_the_split(visit, night):
    """A press on the picture moves the line there."""
    page = visit().go(key_of(night))
    page.get_by_role("button", name="Before / after").click()
    box = page.locator(".stage").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + 50)

    split = page.evaluate("document.querySelector('.easel').style.getPropertyValue('--split')")
    assert float(split.rstrip("%")) == pytest.approx(25, abs=1)


def test_frames_can_be_scrubbed(visit, night):
    """The scrubber shows the picture of an early step."""
    page = visit().go(with_frames(night))
    page.get_by_role("button", name="How it emerged").click()
    page.locator(".rail input:visible").focus()
    page.keyboard.press("Home")

    assert page.locator(".rail output").inner_text() == "step 10"
    assert page.locator(".easel > img").get_attribute("src").endswith("frame_000010.webp")


def test_keys_zoom_and_show_the_file_itself(visit, night):
    """Plus comes closer and brings the published file; 0 shows the whole again."""
    page = visit().go(key_of(night))
    page.keyboard.press("+")
    until(page, "document.querySelector('.easel > img').src.endsWith('.png')")
    assert "scale(1.5)" in page.evaluate("document.querySelector('.easel').style.transform")

    page.keyboard.press("0")
    assert "scale(1)" in page.evaluate("document.querySelector('.easel').style.transform")


def test_a_double_click_zooms_to_its_place(visit, night):
    """What lay under the pointer stays under it."""
    page = visit().go(key_of(night))
    box = page.locator(".stage").bounding_box()
    x, y = box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.4
    at = """([x, y]) => {
        const box = document.querySelector('.easel').getBoundingClientRect();
        return [(x - box.left) / box.width, (y - box.top) / box.height];
    }"""
    before = page.evaluate(at, [x, y])
    page.mouse.dblclick(x, y)

    assert page.evaluate(at, [x, y]) == pytest.approx(before, abs=0.01)
    assert page.locator(".stage.close").count() == 1


def test_picks_are_kept_and_downloaded(visit, night):
    """A starred picture stays picked after a reload, and stands in the file for `nst enlarge`."""
    page = visit(accept_downloads=True).go(key_of(night, 2))
    page.keyboard.press("s")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    page.keyboard.press("p")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download picks.json").click()

    record = list(night.records())[2]
    (pick,) = json.loads(Path(download.value.path()).read_text())["picks"]
    assert pick["pair_id"] == record.pair_id
    assert pick["picture"] == record.files["picture"].file


def test_a_print_and_its_picture_lead_to_each_other(visit, tmp_path):
    """From the picture's page to the print's, and back."""
    output = hang(tmp_path / "out", frames=0)
    record = list(output.records())[2]
    grown = enlarged(output, record, 1, 900)
    build(output.root)
    page = visit((output.root / "index.html").as_uri()).go(f"#/picture/spring-show/{record.stem}")

    page.get_by_role("link", name="print of").click()
    until(page, "stem => location.hash.includes(stem)", grown.stem)
    assert page.locator(".note mark").inner_text() == "print"
    page.get_by_role("link", name="the picture of").click()

    until(page, "stem => location.hash.includes(stem)", record.stem)


def test_the_command_reads_the_picks_of_the_page(visit, night, tmp_path):
    """What is downloaded is what `nst enlarge --picks` understands."""
    page = visit(accept_downloads=True).go(key_of(night, 5))
    page.keyboard.press("s")
    page.keyboard.press("p")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download picks.json").click()
    download.value.save_as(tmp_path / "picks.json")

    found = list(night.records())
    assert chosen(found, picks([str(tmp_path / "picks.json")])) == [found[5]]


def test_the_copied_manifest_of_a_print_paints_it_again(visit, tmp_path):
    """It names the picture to start from, and a collection that a manifest may have."""
    output = hang(tmp_path / "out", frames=0)
    recipe = replace(preset("gallery").recipe, octaves=Octaves(size=48, smallest=40))
    painting = pair(
        99,
        ("cat", str(tmp_path / "photos" / "0.png")),
        ("scream", str(tmp_path / "art" / "0.png")),
        recipe=recipe.parameters(),
        output={"format": "png", "bits": 8, "provenance": True, "background": "white"},
    )
    finished = publish(output, painting, 5)
    wanted = print_of(finished, output.root, PrintSize(size=96))
    digests = dict(wanted.expected)
    grown = enlarged(
        output,
        finished.model_copy(
            update={
                "recipe": wanted.recipe.parameters(),
                "output": wanted.output.parameters(),
                "start": StartSource(location=wanted.start, sha256=digests[wanted.start]),
            }
        ),
        1,
        900,
    )
    build(output.root)
    page = visit((output.root / "index.html").as_uri()).go(f"#/picture/prints/{grown.stem}")
    text = page.locator("pre").text_content()

    manifest = parse(text, name="copied.yaml", folder=str(tmp_path))
    (again,) = expand(manifest, lambda pattern: [pattern])
    assert again.pair_id(digests) == wanted.pair_id(digests)


def test_the_copied_manifest_paints_exactly_this_picture(visit, tmp_path):
    """Copy as YAML gives a manifest whose one pair has the recorded recipe and pictures."""
    recipe = preset("gallery").recipe
    output = hang(tmp_path / "out", frames=0)
    # A name that a manifest would take for a pattern.
    odd = tmp_path / "art" / "a [1] *.png"
    shutil.copy(tmp_path / "art" / "0.png", odd)
    content = ("cat: #1", str(tmp_path / "photos" / "0.png"))
    painting = pair(
        99,
        content,
        ("odd", str(odd)),
        recipe=recipe.parameters(),
        output={
            "format": "png",
            "bits": 16,
            "provenance": True,
            "frames": 20,
            "video": "mp4",
            "dpi": 72,
            "background": "black",
        },
    )
    record = publish(output, painting, 99)
    tab = visit(build(output.root).as_uri(), permissions=["clipboard-read", "clipboard-write"])
    page = tab.go(f"#/picture/{record.collection}/{record.stem}")

    page.click("#copy-yaml")
    until(page, "document.querySelector('#copy-yaml').textContent === 'Copied'")
    text = page.evaluate("navigator.clipboard.readText()")

    manifest = parse(text, name="copied.yaml", folder=str(tmp_path))
    (again,) = expand(manifest, lambda pattern: [pattern.replace("[[]", "[").replace("[*]", "*")])
    assert again.recipe == recipe
    assert (again.content, again.styles[0].location) == (content[1], str(odd))
    assert again.output.parameters() == painting.output


def test_the_copied_manifest_paints_the_same_regions(visit, tmp_path):
    """Each in its own manner, through the same masks."""
    output = hang(tmp_path / "out", frames=0)
    places = {name: str(tmp_path / f"{name}.png") for name in ("sky", "sun", "own")}
    masks = {
        "sky": MaskSource(location=places["sky"], sha256="1" * 64, feather=2.5),
        "sun": MaskSource(location=places["sun"], sha256="2" * 64, color="red"),
        "own": MaskSource(location=places["own"], sha256="3" * 64),
    }
    art = [str(tmp_path / "art" / f"{number}.png") for number in range(3)]
    painting = pair(99, ("cat", str(tmp_path / "photos" / "0.png")), ("many", art[0]))
    painting = painting.model_copy(
        update={
            "recipe": preset("gallery").recipe.parameters(),
            "regions": tuple(RegionSource(name=name, mask=masks[name]) for name in ("sky", "sun")),
            "styles": (
                StyleSource(location=art[0], weight=0.75, sha256="4" * 64, region="sky"),
                StyleSource(location=art[1], weight=0.25, sha256="5" * 64, region="sky"),
                StyleSource(
                    location=art[2], weight=1, sha256="6" * 64, region="rest", mask=masks["own"]
                ),
            ),
        }
    )
    record = publish(output, painting, 99)
    page = visit(build(output.root).as_uri()).go(f"#/picture/{record.collection}/{record.stem}")

    manifest = parse(page.locator("pre").text_content(), name="copied.yaml", folder=str(tmp_path))
    (again,) = expand(manifest, lambda pattern: [pattern])
    assert again.regions == (
        ("sky", Mask(places["sky"], None, 2.5)),
        ("sun", Mask(places["sun"], "red", 0)),
    )
    assert again.styles == (
        StylePicture(art[0], 0.75, "sky"),
        StylePicture(art[1], 0.25, "sky"),
        StylePicture(art[2], 1, "rest", Mask(places["own"])),
    )


@pytest.mark.parametrize(("seconds", "told"), [(8.4, "8.4 s"), (119.8, "2 min"), (7530, "2 h 06")])
def test_durations_are_told_as_people_say_them(visit, seconds, told):
    """No minute has sixty seconds."""
    assert visit().go().evaluate(f"duration({seconds})") == told


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
