"""A picture's own view: its address, its neighbours, its tools, and picking it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.gallery import build
from tasks.picks import chosen, picks
from tests.tasks.gallery_page.visiting import key_of, shown, until, with_frames
from tests.tasks.toy_gallery import enlarged, hang


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
