"""Several mini programs in one deployment: who is asked, whose openid it is, whom a unionid joins, whose a token is."""

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from tests.harness import signedin
from tests.harness.crowd import post
from tests.harness.forging import Forger
from tests.harness.races import DATABASES, Race, four_workers, violations
from tests.harness.service import ISSUER, Service
from tests.harness.signedin import Person, claims
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow

# Two of one company, and four that are bound to no Open Platform account, or to one only later.
SHOP, CLUB = "wx51a051a0000000a1", "wx51a051a0000000a2"
ALONE, LATE, LATER, LATEST = (f"wx51a051a0000000a{number}" for number in (3, 4, 5, 6))
AUDIENCES = {SHOP: SHOP, CLUB: "https://club.example.test", ALONE: ALONE, LATE: LATE, LATER: LATER, LATEST: LATEST}
GROUPS = {SHOP: "company", CLUB: "company"}
ROUNDS = 20
CALLERS = 10
TWIN = "tests.twins.unionid_look_then_insert:app"

Start = Callable[..., Service]


@pytest.fixture(scope="module")
def start_for_apps(
    run_folder: Path, start_service: Start, shared_simulator: Simulator, app_secret: str
) -> Callable[..., Service]:
    """Start a service for all of these mini programs; SHOP is its default."""
    for appid in AUDIENCES:
        _bind(shared_simulator, app_secret, appid, GROUPS.get(appid))
    tables = [
        f'[[app]]\nappid = "{appid}"\nsecret = "{app_secret}"\naudience = "{audience}"\n'
        for appid, audience in AUDIENCES.items()
        if appid != SHOP
    ]
    file = run_folder / "several-apps.toml"
    file.write_text("\n".join(tables))

    def start(name: str, **options: Any) -> Service:
        return start_service(name, appid=SHOP, **options)

    def start_four(name: str, database: str, module: str = "wsgi:app") -> Service:
        return four_workers(start, name, database, module, WX_APPS_FILE=str(file))

    return start_four


@pytest.fixture(scope="module", params=DATABASES)
def service(request: pytest.FixtureRequest, start_for_apps: Callable[..., Service]) -> Iterator[Service]:
    service = start_for_apps("apps", request.param)
    yield service
    service.stop()


@pytest.fixture
def bind(simulator: Simulator, app_secret: str) -> Callable[[str, str | None], None]:
    """Bind a mini program to an Open Platform account, or to none."""
    return lambda appid, group: _bind(simulator, app_secret, appid, group)


def _bind(simulator: Simulator, secret: str, appid: str, group: str | None) -> None:
    simulator.call("POST", "/control/apps", {"appid": appid, "secret": secret, "unionid_group": group})


def _log_in(simulator: Simulator, service: Service, user: str, appid: str) -> Person:
    # A code that may come with a new key is one whose key the leak scan learns.
    code = simulator.code(user, appid=appid, rotate=None)
    return signedin.native(service, simulator, user, code=code, json={"appid": appid})


def _with_phone(simulator: Simulator, service: Service, user: str, appid: str, **options: str) -> requests.Response:
    """One-tap login from inside a mini program: WeChat's Referer says which."""
    body = {"code": simulator.code(user, appid=appid, rotate=None)}
    body |= signedin.tapped(simulator, user, appid=appid, **options)
    return service.call("POST", "/auth/mp_login", json=body, headers={"Referer": _referer(appid)})


def _referer(appid: str) -> str:
    return f"https://servicewechat.com/{appid}/12/page-frame.html"


def _named(service: Service, name: str) -> str:
    """People of their own for each database: WeChat is the same for both."""
    return f"{name}-{'mysql' if service.schema else 'sqlite'}"


# --- which mini program -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body, referer, chosen",
    [
        ({}, None, SHOP),
        ({}, _referer(CLUB), CLUB),
        ({"appid": CLUB}, None, CLUB),
        ({"appid": CLUB}, _referer(ALONE), CLUB),
        ({}, "https://club.example.test/page.html", SHOP),
        ({}, f"http://servicewechat.com/{CLUB}/1/page-frame.html", SHOP),
        ({}, f"https://servicewechat.com.evil.example/{CLUB}/1/page-frame.html", SHOP),
    ],
    ids=["default", "Referer", "appid", "appid over Referer", "foreign Referer", "unencrypted Referer", "lookalike"],
)
def test_the_app_is_the_named_one_else_that_of_wechats_referer_else_the_default(
    simulator: Simulator, service: Service, body: dict[str, str], referer: str | None, chosen: str
) -> None:
    code = simulator.code("chooser", appid=chosen, rotate=None)
    answer = service.login(code, json=body, headers={"Referer": referer} if referer else {})
    assert answer.status_code == 200, answer.text
    token = answer.json()["data"]["access_token"]
    assert (claims(token)["appid"], claims(token)["aud"]) == (chosen, AUDIENCES[chosen])


@pytest.mark.parametrize(
    "body, headers",
    [
        ({"appid": "wx51a051a0000000ff"}, {}),
        ({}, {"Referer": _referer("wx51a051a0000000ff")}),
        ({"appid": "wx51a051a0000000ff"}, {"Referer": _referer(SHOP)}),
    ],
    ids=["appid", "Referer", "appid over a good Referer"],
)
def test_an_unknown_app_is_refused_and_wechat_not_asked(
    simulator: Simulator, service: Service, body: dict[str, str], headers: dict[str, str]
) -> None:
    answer = service.login(simulator.code("chooser", appid=SHOP), json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "unknown_app")
    assert simulator.journal() == []


def test_a_code_of_one_app_is_no_code_of_another(simulator: Simulator, service: Service) -> None:
    answer = service.login(simulator.code("chooser", appid=SHOP), json={"appid": CLUB})
    assert (answer.status_code, answer.json()["error"]) == (401, "wx_code_invalid")


# --- whose openid, whose token ----------------------------------------------------------------------------------


def test_one_openid_in_two_apps_is_two_identities_and_two_users(simulator: Simulator, service: Service) -> None:
    openid = f"oTWIN{'0' * 22}{_named(service, '')[1]}"
    for name, appid in (("one", SHOP), ("two", ALONE)):
        simulator.call("PUT", f"/control/users/{_named(service, name)}", {"appid": appid, "openid": openid})
    one = _log_in(simulator, service, _named(service, "one"), SHOP)
    two = _log_in(simulator, service, _named(service, "two"), ALONE)
    assert one.user_id != two.user_id
    stored = service.rows(f"SELECT appid, user_id FROM identities WHERE openid = '{openid}' ORDER BY appid")
    assert stored == [(SHOP, int(one.user_id)), (ALONE, int(two.user_id))]
    assert _log_in(simulator, service, _named(service, "two"), ALONE).user_id == two.user_id


def test_the_audience_of_a_token_is_its_apps_alone(simulator: Simulator, service: Service) -> None:
    keys = jwt.PyJWKClient(f"{service.url}/.well-known/jwks.json")
    for appid in (SHOP, CLUB, ALONE):
        token = _log_in(simulator, service, "audience", appid).access
        for other, audience in AUDIENCES.items():
            verify = {"audience": audience, "issuer": ISSUER}
            key = keys.get_signing_key_from_jwt(token)
            if other == appid:
                assert jwt.decode(token, key, ["ES256"], **verify)["appid"] == appid
            else:
                with pytest.raises(jwt.InvalidAudienceError):
                    jwt.decode(token, key, ["ES256"], **verify)


def test_a_rightly_signed_token_whose_app_audience_or_session_do_not_belong_together_is_refused(
    simulator: Simulator, service: Service
) -> None:
    key_file = service.folder / "instance" / "keys" / "signing.json"
    shop = _cloud_token(simulator, service, _named(service, "mutant"), SHOP)
    alone = _cloud_token(simulator, service, _named(service, "mutant"), ALONE)
    forger = Forger(shop, alone, int(time.time()), key_file, None)  # type: ignore[arg-type]
    assert claims(shop)["sub"] != claims(alone)["sub"]
    mutants = {
        "another app's audience": forger.with_claims(aud=AUDIENCES[CLUB]),
        "another app": forger.with_claims(appid=ALONE),
        "another app with its audience": forger.with_claims(appid=ALONE, aud=AUDIENCES[ALONE]),
        "an app that is not ours": forger.with_claims(appid="wx51a051a0000000ff"),
        "two audiences": forger.with_claims(aud=[AUDIENCES[SHOP], AUDIENCES[ALONE]]),
        "another user": forger.with_claims(sub=claims(alone)["sub"]),
        "the session of another app": forger.with_claims(sid=claims(alone)["sid"], jti=claims(alone)["jti"]),
    }
    for path, method in (("/api/v1/user/profile", "GET"), ("/api/v1/me", "GET"), (signedin.RENEW, "POST")):
        statuses = {name: service.call(method, path, token=mutant).status_code for name, mutant in mutants.items()}
        assert statuses == dict.fromkeys(mutants, 401), path
    assert service.call("POST", signedin.RENEW, token=forger.with_claims()).status_code == 200


def _cloud_token(simulator: Simulator, service: Service, user: str, appid: str) -> str:
    body = {"code": simulator.code(user, appid=appid, rotate=None)}
    answer = service.call("POST", "/api/v1/auth/wx-login", json=body, headers={"Referer": _referer(appid)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["access_token"])


# --- one person in several apps ---------------------------------------------------------------------------------


def test_a_unionid_makes_one_user_of_one_person_in_two_apps(simulator: Simulator, service: Service) -> None:
    person = _named(service, "joined")
    shop, club = (_log_in(simulator, service, person, appid) for appid in (SHOP, CLUB))
    alone = _log_in(simulator, service, person, ALONE)
    assert club.user_id == shop.user_id != alone.user_id
    answer = shop.call("GET", "/api/v1/me/identities")
    assert [link["appid"] for link in answer.json()["data"]] == [SHOP, CLUB]


def test_first_logins_of_one_person_in_two_apps_at_once_make_one_user(
    service: Service, race_on: Callable[[Service], Race]
) -> None:
    race = race_on(service)
    race.hold(_join_round, ROUNDS)
    race.note("first logins in two apps at once", f"{ROUNDS} rounds of {2 * CALLERS} callers: one user each time")


@pytest.mark.parametrize("database", DATABASES)
def test_the_check_finds_a_unionid_that_is_looked_up_and_then_inserted(
    database: str, start_for_apps: Callable[..., Service], race_on: Callable[[Service], Race]
) -> None:
    race = race_on(start_for_apps("apps-twin", database, TWIN))
    found = race.catch(_join_round, "users", rounds=ROUNDS)
    race.service.stop()
    race.note("first logins in two apps, twin", found)


def _join_round(race: Race, name: str) -> list[str]:
    simulator, service, person = race.simulator, race.service, f"union-{name}"
    before = service.count("users")
    requests = [
        post(
            f"{service.url}/api/v1/auth/login",
            {"code": simulator.code(person, appid=appid, rotate=None if first else False), "appid": appid},
        )
        for first in (True, *[False] * (CALLERS - 1))
        for appid in (SHOP, CLUB)
    ]
    answers = race.send(requests, kept=4)
    ids = {answer.json()["data"]["user"]["id"] for answer in answers if answer.status == 200}
    return violations(
        {
            "answers with 200": (sum(answer.status == 200 for answer in answers), 2 * CALLERS),
            "users": (service.count("users") - before, 1),
            "ids in the answers": (len(ids), 1),
            "identities": (service.count("identities", f"user_id IN ({', '.join(ids)})"), 2),
            "unionids": (service.count("unionids", f"user_id IN ({', '.join(ids)})"), 1),
        }
    )


def test_a_unionid_that_comes_late_is_attached_and_joins_from_then_on(
    simulator: Simulator, service: Service, bind: Callable[[str, str | None], None]
) -> None:
    person = _named(service, "late")
    bind(LATE, None)
    early = _log_in(simulator, service, person, LATE)
    bind(LATE, "company")
    assert _log_in(simulator, service, person, LATE).user_id == early.user_id
    assert _log_in(simulator, service, person, SHOP).user_id == early.user_id


def test_a_bare_user_is_merged_into_the_one_that_a_late_unionid_points_at(
    simulator: Simulator, service: Service, bind: Callable[[str, str | None], None]
) -> None:
    person = _named(service, "merged")
    bind(LATER, None)
    older = _log_in(simulator, service, person, LATER)
    newer = _log_in(simulator, service, person, SHOP)
    assert newer.user_id != older.user_id
    bind(LATER, "company")
    assert _log_in(simulator, service, person, LATER).user_id == older.user_id

    # The newer one gave way: its identity is the older one's, its session has ended, its row tells where it went.
    assert newer.call("GET", "/api/v1/me").status_code == 401
    assert signedin.refreshed(service, newer.refresh).status_code == 401
    assert older.call("GET", "/api/v1/me").status_code == 200
    assert _log_in(simulator, service, person, SHOP).user_id == older.user_id
    row = service.rows(f"SELECT status, merged_into_id FROM users WHERE id = {newer.user_id}")
    assert row == [("closed", int(older.user_id))]
    assert service.count("audit_events", f"event = 'merge' AND user_id = {older.user_id}") == 1
    assert service.orphans() == []


def test_two_users_of_whom_neither_can_give_way_both_stay_and_are_listed(
    simulator: Simulator, service: Service, bind: Callable[[str, str | None], None]
) -> None:
    person = _named(service, "torn")
    assert service.flask("authsvc", "users", "conflicts") == "no conflicts\n"
    assert json.loads(service.flask("authsvc", "users", "conflicts", "--json")) == []
    bind(LATEST, None)
    # Each has a verified phone of its own.
    one = claims(_with_phone(simulator, service, person, LATEST).json()["access_token"])["sub"]
    other_phone = f"1392{random.randrange(10**7):07d}"
    other = claims(_with_phone(simulator, service, person, SHOP, phone=other_phone).json()["access_token"])["sub"]
    assert one != other

    bind(LATEST, "company")
    assert _log_in(simulator, service, person, LATEST).user_id == one
    assert _log_in(simulator, service, person, SHOP).user_id == other
    assert service.count("audit_events", f"event = 'unionid_conflict' AND user_id = {one}") == 1
    assert json.loads(service.flask("authsvc", "users", "conflicts", "--json")) == [
        {"user_id": int(one), "other_user_id": int(other), "appid": LATEST}
    ]
    head, row = service.flask("authsvc", "users", "conflicts").splitlines()
    assert (head.split(), row.split()) == (["user", "other", "user", "mini", "program"], [one, other, LATEST])


# --- two WeChats of one person in one app -----------------------------------------------------------------------


def test_two_wechats_of_one_phone_are_one_user_and_each_session_keeps_its_own_openid(
    simulator: Simulator, service: Service
) -> None:
    private, work = _named(service, "private"), _named(service, "work")
    number = f"1393{random.randrange(10**7):07d}"
    ids, openids = set(), []
    for person in (private, work):
        answer = _with_phone(simulator, service, person, SHOP, phone=number)
        assert answer.status_code == 200, answer.text
        ids.add(claims(answer.json()["access_token"])["sub"])
        openids.append(answer.json()["openid"])
    assert len(ids) == 1 and len(set(openids)) == 2
    assert service.count("audit_events", f"event = 'second_identity' AND user_id = {ids.pop()}") == 1

    tokens = [_cloud_token(simulator, service, person, SHOP) for person in (private, work)]
    shown = [service.call("GET", "/api/v1/user/profile", token=token).json()["data"]["openid"] for token in tokens]
    renewed = [service.call("POST", signedin.RENEW, token=token).json()["data"]["access_token"] for token in tokens]
    assert shown == [claims(token)["openid"] for token in renewed] == openids
    # Each opens what its own phone encrypts.
    for person in (private, work):
        session = _log_in(simulator, service, person, SHOP)
        tapped = signedin.tapped(simulator, person, appid=SHOP, phone=number)
        assert session.call("POST", "/api/v1/me/phone", json=tapped).status_code == 200

    # Without the older WeChat, the newer one's session goes on, and only that one.
    links = service.call("GET", "/api/v1/me/identities", token=renewed[1]).json()["data"]
    assert service.call("DELETE", f"/api/v1/me/identities/{links[0]['id']}", token=renewed[1]).status_code == 200
    statuses = [service.call("GET", "/api/v1/user/profile", token=token).status_code for token in renewed]
    assert statuses == [401, 200]
