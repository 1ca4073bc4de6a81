"""/: what this is, as a page in both languages and as JSON, for people, programs and monitors."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from authsvc import __version__
from tests.harness.chromium import PHONE, chromium, window
from tests.harness.service import Service

PATHS = {
    "signin": "/signin",
    "health": "/healthz",
    "jwks": "/.well-known/jwks.json",
    "configuration": "/.well-known/openid-configuration",
    "openapi": "/openapi.json",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def test_a_visitor_reads_what_this_is(browser: Browser, service: Service) -> None:
    with window(browser, viewport=PHONE) as shown:
        shown.page.goto(f"{service.url}/")
        expect(shown.page.get_by_role("heading", name="authsvc")).to_be_visible()
        expect(shown.page.get_by_text("如果你想登录，请打开小程序")).to_be_visible()
        shown.page.get_by_role("link", name="扫码登录").click()
        expect(shown.page.get_by_role("status")).to_have_text("等待扫码", timeout=15_000)
        assert (shown.complaints, shown.outside(service.url)) == ([], set())
    with window(browser, locale="en-GB", viewport=PHONE) as shown:
        shown.page.goto(f"{service.url}/")
        expect(shown.page.get_by_role("link", name="Public keys that verify tokens")).to_be_visible()
        assert shown.page.evaluate("getComputedStyle(document.querySelector('main')).borderRadius") == "16px"
        assert shown.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert (shown.complaints, shown.outside(service.url)) == ([], set())


def test_programs_get_json_and_every_link_leads_somewhere(service: Service) -> None:
    answer = service.call("GET", "/", headers={"Accept": "application/json", "Accept-Language": "en"})
    assert (answer.status_code, answer.headers["Vary"]) == (200, "Accept, Accept-Language")
    told = answer.json()
    assert (told["name"], told["version"], told["links"]) == ("authsvc", __version__, PATHS)
    assert told["description"].startswith("authsvc signs people in")
    for path in PATHS.values():
        assert service.call("GET", path).status_code == 200, path


@pytest.mark.parametrize(
    "accepted",
    ["*/*", "", "text/html,application/xhtml+xml,*/*;q=0.8", "text/plain", "x" * 4000],
)
def test_everybody_else_gets_the_page(service: Service, accepted: str) -> None:
    answer = service.call("GET", "/", headers={"Accept": accepted})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy


def test_a_monitor_asks_with_head(service: Service) -> None:
    answer = service.call("HEAD", "/")
    assert (answer.status_code, answer.content) == (200, b"")


def test_only_what_is_on_is_linked(start_service: Callable[..., Service]) -> None:
    changed = start_service("linked", workers=1, settings={"API_PAGE": "1", "SCAN_SIGN_IN_PAGE": ""})
    links = changed.call("GET", "/", headers={"Accept": "application/json"}).json()["links"]
    assert links == {**{name: path for name, path in PATHS.items() if name != "signin"}, "docs": "/docs"}
    assert 'href="/docs"' in changed.call("GET", "/").text
