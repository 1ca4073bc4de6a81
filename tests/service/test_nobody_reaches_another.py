"""Twenty people, each against all others: nobody reads, exports, changes or ends what is another's."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.harness import pictures
from tests.harness.leaks import Canaries
from tests.harness.service import Service
from tests.harness.signedin import native
from tests.harness.simulator import Simulator

PEOPLE = 20


@dataclass(frozen=True)
class Person:
    """Somebody signed in, and what is theirs alone."""

    id: str
    token: str
    session: str
    link: int
    openid: str
    nickname: str
    picture: str

    @property
    def marks(self) -> tuple[str, ...]:
        return self.session, self.openid, self.nickname, self.picture

    def shows_in(self, text: str) -> bool:
        return any(mark in text for mark in self.marks)


def make(service: Service, simulator: Simulator, number: int) -> Person:
    name = f"crossing-{number}"
    signed = native(service, simulator.code(name))

    def call(method: str, path: str, **options: Any) -> Any:
        answer = service.call(method, path, token=signed.access, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    call("PUT", "/api/v1/me", json={"nickname": f"crossing nickname {number:02}."})
    picture = {"file": ("x.png", pictures.encoded(pictures.picture((8, 8)), "PNG"), "image/png")}
    address = call("POST", "/api/v1/me/avatar", files=picture)["avatar_url"]
    (link,) = call("GET", "/api/v1/me/identities")
    openid = simulator.account(name)["openid"]
    nickname = f"crossing nickname {number:02}."
    return Person(signed.user_id, signed.access, signed.sid, link["id"], openid, nickname, address)


Attempt = Callable[[Person], dict[str, Any]]
# Every route about the caller or their sessions: how somebody would reach for another's, if anyhow. A route that is not
# here fails the test.
READS = {
    "GET /api/v1/me",
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
def people(sqlite_service: Service, shared_simulator: Simulator) -> list[Person]:
    return [make(sqlite_service, shared_simulator, number) for number in range(PEOPLE)]


def test_every_route_of_the_caller_is_in_the_table(sqlite_service: Service) -> None:
    paths = sqlite_service.call("GET", "/openapi.json").json()["paths"]
    routes = {
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method in methods
        if re.match(r"/api/v1/(me|sessions)\b", path)
    }
    assert routes == READS | OWN_ONLY | set(REACHES)


def ask(http: requests.Session, service: Service, person: Person, route: str, **options: Any) -> requests.Response:
    method, _, path = route.partition(" ")
    path = options.pop("path", path)
    return http.request(
        method, service.url + path, headers={"Authorization": f"Bearer {person.token}"}, timeout=30, **options
    )


def crossings_of(service: Service, person: Person, others: list[Person]) -> list[str]:
    """Where this person got at something of others."""
    found = []
    with requests.Session() as http:
        for other in others:
            for route in GUESSED:
                answer = ask(http, service, person, route, params=GUESS.format(id=other.id, openid=other.openid))
                if answer.status_code not in (200, 400) or other.shows_in(answer.text):
                    found.append(f"{route} of {other.id}: {answer.status_code}")
            for route, (attempt, refused) in REACHES.items():
                answer = ask(http, service, person, route, **attempt(other))
                if answer.status_code != refused:
                    found.append(f"{route} of {other.id}: {answer.status_code}")
        for route in READS:
            text = ask(http, service, person, route).text
            found += [f"{route} shows {other.id}" for other in others if other.shows_in(text)]
    return found


def test_nobody_reads_or_ends_what_is_anothers(
    service: Service, people: list[Person], figures: Callable[[str], None]
) -> None:
    def reach(person: Person) -> list[str]:
        return crossings_of(service, person, [other for other in people if other is not person])

    with ThreadPoolExecutor(4) as pool:
        crossings = [crossing for found in pool.map(reach, people) for crossing in found]
    ways = len(REACHES) + len(GUESSED)
    figures(
        f"{PEOPLE} people × {PEOPLE - 1} others × {ways} ways to read, export or delete: {len(crossings)} crossings"
    )
    assert crossings == []
    for person in people:  # whom nobody has harmed, and who sees what the others did not
        mine = service.call("GET", "/api/v1/me/export", token=person.token)
        assert mine.status_code == 200 and all(mark in mine.text for mark in person.marks)


def test_the_check_finds_a_service_that_ends_anybodys_session(
    simulator: Simulator, app_secret: str, tmp_path: Path
) -> None:
    twin = Service(
        tmp_path / "anybodys",
        Canaries(),
        wechat=simulator.url,
        appid=simulator.appid,
        secret=app_secret,
        workers=1,
        module="tests.twins.ends_anybodys_session:app",
    )
    try:
        one, other = (make(twin, simulator, number) for number in (98, 99))
        crossings = crossings_of(twin, one, [other])
    finally:
        twin.stop()
    assert crossings == [f"DELETE /api/v1/sessions/{{session_id}} of {other.id}: 200"]


def test_a_body_or_query_that_names_another_changes_nothing_of_theirs(service: Service, people: list[Person]) -> None:
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
