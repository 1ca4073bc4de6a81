"""Scan to sign in, call by call: what the page gets, what the phone is told, and who gets nothing."""

import time
from collections.abc import Callable
from http.cookies import SimpleCookie

import pytest

from tests.harness import scanning, signedin
from tests.harness.scanning import ROUTE, Browser
from tests.harness.service import Service
from tests.harness.signedin import Person
from tests.harness.simulator import Simulator

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"


@pytest.fixture
def lan(simulator: Simulator, each_service: Service) -> Person:
    return signedin.native(each_service, simulator, "lan")


def approved(service: Service, who: Person) -> Browser:
    """A browser whose code this person scanned and agreed to."""
    browser = scanning.start(service)
    for step in ("scan", "approve"):
        assert scanning.phone(service, step, browser.ticket, who.access).status_code == 200
    return browser


def let_time_pass(service: Service, browser: Browser, seconds: int) -> None:
    """As if the attempt had been made and scanned that much earlier."""
    connection = service.connect()
    connection.cursor().execute(
        f"UPDATE scan_sign_ins SET expires_at = expires_at - {seconds} WHERE id = '{browser.id}'"
    )
    connection.close()


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def test_a_browser_is_signed_in_by_a_phone(each_service: Service, lan: Person) -> None:
    service = each_service
    before = int(time.time())
    browser = scanning.start(service, **{"User-Agent": CHROME})
    assert scanning.state(service, browser) == "pending"

    consent = scanning.phone(service, "scan", browser.ticket, lan.access).json()["data"]
    assert (consent["device"], consent["address"], consent["same_network"]) == ("Chrome · Windows", None, None)
    assert before <= consent["asked_at"] <= time.time() and 110 < consent["expires_in"] <= 120
    assert scanning.state(service, browser) == "scanned"
    assert service.count("sessions", f"user_id = {lan.user_id} AND device = '{CHROME}'") == 0

    assert scanning.phone(service, "approve", browser.ticket, lan.access).json()["data"] is None
    answer = scanning.poll(service, browser)
    data = answer.json()["data"]
    assert (data["state"], data["tokens"]["user"]["id"]) == ("approved", lan.user_id)
    assert answer.headers["Cache-Control"] == "no-store"

    new = Person(service, lan.simulator, lan.name, data["tokens"])
    assert new.sid != lan.sid
    listed = new.call("GET", "/api/v1/sessions").json()["data"]
    assert {entry["id"]: entry["device"] for entry in listed}[new.sid] == CHROME
    assert signedin.refreshed(service, new.refresh).status_code == 200
    # Once: the same browser, asking again, gets nothing.
    assert scanning.poll(service, browser).json()["data"] == {
        "state": "expired",
        "expires_in": 0,
        "poll_after": 2,
        "tokens": None,
    }
    assert service.count("audit_events", f"event = 'scan_sign_in' AND user_id = {lan.user_id}") == 1


def test_neither_secret_is_stored_and_the_cookie_is_for_this_browser_and_these_addresses_alone(
    service: Service,
) -> None:
    answer = service.call("POST", f"{ROUTE}/start", json={})
    service.forget_cookies()
    [(name, cookie)] = SimpleCookie(answer.headers["Set-Cookie"]).items()
    scan_id = answer.json()["data"]["id"]
    assert name == f"scan_{scan_id[:16]}"
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"], cookie["max-age"]) == (
        True,
        "Strict",
        True,
        "600",
    )
    # Without these two, the browser takes the folder of the address, and this very host.
    assert (cookie["path"], cookie["domain"]) == ("", "")
    browser = scanning.start(service)
    stored = " ".join(map(str, service.rows("SELECT * FROM scan_sign_ins")))
    assert browser.ticket not in stored and browser.cookie.partition("=")[2] not in stored
    assert browser.id in stored


def test_another_browser_gets_nothing_whatever_it_knows(each_service: Service, lan: Person) -> None:
    service = each_service
    browser, other = approved(service, lan), scanning.start(service)
    name = browser.cookie.partition("=")[0]
    for cookie in (
        other.cookie,
        f"{name}={other.cookie.partition('=')[2]}",
        f"{name}={browser.ticket}",
        f"{name}={browser.id}",
        f"{name}=",
        "nothing=1",
    ):
        assert refusal(scanning.poll(service, browser, Cookie=cookie)) == (404, "no_such_item")
    # The ticket is no id, and an id of nobody is like one of somebody else.
    assert refusal(service.call("POST", f"{ROUTE}/poll", json={"id": browser.ticket}))[0] == 400
    assert refusal(scanning.poll(service, Browser("0" * 64, browser.cookie, ""))) == (404, "no_such_item")
    assert scanning.state(service, browser) == "approved"


def test_whoever_scans_decides_and_nobody_else(simulator: Simulator, each_service: Service, lan: Person) -> None:
    service = each_service
    wei = signedin.native(service, simulator, "wei")
    lans_other_phone = signedin.native(service, simulator, "lan")
    browser = scanning.start(service)
    invalid = (400, "scan_ticket_invalid")
    # Without a scan there is nothing to decide.
    assert refusal(scanning.phone(service, "approve", browser.ticket, lan.access)) == invalid
    assert scanning.phone(service, "scan", browser.ticket, lan.access).status_code == 200
    assert scanning.phone(service, "scan", browser.ticket, lan.access).status_code == 200
    for stranger in (wei, lans_other_phone):
        for step in ("scan", "approve", "refuse"):
            assert refusal(scanning.phone(service, step, browser.ticket, stranger.access)) == invalid
    assert scanning.state(service, browser) == "scanned"
    assert scanning.phone(service, "approve", browser.ticket, lan.access).status_code == 200
    # Twice is once; the other way round is too late.
    assert scanning.phone(service, "approve", browser.ticket, lan.access).status_code == 200
    assert refusal(scanning.phone(service, "refuse", browser.ticket, lan.access)) == invalid
    assert refusal(scanning.phone(service, "scan", browser.ticket, lan.access)) == invalid
    assert scanning.poll(service, browser).json()["data"]["tokens"]["user"]["id"] == lan.user_id
    assert refusal(scanning.phone(service, "scan", "A" * 22, lan.access)) == invalid


def test_what_is_refused_stays_refused(each_service: Service, lan: Person) -> None:
    service = each_service
    browser = scanning.start(service)
    scanning.phone(service, "scan", browser.ticket, lan.access)
    assert scanning.phone(service, "refuse", browser.ticket, lan.access).status_code == 200
    assert refusal(scanning.phone(service, "approve", browser.ticket, lan.access))[0] == 400
    let_time_pass(service, browser, 200)
    assert scanning.state(service, browser) == "refused"


def test_each_step_has_its_time(each_service: Service, lan: Person) -> None:
    service = each_service
    never_scanned, scanned, fetched_late = scanning.start(service), scanning.start(service), approved(service, lan)
    assert scanning.phone(service, "scan", scanned.ticket, lan.access).status_code == 200
    for browser, seconds in ((never_scanned, 181), (scanned, 181), (fetched_late, 61)):
        let_time_pass(service, browser, seconds)
    for step in ("scan", "approve"):
        for browser in (never_scanned, scanned):
            assert refusal(scanning.phone(service, step, browser.ticket, lan.access))[0] == 400
    for browser in (never_scanned, scanned, fetched_late):
        assert scanning.state(service, browser) == "expired"


def test_a_phone_that_signed_out_meanwhile_signs_nobody_in(
    simulator: Simulator, each_service: Service, lan: Person
) -> None:
    service = each_service
    browser = approved(service, lan)
    assert lan.call("POST", "/api/v1/sessions/logout?scope=global").status_code == 200
    assert scanning.state(service, browser) == "expired"
    assert service.count("sessions", f"user_id = {lan.user_id} AND revoked_at IS NULL") == 0

    disabled = signedin.native(service, simulator, "disabled meanwhile")
    browser = approved(service, disabled)
    connection = service.connect()
    connection.cursor().execute(f"UPDATE users SET status = 'disabled' WHERE id = {disabled.user_id}")
    connection.close()
    assert refusal(scanning.poll(service, browser)) == (403, "account_disabled")


def test_a_form_of_another_site_starts_and_fetches_nothing(service: Service) -> None:
    browser = scanning.start(service)
    for path, text in (("start", "{}"), ("poll", f'{{"id": "{browser.id}"}}')):
        kinds = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
        for kind in kinds:
            headers = {**browser.headers, "Content-Type": kind}
            assert service.call("POST", f"{ROUTE}/{path}", data=text, headers=headers).status_code == 415
        asked = service.call("OPTIONS", f"{ROUTE}/{path}", headers={"Origin": "https://elsewhere.test"})
        assert [name for name in asked.headers if name.lower().startswith("access-control")] == []
        assert service.call("GET", f"{ROUTE}/{path}").status_code == 405


def test_what_wechat_does_not_draw_starts_nothing(simulator: Simulator, service: Service) -> None:
    before, kept = service.count("scan_sign_ins"), service.count("code_pictures")
    for fault, error in (
        ({"kind": "errcode", "errcode": 45009}, (429, "wx_rate_limited")),
        # The page of the settings: nothing that a browser could do about it.
        ({"kind": "errcode", "errcode": 41030}, (503, "wx_misconfigured")),
        ({"kind": "raw", "body": "<svg onload='alert(1)'/>"}, (503, "wx_code_picture_unavailable")),
        ({"kind": "altered", "append": "<script>"}, (503, "wx_code_picture_unavailable")),
    ):
        simulator.fault(fault, path=scanning.DRAWING)
        answer = service.call("POST", f"{ROUTE}/start", json={})
        assert (refusal(answer), "Set-Cookie" in answer.headers) == (error, False)
    assert refusal(service.call("POST", f"{ROUTE}/start", json={"appid": "wxba5fad812f8e6fb9"})) == (400, "unknown_app")
    assert service.count("scan_sign_ins") == before
    # No picture is kept: another start is another call.
    scanning.start(service)
    assert len(simulator.journal(path=scanning.DRAWING)) == 5
    assert service.count("code_pictures") == kept


def test_addresses_are_shown_behind_a_proxy_and_compared_by_network(
    simulator: Simulator, start_briefly: Callable[..., Service]
) -> None:
    service = start_briefly("scan-proxy", workers=1, settings={"TRUSTED_PROXIES": "1"})
    lan = signedin.native(service, simulator, "lan")
    cases = (
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("203.0.113.7", "127.0.0.1", None),
    )
    for there, here, same in cases:
        browser = scanning.start(service, **{"X-Forwarded-For": f"198.51.100.1, {there}"})
        answer = scanning.phone(service, "scan", browser.ticket, lan.access, **{"X-Forwarded-For": here})
        consent = answer.json()["data"]
        assert (consent["address"], consent["same_network"]) == (there, same)


def test_it_is_off_until_a_page_is_named(start_briefly: Callable[..., Service]) -> None:
    service = start_briefly("scan-off", workers=1, settings={"SCAN_SIGN_IN_PAGE": ""})
    for method, path in (("GET", "/signin"), ("GET", "/signin/signin.js"), ("POST", f"{ROUTE}/start")):
        assert refusal(service.call(method, path, json={})) == (404, "not_found")
