"""Twenty people, each against all others: nobody reads, exports, changes or ends what is another's.

Not with their own token, whatever they name; not with the other's token alone, of any kind; and not with the other's
token and a fresh code of their own. Sessions of other mini programs: ``test_mini_programs_apart.py``.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.conftest import APPID
from tests.harness import pictures, scanning, signedin
from tests.harness.service import Service
from tests.harness.signedin import Person, native
from tests.harness.simulator import Simulator

PEOPLE = 20


@dataclass(frozen=True)
class Owner:
    """Somebody signed in, and what is theirs alone."""

    person: Person
    # By how many days they live: those of front ends that have but one.
    bearers: dict[int, str]
    link: int
    openid: str
    nickname: str
    picture: str

    @property
    def name(self) -> str:
        return self.person.name

    @property
    def id(self) -> str:
        return self.person.user_id

    @property
    def token(self) -> str:
        return self.person.access

    @property
    def session(self) -> str:
        return self.person.sid

    def session_beside(self, token: str) -> str:
        """A session of theirs that is not this token's."""
        sids = [signedin.claims(own)["sid"] for own in (self.token, *self.bearers.values())]
        return str(next(sid for sid in sids if sid != signedin.claims(token)["sid"]))

    @property
    def marks(self) -> tuple[str, ...]:
        return self.session, self.openid, self.nickname, self.picture

    def shows_in(self, text: str) -> bool:
        return any(mark in text for mark in self.marks)


def make(service: Service, simulator: Simulator, number: int) -> Owner:
    name = f"crossing-{number}"
    person = native(service, simulator, name)
    picture = {"file": ("x.png", pictures.encoded(pictures.picture((8, 8)), "PNG"), "image/png")}
    address = person.does("POST", "/api/v1/me/avatar", files=picture)["avatar_url"]
    (link,) = person.does("GET", "/api/v1/me/identities")
    nickname = f"crossing nickname {number:02}."
    bearers = {
        7: signedin.code_message_data(service, simulator, name),
        30: signedin.success_data(service, simulator, name),
    }
    person.does("PUT", "/api/v1/me", json={"nickname": nickname})
    return Owner(person, bearers, link["id"], simulator.account(name)["openid"], nickname, address)


Attempt = Callable[[Owner], dict[str, Any]]
# Every route about the caller or their sessions: how somebody would reach for another's, if anyhow. A route that is not
# here fails the test.
READS = {
    "GET /api/v1/me",
    "GET /api/v1/me/activity",
    "GET /api/v1/me/export",
    "GET /api/v1/me/identities",
    "GET /api/v1/me/consents",
    "GET /api/v1/me/invite",
    "GET /api/v1/me/invite/arrivals",
    "GET /api/v1/me/invite/qrcode",
    "GET /api/v1/sessions",
}
# The caller's own only: there is nothing to name another by, and a body or query that tries to is refused or not read.
OWN_ONLY = {
    "POST /api/v1/me/avatar",
    "POST /api/v1/me/identities",
    "POST /api/v1/me/phone",
    "DELETE /api/v1/me/phone",
    "POST /api/v1/me/consents",
    "POST /api/v1/me/close",
    "POST /api/v1/me/invite/qrcode",
    "POST /api/v1/sessions/logout",
    "POST /api/v1/sessions/refresh",
}
REACHES: dict[str, tuple[Attempt, int]] = {
    "DELETE /api/v1/sessions/{session_id}": (lambda other: {"path": f"/api/v1/sessions/{other.session}"}, 404),
    "DELETE /api/v1/me/identities/{link_id}": (lambda other: {"path": f"/api/v1/me/identities/{other.link}"}, 404),
    "PUT /api/v1/me": (lambda other: {"json": {"avatar_url": other.picture}}, 400),
}
# Asked of every other person, with their ids in the query.
GUESSED = ("GET /api/v1/me", "GET /api/v1/me/export", "GET /api/v1/sessions")
GUESS = "user_id={id}&id={id}&sub={id}&openid={openid}"


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Service]) -> Iterator[Service]:
    """Where limits do not stop anybody from trying."""
    service = start_service("crossing", settings={"RATE_LIMIT_LOGIN": "off"})
    yield service
    service.stop()


@pytest.fixture(scope="module")
def people(service: Service, shared_simulator: Simulator) -> list[Owner]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda number: make(service, shared_simulator, number), range(PEOPLE)))


def test_every_route_of_the_caller_is_in_the_table(service: Service) -> None:
    paths = service.call("GET", "/openapi.json").json()["paths"]
    routes = {
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method in methods
        if re.match(r"/api/v1/(me|sessions)\b", path)
    }
    assert routes == READS | OWN_ONLY | set(REACHES)


def ask(http: requests.Session, service: Service, token: str, route: str, **options: Any) -> requests.Response:
    method, _, path = route.partition(" ")
    path = options.pop("path", path)
    code = options.pop("code", None)
    headers = {"Authorization": f"Bearer {token}"} | ({HEADER: code} if code else {})
    return http.request(method, service.url + path, headers=headers, timeout=30, **options)


def crossings_of(service: Service, simulator: Simulator, person: Owner, others: list[Owner]) -> list[str]:
    """Where this person got at something of others, with their own token and codes of their own."""
    costly = [route for route in (*GUESSED, *REACHES) if route in STEP_UP]
    codes = iter(simulator.codes(person.name, len(others) + len(costly) + 1))
    found = []
    with requests.Session() as http:

        def reach(route: str, **options: Any) -> requests.Response:
            code = next(codes) if route in STEP_UP else None
            return ask(http, service, person.token, route, code=code, **options)

        for number, other in enumerate(others):
            # Of those that take a code, one for each of many: each of them meets a third of all pairs.
            left_out = set(costly) - {costly[number % len(costly)]} if len(others) > len(costly) else set()
            found += _reached(other, reach, left_out)
        for route in READS:
            text = reach(route).text
            found += [f"{route} shows {other.id}" for other in others if other.shows_in(text)]
    return found


def _reached(other: Owner, reach: Callable[..., requests.Response], left_out: set[str]) -> list[str]:
    found = []
    for route in (route for route in GUESSED if route not in left_out):
        answer = reach(route, params=GUESS.format(id=other.id, openid=other.openid))
        if answer.status_code not in (200, 400) or other.shows_in(answer.text):
            found.append(f"{route} of {other.id}: {answer.status_code}")
    for route, (attempt, refused) in REACHES.items():
        if route not in left_out and (status := reach(route, **attempt(other)).status_code) != refused:
            found.append(f"{route} of {other.id}: {status}")
    return found


def test_nobody_reads_or_ends_what_is_anothers(
    simulator: Simulator, service: Service, people: list[Owner], figures: Callable[[str], None]
) -> None:
    def reach(person: Owner) -> list[str]:
        return crossings_of(service, simulator, person, [other for other in people if other is not person])

    with ThreadPoolExecutor(4) as pool:
        crossings = [crossing for found in pool.map(reach, people) for crossing in found]
    ways = len(REACHES) + len(GUESSED) - 2
    figures(
        f"{PEOPLE} people × {PEOPLE - 1} others × {ways} ways to read, export or delete: {len(crossings)} crossings"
    )
    assert crossings == []
    for person in people:  # whom nobody has harmed, and who sees what the others did not
        mine = service.call("GET", "/api/v1/me/export", token=person.token)
        assert mine.status_code == 200 and all(mark in mine.text for mark in person.marks)


HEADER = "Step-Up-Code"
# With somebody's token in hand: what would let a thief in, lock the owner out, or take everything along.
STOLEN: dict[str, Callable[[Owner, str], dict[str, Any]]] = {
    "GET /api/v1/me/export": lambda *_: {},
    "POST /api/v1/me/identities": lambda *_: {"json": {"code": "0" * 32, "appid": APPID}},
    "DELETE /api/v1/me/identities/{link_id}": lambda owner, _: {"path": f"/api/v1/me/identities/{owner.link}"},
    "POST /api/v1/me/phone": lambda *_: {"json": {"code": "0" * 64}},
    "DELETE /api/v1/me/phone": lambda *_: {},
    "POST /api/v1/me/close": lambda *_: {},
    "DELETE /api/v1/sessions/{session_id}": lambda owner, token: {
        "path": f"/api/v1/sessions/{owner.session_beside(token)}"
    },
    "POST /api/v1/sessions/logout": lambda *_: {"params": {"scope": "global"}},
    f"POST {scanning.ROUTE}/approve": lambda *_: {"json": {"ticket": "A" * 22}},
}
STEP_UP = set(STOLEN)


def stolen(owner: Owner) -> dict[str, str]:
    """Every kind of token of theirs that somebody may hold."""
    return {"access": owner.token, **{f"{days}-day bearer": token for days, token in owner.bearers.items()}}


def outcome(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("error", "")


def state(service: Service) -> list[list[tuple]]:
    return [
        service.rows("SELECT id, status, phone, token_version FROM users ORDER BY id"),
        service.rows("SELECT id, user_id, appid, openid FROM identities ORDER BY id"),
        service.rows("SELECT id, revoked_at FROM sessions ORDER BY id"),
        service.rows("SELECT id, event FROM audit_events WHERE event <> 'new_device' ORDER BY id"),
    ]


def thefts_from(service: Service, simulator: Simulator, owner: Owner, thieves: list[Owner]) -> list[str]:
    """What came of the owner's tokens alone, each in every way, and with a fresh code of each thief in one way each."""
    tokens = stolen(owner)
    ways = [(kind, route) for kind in tokens for route in STOLEN]
    tries: list[tuple[str, str, Owner | None]] = [(*way, None) for way in ways]
    tries += [(*ways[number % len(ways)], thief) for number, thief in enumerate(thieves, start=int(owner.id))]
    found = []
    with requests.Session() as http:
        for kind, route, thief in tries:
            code, expected = None, "step_up_required"
            if thief is not None:
                code, expected = simulator.codes(thief.name, 1)[0], "step_up_mismatch"
            answer = ask(http, service, tokens[kind], route, code=code, **STOLEN[route](owner, tokens[kind]))
            if outcome(answer) != (403, expected):
                found.append(f"{kind} of {owner.name}, {route}: {answer.status_code} instead of {expected}")
    return found


@pytest.mark.slow
def test_with_somebodys_token_and_anybodys_code_nobody_changes_anything(
    simulator: Simulator, service: Service, people: list[Owner], figures: Callable[[str], None]
) -> None:
    before = state(service)

    def rob(owner: Owner) -> list[str]:
        return thefts_from(service, simulator, owner, [other for other in people if other is not owner])

    with ThreadPoolExecutor(4) as pool:
        thefts = [theft for found in pool.map(rob, people) for theft in found]
    alone, pairs = PEOPLE * 3 * len(STOLEN), PEOPLE * (PEOPLE - 1)
    figures(f"{alone} tries with a stolen token alone, {pairs} with a stranger's fresh code: {len(thefts)} got through")
    assert thefts == []
    assert state(service) == before


@pytest.mark.slow
def test_the_checks_find_a_service_that_trusts_everybody(
    simulator: Simulator, start_apart: Callable[[str], Service]
) -> None:
    twin = start_apart("tests.twins.trusts_everybody:app")
    one, other = (make(twin, simulator, number) for number in (98, 99))
    thefts = thefts_from(twin, simulator, other, [one])
    crossings = crossings_of(twin, simulator, one, [other])
    assert len(thefts) == 1 and thefts[0].endswith("instead of step_up_mismatch")
    assert f"DELETE /api/v1/sessions/{{session_id}} of {other.id}: 200" in crossings


def test_a_body_or_query_that_names_another_changes_nothing_of_theirs(service: Service, people: list[Owner]) -> None:
    attackers, victim = people[:2], people[2]
    before = service.call("GET", "/api/v1/me/export", token=victim.token).json()["data"]
    last = ["POST /api/v1/sessions/logout", "POST /api/v1/me/close"]
    for route in (*sorted(OWN_ONLY - set(last)), *last):
        method, _, path = route.partition(" ")
        query = f"{GUESS.format(id=victim.id, openid=victim.openid)}&scope=global"
        attacker = attackers[route == last[-1]]
        body = {"user_id": victim.id, "id": victim.id, "refresh_token": f"{victim.session}.0.x"}
        service.call(method, path, token=attacker.token, json=body, params=query)
    after = service.call("GET", "/api/v1/me/export", token=victim.token)
    assert (after.status_code, after.json()["data"]) == (200, before)
    # The attackers have closed and signed out themselves.
    assert [service.call("GET", "/api/v1/me", token=attacker.token).status_code for attacker in attackers] == [401, 401]
