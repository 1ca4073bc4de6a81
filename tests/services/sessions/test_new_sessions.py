"""What a new session ends and leaves on record, on both databases."""

from collections.abc import Callable

import pytest

from authsvc.db.database import Database
from authsvc.db.queries import sessions, users
from authsvc.db.queries.audit_events import MOST_A_DAY
from authsvc.errors import TooManyRequests
from authsvc.services.sessions.newsessions import NewSessions
from authsvc.services.sessions.tokens import NATIVE
from authsvc.values.people import Profile, User
from authsvc.values.sessions import Session, SessionCaps, TokenPolicy
from authsvc.values.wechat import MiniProgram
from tests.harness.inprocess import AUDIT, Clock, rows

APP = MiniProgram("wx51a051a000000001", "a-secret-of-no-account", "shop")
POLICY = TokenPolicy(NATIVE, lifetime=900, idle=30 * 86400)
# As WeChat sends it.
PHONE = (
    "Mozilla/5.0 (Linux; Android 13; V2148A) AppleWebKit/537.36 MicroMessenger/8.0.43.2460(0x28002B3D)"
    " WeChat/arm64 NetType/WIFI Language/zh_CN ABI/arm64 MiniProgramEnv/android"
)
DAY = 86400


class House:
    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock = database, clock
        self.user = database.run(lambda connection: users.insert(connection, Profile("Lan"), self.now))

    @property
    def now(self) -> int:
        return int(self.clock.now())

    def open(
        self,
        device: str = "phone",
        caps: SessionCaps | None = None,
        user: User | None = None,
        app: MiniProgram = APP,
    ) -> Session:
        new = NewSessions(caps or SessionCaps(3, 0), AUDIT, POLICY)
        return self.database.run(
            lambda connection: new.open(connection, user or self.user, app, device, self.now, identity_id=None)
        )

    def live(self) -> list[str]:
        found = self.database.read(lambda connection: sessions.live_of_user(connection, self.user.id, self.now))
        return [session.id for session in found]

    def events(self, event: str = "new_device") -> list[str]:
        sql = f"SELECT detail FROM audit_events WHERE event = '{event}' AND user_id = {self.user.id} ORDER BY id"
        return [row[0] for row in rows(self.database, sql)]

    def use(self, session: Session) -> None:
        self.database.run(lambda connection: sessions.extend(connection, session.id, self.now))


@pytest.fixture
def house(each_database: Database, clock: Clock) -> House:
    return House(each_database, clock)


def test_the_one_that_was_unused_for_the_longest_ends(house: House) -> None:
    first, second, third = (house.open() for _ in range(3))
    house.clock.moment += 60
    house.use(first)
    fourth = house.open()
    assert set(house.live()) == {first.id, third.id, fourth.id}
    ended = rows(house.database, f"SELECT revoked_at, revoke_reason FROM sessions WHERE id = '{second.id}'")
    assert ended == [(house.now, "limit")]


def test_a_flood_in_another_mini_program_neither_ends_sessions_here_nor_locks_out(house: House) -> None:
    other = MiniProgram("wx51a051a000000002", "a-secret-of-no-account", "club")
    here = house.open()
    there = [house.open(app=other, caps=SessionCaps(3, 6)).id for _ in range(6)]
    with pytest.raises(TooManyRequests):
        house.open(app=other, caps=SessionCaps(3, 6))
    again = house.open(caps=SessionCaps(3, 6))
    assert set(house.live()) == {here.id, again.id, *there[-3:]}


def test_of_one_second_the_one_that_was_opened_first_ends(house: House) -> None:
    opened = [house.open().id for _ in range(8)]
    assert set(house.live()) == set(opened[-3:])


def test_what_has_run_out_or_was_signed_out_everywhere_takes_no_place(house: House) -> None:
    old = [house.open().id for _ in range(3)]
    house.database.run(lambda connection: users.end_everything(connection, house.user.id, house.now))
    user = house.database.read(lambda connection: users.get(connection, house.user.id))
    kept = [house.open(user=user).id for _ in range(3)]
    assert set(house.live()) == set(kept)
    # Nothing to end: their tokens are told of by the mark of the user.
    assert rows(house.database, "SELECT COUNT(*) FROM sessions WHERE revoked_at IS NOT NULL") == [(0,)]
    assert len(old) == 3


def test_a_lower_cap_holds_from_the_next_login_on(house: House) -> None:
    for _ in range(3):
        house.open()
    last = house.open(caps=SessionCaps(1, 0))
    assert house.live() == [last.id]


def test_a_device_not_seen_before_is_put_on_record(house: House) -> None:
    house.open(PHONE)
    house.open("Tablet/1")
    house.open(PHONE)
    house.open(PHONE.replace("NetType/WIFI", "NetType/5G").replace("8.0.43.2460(0x28002B3D)", "8.0.55"))
    house.open("Tablet/2" + "x" * 400)
    assert [detail[:60] for detail in house.events()][1:] == [
        f"app {APP.appid}, Tablet/1",
        f"app {APP.appid}, Tablet/2{'x' * 28}",
    ]
    assert all(len(detail) <= 255 for detail in house.events())


def test_a_device_is_remembered_when_its_session_has_ended(house: House) -> None:
    session = house.open("phone")
    noted = len(house.events())
    house.database.run(lambda connection: sessions.end(connection, session.id, house.user.id, "logout", house.now))
    house.clock.moment += DAY
    house.open("phone")
    assert len(house.events()) == noted


def test_changing_user_agents_fill_no_table(house: House) -> None:
    """Before: there was nothing to fill; of an event per login it would be one for each."""
    for number in range(MOST_A_DAY + 20):
        house.open(f"agent {number}")
    assert len(house.events()) == MOST_A_DAY
    house.clock.moment += DAY + 1
    house.open("another")
    assert len(house.events()) == MOST_A_DAY + 1


def test_a_flood_of_one_kind_hides_no_other(house: House) -> None:
    def record(event: str) -> Callable[..., None]:
        return lambda connection: AUDIT.record(connection, event, house.user.id, house.now)

    for _ in range(MOST_A_DAY + 5):
        house.database.run(record("phone_bound"))
    house.database.run(record("link"))
    assert (len(house.events("phone_bound")), len(house.events("link"))) == (MOST_A_DAY, 1)


def test_a_user_opens_so_many_within_a_day(house: House) -> None:
    caps = SessionCaps(3, 10)
    for _ in range(10):
        house.open(caps=caps)
    with pytest.raises(TooManyRequests):
        house.open(caps=caps)
    house.clock.moment += DAY + 1
    house.open(caps=caps)
    assert rows(house.database, "SELECT COUNT(*) FROM sessions") == [(11,)]
