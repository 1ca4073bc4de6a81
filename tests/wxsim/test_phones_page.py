"""The page of simulated phones in a real browser, on what scripts/demo starts: the whole story, clicked through."""

import json
import re
import time
from collections.abc import Callable, Iterator

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, expect

from tests.harness.chromium import PHONE, Window, chromium, window
from tests.harness.demo import Demo


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def demo(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    started = Demo(tmp_path_factory.mktemp("demo"))
    yield started
    started.stop()


class Phone:
    """One of the two phones, in the hands of a person."""

    def __init__(self, page: Page, number: int, owner: str) -> None:
        self.shown = page.locator(f"#phone{number}")
        self.toast = self.shown.get_by_role("status")
        self.shown.get_by_role("combobox").select_option(owner)

    def tap(self, *names: str) -> None:
        for name in names:
            self.shown.get_by_role("button", name=name, exact=True).click()

    def says(self, text: str | re.Pattern[str]) -> None:
        expect(self.toast).to_have_text(text)

    def is_signed_in(self, signed_in: bool) -> None:
        expect(self.shown.locator(".frame")).to_have_attribute("data-view", "in" if signed_in else "out")

    def fact(self, name: str) -> Locator:
        return self.shown.locator(f".{name}")


def arrows(shown: Window, path: str) -> Locator:
    return shown.page.locator("#calls .arrow", has_text=path)


def test_the_whole_story_is_clicked_through(browser: Browser, demo: Demo, figures: Callable[[str], None]) -> None:
    with window(browser, locale="en-GB") as shown:
        started = time.monotonic()
        shown.page.goto(demo.page)
        lan, wei = Phone(shown.page, 1, "carol"), Phone(shown.page, 2, "dave")
        first_login_and_phone(shown, lan)
        picture_shown(lan)
        invite_scanned(shown, lan, wei)
        sign_in_on_a_pc(demo, shown, lan)
        faults(shown, lan)
        logout_everywhere(shown, lan)
        assert (shown.complaints, shown.outside(demo.page, demo.service)) == ([], set())
        figures(f"simulated phones: the story clicked through in {time.monotonic() - started:.1f} s")


def first_login_and_phone(shown: Window, lan: Phone) -> None:
    lan.is_signed_in(False)
    lan.tap("Sign in with phone number", "Refuse")
    lan.says(re.compile(r"^Cancelled \(cancelled\)$"))
    lan.is_signed_in(False)
    lan.tap("Sign in with phone number", "Allow")
    lan.is_signed_in(True)
    expect(lan.fact("number")).to_have_text(re.compile(r"170\d{8}$"))
    expect(lan.shown.get_by_label("Nickname")).not_to_have_value("")
    lan.tap("Save")
    lan.says("Saved")
    expect(lan.fact("nickname")).to_have_text("橘子汽水")
    # The sequence: the code from before the tap, what authsvc asked of WeChat, and the token's claims.
    for path in ("wx.login()", "getPhoneNumber", "POST /api/v1/auth/login", "GET /sns/jscode2session"):
        assert arrows(shown, path).count() > 0, path
    token = shown.page.locator("#calls details[open] pre").first
    read = json.loads(token.text_content() or "")
    assert (read["header"]["alg"], read["claims"]["exp"] - read["claims"]["iat"]) == ("ES256", 900)
    expect(shown.page.locator("#calls details[open] p").first).to_have_text(
        re.compile(r"^issued \d\d:\d\d:\d\d, expires \d\d:\d\d:\d\d \(15 minutes\)$")
    )


def picture_shown(lan: Phone) -> None:
    lan.tap("Change picture", "The WeChat picture")
    lan.says("Saved")
    picture = lan.shown.locator(".avatar img")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("naturalWidth", 132)


def invite_scanned(shown: Window, lan: Phone, wei: Phone) -> None:
    lan.tap("My invite code")
    expect(lan.shown.get_by_role("img")).to_be_visible()
    wei.tap("Scan", "The other phone’s invite code")
    expect(wei.shown.get_by_text("A friend invited you. The invite counts when you sign in").first).to_be_visible()
    wei.tap("Sign in with WeChat")
    wei.is_signed_in(True)
    expect(wei.shown.locator(".in .invited")).to_have_text("Your friend’s invite was counted")
    # Whoever invited hears of it without another tap.
    lan.says("A friend came with your invite")
    expect(lan.shown.locator(".sheet .arrivals")).to_have_text("Friends who came: 1")
    lan.tap("Close")
    expect(lan.shown.locator(".in .arrivals")).to_have_text("Friends who came: 1")


def sign_in_on_a_pc(demo: Demo, shown: Window, lan: Phone) -> None:
    with shown.page.expect_popup() as opened:
        shown.page.get_by_role("link", name="Sign-in page on a PC").click()
    computer = opened.value
    expect(computer.get_by_role("status")).to_have_text("Waiting for a scan", timeout=15_000)
    lan.tap("Scan", "The code on the PC’s sign-in page")
    expect(lan.fact("asked")).to_contain_text("Chrome · Linux")
    lan.tap("Approve")
    lan.says("Done. Go back to the computer")
    # With the token alone it was refused; then wx.login, and the same with its code. The person noticed nothing.
    path = "POST /api/v1/scan-sign-ins/approve"
    expect(arrows(shown, path)).to_have_text([path, f"{path} + Step-Up-Code"])
    expect(arrows(shown, "403 step_up_required")).to_have_count(1)
    expect(computer.locator("main")).to_have_attribute("data-state", "approved", timeout=15_000)
    expect(computer.get_by_text("橘子汽水")).to_be_visible()
    computer.close()


def faults(shown: Window, lan: Phone) -> None:
    # The token is refused, renewed once, and the person notices nothing.
    shown.page.get_by_role("button", name="Let tokens expire").click()
    renewals = arrows(shown, "POST /api/v1/sessions/refresh").count()
    lan.tap("Reload profile")
    lan.says("Profile is up to date")
    assert arrows(shown, "401 unauthenticated").count() == 1
    assert arrows(shown, "POST /api/v1/sessions/refresh").count() == renewals + 1
    # WeChat says that the code was used: the kit tries another, and then the person is told.
    lan.tap("Sign out")
    lan.is_signed_in(False)
    offline = shown.page.get_by_label("Phones are offline")
    offline.check()
    lan.tap("Sign in with WeChat")
    lan.says("No network. Please try again (network · retry)")
    offline.uncheck()
    used = shown.page.get_by_label("Login code was used")
    used.check()
    lan.tap("Sign in with WeChat")
    lan.says("The login code was already used; call wx.login again (unauthorized · wx_code_used · relogin)")
    used.uncheck()
    lan.tap("Sign in with WeChat")
    lan.is_signed_in(True)


def logout_everywhere(shown: Window, lan: Phone) -> None:
    """The same person on both phones: one signs out everywhere, the other finds itself out with its next call."""
    second = Phone(shown.page, 2, "carol")
    second.tap("Sign in with WeChat")
    second.is_signed_in(True)
    lan.tap("Sign out everywhere")
    lan.is_signed_in(False)
    # The kit brings the code of step-up along by itself.
    expect(arrows(shown, "POST /api/v1/sessions/logout?scope=global + Step-Up-Code")).to_have_count(1)
    second.tap("Reload profile")
    second.says("Sign in to continue")
    second.is_signed_in(False)


def test_the_mini_program_of_the_checkout_signs_in_as_it_is_without_an_appid(demo: Demo) -> None:
    """What the developer tools send for miniprogram/, whose project says touristappid."""
    headers = {"Referer": "https://servicewechat.com/touristappid/devtools/page-frame.html"}
    body = {"code": "the code is a mock one"}
    answer = requests.post(f"{demo.service}/api/v1/auth/login", json=body, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["data"]["user"]["id"].isdigit()) == (200, True)


def test_it_speaks_chinese_fits_a_phone_and_goes_by_keyboard(browser: Browser, demo: Demo) -> None:
    with window(browser, viewport=PHONE) as shown:
        shown.page.goto(demo.page)
        assert shown.page.evaluate("document.documentElement.lang") == "zh-CN"
        login = shown.page.locator("#phone1").get_by_role("button", name="微信登录")
        login.focus()
        shown.page.keyboard.press("Enter")
        expect(shown.page.locator("#phone1 .nickname")).to_be_visible()
        # Any picture of a code can be scanned, here what the PC's screen shows.
        computer = shown.page.context.new_page()
        computer.goto(f"{demo.service}/signin")
        expect(computer.get_by_role("status")).to_have_text("等待扫码", timeout=15_000)
        screenshot = computer.get_by_role("img").screenshot()
        computer.close()
        phone = Phone(shown.page, 1, "alice")
        phone.tap("扫一扫")
        shown.page.keyboard.press("Escape")
        expect(phone.shown.get_by_role("button", name="扫一扫")).to_be_focused()
        shown.page.keyboard.press("Enter")
        picture = {"name": "screen.png", "mimeType": "image/png", "buffer": screenshot}
        phone.shown.get_by_label("一张图片或截图").set_input_files(picture)
        phone.tap("拒绝")
        phone.says("已拒绝")
        phone.tap("扫一扫")
        phone.shown.get_by_label("一张图片或截图").set_input_files(picture)
        phone.says("小程序码已失效，请在网页上重新获取后再扫码 (refused · scan_ticket_invalid · fix_request)")
        shown.page.get_by_role("link", name="English").click()
        expect(shown.page.get_by_role("heading", name="Simulated phones")).to_be_visible()
        assert shown.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        # Storage is the phone's: who was signed in still is.
        expect(shown.page.locator("#phone1 .nickname")).to_be_visible()
        assert (shown.complaints, shown.outside(demo.page, demo.service)) == ([], set())


@pytest.mark.parametrize("width", [768, 1000, 1280])
def test_nothing_is_cut_where_there_is_room_for_both_phones(browser: Browser, demo: Demo, width: int) -> None:
    with window(browser, viewport={"width": width, "height": 1024}) as shown:
        shown.page.goto(demo.page)
        expect(shown.page.locator("#phone2 h2").first).to_be_attached()
        for name in ("#phone1 .frame", "#phone2 .frame", "#calls", "#phone2 .owner select", "#faults button"):
            box = shown.page.locator(name).bounding_box()
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width, name
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.page.evaluate("document.querySelector('main').scrollWidth") <= width
