"""What happened to an account, as its person sees it."""

import time
from typing import Any

from tests.harness import scanning, signedin
from tests.harness.service import Service
from tests.harness.simulator import Simulator

ACTIVITY = "/api/v1/me/activity"
PHONE, TABLET, BROWSER = ("phone of the test", "tablet of the test", "browser of the test")


def seen(service: Service, token: str, **query: Any) -> dict[str, Any]:
    answer = service.call("GET", ACTIVITY, token=token, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def test_each_change_is_seen_by_its_person_newest_first(simulator: Simulator, each_service: Service) -> None:
    service, name = each_service, f"activity-{each_service.schema is not None}"

    def sign_in(device: str) -> signedin.Person:
        return signedin.native(service, simulator, name, headers={"User-Agent": device})

    began = int(time.time())
    phone, tablet = sign_in(PHONE), sign_in(TABLET)
    phone.does("POST", "/api/v1/me/phone", json=signedin.tapped(simulator, name))
    body = {"code": simulator.code(f"{name}-second"), "appid": simulator.appid}
    added = phone.does("POST", "/api/v1/me/identities", json=body)[1]["id"]
    phone.does("DELETE", f"/api/v1/me/identities/{added}")
    phone.does("DELETE", f"/api/v1/sessions/{tablet.sid}")
    browser = scanning.start(service, **{"User-Agent": BROWSER})
    for step in ("scan", "approve"):
        assert scanning.phone(service, step, browser.ticket, phone.access).status_code == 200
    assert scanning.poll(service, browser).json()["data"]["state"] == "approved"
    phone.does("POST", signedin.LOGOUT, params={"scope": "others"})
    phone.does("DELETE", "/api/v1/me/phone")
    phone.does("POST", signedin.LOGOUT, params={"scope": "global"})
    again = sign_in(PHONE)
    again.does("POST", "/api/v1/me/close")
    last = signedin.native(service, simulator, name, json={"reopen": True}, headers={"User-Agent": PHONE})

    found = seen(service, last.access)
    assert [(entry["event"], entry["device"]) for entry in found["entries"]] == [
        ("reopen", None),
        ("close", None),
        ("logout_global", None),
        ("phone_unbound", None),
        ("logout_others", None),
        ("scan_sign_in", BROWSER),
        ("new_device", BROWSER),
        ("session_ended", TABLET),
        ("unlink", None),
        ("link", None),
        ("phone_bound", None),
        ("new_device", TABLET),
        ("register", None),
    ]
    assert {entry["appid"] for entry in found["entries"]} == {simulator.appid}
    assert all(began <= entry["at"] <= time.time() for entry in found["entries"])
    assert (found["next"], abs(found["since"] + 90 * 86400 - time.time()) < 30) == (None, True)
    text = str(found)
    openid, number = simulator.account(name)["openid"], simulator.call("GET", f"/control/users/{name}")["phone"]
    assert openid not in text and number not in text


def test_it_comes_in_pages_and_ends_after_90_days(simulator: Simulator, each_service: Service) -> None:
    name = f"activity-pages-{each_service.schema is not None}"
    person = signedin.native(each_service, simulator, name)
    now = int(time.time())
    values = ", ".join(
        f"({at}, 'unlink', {person.user_id}, '', 'app {simulator.appid}, unlinked', '')"
        # Half of them too old to be seen, and events of another kind and another person.
        for at in [*(now - number for number in range(120)), *(now - 91 * 86400 - number for number in range(50))]
    )
    others = f"({now}, 'export', {person.user_id}, '', 'by the operator', ''), ({now}, 'unlink', 999999, '', '', '')"
    connection = each_service.connect()
    columns = "at, event, user_id, subject, detail, request_id"
    connection.cursor().execute(f"INSERT INTO audit_events ({columns}) VALUES {values}, {others}")
    connection.close()

    pages, query = [], {}
    while True:
        page = seen(each_service, person.access, **query)
        pages.append([entry["event"] for entry in page["entries"]])
        if page["next"] is None:
            break
        query = {"before": page["next"]}
    assert [len(page) for page in pages] == [50, 50, 21]
    assert sum(page.count("unlink") for page in pages) == 120 and pages[-1][-1] == "register"
    for bad in ("0", "-1", "x", "1" * 16, "１"):
        answer = person.call("GET", ACTIVITY, params={"before": bad})
        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["before"])
