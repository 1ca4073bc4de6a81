"""What a new session ends and leaves on record, on both databases."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from authsvc.db.queries import sessions, users
from authsvc.db.queries.audit_events import MOST_A_DAY
from authsvc.errors import TooManyRequests
from authsvc.services.sessions.newsessions import NewSessions
from authsvc.values.people import User
from authsvc.values.sessions import Session, SessionCaps
from authsvc.values.wechat import MiniProgram
from tests.harness.house import CLUB, POLICY, SHOP, House
from tests.harness.inprocess import AUDIT

# As WeChat sends it.
PHONE = (
    "Mozilla/5.0 (Linux; Android 13; V2148A) AppleWebKit/537.36 MicroMessenger/8.0.43.2460(0x28002B3D)"
    " WeChat/arm64 NetType/WIFI Language/zh_CN ABI/arm64 MiniProgramEnv/android"
)
DAY = 86400

Opens = Callable[..., Session]


@pytest.fixture
def lan(house: House) -> User:
    return house.user()


@pytest.fixture
def opens(house: House, lan: User) -> Opens:
    """Open a session, lan's unless told otherwise."""

    def open_one(
        device: str = "phone", caps: SessionCaps | None = None, user: User = lan, app: MiniProgram = SHOP
    ) -> Session:
        new = NewSessions(caps or SessionCaps(3, 0), AUDIT, POLICY)
        return house.database.run(
            lambda connection: new.open(connection, user, app, device, house.now, identity_id=None)
        )

    return open_one


def live(house: House, user: User) -> list[str]:
    found = house.database.read(lambda connection: sessions.live_of_user(connection, user.id, house.now))
    return [session.id for session in found]


def noted(house: House, event: str = "new_device") -> list[str]:
    return [detail for _, detail in house.events(event)]


def test_the_one_that_was_unused_for_the_longest_ends(house: House, lan: User, opens: Opens) -> None:
    first, second, third = (opens() for _ in range(3))
    house.clock.moment += 60
    house.database.run(lambda connection: sessions.extend(connection, first.id, house.now))
    fourth = opens()
    assert set(live(house, lan)) == {first.id, third.id, fourth.id}
    ended = house.rows(f"SELECT revoked_at, revoke_reason FROM sessions WHERE id = '{second.id}'")
    assert ended == [(house.now, "limit")]


def test_a_flood_in_another_mini_program_neither_ends_sessions_here_nor_locks_out(
    house: House, lan: User, opens: Opens
) -> None:
    here = opens()
    there = [opens(app=CLUB, caps=SessionCaps(3, 6)).id for _ in range(6)]
    with pytest.raises(TooManyRequests):
        opens(app=CLUB, caps=SessionCaps(3, 6))
    again = opens(caps=SessionCaps(3, 6))
    assert set(live(house, lan)) == {here.id, again.id, *there[-3:]}


def test_of_one_second_the_one_that_was_opened_first_ends(house: House, lan: User, opens: Opens) -> None:
    opened = [opens().id for _ in range(8)]
    assert set(live(house, lan)) == set(opened[-3:])


def test_what_has_run_out_or_was_signed_out_everywhere_takes_no_place(house: House, lan: User, opens: Opens) -> None:
    old = [opens().id for _ in range(3)]
    house.database.run(lambda connection: users.end_everything(connection, lan.id, house.now))
    kept = [opens(user=house.read(lan)).id for _ in range(3)]
    assert set(live(house, lan)) == set(kept)
    # Nothing to end: their tokens are told of by the mark of the user.
    assert house.rows("SELECT COUNT(*) FROM sessions WHERE revoked_at IS NOT NULL") == [(0,)]
    assert len(old) == 3


def test_a_lower_cap_holds_from_the_next_login_on(house: House, lan: User, opens: Opens) -> None:
    for _ in range(3):
        opens()
    last = opens(caps=SessionCaps(1, 0))
    assert live(house, lan) == [last.id]


def test_a_device_not_seen_before_is_put_on_record(house: House, opens: Opens) -> None:
    opens(PHONE)
    opens("Tablet/1")
    opens(PHONE)
    opens(PHONE.replace("NetType/WIFI", "NetType/5G").replace("8.0.43.2460(0x28002B3D)", "8.0.55"))
    opens("Tablet/2" + "x" * 400)
    assert [detail[:60] for detail in noted(house)][1:] == [
        f"app {SHOP.appid}, Tablet/1",
        f"app {SHOP.appid}, Tablet/2{'x' * 28}",
    ]
    assert all(len(detail) <= 255 for detail in noted(house))


def test_a_device_is_remembered_when_its_session_has_ended(house: House, lan: User, opens: Opens) -> None:
    session = opens("phone")
    before = len(noted(house))
    house.database.run(lambda connection: sessions.end(connection, session.id, lan.id, "logout", house.now))
    house.clock.moment += DAY
    opens("phone")
    assert len(noted(house)) == before


def test_changing_user_agents_fill_no_table(house: House, opens: Opens) -> None:
    """Before: there was nothing to fill; of an event per login it would be one for each."""
    for number in range(MOST_A_DAY + 20):
        opens(f"agent {number}")
    assert len(noted(house)) == MOST_A_DAY
    house.clock.moment += DAY + 1
    opens("another")
    assert len(noted(house)) == MOST_A_DAY + 1


def test_a_flood_of_one_kind_hides_no_other(house: House, lan: User) -> None:
    def record(event: str) -> Callable[..., None]:
        return lambda connection: AUDIT.record(connection, event, lan.id, house.now)

    for _ in range(MOST_A_DAY + 5):
        house.database.run(record("phone_bound"))
    house.database.run(record("link"))
    assert (len(noted(house, "phone_bound")), len(noted(house, "link"))) == (MOST_A_DAY, 1)


def test_a_user_opens_so_many_within_a_day(house: House, opens: Opens) -> None:
    caps = SessionCaps(3, 10)
    for _ in range(10):
        opens(caps=caps)
    with pytest.raises(TooManyRequests):
        opens(caps=caps)
    house.clock.moment += DAY + 1
    opens(caps=caps)
    assert house.rows("SELECT COUNT(*) FROM sessions") == [(11,)]


def test_the_short_way_is_taken_only_where_the_long_one_would_do_nothing_else(
    house: House, opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random people, opened for both ways: the same sessions live, with the same numbers, events and refusals."""
    chance, caps = random.Random(20261127), SessionCaps(5, 7)
    pairs = [(house.user(), house.user()) for _ in range(6)]
    shorts = _counted(monkeypatch)
    for _ in range(160):
        short, long = pairs[chance.randrange(len(pairs))]
        device, app, ends = (
            chance.choice(("phone", "phone", "tablet")),
            chance.choice((SHOP, SHOP, SHOP, CLUB)),
            chance.random(),
        )
        house.clock.moment += chance.choice((0, 1, 60, 600, 5400))
        for user, is_short in ((short, True), (long, False)):
            shorts.allowed = is_short
            try:
                opens(device, caps, house.read(user), app)
            except TooManyRequests:
                house.change(f"UPDATE users SET gender = COALESCE(gender, 0) + 1 WHERE id = {user.id}")  # a refusal
            if ends < 0.4:
                house.change(_end_of_oldest(house, user))
            elif ends < 0.43:
                house.database.run(lambda connection, of=user: users.end_everything(connection, of.id, house.now))
    for short, long in pairs:
        assert _history(house, short) == _history(house, long)
    assert 20 < shorts.taken < 140


class _Shorts:
    allowed = True
    taken = 0


def _counted(monkeypatch: pytest.MonkeyPatch) -> _Shorts:
    shorts, insert = _Shorts(), sessions.insert_if_ordinary

    def insert_if_allowed(*arguments: Any, **limits: Any) -> bool:
        done = shorts.allowed and insert(*arguments, **limits)
        shorts.taken += done
        return done

    monkeypatch.setattr(sessions, "insert_if_ordinary", insert_if_allowed)
    return shorts


def _end_of_oldest(house: House, user: User) -> str:
    rows = house.rows(f"SELECT id FROM sessions WHERE user_id = {user.id} AND revoked_at IS NULL ORDER BY number, id")
    return f"UPDATE sessions SET revoked_at = {house.now} WHERE id = '{rows[0][0] if rows else ''}'"


def _history(house: House, user: User) -> list[tuple]:
    """The user's sessions, in the order in which they were opened, then events, then how often they were refused."""
    columns = "created_at, number, device, appid, revoked_at, revoke_reason, token_version"
    return [
        *house.rows(f"SELECT {columns} FROM sessions WHERE user_id = {user.id} ORDER BY created_at, number"),
        *house.rows(f"SELECT at, event, detail FROM audit_events WHERE user_id = {user.id} ORDER BY id"),
        *house.rows(f"SELECT gender FROM users WHERE id = {user.id}"),
    ]


def test_ids_of_later_sessions_are_greater(house: House, opens: Opens) -> None:
    ids = []
    for _ in range(5):
        ids.append(opens(caps=SessionCaps(50, 0)).id)
        house.clock.moment += 1
    assert ids == sorted(ids) and len({name[8:] for name in ids}) == 5 and {len(name) for name in ids} == {30}
    assert [row[0] for row in house.rows("SELECT id FROM sessions ORDER BY id")] == ids
