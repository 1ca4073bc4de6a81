"""Operators find people by whatever they can tell of themselves; every act has the operator's name in its event."""

from collections.abc import Callable

import pytest

from authsvc.db.database import Database
from authsvc.services.operator.erasures import Erasures
from authsvc.services.operator.merges import Merges
from authsvc.services.operator.userfiles import MOST_FOUND, UserFiles
from authsvc.services.operator.users import Users
from authsvc.services.people.closing import AccountClosing
from authsvc.services.people.exports import Exports
from authsvc.values.operator import UserRefused
from tests.harness.inprocess import APPS, AUDIT, BANS, INVITE_MEMORY, SHOP, Clock, rows

OPENID = "oABCdefGHIjklMNOpqrSTUvwxYZ0"
PEOPLE = (
    "INSERT INTO users (id, nickname, country_code, phone, claimed_phone, created_at, updated_at, last_login_at) VALUES"
    " (1, '小明', '86', '13800138000', NULL, 0, 0, 0), (2, '小红', '1', '2015550123', NULL, 0, 0, 0),"
    " (3, '100% _real_', NULL, NULL, '+8613912348000', 0, 0, 0), (8000, 'Alice', NULL, NULL, NULL, 0, 0, 0)",
    f"INSERT INTO identities (appid, openid, user_id, created_at) VALUES ('{SHOP.appid}', '{OPENID}', 2, 5)",
    f"INSERT INTO identities (appid, openid, user_id, created_at) VALUES ('wx-elsewhere', '{OPENID}', 1, 5)",
    "INSERT INTO consents (user_id, version, given_at) VALUES (2, '2026-11', 7)",
)


def session(name: str, user_id: int, created_at: int, revoked: int | None = None) -> str:
    return (
        "INSERT INTO sessions (id, user_id, appid, contract, token_version, created_at, last_used_at, rotated_at,"
        " idle_seconds, idle_expires_at, absolute_expires_at, revoked_at, revoke_reason, device) VALUES"
        f" ('{name}', {user_id}, 'wx', 'native', 0, {created_at}, {created_at}, 0, 1, {2**40}, {2**40},"
        f" {revoked or 'NULL'}, {repr('logout') if revoked else 'NULL'}, 'a phone')"
    )


@pytest.fixture
def store(each_database: Database) -> Callable[..., None]:
    def run(*statements: str) -> None:
        def work(connection) -> None:
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))

        each_database.run(work)

    run(*PEOPLE)
    return run


@pytest.fixture
def files(store: Callable[..., None], each_database: Database, clock: Clock) -> UserFiles:
    exports = Exports(each_database, AUDIT, clock, None)  # type: ignore[arg-type]  # of no person here
    return UserFiles(each_database, APPS, exports, clock)


@pytest.fixture
def users(each_database: Database, clock: Clock) -> Users:
    return Users(each_database, APPS, BANS, AUDIT, clock)


@pytest.mark.parametrize(
    "text, ids",
    [
        ("1", [1, 3]),
        ("8000", [8000, 3, 1]),  # the id first, then numbers that end so, latest first
        ("13800138000", [1]),
        ("+86 138 0013 8000", [1]),
        ("+1 201 555 0123", [2]),
        ("+8613912348000", [3]),
        ("0123", [2]),
        (OPENID, [2]),  # in our own mini programs
        ("小", [1, 2]),
        ("小红", [2]),
        ("alice", [8000]),
        ("100%", [3]),
        ("%", []),
        ("_", []),
        ("红", []),
        ("000", []),  # too few digits
        ("", []),
        ("  ", []),
        ("9" * 30, []),
        ("'; --", []),
        ("１２３４", []),
        (OPENID.lower(), []),
    ],
)
def test_people_are_found_by_what_they_tell(files: UserFiles, text: str, ids: list[int]) -> None:
    assert [user.id for user in files.search(text)] == ids
    assert [user.id for user in files.search(f" {text} ")] == ids


def test_a_search_shows_so_many_people_and_no_more(files: UserFiles, store: Callable[..., None]) -> None:
    values = ", ".join(f"({9000 + number}, 'crowd', 0, 0, 0)" for number in range(MOST_FOUND + 20))
    store(f"INSERT INTO users (id, nickname, created_at, updated_at, last_login_at) VALUES {values}")
    assert len(files.search("crowd")) == MOST_FOUND


def test_a_file_shows_one_user_whole(files: UserFiles, store: Callable[..., None]) -> None:
    store(session("live", 2, 10))
    found = files.show(2)
    assert (found.summary.id, found.summary.phone, found.live_sessions) == (2, "+12015550123", 1)
    assert [(each.appid, each.openid) for each in found.identities] == [(SHOP.appid, OPENID)]
    assert (found.consents, found.merged_ids) == ((("2026-11", 7),), ())
    assert OPENID not in repr(found) and "2015550123" not in repr(found)
    for ask in (files.show, files.sign_ins):
        with pytest.raises(UserRefused) as refused:
            ask(4)
        assert refused.value.reason == "no_such_user"


def test_sign_ins_are_shown_whether_their_sessions_live_or_not(files: UserFiles, store: Callable[..., None]) -> None:
    store(session("first", 2, 10, revoked=20), session("second", 2, 30), session("others", 1, 40))
    found = files.sign_ins(2)
    assert [(each.session_id, each.is_live, each.ended_at, each.reason) for each in found] == [
        ("second", True, None, None),
        ("first", False, 20, "logout"),
    ]


def test_every_act_is_audited_with_the_operator(
    users: Users, store: Callable[..., None], each_database: Database, clock: Clock
) -> None:
    store(session("one", 2, 10), session("two", 2, 10))
    assert users.end_session(2, "one", by="alice")
    assert not users.end_session(2, "one", by="alice") and not users.end_session(1, "two", by="alice")
    assert users.log_out(2, by="alice") == 1
    users.disable(2, by="alice")
    users.enable(2, by="bob")
    Merges(each_database, users, BANS, AUDIT, clock).merge(3, 2, "one person", by="bob")
    users.disable(2)
    found = rows(each_database, "SELECT event, user_id, operator FROM audit_events ORDER BY id")
    assert found == [
        ("session_ended", 2, "alice"),
        ("logout_global", 2, "alice"),
        ("disable", 2, "alice"),
        ("enable", 2, "bob"),
        ("merge", 2, "bob"),
        ("disable", 2, ""),
    ]
    by_alice = users.events(user_id=None, openid=None, event=None, operator="alice", since=0, limit=10)
    assert [event.event for event in by_alice] == ["session_ended", "logout_global", "disable"]


class NoPictures:
    """A store without pictures."""

    def delete(self, address: str | None) -> None:
        pass

    def delete_of_user(self, user_id: int) -> None:
        pass


def test_an_erasure_by_an_operator_says_why_it_is_refused_and_is_audited(
    users: Users, each_database: Database, clock: Clock
) -> None:
    none = NoPictures()
    closing = AccountClosing(each_database, none, none, BANS, INVITE_MEMORY, AUDIT, clock, 0)  # type: ignore[arg-type]
    erasures = Erasures(users, closing)
    insert = "INSERT INTO users (id, status, merged_into_id, created_at, updated_at, last_login_at) VALUES"

    def people(connection) -> None:
        connection.exec_driver_sql(f"{insert} (1, 'active', NULL, 0, 0, 0), (2, 'closed', 1, 0, 0, 0)")

    each_database.run(people)
    for user_id, reason in ((2, "merged_away"), (3, "no_such_user")):
        with pytest.raises(UserRefused) as refused:
            erasures.erase(user_id, "alice")
        assert refused.value.reason == reason
    erasures.erase(1, "alice")
    assert rows(each_database, "SELECT id FROM users") == []
    [event] = rows(each_database, "SELECT event, user_id, detail, operator FROM audit_events")
    assert event == ("erase", 1, "by the operator", "alice")
