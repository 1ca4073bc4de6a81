"""Chromium without a window, and what a test wants to know of a page: errors on its console, requests elsewhere."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.harness.databases import REQUIRED

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 667}


@dataclass
class Window:
    """A page in a browser profile of its own, its complaints, and every address that it asked."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def outside(self, *origins: str) -> set[str]:
        """Addresses asked that begin with none of these."""
        return {address for address in self.asked if not address.startswith((*origins, "data:"))}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; skips the test, saying what is missing, or fails where services are required."""
    program = shutil.which("chromium")
    if program is None:
        sentence = "skipped: no Chromium on this machine (install the package chromium)"
        if REQUIRED:
            pytest.fail(sentence)
        pytest.skip(sentence)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def window(browser: Browser, **options: Any) -> Iterator[Window]:
    """A browser profile that has never been anywhere; ``options`` are those of a playwright context."""
    context = browser.new_context(**{"viewport": DESKTOP, "locale": "zh-CN", **options})
    yield watched(context.new_page(), context)
    context.close()


def watched(page: Page, context: BrowserContext) -> Window:
    """Note what goes wrong in any page of this profile."""
    shown = Window(page)
    context.on("request", lambda request: shown.asked.add(request.url))
    context.on("weberror", lambda error: shown.complaints.append(str(error.error)))
    context.on(
        "console", lambda said: shown.complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    return shown
