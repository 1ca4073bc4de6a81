"""The door of the console: who signs in, what each write must carry, and that an ended session opens nothing."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from authsvc.clock import HOUR
from authsvc.services.operator.operators import IDLE_SECONDS
from authsvc.web.routes.console.words import WORDS
from authsvc.web.routing import Operation, declared
from authsvc.web.who import Operator
from tests.harness.inprocess import SHOP, Clock, beside, whole
from tests.harness.operators import COOKIE, OURS, SIGN_IN, Desk, at_the_desk, enter, new_operator
from tests.harness.service import ISSUER, Service

SIGN_OUT = "/console/sign-out"
STRICT = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'"
)


@pytest.fixture(scope="module")
def pages(sqlite_service: Service) -> Iterator[list[tuple[str, str, Operation]]]:
    """Every page of the console, and every form."""
    with beside(sqlite_service) as app:
        found = [route for route in declared(app) if isinstance(route[2].who, Operator) and route[2].who.page]
    assert len(found) >= 2
    yield found


@pytest.fixture
def alice(service: Service) -> Desk:
    return at_the_desk(service, "owner")


def filled(path: str) -> str:
    return re.sub(r"{(\w+)}", "1", path)


def is_alive(desk: Desk) -> bool:
    answer = desk.get("/console")
    assert answer.status_code == 200 or answer.headers["Location"] == SIGN_IN
    return answer.status_code == 200


# --- signing in and out ---------------------------------------------------------------------------------------------


def test_the_cookie_is_for_this_origin_and_for_no_script(service: Service) -> None:
    _, credential = new_operator(service, "read")
    cookie = enter(service, credential).headers["Set-Cookie"]
    assert set(cookie.split("; ")[1:]) == {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"}
    assert credential.partition(".")[2] not in cookie


def test_on_this_machine_the_console_works_without_tls(start_briefly: Callable[..., Service]) -> None:
    service = start_briefly("console-http", workers=1, settings={"PUBLIC_BASE_URL": "http://127.0.0.1:{port}"})
    _, credential = new_operator(service, "read")
    answer = Desk(service).post(SIGN_IN, {"Origin": service.url}, credential=f" {credential}\n")
    assert answer.status_code == 303
    assert answer.headers["Set-Cookie"].startswith("authsvc-console=") and "Secure" not in answer.headers["Set-Cookie"]
    assert service.call("GET", "/console").status_code == 200


def test_every_wrong_credential_gets_the_same_page(service: Service) -> None:
    name, credential = new_operator(service, "read")
    secret = credential.partition(".")[2]
    wrong = ("", "x", name, f"{name}.{'A' * 43}", f"nobody.{secret}", f"{name}.{secret}A", "凭据", "x" * 9000)
    answers = [enter(service, text) for text in wrong]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1 and "Set-Cookie" not in answers[0].headers
    assert WORDS["zh-CN"]["wrong_credential"] in answers[0].text
    # Whoever runs the service sees that somebody tries.
    assert "refused: a sign-in to the console (no valid credential of an operator)" in service.log.read_text()


def test_a_sign_in_from_another_page_is_refused(service: Service) -> None:
    """Otherwise a page could sign a browser in as somebody else."""
    _, credential = new_operator(service, "read")
    for headers in ({}, {"Origin": "null"}, {"Origin": "https://evil.test"}, {**OURS, "Sec-Fetch-Site": "cross-site"}):
        answer = Desk(service).post(SIGN_IN, headers, credential=credential)
        assert answer.status_code == 403 and "Set-Cookie" not in answer.headers


def test_guesses_are_limited_by_address(start_briefly: Callable[..., Service]) -> None:
    limits = {"RATE_LIMIT_OPERATOR": "address 5/hour, operator 6/hour", "TRUSTED_PROXIES": "1"}
    service = start_briefly("guesses", workers=1, settings=limits)
    guesser = {**OURS, "X-Forwarded-For": "203.0.113.7"}
    _, credential = new_operator(service, "read")
    with beside(service) as app:
        token = app.extensions["authsvc"].operators.sign_in(credential)
    guesses = [Desk(service).post(SIGN_IN, guesser, credential=f"guess.{'A' * 43}") for _ in range(7)]
    assert [answer.status_code for answer in guesses] == [401] * 5 + [429] * 2
    limited = Desk(service).post(SIGN_IN, guesser, credential=credential)
    assert limited.status_code == 429 and limited.headers["Retry-After"] and "<h1>" in limited.text
    alice = Desk(service, token=token)
    # Whoever is signed in is not counted by the address, but by themselves.
    assert [alice.get("/console", **guesser).status_code for _ in range(7)] == [200] * 6 + [429]


@pytest.mark.parametrize("ending", ["sign out", "rotate", "role", "remove", "idle", "half a day"])
def test_a_session_that_has_ended_opens_nothing(service: Service, alice: Desk, ending: str) -> None:
    csrf = alice.csrf()
    with beside(service) as app:
        operators = app.extensions["authsvc"].operators
        if ending == "sign out":
            answer = alice.post(SIGN_OUT, csrf=csrf)
            assert (answer.status_code, answer.headers["Location"]) == (303, SIGN_IN)
            assert re.match(rf"{COOKIE}=; Expires=Thu, 01 Jan 1970", answer.headers["Set-Cookie"])
        elif ending == "rotate":
            service.canaries.never("credential of an operator", operators.rotate(alice.name))
        elif ending == "role":
            operators.set_role(alice.name, "read")
        elif ending == "remove":
            operators.remove(alice.name)
        else:
            column, seconds = {"idle": ("seen_at", IDLE_SECONDS), "half a day": ("begun_at", 12 * HOUR)}[ending]
            statement = f"UPDATE operator_sessions SET {column} = {column} - {seconds} WHERE operator = '{alice.name}'"
            service.rows(statement)
    assert not is_alive(alice)
    assert alice.post(SIGN_OUT, csrf=csrf).status_code == 401


# --- what a write must carry ----------------------------------------------------------------------------------------


def test_twenty_requests_without_what_a_write_must_carry_are_refused(service: Service, alice: Desk) -> None:
    csrf, others = alice.csrf(), at_the_desk(service, "owner")
    secret = {"csrf": csrf}
    requests = [
        # without the token of this session's forms
        *((OURS, data) for data in ({}, {"csrf": ""}, {"csrf": csrf[:-1]}, {"csrf": csrf.upper()}, {"csrf": "表单"})),
        (OURS, {"csrf": others.csrf()}),
        (OURS, f"csrf={csrf}&csrf={csrf}"),
        ({**OURS, "Content-Type": "text/plain"}, f"csrf={csrf}"),
        ({**OURS, "Content-Type": "application/json"}, f'{{"csrf": "{csrf}"}}'),
        # from another origin, or from nobody knows where
        *(({"Origin": origin}, secret) for origin in ("https://evil.test", "null", "", f"{ISSUER}.evil.test")),
        *(({"Origin": origin}, secret) for origin in (ISSUER.replace("https", "http"), f"{ISSUER}:8443", f"{ISSUER}/")),
        ({}, secret),
        ({"Referer": f"{ISSUER}/console"}, secret),
        # across sites, says the browser
        *(({**OURS, "Sec-Fetch-Site": site}, secret) for site in ("cross-site", "same-site", "none")),
    ]
    assert len(requests) >= 20
    answers = [alice.send("POST", SIGN_OUT, headers, data=data) for headers, data in requests]
    assert [answer.status_code for answer in answers] == [403] * len(requests)
    assert {answer.headers["Content-Type"] for answer in answers} == {"text/html; charset=utf-8"}
    assert is_alive(alice) and is_alive(others)
    assert alice.post(SIGN_OUT, csrf=csrf).status_code == 303


def test_nobody_sees_a_page_without_a_session(service: Service, pages: list[tuple[str, str, Operation]]) -> None:
    credential = new_operator(service, "owner")[1]
    for desk in (Desk(service), Desk(service, token="A" * 43), Desk(service, token=credential)):
        for method, path, _ in pages:
            answer = desk.send(method, filled(path), {**OURS, "Authorization": f"Bearer {credential}"})
            if method == "GET":
                assert (answer.status_code, answer.headers["Location"]) == (303, SIGN_IN), path
            else:
                assert answer.status_code == 401 and "<h1>" in answer.text, path


def test_every_form_of_every_page_wants_its_token(
    service: Service, alice: Desk, pages: list[tuple[str, str, Operation]]
) -> None:
    for method, path, _ in pages:
        if method != "GET":
            assert alice.post(filled(path)).status_code == 403, path
            assert alice.post(filled(path), {"Origin": "https://evil.test"}, csrf=alice.csrf()).status_code == 403, path


def test_a_lower_role_tries_every_page_in_vain(service: Service, pages: list[tuple[str, str, Operation]]) -> None:
    reader = at_the_desk(service, "read")
    for method, path, operation in pages:
        assert isinstance(operation.who, Operator)
        if operation.who.role != "read":
            members = {"csrf": reader.csrf()} if method == "POST" else {}
            answer = reader.send(method, filled(path), OURS, data=members)
            assert answer.status_code == 403 and WORDS["zh-CN"]["refused"] in answer.text, path


# --- how pages come -------------------------------------------------------------------------------------------------


def test_every_answer_lets_nothing_in_from_elsewhere(service: Service, alice: Desk) -> None:
    answers = [
        alice.get("/console"),
        Desk(service).get("/console"),
        Desk(service).get(SIGN_IN),
        Desk(service).get("/console/nothing-here"),
        alice.post(SIGN_OUT),
    ]
    assert [answer.status_code for answer in answers] == [200, 303, 200, 404, 403]
    for answer in answers:
        assert answer.headers["Content-Security-Policy"] == STRICT
        assert answer.headers["Cache-Control"] == "no-store" and answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert not re.search(r"<script|style=|https?://", answer.text)


def test_pages_are_chinese_unless_the_browser_or_the_address_says_english(service: Service) -> None:
    desk, titles = Desk(service), {name: words["sign_in"] for name, words in WORDS.items()}
    assert titles["zh-CN"] in desk.get(SIGN_IN).text
    assert titles["en"] in desk.get(SIGN_IN, **{"Accept-Language": "en-GB,en;q=0.9"}).text
    assert titles["zh-CN"] in desk.get(f"{SIGN_IN}?lang=zh-CN", **{"Accept-Language": "en"}).text
    assert titles["zh-CN"] in desk.get(f"{SIGN_IN}?lang=tlh").text
    english = desk.get(f"{SIGN_IN}?lang=en")
    assert titles["en"] in english.text and 'action="/console/sign-in?lang=en"' in english.text
    assert desk.get("/console?lang=en").headers["Location"] == f"{SIGN_IN}?lang=en"


def test_both_languages_have_the_same_words() -> None:
    chinese, english = WORDS["zh-CN"], WORDS["en"]
    assert set(chinese) == set(english)


def test_the_console_does_not_exist_until_it_is_turned_on(tmp_path: Path, clock: Clock) -> None:
    with whole(tmp_path, clock, SHOP, "http://127.0.0.1:1") as client:
        for path in ("/console", SIGN_IN, "/console/nothing-here", "/operator/v1/people/1"):
            answer = client.get(path)
            assert (answer.status_code, answer.json["error"]) == (404, "not_found")


def test_the_pages_are_not_in_the_api_document(service: Service) -> None:
    assert [path for path in service.call("GET", "/openapi.json").json()["paths"] if "console" in path] == []
