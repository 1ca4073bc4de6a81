"""The pages of the console, over the real service: what they show, to whom, and that no text becomes markup."""

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from html import escape
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from authsvc.clock import HOUR
from authsvc.web.routes.console import writing
from authsvc.web.routes.console.words import WORDS
from tests.harness import signedin
from tests.harness.chromium import PHONE, Window, chromium, window
from tests.harness.inprocess import beside
from tests.harness.leaks import Canaries
from tests.harness.operators import Desk, at_the_desk, new_operator
from tests.harness.service import Service
from tests.harness.signedin import Person
from tests.harness.simulator import Simulator

CHINESE, ENGLISH = WORDS["zh-CN"], WORDS["en"]
PAGES = ("", "/people", "/invites", "/programs", "/wechat", "/health")
OPERATORS = "/console/operators"
HOSTILE = '<script>alert("1")</script>'


@pytest.fixture
def lan(simulator: Simulator, service: Service) -> Person:
    who = signedin.native(service, simulator, "lan in the console")
    assert who.call("PUT", "/api/v1/me", json={"nickname": f"林{HOSTILE}"}).status_code == 200
    return who


@pytest.fixture
def reader(service: Service) -> Desk:
    return at_the_desk(service, "read")


class _Texts(HTMLParser):
    """What a page says, and the attributes of its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said = ""
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.said += data


def search(desk: Desk, text: str) -> str:
    """Type something into the form, and return the page to which it leads."""
    answer = desk.post("/console/people", csrf=desk.csrf(), q=text)
    assert answer.status_code == 303
    return desk.get(answer.headers["Location"]).text


def found(page: str) -> list[str]:
    """The ids of those who were found."""
    return re.findall(r'href="/console/people/(\d+)', page)


def change(service: Service, statement: str, *values: object) -> None:
    """Change a row behind the service's back."""
    with closing(service.connect()) as connection:
        connection.execute(statement, values)


def seed(service: Service, batch: str, count: int) -> list[str]:
    """Add codes of a campaign, each for one person; return them."""
    codes = [secrets.token_hex(6) for _ in range(count)]
    columns = "(code, batch, batch_number, max_uses, uses, created_at)"
    for number, code in enumerate(codes, 1):
        change(service, f"INSERT INTO invite_codes {columns} VALUES (?, ?, ?, 1, 0, 1)", code, batch, number)
    return codes


# --- what the pages show --------------------------------------------------------------------------------------------


# The doctor takes seconds.
@pytest.mark.parametrize("path", [*PAGES[:-1], pytest.param(PAGES[-1], marks=pytest.mark.slow)])
def test_every_page_speaks_both_languages(reader: Desk, path: str) -> None:
    for language, words in WORDS.items():
        answer = reader.get(f"/console{path}?lang={language}")
        assert answer.status_code == 200
        texts = _Texts(answer.text)
        assert words["sign_out"] in texts.said and words["times"] in texts.said
        assert ("lang", language) in texts.attributes
        links = [value for name, value in texts.attributes if name in ("href", "action") and value]
        ours = [link for link in links if link.startswith("/console") and not link.endswith(".css")]
        # Whoever chose a language keeps it.
        assert len(ours) > 6 and all(f"lang={language}" in link for link in ours)


def test_every_page_answers_on_each_database(each_service: Service, simulator: Simulator) -> None:
    who = signedin.native(each_service, simulator, "somebody on each database")
    code = who.does("GET", "/api/v1/me/invite")["invite_code"]
    owner = at_the_desk(each_service, "owner")
    for path in (*PAGES[:-1], f"/people/{who.user_id}", f"/invites/code?code={code}"):
        assert owner.get(f"/console{path}").status_code == 200, path
    assert found(search(owner, who.user_id)) == [who.user_id]


def test_both_languages_have_the_same_places_in_their_sentences() -> None:
    assert set(CHINESE) == set(ENGLISH)
    for name, sentence in CHINESE.items():
        places = [set(re.findall(r"{\w+}", text)) for text in (sentence, ENGLISH[name])]
        assert places[0] == places[1], name


def test_no_word_is_missing_and_no_word_is_idle(service: Service) -> None:
    """Templates name their words, some by what they are about."""
    with beside(service) as app:
        loader = app.blueprints["console-home"].jinja_loader
        assert loader is not None
        names = [name for name in loader.list_templates() if name.startswith("console/")]
        text = "".join(loader.get_source(app.jinja_env, name)[0] for name in names)
    named = set(re.findall(r"\bwords\.(\w+)", text)) - {"get"}
    begun = tuple(re.findall(r'words\["(\w+_)" \+', text))
    by_code = {"sign_ups_what", "uses_what", "wechat_what", "seconds", "minutes", "hours", "days_long", "in_wechat"}
    assert named - set(CHINESE) == set()
    idle = {name for name in set(CHINESE) - named - by_code if not name.startswith(begun)}
    assert idle == set()


def test_people_are_found_by_what_support_is_told(service: Service, lan: Person, reader: Desk) -> None:
    openid = lan.simulator.account(lan.name)["openid"]
    phone_code = lan.simulator.phone_code(lan.name)
    assert lan.call("POST", "/api/v1/me/phone", json={"code": phone_code}).status_code == 200
    [(phone,)] = service.rows(f"SELECT phone FROM users WHERE id = {lan.user_id}")
    for text in (
        lan.user_id,
        openid,
        f"林{HOSTILE}"[:9],
        phone,
        f"+86 {phone}",
        f"{phone[:3]}-{phone[3:]}",
        phone[-4:],
    ):
        assert lan.user_id in found(search(reader, text)), text
    for text in ("nobody has this", "+8613000000001", "9" * 18, "%", "_", "' OR 1=1 --"):
        page = search(reader, text)
        assert found(page) == [] and CHINESE["found_none"] in page, text
    assert phone not in search(reader, phone[-4:]) and openid not in search(reader, openid).replace(
        f'value="{openid}"', ""
    )


def test_an_address_does_not_say_what_was_searched(reader: Desk, lan: Person) -> None:
    """Proxies write addresses down, and browsers keep them."""
    csrf = reader.csrf()
    addresses = [reader.post("/console/people", csrf=csrf, q="13800138000").headers["Location"] for _ in range(2)]
    assert addresses[0] != addresses[1]
    assert all(re.fullmatch(r"/console/people\?search=[\w=-]+", address) for address in addresses)
    assert "13800138000" in reader.get(addresses[0]).text
    assert CHINESE["found_none"] not in reader.get("/console/people?search=13800138000").text
    assert reader.post("/console/people", csrf=csrf, q=" ").headers["Location"] == "/console/people"


def test_a_person_s_page_tells_what_support_needs_and_hides_the_rest(
    service: Service, lan: Person, reader: Desk
) -> None:
    account = lan.simulator.account(lan.name)
    page = reader.get(f"/console/people/{lan.user_id}").text
    said = _Texts(page).said
    for text in (f"林{HOSTILE}", CHINESE["status_active"], service.appid, CHINESE["event_register"], "python-requests"):
        assert text in said, text
    assert account["openid"] not in page and account["openid"][-4:] in said
    assert account["session_key"] not in page and lan.sid not in page
    assert re.search(r"[1-9]\d{10}|\+86", said) is None
    code = lan.does("GET", "/api/v1/me/invite")["invite_code"]
    assert f"/console/invites/code?code={code}" in reader.get(f"/console/people/{lan.user_id}").text
    assert reader.get("/console/people/999999999").status_code == 404


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
            " Mobile/15E148 MicroMessenger/8.0.50(0x1800322d) NetType/WIFI Language/zh_CN",
            "iPhone, iOS 17.5 · WeChat 8.0.50",
        ),
        (
            "Mozilla/5.0 (Linux; Android 13; PEGM00 Build/TP1A.220905.001; wv) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/116.0.0.0 Mobile Safari/537.36 XWEB/1160 MMWEBSDK/20231202 MicroMessenger/8.0.47.2560(0x28002F30)",
            "PEGM00, Android 13 · WeChat 8.0.47",
        ),
        ("Mozilla/5.0 (Windows NT 10.0; WOW64) MicroMessenger/6.8.0(0x16080000)", "Windows · WeChat 6.8.0"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "macOS"),
        ("Android 9; (", "Android 9; ("),
        ("x" * 255, "x" * 60),
        ("", ""),
    ],
)
def test_a_device_is_named_as_people_name_it(agent: str, shown: str) -> None:
    assert writing.device(agent, ENGLISH) == shown


def test_no_text_becomes_markup(service: Service, lan: Person, reader: Desk) -> None:
    batch = "\"'><script>x</script>"
    [code] = seed(service, batch, 1)
    campaign = f"/console/invites/batch?{urlencode({'name': batch})}"
    pages = {
        f"/console/people/{lan.user_id}": HOSTILE,
        "/console/invites": batch,
        campaign: batch,
        f"/console/invites/code?code={code}": batch,
        f"/console/invites/batch?{urlencode({'name': HOSTILE})}": "",
        f"/console/invites/code?{urlencode({'code': HOSTILE[:20]})}": "",
        f"/console/people?{urlencode({'search': HOSTILE})}": "",
        f"/console?{urlencode({'lang': HOSTILE, HOSTILE: HOSTILE})}": "",
    }
    for path, text in pages.items():
        texts = _Texts(reader.get(path).text)
        assert text in texts.said and "script" not in texts.tags, path
        assert not {name for name, _ in texts.attributes if name.startswith("on") or name == "style"}, path
    assert f'href="{escape(campaign)}"' in reader.get("/console/invites").text
    texts = _Texts(search(reader, HOSTILE))
    assert ("value", HOSTILE) in texts.attributes and "script" not in texts.tags
    change(service, "DELETE FROM invite_codes WHERE batch = ?", batch)


def test_campaigns_are_shown_by_day_and_by_code(service: Service, simulator: Simulator, reader: Desk) -> None:
    code, *_ = seed(service, "spring-2099", 60)
    assert service.login(simulator.code("came in spring"), json={"invite_code": code}).status_code == 200
    assert "spring-2099" in reader.get("/console/invites").text
    page = reader.get("/console/invites/batch?name=spring-2099").text
    assert CHINESE["days"].format(total=1, today=1) in page and '<rect class="bar"' in page
    assert (
        page.count("/console/invites/code?code=") == 50
        and CHINESE["first_codes"].format(count=50, option="--batch spring-2099") in page
    )
    shown = reader.get(f"/console/invites/code?code={code}").text
    assert CHINESE["fault_used_up"] in shown and CHINESE["picture_none"] in shown
    for nothing in ("/console/invites/batch?name=winter", "/console/invites/code?code=NOSUCHCODE"):
        assert reader.get(nothing).status_code == 404
    assert reader.get("/console/invites/batch").status_code == 400


def test_programs_and_keys_show_ages_and_no_secret(service: Service, reader: Desk, canaries: Canaries) -> None:
    with beside(service) as app:
        use = app.extensions["authsvc"]
        use.access_tokens.refresh(None)
        canaries.never("a shop's credential", use.service_credentials.add("console-shop", ("introspect",)))
    page = reader.get("/console/programs?lang=en").text
    [key] = service.call("GET", "/.well-known/jwks.json").json()["keys"]
    assert key["kid"] in page and "console-shop" in page and service.appid in page
    assert re.search(r"fetched \d+ \w+ ago, expires in \d+ \w+ \(stable_token\)", page)


def test_messages_that_were_given_up_are_shown(service: Service, lan: Person, reader: Desk) -> None:
    hook = ("console-crm", "https://crm.example.test/hook?key=in-the-query", "", "", "x", 0, 0, 0)
    columns = "(name, url, kinds, scopes, secret, rotated_at, position, created_at)"
    change(service, f"INSERT INTO webhooks {columns} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *hook)
    columns = "(webhook, position, kind, user_id, at, attempts, due_at, claimed_until, dead_at, last_error)"
    letter = ("console-crm", 1, "registered", lan.user_id, 1, 11, 1, 0, 1_800_000_000, f"500 {HOSTILE}")
    change(service, f"INSERT INTO webhook_deliveries {columns} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *letter)
    try:
        overview = reader.get("/console/programs").text
        assert "https://crm.example.test/hook" in overview and "in-the-query" not in overview
        assert 'href="/console/webhook?name=console-crm"' in overview
        page = reader.get("/console/webhook?name=console-crm").text
        texts = _Texts(page)
        assert f"500 {HOSTILE}" in texts.said and "script" not in texts.tags and found(page) == [lan.user_id]
    finally:
        change(service, "DELETE FROM webhook_deliveries")
        change(service, "DELETE FROM webhooks")
    assert reader.get("/console/webhook?name=console-crm").status_code == 404


def test_errors_of_wechat_are_counted_by_hour_and_kind(service: Service, reader: Desk) -> None:
    now = int(time.time())
    kind = (service.appid, "code2session", "wechat_misconfigured", 40125)
    columns = "(hour, appid, endpoint, error, errcode, calls)"
    change(service, f"INSERT INTO wechat_errors {columns} VALUES (?, ?, ?, ?, ?, ?)", now - now % HOUR, *kind, 7)
    said = _Texts(reader.get("/console/wechat?lang=en").text).said
    assert "wechat_misconfigured" in said and "40125" in said and "7" in said


def test_the_doctor_s_lines_are_shown_with_what_to_do_first(reader: Desk) -> None:
    page = reader.get("/console/health").text
    statuses = re.findall(r'class="badge (ok|warning|wrong|skipped)"', page)
    # On a machine that is too busy, that is all it says.
    assert "WX_API_BASE" in page or "doctor.answers" in page
    ill = [status in ("wrong", "warning") for status in statuses]
    assert ill == sorted(ill, reverse=True) and any(ill)


def test_an_owner_sees_who_may_enter(service: Service, reader: Desk) -> None:
    owner = at_the_desk(service, "owner")
    said = _Texts(owner.get(OPERATORS).text).said
    assert reader.name in said and owner.name in said and CHINESE["role_owner"] in said
    assert f'href="{OPERATORS}"' in owner.get("/console").text
    assert f'href="{OPERATORS}"' not in reader.get("/console").text and reader.get(OPERATORS).status_code == 403


# --- acts -----------------------------------------------------------------------------------------------------------


def trail(service: Service, who: Person) -> list[tuple[str, str]]:
    """Events about a person with the operators' names, oldest first."""
    return service.rows(f"SELECT event, operator FROM audit_events WHERE user_id = {who.user_id} ORDER BY id")


def test_support_disables_and_enables_and_ends_sessions_under_their_own_name(service: Service, lan: Person) -> None:
    support = at_the_desk(service, "support")
    page, csrf = f"/console/people/{lan.user_id}", support.csrf()
    assert CHINESE["disable_sure"] in support.get(page).text and CHINESE["enable_sure"] not in support.get(page).text
    for act, done, status, event in (
        ("log-out", "logged_out", "active", "logout_global"),
        ("disable", "disabled", "disabled", "disable"),
        ("enable", "enabled", "active", "enable"),
    ):
        answer = support.post(f"{page}/{act}", csrf=csrf)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{page}?done={done}")
        shown = _Texts(support.get(answer.headers["Location"]).text).said
        assert CHINESE[f"done_{done}"] in shown and CHINESE[f"status_{status}"] in shown
        assert trail(service, lan)[-1] == (event, support.name) and support.name in shown
        assert lan.call("GET", "/api/v1/me").status_code == 401
    # Twice, or for nobody: a page says what is wrong.
    again = support.post(f"{page}/enable", csrf=csrf)
    assert again.status_code == 409 and "该用户没有停用" in again.text
    assert support.post("/console/people/999999999/disable", csrf=csrf).status_code == 404


def test_support_ends_one_session_of_several(service: Service, lan: Person) -> None:
    support, other = at_the_desk(service, "support"), signedin.native(service, lan.simulator, lan.name)
    page, csrf = f"/console/people/{lan.user_id}", support.csrf()
    answer = support.post(f"{page}/sessions/{lan.sid}/end", csrf=csrf)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{page}?done=session_ended")
    assert CHINESE["done_session_ended"] in support.get(answer.headers["Location"]).text
    assert [who.call("GET", "/api/v1/me").status_code for who in (lan, other)] == [401, 200]
    assert trail(service, lan)[-1] == ("session_ended", support.name)


def test_an_owner_erases_whom_they_name(service: Service, lan: Person) -> None:
    owner = at_the_desk(service, "owner")
    page, csrf = f"/console/people/{lan.user_id}", owner.csrf()
    for typed in ("", "0", f"0{lan.user_id}", "1" * 19):
        answer = owner.post(f"{page}/erase", csrf=csrf, typed=typed)
        refused = answer.status_code == 400 or answer.headers["Location"] == f"{page}?done=not_confirmed"
        assert refused, typed
    assert CHINESE["done_not_confirmed"] in owner.get(f"{page}?done=not_confirmed").text
    assert (
        owner.post(f"{page}/erase", csrf=csrf, typed=lan.user_id).headers["Location"] == "/console/people?done=erased"
    )
    assert CHINESE["done_erased"] in owner.get("/console/people?done=erased").text
    assert owner.get(page).status_code == 404 and service.count("users", f"id = {lan.user_id}") == 0
    assert trail(service, lan)[-1] == ("erase", owner.name)


def test_an_owner_merges_one_into_the_other(service: Service, simulator: Simulator, lan: Person) -> None:
    owner, twin = at_the_desk(service, "owner"), signedin.native(service, simulator, "twin in the console")
    page, csrf = f"/console/people/{twin.user_id}", owner.csrf()
    wrong = owner.post(f"{page}/merge", csrf=csrf, typed=lan.user_id, into=lan.user_id, reason="ticket 4711")
    assert wrong.headers["Location"] == f"{page}?done=not_confirmed"
    assert (
        owner.post(f"{page}/merge", csrf=csrf, typed=twin.user_id, into="nobody", reason="ticket 4711").status_code
        == 400
    )
    assert (
        owner.post(f"{page}/merge", csrf=csrf, typed=twin.user_id, into=twin.user_id, reason="ticket 4711").status_code
        == 409
    )
    done = owner.post(f"{page}/merge", csrf=csrf, typed=twin.user_id, into=lan.user_id, reason="ticket 4711")
    assert done.headers["Location"] == f"/console/people/{lan.user_id}?done=merged"
    assert ("merge", owner.name) in trail(service, lan)
    merged = owner.get(page).text
    assert f'href="/console/people/{lan.user_id}"' in merged and 'id="acts"' not in merged


def test_what_a_role_may_not_do_is_not_shown(service: Service, lan: Person) -> None:
    page = f"/console/people/{lan.user_id}"
    names = ("disable", "log_out", "merge", "erase")
    for role, may in (("read", ()), ("support", names[:2]), ("owner", names)):
        text = at_the_desk(service, role).get(page).text
        assert [name for name in names if CHINESE[f"{name}_sure"] in text] == list(may)
        forms = re.findall(r'<form method="post" action="([^"]+)"', text)
        assert len([form for form in forms if "/sessions/" not in form]) == 1 + len(may)
        assert (f"{page}/sessions/{lan.sid}/end" in forms) == bool(may)


def test_a_picture_is_drawn_once_and_shown(service: Service, reader: Desk) -> None:
    [code] = seed(service, "drawn", 1)
    page, support = f"/console/invites/code?code={code}", at_the_desk(service, "support")
    assert CHINESE["picture_draw"] not in reader.get(page).text and CHINESE["picture_draw"] in support.get(page).text
    done = support.post("/console/invites/picture", csrf=support.csrf(), code=code, appid=service.appid)
    assert (done.status_code, done.headers["Location"]) == (303, f"{page}&done=drawn")
    [picture] = re.findall(r'<img class="code-picture" src="(/qrcodes/\w+\.jpg)"', reader.get(page).text)
    assert service.call("GET", picture).headers["Content-Type"] == "image/jpeg"
    for data in ({"code": "NOSUCHCODE", "appid": service.appid}, {"code": code, "appid": f"wx{0:016}"}):
        assert support.post("/console/invites/picture", csrf=support.csrf(), **data).status_code in (400, 404)


@pytest.mark.slow
def test_a_database_without_room_for_a_write_is_a_page(start_briefly: Callable[..., Service]) -> None:
    service = start_briefly("console-busy", workers=1)
    owner = at_the_desk(service, "owner")
    csrf = owner.csrf()
    with closing(service.connect()) as connection:
        connection.execute("BEGIN IMMEDIATE")
        answer = owner.post("/console/sign-out", csrf=csrf)
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    assert CHINESE["refused"] in answer.text and "<h1>" in answer.text
    assert owner.post("/console/sign-out", csrf=csrf).status_code == 303


# --- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def here(start_service: Callable[..., Service]) -> Iterator[Service]:
    """A service whose public address is where the browser finds it."""
    service = start_service("console", workers=1, settings={"PUBLIC_BASE_URL": "http://127.0.0.1:{port}"})
    yield service
    service.stop()


def enter(page: Page, service: Service, credential: str) -> None:
    """Sign in, with the keyboard alone: the field has the focus."""
    page.goto(f"{service.url}/console")
    expect(page.locator("#credential")).to_be_focused()
    page.keyboard.type(credential)
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation")).to_be_visible()


def is_calm(shown: Window, service: Service) -> bool:
    """Nothing was complained about, nothing outside was asked."""
    assert shown.complaints == [] and shown.outside(service.url) == set()
    return True


def test_the_story_of_support_in_a_browser(browser: Browser, simulator: Simulator, here: Service) -> None:
    """Find somebody, disable them, end their sessions, look at a campaign."""
    lan = signedin.native(here, simulator, "lan of the story")
    assert lan.call("PUT", "/api/v1/me", json={"nickname": f"岚{HOSTILE}"}).status_code == 200
    seed(here, "story", 3)
    _, credential = new_operator(here, "support")
    with window(browser, java_script_enabled=False) as shown:
        page = shown.page
        enter(page, here, credential)
        page.get_by_label(CHINESE["find"]).fill("岚")
        page.get_by_role("button", name=CHINESE["search"]).click()
        page.get_by_role("link", name=lan.user_id, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"岚{HOSTILE}")

        page.locator("summary", has_text=CHINESE["log_out"]).click()
        page.get_by_role("button", name=CHINESE["log_out_sure"]).click()
        expect(page.get_by_role("status")).to_have_text(CHINESE["done_logged_out"])
        assert lan.call("GET", "/api/v1/me").status_code == 401
        again = signedin.native(here, simulator, "lan of the story")
        page.locator("summary", has_text=CHINESE["disable"]).click()
        page.get_by_role("button", name=CHINESE["disable_sure"]).click()
        expect(page.get_by_role("status")).to_have_text(CHINESE["done_disabled"])
        assert again.call("GET", "/api/v1/me").status_code in (401, 403)

        page.get_by_role("link", name=CHINESE["nav_invites"]).click()
        page.get_by_role("link", name="story", exact=True).click()
        expect(page.get_by_role("img", name=CHINESE["uses"])).to_be_visible()
        page.locator("td a").first.click()
        page.get_by_role("button", name=CHINESE["picture_draw"]).click()
        expect(page.get_by_role("status")).to_have_text(CHINESE["done_drawn"])
        assert page.locator(".code-picture").evaluate("picture => picture.naturalWidth") > 200
        page.get_by_role("button", name=CHINESE["sign_out"]).click()
        expect(page.get_by_label(CHINESE["credential"], exact=True)).to_be_visible()
        assert is_calm(shown, here)


@pytest.mark.slow
def test_the_story_with_the_keyboard_alone_in_english(browser: Browser, simulator: Simulator, here: Service) -> None:
    lan = signedin.native(here, simulator, "lan at the keyboard")
    _, credential = new_operator(here, "owner")
    with window(browser, locale="en-GB") as shown:
        page, press = shown.page, shown.page.keyboard.press
        enter(page, here, credential)
        expect(page.get_by_label(ENGLISH["find"])).to_be_focused()
        page.keyboard.type(lan.user_id)
        press("Enter")
        expect(page.get_by_role("status")).to_have_text(ENGLISH["found"].format(count=1))
        press("Tab")
        expect(page.locator(":focus")).to_have_text(ENGLISH["skip"])
        press("Enter")
        expect(page.locator("main")).to_be_focused()
        for name in (lan.user_id, ENGLISH["erase"]):
            tab_to(page, name)
            press("Enter")
        press("Tab")
        page.keyboard.type(lan.user_id)
        press("Enter")
        expect(page.get_by_role("status")).to_have_text(ENGLISH["done_erased"])
        tab_to(page, ENGLISH["other_language"])
        press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(CHINESE["nav_people"])
        assert is_calm(shown, here)


def tab_to(page: Page, text: str) -> None:
    """Press Tab until the focus is on what has this text; fails after a hundred."""
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.locator(":focus").count() and page.locator(":focus").inner_text().strip() == text:
            return
    raise AssertionError(f"no Tab leads to {text}")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_page_fits_a_phone(browser: Browser, simulator: Simulator, here: Service, language: str) -> None:
    lan = signedin.native(here, simulator, f"lan with a phone {language}")
    assert lan.call("PUT", "/api/v1/me", json={"nickname": "一" * 30}).status_code == 200
    _, credential = new_operator(here, "owner")
    with window(browser, viewport=PHONE, is_mobile=True, has_touch=True, locale=language) as shown:
        enter(shown.page, here, credential)
        for path in (*PAGES, "/operators", f"/people/{lan.user_id}"):
            shown.page.goto(f"{here.url}/console{path}")
            assert shown.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
            small = shown.page.locator("nav a, button:visible, summary:visible, input:visible").evaluate_all(
                "all => all.filter(one => one.getBoundingClientRect().height < 24).map(one => one.outerHTML)"
            )
            assert small == [], path
        assert is_calm(shown, here)
