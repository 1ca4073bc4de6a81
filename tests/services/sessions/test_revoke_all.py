"""Ending everything: a version counter of the user decides, not the second in which a session was opened."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from authsvc.db.database import Database
from authsvc.db.queries import users
from authsvc.errors import AccountDisabled, SessionEnded
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.sessions.newsessions import open_session
from authsvc.services.sessions.refreshtokens import RefreshTokens
from authsvc.services.sessions.sessions import Sessions
from authsvc.services.sessions.tokens import NATIVE, SessionTokens
from authsvc.signing.keyfile import create_key_file
from authsvc.signing.keyring import KeyRing, KeySource
from authsvc.signing.tokens import TokenIssuer
from authsvc.values.people import Profile, User
from authsvc.values.sessions import Session, TokenPolicy, VerifiedClaims
from authsvc.values.wechat import MiniProgram
from tests.harness.inprocess import AUDIT, Clock, rows

APP = MiniProgram("wx51a051a000000001", "a-secret-of-no-account", "shop")
POLICY = TokenPolicy(NATIVE, lifetime=900, idle=30 * 86400)
SESSIONS = 1000


@dataclass
class House:
    """Sessions over a database."""

    database: Database
    clock: Clock
    sessions: Sessions

    def user(self) -> User:
        return self.database.run(lambda connection: users.insert(connection, Profile("Lan"), int(self.clock.now())))

    def read(self, user: User) -> User:
        return self.database.read(lambda connection: users.get(connection, user.id))

    def open(self, user: User, count: int) -> list[Session]:
        """Sessions of the user as a login holds them that has just read them."""
        now = int(self.clock.now())
        return self.database.run(
            lambda connection: [
                open_session(connection, user, APP, POLICY, "", now, identity_id=None) for _ in range(count)
            ]
        )

    def claims(self, session: Session) -> VerifiedClaims:
        now = int(self.clock.now())
        return VerifiedClaims(session.user_id, session.id, session.appid, "jti", now + 900, now, APP.audience)

    def lets_in(self, session: Session) -> bool:
        try:
            self.sessions.authenticate(self.claims(session))
        except SessionEnded:
            return False
        return True

    def revoke_all(self, session: Session) -> None:
        self.sessions.log_out(self.sessions.authenticate(self.claims(session)), "global")


@pytest.fixture
def house(each_database: Database, clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> House:
    key_file = tmp_path_factory.mktemp("keys") / "signing.json"
    create_key_file(key_file)
    tokens = SessionTokens(
        Apps((APP,)),
        TokenIssuer(KeyRing(KeySource(key_file), clock), "https://login.example.test", clock),
        RefreshTokens((b"",)),
        (),
        POLICY,
    )
    return House(each_database, clock, Sessions(each_database, tokens, AUDIT, clock, 30))


def test_of_a_thousand_sessions_of_one_second_those_before_the_revocation_are_dead_and_those_after_live(
    house: House, figures: Callable[[str], None]
) -> None:
    seed = random.SystemRandom().getrandbits(32)
    chance = random.Random(seed)
    user = house.user()
    older, newer = [], []
    while len(older) < SESSIONS // 2:
        older += [*newer, *house.open(house.read(user), chance.randint(1, 60))]
        house.revoke_all(older[-1])
        newer = house.open(house.read(user), chance.randint(1, 60))
    newer += house.open(house.read(user), SESSIONS // 2)
    wrong = [session for session in older if house.lets_in(session)]
    wrong += [session for session in newer if not house.lets_in(session)]
    assert wrong == [], f"seed {seed}"
    times = {row[0] for row in rows(house.database, "SELECT created_at FROM sessions")}
    assert len(times) == 1
    figures(
        f"revoke-all in one second, {house.database._engine.dialect.name}: {len(older)} older and {len(newer)} newer "
        f"sessions, seed {seed}: 0 wrong verdicts"
    )


def test_the_version_alone_decides(house: House) -> None:
    user = house.user()
    older = house.open(user, 1)[0]
    house.revoke_all(older)
    house.database.run(lambda connection: connection.exec_driver_sql("UPDATE sessions SET revoked_at = NULL"))
    # A login that had read the user before the revocation, and commits its session only after it.
    overtaken = house.open(user, 1)[0]
    newer = house.open(house.read(user), 1)[0]
    assert [house.lets_in(session) for session in (older, overtaken, newer)] == [False, False, True]


def test_ending_one_session_leaves_the_others(house: House) -> None:
    sessions = house.open(house.user(), 10)
    house.sessions.end(house.sessions.authenticate(house.claims(sessions[0])), sessions[3].id)
    assert [house.lets_in(session) for session in sessions] == [number != 3 for number in range(10)]


def test_a_disabled_user_is_refused_with_every_session_and_let_in_again_later(house: House) -> None:
    user = house.user()
    sessions = house.open(user, 10)
    _set_status(house, user, "disabled")
    for session in sessions:
        with pytest.raises(AccountDisabled):
            house.sessions.authenticate(house.claims(session))
    _set_status(house, user, "active")
    assert all(house.lets_in(session) for session in sessions)


def test_another_users_revocation_is_nobody_elses(house: House) -> None:
    mine, theirs = (house.open(house.user(), 1)[0] for _ in range(2))
    house.revoke_all(theirs)
    assert house.lets_in(mine) and not house.lets_in(theirs)


def test_a_token_that_names_another_user_or_app_than_its_session_is_refused(house: House) -> None:
    session, other = (house.open(house.user(), 1)[0] for _ in range(2))
    claims = house.claims(session)
    for wrong in (
        replace(claims, user_id=other.user_id),
        replace(claims, appid="wx51a051a000000002"),
    ):
        with pytest.raises(SessionEnded):
            house.sessions.authenticate(wrong)


def _set_status(house: House, user: User, status: str) -> None:
    sql = f"UPDATE users SET status = '{status}' WHERE id = {user.id}"
    house.database.run(lambda connection: connection.exec_driver_sql(sql))
