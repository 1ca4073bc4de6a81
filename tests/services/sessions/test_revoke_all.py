"""Ending everything: a version counter of the user decides, not the second in which a session was opened."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from authsvc.errors import AccountDisabled, SessionEnded
from authsvc.services.sessions.claims import RuledClaims
from authsvc.services.sessions.refreshtokens import RefreshTokens
from authsvc.services.sessions.sessions import Sessions
from authsvc.services.sessions.tokens import SessionTokens
from authsvc.signing.tokens import TokenIssuer
from authsvc.values.people import User
from authsvc.values.sessions import Session, VerifiedClaims
from tests.harness.house import CLUB, POLICY, SHOP, House
from tests.harness.inprocess import APPS, AUDIT

pytestmark = pytest.mark.slow

SESSIONS = 1000


@pytest.fixture
def gate(house: House, issuer: TokenIssuer) -> Sessions:
    tokens = SessionTokens(APPS, issuer, RefreshTokens((b"",)), (), RuledClaims(house.database, house.clock), POLICY)
    return Sessions(house.database, tokens, AUDIT, house.clock, 30)


def opened(house: House, user: User, count: int) -> list[Session]:
    """Sessions of the user as a login holds them that has just read them."""
    return [house.open(user) for _ in range(count)]


def claims(gate: Sessions, session: Session) -> VerifiedClaims:
    now = int(gate._clock.now())
    return VerifiedClaims(session.user_id, session.id, session.appid, "jti", now + 900, now, SHOP.audience)


def lets_in(gate: Sessions, session: Session) -> bool:
    try:
        gate.authenticate(claims(gate, session))
    except SessionEnded:
        return False
    return True


def revoke_all(gate: Sessions, session: Session) -> None:
    gate.log_out(gate.authenticate(claims(gate, session)), "global")


def test_of_a_thousand_sessions_of_one_second_those_before_the_revocation_are_dead_and_those_after_live(
    house: House, gate: Sessions, figures: Callable[[str], None]
) -> None:
    seed = random.SystemRandom().getrandbits(32)
    chance = random.Random(seed)
    user = house.user()
    older, newer = [], []
    while len(older) < SESSIONS // 2:
        older += [*newer, *opened(house, house.read(user), chance.randint(1, 60))]
        revoke_all(gate, older[-1])
        newer = opened(house, house.read(user), chance.randint(1, 60))
    newer += opened(house, house.read(user), SESSIONS // 2)
    wrong = [session for session in older if lets_in(gate, session)]
    wrong += [session for session in newer if not lets_in(gate, session)]
    assert wrong == [], f"seed {seed}"
    times = {row[0] for row in house.rows("SELECT created_at FROM sessions")}
    assert len(times) == 1
    figures(
        f"revoke-all in one second, {house.dialect}: {len(older)} older and {len(newer)} newer "
        f"sessions, seed {seed}: 0 wrong verdicts"
    )


def test_the_version_alone_decides(house: House, gate: Sessions) -> None:
    user = house.user()
    older = house.open(user)
    revoke_all(gate, older)
    house.change("UPDATE sessions SET revoked_at = NULL")
    # A login that had read the user before the revocation, and commits its session only after it.
    overtaken = house.open(user)
    newer = house.open(house.read(user))
    assert [lets_in(gate, session) for session in (older, overtaken, newer)] == [False, False, True]


def test_ending_one_session_leaves_the_others(house: House, gate: Sessions) -> None:
    sessions = opened(house, house.user(), 10)
    gate.end(gate.authenticate(claims(gate, sessions[0])), sessions[3].id)
    assert [lets_in(gate, session) for session in sessions] == [number != 3 for number in range(10)]


def test_a_disabled_user_is_refused_with_every_session_and_let_in_again_later(house: House, gate: Sessions) -> None:
    user = house.user()
    sessions = opened(house, user, 10)
    house.change(f"UPDATE users SET status = 'disabled' WHERE id = {user.id}")
    for session in sessions:
        with pytest.raises(AccountDisabled):
            gate.authenticate(claims(gate, session))
    house.change(f"UPDATE users SET status = 'active' WHERE id = {user.id}")
    assert all(lets_in(gate, session) for session in sessions)


def test_another_users_revocation_is_nobody_elses(house: House, gate: Sessions) -> None:
    mine, theirs = (house.open(house.user()) for _ in range(2))
    revoke_all(gate, theirs)
    assert lets_in(gate, mine) and not lets_in(gate, theirs)


def test_a_token_that_names_another_user_or_app_than_its_session_is_refused(house: House, gate: Sessions) -> None:
    session, other = (house.open(house.user()) for _ in range(2))
    own = claims(gate, session)
    for wrong in (replace(own, user_id=other.user_id), replace(own, appid=CLUB.appid)):
        with pytest.raises(SessionEnded):
            gate.authenticate(wrong)
