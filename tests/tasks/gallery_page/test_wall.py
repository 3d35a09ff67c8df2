"""The wall and the grid: what hangs there, what is found, and how it is sorted."""

from __future__ import annotations

import pytest

from tasks.catalogue import Catalogue
from tests.tasks.gallery_page.visiting import shown, until


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


@pytest.mark.parametrize(("seconds", "told"), [(8.4, "8.4 s"), (119.8, "2 min"), (7530, "2 h 06")])
def test_durations_are_told_as_people_say_them(visit, seconds, told):
    """No minute has sixty seconds."""
    assert visit().go().evaluate(f"duration({seconds})") == told
