"""How long a session lives, to the second: idle, absolute, and the grace of a rotation."""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

import jwt.api_jwt
import pytest
from flask.testing import FlaskClient

from authsvc.values.wechat import MiniProgram
from tests.conftest import APPID
from tests.harness.inprocess import Clock, whole
from tests.harness.simulator import Simulator

DAY = 86400
IDLE, ABSOLUTE, GRACE = 30 * DAY, 90 * DAY, 30
KINDS = ("native", "bearer")


class Front:
    """A front end: it signs in, rotates its ticket, and asks who it is."""

    def __init__(self, client: FlaskClient, simulator: Simulator, clock: Clock, kind: str) -> None:
        self._client = client
        self._simulator = simulator
        self.clock = clock
        self.kind = kind

    def log_in(self) -> str:
        path = "/api/v1/auth/login" if self.kind == "native" else "/api/v1/auth/wx-login"
        answer = self._client.post(path, json={"code": self._simulator.code("lan")})
        assert answer.status_code == 200, answer.text
        return self._ticket(answer.json)

    def rotate(self, ticket: str) -> str | None:
        """The next ticket, or None where this one is refused."""
        if self.kind == "native":
            answer = self._client.post("/api/v1/sessions/refresh", json={"refresh_token": ticket})
        else:
            answer = self._client.post("/api/v1/auth/refresh", headers={"Authorization": f"Bearer {ticket}"})
        assert answer.status_code in (200, 401), answer.text
        return self._ticket(answer.json) if answer.status_code == 200 else None

    def is_let_in(self, token: str) -> bool:
        path = "/api/v1/user/profile"
        return self._client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 200

    def _ticket(self, body: Any) -> str:
        return str(body["data"]["refresh_token" if self.kind == "native" else "access_token"])

    def same(self, one: str | None, other: str | None) -> bool:
        """True for one ticket: the only token of a front end is signed anew each time, but under one name."""
        if self.kind == "native" or one is None or other is None:
            return one == other
        names = [jwt.decode(token, options={"verify_signature": False})["jti"] for token in (one, other)]
        return names[0] == names[1]


@pytest.fixture(scope="module")
def in_process(
    tmp_path_factory: pytest.TempPathFactory, shared_simulator: Simulator, app_secret: str
) -> Iterator[tuple[FlaskClient, Clock]]:
    """The whole service in this process, with a clock that stands until it is moved."""
    clock = Clock()
    app = MiniProgram(APPID, app_secret, APPID)
    with whole(tmp_path_factory.mktemp("limits"), clock, app, shared_simulator.url) as client:
        yield client, clock


@pytest.fixture(params=KINDS)
def front(
    request: pytest.FixtureRequest,
    in_process: tuple[FlaskClient, Clock],
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> Front:
    client, clock = in_process

    class Moved(datetime):
        """PyJWT compares with the machine's time, and takes no clock."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.fromtimestamp(clock.now(), tz)

    monkeypatch.setattr(jwt.api_jwt, "datetime", Moved)
    return Front(client, simulator, clock, request.param)


@pytest.mark.parametrize("seconds, lives", [(IDLE - 1, True), (IDLE, False), (IDLE + 1, False)])
def test_a_session_that_is_not_rotated_for_thirty_days_ends(front: Front, seconds: int, lives: bool) -> None:
    ticket = front.log_in()
    front.clock.moment += seconds
    assert (front.rotate(ticket) is not None) == lives


def test_each_rotation_begins_the_thirty_days_anew(front: Front) -> None:
    ticket = front.log_in()
    front.clock.moment += IDLE - 1
    child = front.rotate(ticket)
    assert child is not None
    front.clock.moment += IDLE - 1
    grandchild = front.rotate(child)
    assert grandchild is not None
    front.clock.moment += IDLE
    assert front.rotate(grandchild) is None


@pytest.mark.parametrize("seconds, lives", [(ABSOLUTE - 1, True), (ABSOLUTE, False)])
def test_a_session_ends_after_ninety_days_whatever_its_rotations(front: Front, seconds: int, lives: bool) -> None:
    ticket: str | None = front.log_in()
    began = front.clock.moment
    for day in range(20, 90, 20):
        front.clock.moment = began + day * DAY
        assert ticket is not None
        ticket = front.rotate(ticket)
    assert ticket is not None
    front.clock.moment = began + seconds
    assert (front.rotate(ticket) is not None) == lives


def test_rotating_every_twelve_hours_for_ninety_one_days_ends_at_ninety(front: Front) -> None:
    ticket = front.log_in()
    began = front.clock.moment
    ended = None
    for half_days in range(1, 2 * 91 + 1):
        front.clock.moment = began + half_days * DAY / 2
        child = front.rotate(ticket)
        if child is None:
            ended = ended or front.clock.moment - began
        else:
            assert ended is None, "a session that had ended lives again"
            ticket = child
    assert ended == ABSOLUTE


@pytest.mark.parametrize("seconds, answered", [(0, True), (GRACE - 1, True), (GRACE, True), (GRACE + 1, False)])
def test_the_ticket_before_is_answered_with_the_same_child_for_thirty_seconds(
    front: Front, seconds: int, answered: bool
) -> None:
    ticket = front.log_in()
    child = front.rotate(ticket)
    assert child is not None
    front.clock.moment += seconds
    again = front.rotate(ticket)
    assert front.same(again, child if answered else None)
    # Whoever came too late has ended the session for everybody.
    assert (front.rotate(child) is not None) == answered


def test_asking_again_does_not_lengthen_the_grace(front: Front) -> None:
    ticket = front.log_in()
    child = front.rotate(ticket)
    for _ in range(3):
        front.clock.moment += GRACE // 3
        assert front.same(front.rotate(ticket), child)
    front.clock.moment += 1
    assert front.rotate(ticket) is None


def test_a_ticket_two_rotations_old_ends_the_session_within_the_grace_too(front: Front) -> None:
    oldest = front.log_in()
    older = front.rotate(oldest)
    assert older is not None
    newest = front.rotate(older)
    assert newest is not None
    assert front.rotate(oldest) is None
    assert front.rotate(older) is None
    assert front.rotate(newest) is None
    if front.kind == "bearer":
        assert not front.is_let_in(newest)


def test_a_clock_that_is_set_back_refuses_nobody(front: Front) -> None:
    ticket = front.log_in()
    front.clock.moment += 100
    child = front.rotate(ticket)
    front.clock.moment -= 100
    assert front.same(front.rotate(ticket), child)
