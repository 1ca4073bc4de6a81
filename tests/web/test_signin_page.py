"""/signin in a real browser: what it shows in every state, who gets the tokens, and that it asks nobody else."""

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.conftest import APPID
from tests.harness import scanning, signedin
from tests.harness.chromium import PHONE, Window, chromium, window
from tests.harness.service import Service
from tests.harness.signedin import Person
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def lan(simulator: Simulator, service: Service) -> Person:
    who = signedin.native(service, simulator, "lan at a desk")
    assert who.call("PUT", "/api/v1/me", json={"nickname": "林 <b>岚</b>"}).status_code == 200
    return who


def shows(shown: Window, state: str, sentence: str) -> None:
    """Wait until the page is in a state, and says so where screen readers listen."""
    expect(shown.page.locator("main")).to_have_attribute("data-state", state, timeout=15_000)
    expect(shown.page.get_by_role("status")).to_have_text(sentence)


def read_by_a_phone(service: Service, shown: Window) -> str:
    """The ticket in the pixels of the screen."""
    scene = scanning.scene_of(shown.page.get_by_role("img").screenshot())
    assert scene.startswith("t=")
    return service.canaries.not_in_logs("scan ticket", scene.removeprefix("t="))


def step(service: Service, what: str, ticket: str, who: Person) -> None:
    assert scanning.phone(service, what, ticket, who.access).status_code == 200


def outdate(service: Service) -> None:
    """As if every code had been shown long ago."""
    connection = service.connect()
    connection.cursor().execute("UPDATE scan_sign_ins SET expires_at = 1")
    connection.close()


def test_a_scan_signs_the_page_in_and_no_other_browser(
    browser: Browser, simulator: Simulator, service: Service, lan: Person
) -> None:
    with window(browser) as shown, window(browser) as other:
        answers: list[dict] = []
        shown.page.on("response", lambda answer: answers.append(answer.json()) if "/poll" in answer.url else None)
        shown.page.goto(f"{service.url}/signin")
        shows(shown, "pending", "等待扫码")
        expect(shown.page.get_by_role("button")).to_have_count(0)
        ticket = read_by_a_phone(service, shown)
        screen = base64.b64encode(shown.page.get_by_role("img").screenshot()).decode()
        opened = simulator.call("POST", "/phone/scan", {"picture": screen})
        assert (opened["appid"], opened["path"]) == (simulator.appid, f"pages/scan/scan?scene=t%3D{ticket}")
        step(service, "scan", ticket, lan)
        shows(shown, "scanned", "已扫码，请在手机上确认登录")

        # Another browser that learned the id and the ticket, while an approval waits.
        scan_id = service.rows("SELECT id FROM scan_sign_ins WHERE state = 'scanned' ORDER BY created_at DESC")[0][0]
        other.page.goto(f"{service.url}/signin")
        step(service, "approve", ticket, lan)
        stolen = [
            other.page.evaluate(
                "id => fetch('api/v1/scan-sign-ins/poll', {method: 'POST', body: JSON.stringify({id}),"
                " headers: {'Content-Type': 'application/json'}}).then(answer => answer.status)",
                text,
            )
            for text in (scan_id, ticket)
        ]
        assert stolen == [404, 400]

        shows(shown, "approved", "登录成功，可以关闭此页面")
        expect(shown.page.get_by_text("林 <b>岚</b>", exact=True)).to_be_visible()
        tokens = [answer["data"]["tokens"] for answer in answers if answer["data"]["tokens"]]
        assert [entry["user"]["id"] for entry in tokens] == [lan.user_id]
        assert service.call("GET", "/api/v1/me", token=tokens[0]["access_token"]).status_code == 200
        # Nothing of it is left where a later visitor of this computer could find it, or in an address.
        kept = shown.page.evaluate("[document.cookie, localStorage.length, sessionStorage.length, location.href]")
        assert kept == ["", 0, 0, f"{service.url}/signin"]
        [cookie] = shown.page.context.cookies()
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
        assert cookie["path"] == "/api/v1/scan-sign-ins"
        assert (shown.complaints, shown.outside(service.url)) == ([], set())


def test_a_refusal_and_an_old_code_lead_to_a_new_one(browser: Browser, service: Service, lan: Person) -> None:
    with window(browser, locale="en-GB", viewport=PHONE, color_scheme="dark") as shown:
        shown.page.goto(f"{service.url}/signin")
        shows(shown, "pending", "Waiting for a scan")
        assert shown.page.evaluate("document.documentElement.lang") == "en"
        first = read_by_a_phone(service, shown)
        step(service, "scan", first, lan)
        step(service, "refuse", first, lan)
        shows(shown, "refused", "Refused on the phone")
        # By keyboard alone; the focus is not lost with the button.
        shown.page.keyboard.press("Tab")
        expect(shown.page.get_by_role("button", name="New code")).to_be_focused()
        shown.page.keyboard.press("Enter")
        shows(shown, "pending", "Waiting for a scan")
        expect(shown.page.get_by_role("status")).to_be_focused()
        second = read_by_a_phone(service, shown)
        assert second != first
        outdate(service)
        shows(shown, "expired", "This code has expired")
        shown.page.get_by_role("button", name="New code").click()
        shows(shown, "pending", "Waiting for a scan")
        assert shown.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert (shown.complaints, shown.outside(service.url)) == ([], set())


def test_while_wechat_draws_nothing_the_page_says_so_and_can_try_again(
    browser: Browser, simulator: Simulator, service: Service
) -> None:
    simulator.fault({"kind": "raw", "body": "<html>busy</html>"}, path=scanning.DRAWING)
    with window(browser, locale="en-GB") as shown:
        shown.page.goto(f"{service.url}/signin")
        shows(shown, "failed", "WeChat gave no code. Please try again later")
        expect(shown.page.get_by_role("img")).to_have_count(0)
        # The visitor's next step has the focus, and the operator gets the id that finds the cause in the log.
        expect(shown.page.get_by_role("button", name="Try again")).to_be_focused()
        line = re.compile(r"^50\d · wx_code_picture_unavailable · [0-9a-f]{32}$")
        expect(shown.page.locator(".report code")).to_have_text(line)
        shown.page.keyboard.press("Enter")
        shows(shown, "pending", "Waiting for a scan")
        # Without its cookie it cannot get the session any more, and does not pretend to wait for it.
        shown.page.context.clear_cookies()
        shows(shown, "expired", "This code has expired")
        assert shown.outside(service.url) == set()


@pytest.mark.parametrize(
    ("status", "headers", "body", "sentence"),
    [
        (429, {"Retry-After": "7"}, "{}", "Too many requests. Please try again in 7 seconds"),
        (404, {}, "{}", "Signing in with a scan is turned off. Sign in another way"),
        (502, {}, "<html>a proxy</html>", "There is no code at the moment. Please try again"),
        (None, {}, "", "The login service cannot be reached. Check the network and try again"),
    ],
)
def test_a_failed_start_says_what_is_wrong(
    browser: Browser, service: Service, status: int | None, headers: dict[str, str], body: str, sentence: str
) -> None:
    with window(browser, locale="en-GB", viewport=PHONE) as shown:
        start = "**/scan-sign-ins/start"
        if status is None:
            shown.page.route(start, lambda route: route.abort())
        else:
            shown.page.route(start, lambda route: route.fulfill(status=status, headers=headers, body=body))
        shown.page.goto(f"{service.url}/signin")
        shows(shown, "failed", sentence)
        expect(shown.page.get_by_role("button", name="Try again")).to_be_focused()
        expect(shown.page.get_by_role("timer")).to_have_count(0)
        shown.page.unroute(start)
        shown.page.keyboard.press("Enter")
        shows(shown, "pending", "Waiting for a scan")
        expect(shown.page.locator(".report")).to_be_hidden()


def test_a_countdown_runs_for_the_eyes_and_is_spoken_twice(browser: Browser, service: Service) -> None:
    with window(browser, locale="en-GB") as shown:
        shown.page.clock.install()
        shown.page.goto(f"{service.url}/signin")
        shows(shown, "pending", "Waiting for a scan")
        timer, spoken = shown.page.get_by_role("timer"), shown.page.locator("[aria-live=polite]")
        expect(timer).to_have_text(re.compile(r"^Expires in \d+:\d\d$"))
        expect(spoken).to_have_text("")
        # Polls would put the clock right again.
        shown.page.route("**/scan-sign-ins/poll", lambda route: route.abort())
        heard: set[str] = set()
        while timer.is_visible() and len(heard) < 10:
            shown.page.clock.run_for(5_000)
            heard.add(spoken.text_content() or "")
        assert sum(bool(sentence) for sentence in heard) == 2, heard


def test_two_tabs_of_one_browser_do_not_take_each_others_session(
    browser: Browser, simulator: Simulator, service: Service, lan: Person
) -> None:
    wei = signedin.native(service, simulator, "wei at a desk")
    with window(browser) as one:
        other = Window(one.page.context.new_page())
        for shown in (one, other):
            shown.page.goto(f"{service.url}/signin")
            shows(shown, "pending", "等待扫码")
        tickets = [read_by_a_phone(service, shown) for shown in (one, other)]
        for ticket, who in zip(tickets, (lan, wei), strict=True):
            step(service, "scan", ticket, who)
            step(service, "approve", ticket, who)
        for shown in (one, other):
            shows(shown, "approved", "登录成功，可以关闭此页面")
        assert one.page.locator(".name").text_content() == "林 <b>岚</b>"
        assert one.complaints == []


def test_the_page_that_opened_it_gets_the_tokens_if_it_is_allowed_to(
    browser: Browser, simulator: Simulator, start_briefly: Callable[..., Service], lan: Person
) -> None:
    """127.0.0.1 is authsvc, localhost the company's own site: two origins, two sites."""
    service = start_briefly("scan-opener", workers=1, settings={"SCAN_SIGN_IN_ORIGINS": "http://localhost"})
    phone = signedin.native(service, simulator, "lan at a desk")
    with window(browser) as shown:
        shown.page.context.route(
            "http://localhost/", lambda route: route.fulfill(body=OPENING, content_type="text/html")
        )
        shown.page.context.route(
            "http://localhost:81/", lambda route: route.fulfill(body=OPENING, content_type="text/html")
        )
        for address, gets in (("http://localhost/", True), ("http://localhost:81/", False)):
            shown.page.goto(address)
            with shown.page.expect_popup() as opened:
                shown.page.evaluate(f"open_signin('{service.url}', 'http://localhost')")
            popup = Window(opened.value)
            shows(popup, "pending", "等待扫码")
            ticket = read_by_a_phone(service, popup)
            step(service, "scan", ticket, phone)
            step(service, "approve", ticket, phone)
            shows(popup, "approved", "登录成功，可以关闭此页面")
            received = shown.page.evaluate("received")
            assert [entry["tokens"]["user"]["id"] for entry in received] == [phone.user_id] * gets
    refused = service.call("GET", "/signin", params={"origin": "https://elsewhere.test/<b>", "lang": "en"})
    assert (refused.status_code, refused.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert "SCAN_SIGN_IN_ORIGINS" in refused.text and "https://elsewhere.test/&lt;b&gt;" in refused.text
    assert "frame-ancestors 'none'" in refused.headers["Content-Security-Policy"] and "signin.js" not in refused.text


def test_the_page_is_in_nobodys_frame_and_runs_nothing_but_its_own(service: Service) -> None:
    answer = service.call("GET", "/signin", headers={"Accept-Language": "en"})
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert (answer.headers["Cache-Control"], answer.headers["Vary"]) == ("no-store", "Accept-Language")
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "<style" not in answer.text and " style=" not in answer.text and "onclick" not in answer.text
    assert answer.text.count("<script") == answer.text.count("<script src=") == 1
    for name, kind in (("signin.css", "text/css"), ("signin.js", "text/javascript")):
        part = service.call("GET", f"/signin/{name}")
        assert (part.status_code, part.headers["Content-Type"].partition(";")[0]) == (200, kind)
        again = service.call("GET", f"/signin/{name}", headers={"If-None-Match": part.headers["ETag"]})
        assert again.status_code == 304
    for name in ("..%2fsignin.py", "signin.html", "%2e%2e", "a%00b"):
        assert service.call("GET", f"/signin/{name}").status_code == 404, name


OPENING = """<!doctype html><script>
const received = []
addEventListener('message', event => received.push(event.data))
function open_signin(service, origin) { open(`${service}/signin?origin=${encodeURIComponent(origin)}`) }
</script>"""


@pytest.mark.parametrize(("asked", "language"), [("en", "en"), ("zh-CN", "zh-CN"), (None, "zh-CN")])
def test_the_address_may_say_the_language(service: Service, asked: str | None, language: str) -> None:
    answer = service.call("GET", "/signin", params={"lang": asked} if asked else {})
    assert f'<html lang="{language}">' in answer.text
    assert service.call("GET", "/signin", params={"lang": "fr"}).status_code == 400


def test_inside_wechat_on_a_phone_it_says_to_open_the_mini_program(service: Service) -> None:
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 MicroMessenger/8.0.50"
    assert "请直接打开小程序登录" in service.call("GET", "/signin", headers={"User-Agent": phone}).text
    assert "请直接打开小程序登录" not in service.call("GET", "/signin").text


def test_it_shows_the_name_and_picture_of_the_mini_program(
    browser: Browser, start_service: Callable[..., Service], app_secret: str, tmp_path: Path
) -> None:
    logo = tmp_path / "logo.png"
    Image.new("RGB", (96, 96), "orange").save(logo)
    apps = tmp_path / "apps.toml"
    plain, named = "wx51a051a000000001", APPID
    apps.write_text(
        f'[[app]]\nappid = "{plain}"\nsecret = "{app_secret}"\n\n'
        f'[[app]]\nappid = "{named}"\nsecret = "{app_secret}"\nname = "橘子 <i>商城"\npicture = "{logo}"\n'
    )
    service = start_service("named", workers=1, settings={"WX_APPID": "", "WX_SECRET": "", "WX_APPS_FILE": str(apps)})
    with window(browser, locale="en-GB", viewport=PHONE) as shown:
        shown.page.goto(f"{service.url}/signin?appid={named}")
        shows(shown, "pending", "Waiting for a scan")
        expect(shown.page.get_by_text("橘子 <i>商城", exact=True)).to_be_visible()
        assert shown.page.evaluate("document.querySelector('.app').naturalWidth") == 96
        [address] = [address for address in shown.asked if "/pictures/" in address]
        assert (shown.complaints, shown.outside(service.url)) == ([], set())
    picture = service.call("GET", address.removeprefix(service.url))
    assert (picture.content, picture.headers["Content-Type"]) == (logo.read_bytes(), "image/png")
    assert "immutable" in picture.headers["Cache-Control"] and "sandbox" in picture.headers["Content-Security-Policy"]
    assert service.call("GET", f"/signin/pictures/{'0' * 32}.png").status_code == 404
    # The first one is the default, and has neither.
    for query in ({}, {"appid": plain}):
        page = service.call("GET", "/signin", params=query)
        assert (page.status_code, "appname" in page.text, 'class="app"' in page.text) == (200, False, False)
    unknown = service.call("GET", "/signin", params={"appid": "wx0123456789abcdef", "lang": "en"})
    assert (unknown.status_code, "text/html" in unknown.headers["Content-Type"]) == (400, True)
    assert "not configured for this AppID: <code>wx0123456789abcdef</code>" in unknown.text
    assert "signin.js" not in unknown.text
