"""The revocation feed of the real service, on both databases, and a verifier that polls it."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from authsvc_verifier import TokenRevoked, Verifier
from tests.conftest import APPID
from tests.harness import signedin
from tests.harness.forging import unb64
from tests.harness.leaks import Canaries
from tests.harness.service import ISSUER, Service
from tests.harness.signedin import Person
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow

FEED = "/oauth/revocations"
CLOCK = "AUTHSVC_TEST_CLOCK"  # read by tests/harness/moved.py
DAY = 86400


@dataclass
class Stage:
    """A service whose clock a test moves, and a credential for its feed."""

    service: Service
    simulator: Simulator
    clock: Path
    credential: str
    verifiers: list[Verifier] = field(default_factory=list)

    def now(self) -> float:
        return time.time() + float(self.clock.read_text())

    def move(self, seconds: float) -> None:
        self.clock.write_text(str(float(self.clock.read_text()) + seconds))

    def verifier(self, **options: Any) -> Verifier:
        standard = {"base_url": self.service.url, "credential": self.credential, "background": False}
        self.verifiers.append(Verifier(ISSUER, APPID, clock=self.now, **{**standard, **options}))
        return self.verifiers[-1]

    def log_in(self, user: str) -> Person:
        return signedin.native(self.service, self.simulator, user)

    def feed(self, since: int | None = None) -> dict[str, Any]:
        answer = self.service.call("GET", FEED, token=self.credential, params={} if since is None else {"since": since})
        assert answer.status_code == 200, answer.text
        return json.loads(unb64(answer.text.split(".")[1]))


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def set_stage(
    request: pytest.FixtureRequest,
    run_folder: Path,
    canaries: Canaries,
    shared_simulator: Simulator,
    start_service: Callable[..., Service],
) -> Stage:
    clock = run_folder / f"clock-feed-{request.param}"
    clock.write_text("0")
    service = start_service(
        f"feed-{request.param}",
        database=request.param,
        module="tests.harness.moved:app",
        settings={CLOCK: str(clock), "ACCOUNT_COOLING_OFF_DAYS": "0"},
    )
    made = service.flask("authsvc", "services", "add", "orders", "--scope", "introspect", shows_secret=True).strip()
    return Stage(service, shared_simulator, clock, canaries.never("credential orders", made))


@pytest.fixture
def stage(set_stage: Stage, simulator: Simulator) -> Iterator[Stage]:
    yield set_stage
    set_stage.clock.write_text("0")
    while set_stage.verifiers:
        set_stage.verifiers.pop().close()  # gunicorn waits for those that hold a connection


def is_refused(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except TokenRevoked:
        return True
    return False


def test_after_a_logout_an_offline_verifier_refuses_within_the_seconds_that_it_was_told(
    stage: Stage, figures: Callable[[str], None]
) -> None:
    verifier = stage.verifier(background=True, poll_seconds=1)
    ended, other = stage.log_in("feed-logout"), stage.log_in("feed-logout")
    assert not is_refused(verifier, ended.access)
    ended.call("POST", "/api/v1/sessions/logout")
    began = time.monotonic()
    while not is_refused(verifier, ended.access):
        assert time.monotonic() < began + 10
        time.sleep(0.02)
    took = time.monotonic() - began
    figures(f"logout to refusal by an offline verifier that polls each second: {took:.2f} s")
    assert took < 3  # a poll a second, and room for a busy machine
    assert not is_refused(verifier, other.access)


End = Callable[[Stage, Person, Person], object]


def by(method: str, path: str) -> End:
    """The second device asks for it."""
    return lambda stage, a, b: b.call(method, path.format(other=a.sid))


def by_old_ticket(stage: Stage, a: Person, _: Person) -> None:
    signedin.refreshed(stage.service, a.refresh)
    stage.move(60)
    signedin.refreshed(stage.service, a.refresh)


def by_operator(stage: Stage, a: Person, _: Person) -> None:
    stage.service.flask("authsvc", "users", "disable", a.user_id)


# Who ends it, and whether the session that asks ends as well.
ENDS: dict[str, tuple[End, bool]] = {
    "others": (by("POST", "/api/v1/sessions/logout?scope=others"), False),
    "another device": (by("DELETE", "/api/v1/sessions/{other}"), False),
    "an old ticket": (by_old_ticket, False),
    "everywhere": (by("POST", "/api/v1/sessions/logout?scope=global"), True),
    "disabling": (by_operator, True),
    "closing": (by("POST", "/api/v1/me/close"), True),
}


@pytest.mark.parametrize("name", ENDS)
def test_every_way_of_ending_reaches_the_verifier(name: str, stage: Stage) -> None:
    end, ends_both = ENDS[name]
    verifier = stage.verifier(poll_seconds=0)
    a, b = stage.log_in(f"feed-{name}"), stage.log_in(f"feed-{name}")
    assert not is_refused(verifier, a.access)
    end(stage, a, b)
    assert (is_refused(verifier, a.access), is_refused(verifier, b.access)) == (True, ends_both)


def test_an_erased_user_stays_in_the_feed(stage: Stage) -> None:
    """Their sessions are gone from the database, and with them what else could be listed."""
    gone = stage.log_in("feed-erased")
    assert gone.call("POST", "/api/v1/me/close").status_code == 200
    stage.service.flask("authsvc", "purge")
    assert stage.service.count("users", f"id = {gone.user_id}") == 0
    assert stage.service.count("sessions", f"user_id = {gone.user_id}") == 0
    assert is_refused(stage.verifier(), gone.access)


def test_an_entry_goes_when_the_last_token_of_its_session_has(stage: Stage) -> None:
    native = stage.log_in("feed-native").access
    week = signedin.code_message_data(stage.service, stage.simulator, "feed-week")
    month = signedin.success_data(stage.service, stage.simulator, "feed-month")
    sessions = {name: signedin.claims(token)["sid"] for name, token in zip(LIVES, (native, week, month), strict=True)}
    for token in (native, week, month):
        assert stage.service.call("POST", "/api/v1/sessions/logout", token=token).status_code == 200
    everywhere = stage.log_in("feed-everywhere")
    everywhere.call("POST", "/api/v1/sessions/logout?scope=global")

    def listed() -> set[str]:
        feed = stage.feed()
        parts = {feed["sessions"][at : at + 11] for at in range(0, len(feed["sessions"]), 11)}
        names = {name for name, session in sessions.items() if session[:11] in parts}
        return names | ({"mark"} if everywhere.user_id in feed["users"] else set())

    assert listed() == {*LIVES, "mark"}
    past = 0
    for name, lifetime in LIVES.items():
        left = {other for other, seconds in LIVES.items() if seconds >= lifetime}
        stage.move(lifetime - past)  # while a token may live, and the clocks of two machines disagree
        assert listed() == left | {"mark"}
        stage.move(65)
        assert listed() == (left | {"mark"}) - {name} - ({"mark"} if lifetime == max(LIVES.values()) else set())
        past = lifetime + 65


LIVES = {"native": 900, "week": 7 * DAY, "month": 30 * DAY}


def test_the_feed_goes_on_from_a_cursor_and_says_when_nothing_is_new(stage: Stage) -> None:
    whole = stage.feed()
    assert whole["since"] is None and whole["iss"] == ISSUER and whole["cursor"] == whole["iat"]
    stage.move(120)  # what happened before is behind the overlap
    cursor = stage.feed()["cursor"]
    stage.move(120)

    def ask(etag: str = "") -> tuple[int, str, bytes]:
        headers = {"If-None-Match": etag} if etag else {}
        answer = stage.service.call("GET", FEED, token=stage.credential, params={"since": cursor}, headers=headers)
        assert answer.headers["Cache-Control"] == "private, no-cache"
        return answer.status_code, answer.headers["ETag"], answer.content

    first = ask()
    answers = [ask(first[1])]
    if answers[0][0] == 200:  # a minute has just begun: what is signed is signed anew
        answers = [ask(answers[0][1])]
    assert (answers[0][0], answers[0][2]) == (304, b"")
    ended = stage.log_in("feed-cursor")
    ended.call("POST", "/api/v1/sessions/logout")
    assert ask(answers[0][1])[0] == 200
    new = stage.feed(cursor)
    assert (new["since"], new["sessions"], new["users"]) == (cursor, ended.sid[:11], {})
    assert stage.feed(int(stage.now()) + 10**6)["since"] is None  # a cursor of the future is no cursor
    for wrong in ("-1", "x", "1e3", "9" * 30):
        assert stage.service.call("GET", FEED, token=stage.credential, params={"since": wrong}).status_code == 400


def test_the_feed_holds_no_whole_session_id_and_is_for_services_alone(stage: Stage) -> None:
    ended = stage.log_in("feed-private")
    ended.call("POST", "/api/v1/sessions/logout")
    feed = stage.feed()
    assert ended.sid[:11] in feed["sessions"] and ended.sid not in json.dumps(feed)
    assert set(feed) == {"iss", "iat", "since", "cursor", "sessions", "users"}
    assert stage.service.call("GET", FEED).status_code == 401
    assert ended.call("GET", FEED).status_code == 401
    stage.service.rows("UPDATE service_credentials SET scopes = 'access_token'")
    assert stage.service.call("GET", FEED, token=stage.credential).status_code == 403
    stage.service.rows("UPDATE service_credentials SET scopes = 'introspect'")
