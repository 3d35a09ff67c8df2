"""A night's page, and one browser to visit it with."""

from __future__ import annotations

import shutil

import pytest

from tasks.gallery import build
from tests.tasks.gallery_page.visiting import Visit
from tests.tasks.toy_gallery import hang


@pytest.fixture(scope="session")
def night(tmp_path_factory):
    """A night of 24 pairs, 23 painted, with its page."""
    output = hang(tmp_path_factory.mktemp("night") / "out")
    build(output.root)
    return output


@pytest.fixture(scope="session")
def browser():
    """One Chromium for all tests."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("needs Chromium: apt install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


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
