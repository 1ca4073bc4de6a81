"""/docs in a real browser: the document as a page, without a request to anybody else; off in production."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, expect

from tests.harness.chromium import DESKTOP, PHONE, chromium, window
from tests.harness.service import Service
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow

# swagger-ui-dist 5.35.0 without its references to source maps: another project's code, in which nobody writes.
UPSTREAM = {
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui.css": "a6a4cf68f069eb89984d5d43644e6a812e749df08d2b1320c6e06e6973847d10",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def described(start_service: Callable[..., Service]) -> Service:
    """A service whose document names its own address, so that the page can try it out."""
    service = start_service("described", workers=1, settings={"API_PAGE": "1"})
    service.environment["PUBLIC_BASE_URL"] = service.url
    service.restart()
    return service


def test_it_is_off_under_a_public_address_unless_asked_for(service: Service) -> None:
    for path in ("/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js"):
        answer = service.call("GET", path)
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_shows_operations_and_errors_and_signs_in(
    browser: Browser, described: Service, simulator: Simulator, tmp_path: Path, size: dict[str, int]
) -> None:
    with window(browser, viewport=size) as shown:
        page = shown.page
        page.goto(f"{described.url}/docs")
        expect(page.get_by_text("phone_taken", exact=True)).to_be_attached(timeout=15_000)
        login = page.locator("#operations-auth-postApiV1AuthLogin")
        login.locator(".opblock-summary-control").click()
        login.get_by_role("button", name="Try it out").click()
        login.locator("textarea").fill(f'{{"code": "{simulator.code("reader of docs")}"}}')
        login.get_by_role("button", name="Execute").click()
        expect(login.get_by_text("is_new_user").first).to_be_visible(timeout=15_000)
        page.screenshot(path=tmp_path / "docs.png")
        assert shown.complaints == []
        assert shown.outside(described.url) == set()


def test_it_cannot_be_framed_and_its_licence_is_shipped(described: Service) -> None:
    page = requests.get(f"{described.url}/docs", timeout=10)
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    shipped = Path(__file__).parents[2] / "authsvc" / "web" / "static" / "apipage"
    assert "Apache License" in (shipped / "LICENSE").read_text()
    for name, digest in UPSTREAM.items():
        assert hashlib.sha256((shipped / name).read_bytes()).hexdigest() == digest, f"{name} is upstream's, not ours"
