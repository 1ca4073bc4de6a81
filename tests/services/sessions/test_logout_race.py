"""Logging out: for good, at once, on every worker, whatever runs beside it and whatever crashes after it."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from authsvc.services.sessions.refreshtokens import RefreshTokens
from tests.conftest import APPID
from tests.harness import signedin
from tests.harness.crowd import Crowd, Request
from tests.harness.races import Race
from tests.harness.service import Service
from tests.harness.signedin import Person
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow

SESSIONS = 100
TWIN = "tests.twins.refresh_read_then_write:app"
PROFILE = "/api/v1/user/profile"


# --- beside a refresh -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Racer:
    """A session that is logged out and rotated at one moment."""

    kind: str
    ticket: str
    access: str

    def rotation(self, service: Service, ticket: str | None = None, after: float = 0.0) -> Request:
        request = signedin.refresh_request if self.kind == "native" else signedin.renew_request
        return request(service, ticket or self.ticket, after)

    def logout(self, service: Service, after: float) -> Request:
        path = signedin.LOGOUT if self.kind == "native" else "/api/v1/auth/logout"
        return Request("POST", service.url + path, None, _bearer(self.access), after)


def test_no_refresh_lives_after_a_logout_that_it_raced(
    racing_service: Service, race_on: Callable[[Service], Race]
) -> None:
    race = race_on(racing_service)
    found, won = _race(race)
    assert found == [], f"seed {race.seed}"
    assert 0 < won < SESSIONS, f"seed {race.seed}: not a race, {won} of {SESSIONS} refreshes came first"
    race.note(
        "logout racing refresh",
        f"{SESSIONS} sessions, half native, half bearer: 0 live refreshes afterwards; "
        f"{won} refreshes came before their logout",
    )


def test_the_check_finds_a_refresh_that_brings_a_session_back(start_race: Callable[..., Race]) -> None:
    race = start_race("logout-twin", TWIN)
    race.note("logout racing refresh, twin", race.catch(lambda race, _: _race(race)[0], "lives"))


def _race(race: Race) -> tuple[list[str], int]:
    """Rotate and log out a hundred sessions, both at once; say what lives afterwards, and how many rotations won."""
    service, chance = race.service, race.chance
    racers = [_racer(race.simulator, service, number) for number in range(SESSIONS)]
    requests = []
    for racer in racers:
        requests += [
            racer.rotation(service, after=chance.uniform(0, 0.15)),
            racer.logout(service, after=chance.uniform(0, 0.15)),
        ]
    answers = race.send(requests)
    rotations, logouts = answers[::2], answers[1::2]
    found = [f"logout: {answer.status}" for answer in logouts if answer.status != 200]
    found += [f"refresh: {answer.status}" for answer in rotations if answer.status not in (200, 401)]

    tickets: list[tuple[Racer, str]] = []
    accesses: list[str] = []
    for racer, rotation, logout in zip(racers, rotations, logouts, strict=True):
        if logout.status != 200:
            continue
        tickets.append((racer, racer.ticket))
        accesses.append(racer.access)
        if rotation.status == 200:
            data = rotation.json()["data"]
            accesses.append(data["access_token"])
            tickets.append((racer, data["refresh_token" if racer.kind == "native" else "access_token"]))
    # Newest first: an old ticket would end a session that wrongly lives.
    afterwards = [racer.rotation(service, ticket) for racer, ticket in reversed(tickets)]
    afterwards += [Request("GET", service.url + PROFILE, None, _bearer(access)) for access in accesses]
    found += [
        f"lives: {request.url} answered {answer.status}"
        for request, answer in zip(afterwards, race.send(afterwards, kept=4), strict=True)
        if answer.status != 401
    ]
    return found, sum(answer.status == 200 for answer in rotations)


def _racer(simulator: Simulator, service: Service, number: int) -> Racer:
    user = f"racer-{number % 5}"  # one person has fifty sessions at most
    if number % 2:
        token = signedin.code_message_data(service, simulator, user)
        return Racer("bearer", token, token)
    signed_in = signedin.native(service, simulator, user)
    return Racer("native", signed_in.refresh, signed_in.access)


# --- this one, the others, all ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scope, left",
    [("local", {"tablet", "laptop"}), ("others", {"phone"}), ("global", set())],
    ids=["local", "others", "global"],
)
def test_a_logout_ends_what_its_scope_says_and_at_once(
    simulator: Simulator, racing_service: Service, scope: str, left: set[str]
) -> None:
    devices = {name: _on(name, simulator, racing_service, f"scope-{scope}") for name in ("phone", "tablet", "laptop")}
    stranger = signedin.native(racing_service, simulator, "somebody-else")
    answer = devices["phone"].call("POST", signedin.LOGOUT, params={"scope": scope})
    assert (answer.status_code, answer.json()["data"]) == (200, None)
    lets_in = {name for name, session in devices.items() if _is_let_in(racing_service, session.access)}
    rotates = {
        name
        for name, session in devices.items()
        if signedin.refreshed(racing_service, session.refresh).status_code == 200
    }
    assert (lets_in, rotates) == (left, left)
    assert _is_let_in(racing_service, stranger.access)


def test_an_unknown_scope_is_refused_and_ends_nothing(simulator: Simulator, racing_service: Service) -> None:
    session = signedin.native(racing_service, simulator, "lan")
    answer = session.call("POST", signedin.LOGOUT, params={"scope": "everything"})
    assert answer.status_code == 400
    assert _is_let_in(racing_service, session.access)


def test_a_user_sees_the_devices_and_ends_one(simulator: Simulator, racing_service: Service) -> None:
    started = int(time.time())
    phone, tablet = (_on(name, simulator, racing_service, "devices") for name in ("phone", "tablet"))
    # Idle for an hour, as the database tells; then used again.
    racing_service.rows(f"UPDATE sessions SET last_used_at = last_used_at - 3600 WHERE id = '{phone.sid}'")
    by_id = {session["id"]: session for session in _sessions(tablet)}
    assert {sid: (entry["device"], entry["current"]) for sid, entry in by_id.items()} == {
        phone.sid: ("phone", False),
        tablet.sid: ("tablet", True),
    }
    assert all(entry["appid"] == APPID and entry["created_at"] >= started for entry in by_id.values())
    assert by_id[phone.sid]["last_used_at"] < started <= by_id[tablet.sid]["last_used_at"]
    assert all(entry["last_used_at"] >= started for entry in _sessions(phone))

    answer = tablet.call("DELETE", f"/api/v1/sessions/{phone.sid}")
    assert answer.status_code == 200
    assert not _is_let_in(racing_service, phone.access)
    assert signedin.refreshed(racing_service, phone.refresh).status_code == 401
    assert [entry["id"] for entry in _sessions(tablet)] == [tablet.sid]
    again = tablet.call("DELETE", f"/api/v1/sessions/{phone.sid}")
    assert again.status_code == 404


def test_nobody_sees_or_ends_somebody_elses_session(simulator: Simulator, racing_service: Service) -> None:
    mine = signedin.native(racing_service, simulator, "mine")
    thief = signedin.native(racing_service, simulator, "thief")
    assert mine.sid not in {entry["id"] for entry in _sessions(thief)}
    assert thief.call("DELETE", f"/api/v1/sessions/{mine.sid}").status_code == 404
    assert _is_let_in(racing_service, mine.access)


@pytest.mark.parametrize("contract", ["native", "code_message_data", "code_msg_data"])
def test_no_spelling_of_a_logged_out_token_is_let_in(
    simulator: Simulator, racing_service: Service, contract: str
) -> None:
    if contract == "native":
        token = signedin.native(racing_service, simulator, "lan").access
    else:
        token = getattr(signedin, contract)(racing_service, simulator, "lan")
    assert _is_let_in(racing_service, token)
    assert racing_service.call("POST", "/api/v1/auth/logout", token=token).status_code == 200
    spellings = {
        "as it was": f"Bearer {token}",
        "padded": f"Bearer {token}==",
        "lower case": f"bearer {token}",
        "upper case": f"BEARER {token}",
        "blanks": f"Bearer   {token}  ",
        "header encoded anew": f"Bearer {_reencoded(token)}",
        "dot added": f"Bearer {token}.",
    }
    statuses = {
        name: racing_service.call("GET", PROFILE, headers={"Authorization": text}).status_code
        for name, text in spellings.items()
    }
    assert statuses == dict.fromkeys(spellings, 401)


# --- after a crash ----------------------------------------------------------------------------------------------


def test_a_thousand_ended_sessions_stay_ended_and_live_ones_live_when_everything_is_killed(
    simulator: Simulator, racing_service: Service, crowd: Crowd, figures: Callable[[str], None]
) -> None:
    leaver = signedin.native(racing_service, simulator, "leaver")
    stayer = signedin.native(racing_service, simulator, "stayer")
    sids = [f"crash-{number:016d}" for number in range(1000)]
    _copy_session(racing_service, leaver.sid, sids)
    refresh_tokens = _refresh_tokens(racing_service)
    assert signedin.refreshed(racing_service, refresh_tokens.make(sids[0], 0)).status_code == 200
    out = leaver.call("POST", signedin.LOGOUT, params={"scope": "global"})
    assert out.status_code == 200

    racing_service.process.kill()
    racing_service.restart()
    requests = [signedin.refresh_request(racing_service, refresh_tokens.make(sid, 0)) for sid in sids]
    statuses = [answer.status for start in range(0, 1000, 250) for answer in crowd.send(requests[start : start + 250])]
    assert set(statuses) == {401}
    assert _is_let_in(racing_service, stayer.access) and not _is_let_in(racing_service, leaver.access)
    assert signedin.refreshed(racing_service, stayer.refresh).status_code == 200
    assert signedin.refreshed(racing_service, leaver.refresh).status_code == 401
    figures(f"killed and restarted, {racing_service.dialect}: 0 of 1,000 ended sessions accepted")


def _copy_session(service: Service, sid: str, copies: list[str]) -> None:
    columns = (
        "user_id, appid, contract, counter, token_version, created_at, last_used_at, rotated_at, idle_seconds,"
        " idle_expires_at, absolute_expires_at, device, identity_id"
    )
    connection = service.connect()
    cursor = connection.cursor()
    cursor.execute("BEGIN")
    for copy in copies:
        cursor.execute(
            f"INSERT INTO sessions (id, {columns}) SELECT '{copy}', {columns} FROM sessions WHERE id = '{sid}'"
        )
    cursor.execute("COMMIT")
    connection.close()


def _refresh_tokens(service: Service) -> RefreshTokens:
    key = service.environment["SECRET_KEYS"]
    return RefreshTokens((base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)),))


def _on(device: str, simulator: Simulator, service: Service, user: str) -> Person:
    return signedin.native(service, simulator, user, headers={"User-Agent": device})


def _sessions(person: Person) -> list[dict]:
    found: list[dict] = person.does("GET", "/api/v1/sessions")
    return found


def _is_let_in(service: Service, token: str) -> bool:
    return service.call("GET", PROFILE, token=token).status_code == 200


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _reencoded(token: str) -> str:
    header, payload, signature = token.split(".")
    members = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    spaced = base64.urlsafe_b64encode(json.dumps(members, indent=1).encode()).rstrip(b"=").decode()
    return f"{spaced}.{payload}.{signature}"
