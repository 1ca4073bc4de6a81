"""The documentation as a site: built without a network, whole, quiet, and the same in both languages."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser

from tests.harness.chromium import DESKTOP, PHONE, chromium, window
from tests.harness.databases import REQUIRED
from tests.harness.places import ROOT

pytestmark = pytest.mark.slow

# The builder sees a machine without a network, its own packages, and a proxy that leads nowhere.
OFFLINE = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "PIP_NO_INDEX": "1"}


class Html(HTMLParser):
    """What a built page leads to, fetches, and calls its parts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.ids: set[str] = set()
        self.headings: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value}
        self.ids.add(found.get("id", ""))
        if re.fullmatch(r"h[1-6]", tag) and "id" in found:
            self.headings.append(tag)
        if tag == "a":
            self.links.append(found.get("href", "#"))
        elif tag != "link" or found.get("rel") not in ("prev", "next", "alternate"):
            self.fetched += [found[name] for name in ("href", "src", "srcset", "data", "action") if name in found]


class Site:
    """A built site."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def pages(self) -> dict[Path, Html]:
        found = sorted(self.folder.rglob("*.html"))
        return {page: Html(page) for page in found if page.name != "404.html"}

    def leads_somewhere(self, page: Path, link: str) -> bool:
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if target.is_dir():
            target /= "index.html"
        other = self.pages.get(target)
        return target.is_file() and (not anchor or other is None or anchor in other.ids or anchor == "__top")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    for wanted in ("run", "docs"):
        prepared = subprocess.run([ROOT / "scripts" / "setup", wanted], capture_output=True, text=True, timeout=300)
        if prepared.returncode != 0:
            sentence = f"skipped: scripts/setup {wanted} failed (is an index reachable?): {prepared.stderr[-200:]}"
            (pytest.fail if REQUIRED else pytest.skip)(sentence)
    folder = tmp_path_factory.mktemp("site")
    command = [str(ROOT / "scripts" / "docs")]
    alone = ["unshare", "-rn"]
    if shutil.which("unshare") and subprocess.run([*alone, "true"], capture_output=True).returncode == 0:
        command = alone + command
    done = subprocess.run(
        command,
        env={**os.environ, **OFFLINE, "DOCS_SITE": str(folder)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return Site(folder)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_every_page_is_there_in_english_and_what_is_in_chinese_comes_first(site: Site) -> None:
    in_english = {page.stem for page in (ROOT / "docs").glob("*.md") if not page.name.endswith(".zh-CN.md")}
    in_chinese = {page.name.removesuffix(".zh-CN.md") for page in (ROOT / "docs").glob("*.zh-CN.md")}
    assert in_english <= {page.stem for page in (site.folder / "en").glob("*.html")}
    assert in_chinese <= {page.stem for page in site.folder.glob("*.html")}
    assert '<html lang="zh"' in (site.folder / "index.html").read_text(encoding="utf-8")


def test_no_link_leads_nowhere(site: Site) -> None:
    lost = [
        (page.relative_to(site.folder).as_posix(), link)
        for page, html in site.pages.items()
        for link in {*html.links, *html.fetched}
        if not re.match("(https?|mailto|data):", link) and not site.leads_somewhere(page, link)
    ]
    assert lost == []


def test_a_page_fetches_nothing_from_elsewhere(site: Site) -> None:
    assert {link for html in site.pages.values() for link in html.fetched if "//" in link} == set()


def test_the_headings_of_both_languages_are_equal(site: Site) -> None:
    in_english = {page.name: html.headings for page, html in site.pages.items() if page.parent.name == "en"}
    in_chinese = {page.name: html.headings for page, html in site.pages.items() if page.parent == site.folder}
    assert in_chinese
    assert {name: headings for name, headings in in_chinese.items() if headings != in_english[name]} == {}


def test_the_reference_has_all_that_the_code_has(site: Site) -> None:
    """The pages are written at the build; these are the same things, found in another way."""
    settings = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.M)
    series = re.findall(
        r'^    "(authsvc_[a-z_]+)",$', (ROOT / "authsvc" / "metrics.py").read_text(encoding="utf-8"), re.M
    )
    expected = {
        "settings": settings,
        "metrics": series,
        "routes": ["/api/v1/auth/login", "/wx/login", "/signin", "/wechat/push", "/internal/v1/access_token"],
        "commands": ["authsvc doctor", "authsvc users erase", "authsvc db upgrade", "authsvc keys activate"],
    }
    assert len(settings) > 80 and len(series) > 15
    for folder in (site.folder, site.folder / "en"):
        for page, names in expected.items():
            text = (folder / f"reference-{page}.html").read_text(encoding="utf-8")
            assert [name for name in names if f">{name}" not in text] == []


def test_nearly_all_of_the_reference_is_in_chinese() -> None:
    """A sentence that changed in the code is in English again, until somebody translates it."""
    command = [sys.executable, ROOT / "docs" / "site" / "reference.py", "--missing"]
    missing = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    words = (ROOT / "docs" / "site" / "words.zh.toml").read_text(encoding="utf-8").splitlines()
    assert len(missing) < len(words) / 10, missing


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.mark.parametrize(
    ("page", "asked", "answer", "leads_to"),
    [("index.html", "刷新令牌", "刷新令牌", "/"), ("en/index.html", "refresh token", "refresh", "/en/")],
    ids=["Chinese", "English"],
)
def test_a_search_finds_in_its_language_without_asking_elsewhere(
    site: Site, browser: Browser, page: str, asked: str, answer: str, leads_to: str
) -> None:
    with served(site.folder) as address, window(browser) as shown:
        shown.page.goto(address + page)
        shown.page.click("input.md-search__input")
        shown.page.keyboard.type(asked)
        shown.page.keyboard.press("End")  # as an input method, the last event of which is of a key
        found = shown.page.locator(".md-search-result__item a").first
        found.wait_for()
        text = shown.page.locator(".md-search-result__list").inner_text()
        assert answer in text.replace("\u200b", "").lower()  # it is between Chinese words
        assert str(found.evaluate("link => link.href")).startswith(address.rstrip("/") + leads_to)
        assert (shown.outside(address), shown.complaints) == (set(), [])


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_page_is_wider_than_the_window(site: Site, browser: Browser, size: dict[str, int]) -> None:
    with served(site.folder) as address, window(browser, viewport=size) as shown:
        for page in sorted(site.pages):
            shown.page.goto(address + page.relative_to(site.folder).as_posix())
            wide = shown.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, page
        assert (shown.outside(address), shown.complaints) == (set(), [])
