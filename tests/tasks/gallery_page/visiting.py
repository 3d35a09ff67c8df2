"""A visitor's tab of the gallery page, and what is asked in it."""

from __future__ import annotations

from typing import Any


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
