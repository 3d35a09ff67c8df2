from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.catalogue import Catalogue, titled
from tasks.durable import OutputError
from tasks.gallery import build, rendered
from tasks.output import Output
from tasks.sheets import write_contact_sheets
from tests.tasks.toy_gallery import enlarged, hang, originals, pair, publish

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    '"><script>alert(1)</script>',
    "</script><script>alert(1)//",
    "<!--<script>",
    "' onmouseover='alert(1)",
    '" onerror="alert(1)" x="',
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "https://evil.example/x.png",
    "//evil.example/x.png",
    "<svg/onload=alert(1)>",
    "]]>\u2028\u2029\x00\u202e",
    "<base href=https://evil.example>",
    "&lt;script&gt;",
)


class Page(HTMLParser):
    """What a browser would make of a page: its elements, attributes and data."""

    def __init__(self, page: Path | str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._block = ""
        self._in_block = False
        self.feed(page if isinstance(page, str) else page.read_text("utf-8"))
        self.data = json.loads(self._block)

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._in_block = tag == "script" and dict(attrs).get("id") == "data"

    def handle_endtag(self, tag):
        """Note the end of the data."""
        self._in_block = self._in_block and tag != "script"

    def handle_data(self, data):
        """Keep text, and data apart."""
        if self._in_block:
            self._block += data
        else:
            self.text += data

    def having(self, tag, **attributes):
        """Return the attributes of every such element."""
        return [
            found
            for name, found in self.elements
            if name == tag and all(found.get(key) == value for key, value in attributes.items())
        ]

    def addresses(self):
        """Return everything the page refers to."""
        for _, attributes in self.elements:
            for name in ("src", "href", "action", "data", "poster"):
                if name in attributes:
                    yield attributes[name]
            for part in attributes.get("srcset", "").split(", "):
                if part:
                    yield part.split(" ")[0]


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A night of 24 pairs: 23 painted, one failed."""
    return hang(tmp_path_factory.mktemp("night") / "out")


@pytest.fixture(scope="module")
def page(night):
    """Its page."""
    return Page(build(night.root))


def test_every_picture_hangs_on_the_wall(page):
    """The list of the wall has one work for each record."""
    assert len(page.having("li", **{"class": "work"})) == 23
    assert len(page.data["pictures"]) == 23


def test_a_failure_is_told_with_what_to_do(page):
    """A failed pair stands on the page with its reason and its remedy."""
    assert "the end of the file is missing" in page.text
    assert "copy the photo again" in page.text


def test_the_standfirst_counts_what_there_is(page):
    """The first sentence counts pictures, subjects, originals, drafts and failures."""
    assert (
        "23 pictures of 4 subjects, in the manner of 6 originals; 1 still in draft;"
        " 1 could not be painted."
    ) in page.text


def test_every_file_the_page_names_is_there(night, page):
    """Pictures, copies, logs and records that the page refers to exist in the output."""
    named = {address for address in page.addresses() if address.startswith("./")}
    missing = [name for name in named if not (night.root / name).is_file()]

    assert len(named) > 23
    assert missing == []


def test_the_policy_lets_only_our_own_script_run(page):
    """The page's policy allows nothing by default, and no script or style inside the page."""
    policy = page.having("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]

    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy


def test_no_style_or_handler_stands_in_the_page(page):
    """What the policy would block is not there to begin with."""
    names = {name for _, attributes in page.elements for name in attributes}

    assert not {name for name in names if name.startswith("on") or name == "style"}


def test_originals_show_after_they_are_gone(night, page):
    """A photo that was deleted since still shows at the head of its row."""
    (night.root.parent / "photos" / "0.png").unlink()

    again = Page(build(night.root))

    assert [row["thumbnail"] for row in again.data["contents"]] == [
        row["thumbnail"] for row in page.data["contents"]
    ]


def test_copies_are_made_once(night, page):
    """A second build writes no copy again."""
    before = {path: path.stat().st_mtime_ns for path in (night.root / "assets").iterdir()}

    build(night.root)

    assert before == {path: path.stat().st_mtime_ns for path in (night.root / "assets").iterdir()}


def test_an_original_with_other_bytes_is_not_shown(tmp_path):
    """A photo that was replaced since is not passed off as what was painted."""
    output = hang(tmp_path / "out")
    photo = tmp_path / "photos" / "0.png"
    photo.write_bytes((tmp_path / "photos" / "1.png").read_bytes())

    contents = Page(build(output.root)).data["contents"]

    assert [row["thumbnail"] is None for row in contents if row["location"] == str(photo)] == [True]


def test_a_failed_cell_stands_in_its_row_and_column(page):
    """A failure points to the content and style of the pictures around it."""
    failure = page.data["failures"][0]

    assert page.data["contents"][failure["content"]]["name"] == failure["title"]
    assert page.data["styles"][failure["style"]]["name"] == failure["after"]


def test_choices_are_offered_where_there_is_a_choice(page):
    """Facets list the values that occur; a facet of one value is left out."""
    facets = page.data["facets"]

    assert facets["subject"] == ["cat", "harbour", "old books", "turtle"]
    assert facets["state"] == ["degraded", "draft", "failed", "finished"]
    assert "recipe" not in facets


def test_the_recipe_stands_under_pictures_only_where_there_are_several(page, tmp_path):
    """A name that all share tells nothing of any."""
    output = Output(tmp_path / "out")
    content, style = ("cat", "/photos/cat.jpg"), ("Woodcut", "/art/woodcut.jpg")
    for number, recipe in enumerate(("evening", "bold")):
        publish(output, pair(number, content, style, recipe_name=recipe), number)
    several = Page(build(output.root)).data["pictures"]

    assert {each["recipe_name"] for each in page.data["pictures"]} == {"evening"}
    assert not any("evening" in each["tags"] for each in page.data["pictures"])
    assert {each["tags"][-1] for each in several} == {"evening", "bold"}


def test_neighbours_differ(page):
    """The wall never hangs two pictures of one content in a row."""
    pictures = page.data["pictures"]
    alike = [(a["key"], b["key"]) for a, b in pairwise(pictures) if a["content"] == b["content"]]

    assert alike == []


def test_frames_are_offered_in_order(page):
    """A picture whose frames were kept names each with its step."""
    frames = next(p["frames"] for p in page.data["pictures"] if p["frames"])

    assert [frame["step"] for frame in frames] == [10, 20, 30, 40]


def test_a_page_without_pictures_builds(tmp_path):
    """An output in which nothing is finished yet has a page, too."""
    page = Page(build(tmp_path / "out"))

    assert page.data["pictures"] == []
    assert "0 pictures." in page.text


def test_several_collections_have_a_front_page(tmp_path):
    """With two collections in an output the page begins with a cover for each."""
    hang(tmp_path / "out", frames=0, failing=())
    hang(tmp_path / "out", frames=0, failing=(), collection="autumn_show")

    page = Page(build(tmp_path / "out"))

    assert [found["id"] for found in page.having("section", id="front")] == ["front"]
    assert "Autumn show" in page.text
    assert page.data["facets"]["collection"] == ["autumn_show", "spring-show"]


def test_names_are_shown_as_words(tmp_path):
    """Also those of records that have the names of files."""
    output = Output(tmp_path / "out")
    contents, styles = originals(tmp_path, ["sea_turtle"]), originals(tmp_path, ["the_scream"])
    publish(output, pair(1, *contents.items(), *styles.items()), 1)

    page = Page(build(tmp_path / "out"))

    (picture,) = page.data["pictures"]
    assert (picture["title"], picture["after"]) == ("sea turtle", "the scream")


def test_prints_hang_behind_what_they_enlarge(tmp_path):
    """They are marked, name their origin, and make of one collection no several."""
    output = hang(tmp_path / "out", frames=0, failing=())
    origin = list(output.records())[4]
    enlarged(output, origin, 1, 900)

    page = Page(build(tmp_path / "out"))

    *others, last = page.data["pictures"]
    assert (last["state"], last["origin"]) == ("print", f"spring-show/{origin.stem}")
    assert {other["origin"] for other in others} == {None}
    assert page.having("section", id="front") == []
    assert "Spring show" in page.text
    assert "1 of them is a print" in page.text


def test_one_collection_gives_the_page_its_name():
    """A collection's name is written as people write."""
    assert [titled("spring-show"), titled("a", "b")] == ["Spring show", "Gallery"]


def test_a_page_that_cannot_be_made_leaves_the_old_one(tmp_path):
    """When the page's script cannot be written, the page that was there stays as it was."""
    output = hang(tmp_path / "out", frames=0)
    before = build(output.root).read_bytes()
    script = next((output.root / "assets").glob("gallery-*.js"))
    script.unlink()
    script.mkdir()

    with pytest.raises(OutputError):
        build(output.root)
    assert (output.root / "index.html").read_bytes() == before


def test_printed_sheets_are_linked(tmp_path):
    """Once contact sheets are written, the page leads to them."""
    output = hang(tmp_path / "out", frames=0)
    write_contact_sheets(output)

    page = Page(build(output.root))

    assert len(page.having("a", href="./sheets/spring-show.pdf")) == 1


def test_script_and_style_are_named_by_their_hash(page):
    """A page refers to the very script it was built with."""
    names = [found["src"] for found in page.having("script") if "src" in found]

    assert len(names) == 1
    assert re.fullmatch(r"\./assets/gallery-[0-9a-f]{16}\.js", names[0])


def test_the_script_never_writes_markup(night, page):
    """No way from text to markup is in the script."""
    script = next((night.root / "assets").glob("gallery-*.js")).read_text("utf-8")

    for door in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert door not in script


names = st.one_of(
    st.sampled_from(HOSTILE),
    st.builds("{}{}{}".format, st.text(max_size=8), st.sampled_from(HOSTILE), st.text(max_size=8)),
    st.text(max_size=60),
)


@settings(max_examples=100, deadline=None)
@given(drawn=st.lists(names, min_size=6, max_size=6))
def test_hostile_names_stay_text(night, drawn):
    """600 hostile names: no script, no handler, no address comes of any, and all are shown."""
    drawn = [name.encode(errors="replace").decode() for name in drawn]
    content, style, label, credit, message, recipe = drawn
    collection = "javascript:alert(1)"
    record = next(iter(night.records()))
    file = f"{collection}/{record.stem}.png"
    record = record.model_copy(
        update={
            "collection": collection,
            "content_name": content,
            "content": f"/{content}",
            "style_name": style,
            "recipe_name": recipe,
            "labels": {"movement": label, "subject": label},
            "credits": (credit,),
            "warnings": (message,),
            "recipe": {"seed": content},
            "environment": {"device": style},
            "files": {"picture": replace(record.files["picture"], file=file)},
        }
    )
    failure = night.failures()[0].model_copy(
        update={"content_name": content, "message": message, "remedy": label, "content": style}
    )
    catalogue = Catalogue(night.root, [record], [failure])

    page = Page(rendered(catalogue, dict.fromkeys(("script", "style", "icon"), "./assets/a")))

    assert [set(found) for found in page.having("script")] == [{"src", "defer"}, {"type", "id"}]
    assert not {
        name for _, attributes in page.elements for name in attributes if name.startswith("on")
    }
    assert {tag for tag, _ in page.elements}.isdisjoint({"base", "iframe", "object", "svg"})
    assert [address for address in page.addresses() if not address.startswith(("./", "#"))] == []
    shown = page.data["pictures"][0]
    assert (shown["credits"], shown["warnings"]) == ([credit], [message])
    assert shown["file"] == f"./javascript%3Aalert%281%29/{record.stem}.png"
