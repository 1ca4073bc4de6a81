"""Nothing about a person is overlooked: an export shows all of it but secrets, an erasure leaves none of it."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Table

from authsvc.db import personaldata
from authsvc.db.database import Database
from authsvc.db.models import Base
from authsvc.db.queries import users
from authsvc.errors import AccountClosed, AccountDisabled, NotFound, TooManyRequests
from authsvc.oneatatime import OneAtATime
from authsvc.services.operator.merges import Merges
from authsvc.services.operator.users import Users
from authsvc.services.people.closing import AccountClosing
from authsvc.services.people.exports import Exports
from authsvc.values.people import PhoneNumber
from authsvc.values.sessions import Caller, Session, VerifiedClaims
from tests.harness.house import House
from tests.harness.inprocess import APPS, AUDIT, BANS, INVITE_MEMORY, Clock, counts, rows

FILL = (
    "INSERT INTO users (id, nickname, avatar_url, country_code, phone, status, created_at, updated_at, last_login_at)"
    " VALUES ({id}, 'n{id}', 'p{id}', '86', '1380000000{id}', 'active', 1, 2, 3)",
    "INSERT INTO identities (appid, openid, unionid, user_id, session_key, created_at)"
    " VALUES ('wx', 'o{id}', 'u{id}', {id}, 'sealed{id}', 4)",
    "INSERT INTO unionids (unionid, user_id) VALUES ('u{id}', {id})",
    "INSERT INTO sessions (id, user_id, appid, contract, token_version, created_at, last_used_at, rotated_at,"
    " idle_seconds, idle_expires_at, absolute_expires_at, device) VALUES"
    " ('s{id}', {id}, 'wx', 'native', 0, 5, 5, 5, 9, 1900000000, 1900000000, 'd{id}')",
    "INSERT INTO scan_sign_ins (id, browser_hash, appid, state, device, address, created_at, expires_at, session_id)"
    " VALUES ('b{id}', 'x', 'wx', 'scanned', '', 'a{id}', 5, 5, 's{id}')",
    "INSERT INTO consents (user_id, version, given_at) VALUES ({id}, 'v{id}', 6)",
    "INSERT INTO person_roles (user_id, appid, roles, set_at) VALUES ({id}, 'wx', 'r{id}', 6)",
    "INSERT INTO invite_codes (id, code, owner_id, is_own, created_at) VALUES ({id}, 'c{id}', {id}, 1, 7)",
    "INSERT INTO invite_uses (invite_code_id, user_id, used_at) VALUES ({id}, {id}, 8)",
    "INSERT INTO code_pictures (stem, ending, user_id, claimed_until, asked_at) VALUES ('q{id}', 'jpg', {id}, 0, 0)",
    "INSERT INTO audit_events (at, event, user_id, subject, detail) VALUES (9, 'register', {id}, 'hash{id}', 'x')",
)


def owner_columns(table: Table) -> set[str]:
    """The columns that say whose a row is."""
    return {
        column.name
        for column in table.columns
        if column.name in ("user_id", "owner_id")
        or any(key.column.table.name == "users" for key in column.foreign_keys)
    }


def test_every_column_of_every_table_about_people_is_exported_or_withheld_for_a_reason() -> None:
    about_people = {table.name for table in Base.metadata.sorted_tables if owner_columns(table)} | {"users"}
    exported = {
        table: set(columns.replace(" ", "").split(",")) for table, (_, columns) in personaldata.EXPORTED.items()
    }
    assert about_people == set(exported) | set(personaldata.WITHHELD)
    for name in about_people:
        columns = {column.name for column in Base.metadata.tables[name].columns}
        withheld = set(personaldata.WITHHELD.get(name, ()))
        assert exported.get(name, set()) | withheld == columns, name
        assert not exported.get(name, set()) & withheld, name


@pytest.fixture
def fill(each_database: Database) -> Callable[..., None]:
    def run(*ids: int) -> None:
        for number in ids:
            for statement in FILL:
                sql = statement.format(id=number)
                each_database.run(lambda connection, sql=sql: connection.exec_driver_sql(sql))

    return run


@dataclass
class Pictures:
    """Notes whose pictures were deleted."""

    deleted: list[object] = field(default_factory=list)

    def delete(self, address: str | None) -> None:
        self.deleted.append(address)

    def delete_of_user(self, user_id: int) -> None:
        self.deleted.append(user_id)


@pytest.fixture
def pictures() -> Pictures:
    return Pictures()


@pytest.fixture
def closing(each_database: Database, clock: Clock, pictures: Pictures) -> AccountClosing:
    return AccountClosing(each_database, pictures, pictures, BANS, INVITE_MEMORY, AUDIT, clock, 15 * 86400)


def merge(database: Database, clock: Clock, loser_id: int, winner_id: int) -> None:
    users = Users(database, APPS, BANS, AUDIT, clock)
    Merges(database, users, BANS, AUDIT, clock).merge(loser_id, winner_id, "one person")


def everything(database: Database) -> str:
    return str([rows(database, f"SELECT * FROM {name}") for name in counts(database)])


def test_an_export_holds_the_rows_of_the_person_and_of_whom_they_were_before_and_no_secret(
    fill: Callable[..., None], each_database: Database, clock: Clock, tmp_path: Path
) -> None:
    fill(1, 2, 3)
    merge(each_database, clock, 2, 1)
    exports = Exports(each_database, AUDIT, clock, OneAtATime(tmp_path / "exports"))
    export = exports.for_operator(1)
    found = json.loads("".join(export.json()))
    for text in ("n1", "n2", "o1", "o2", "u1", "s1", "s2", "d2", "v1", "v2", "c1", "c2", "13800000001", "merge"):
        assert text in str(found)
    for text in ("sealed", "hash1", "n3", "o3", "s3", "13800000003"):
        assert text not in str(found)
    assert [row["merged_into_id"] for row in found["users"]] == [None, 1]
    for _ in range(2):
        with pytest.raises(NotFound):
            exports.for_operator(4)


def test_an_erasure_leaves_nothing_but_audit_events_and_numbers(
    fill: Callable[..., None], each_database: Database, clock: Clock, closing: AccountClosing, pictures: Pictures
) -> None:
    fill(1, 2, 3)
    merge(each_database, clock, 2, 1)
    assert closing.erase(1, "by the operator")
    assert pictures.deleted == ["p1", 1, "p2", 2]
    left = everything(each_database)
    for number in (1, 2):
        for text in ("n", "o", "u", "p", "a", "sealed", "d", "v", "1380000000"):
            assert f"'{text}{number}'" not in left
    assert counts(each_database) | {"users": 1, "identities": 1, "sessions": 1, "unionids": 1, "consents": 1} == counts(
        each_database
    )
    assert rows(each_database, "SELECT id, owner_id, is_own, disabled_at IS NULL FROM invite_codes ORDER BY id") == [
        (1, None, None, 0),
        (2, None, None, 0),
        (3, 3, 1, 1),
    ]
    events = rows(each_database, "SELECT event, user_id, detail FROM audit_events WHERE event = 'erase'")
    assert events == [("erase", 1, "by the operator")]
    # Whoever has the openid can still find what was done with the account.
    found = each_database.read(
        lambda connection: AUDIT.find(connection, user_id=None, openid="o1", event=None, since=0, limit=9)
    )
    assert [entry.event for entry in found] == ["merge", "erase"]


def test_nobody_is_erased_twice_or_by_the_id_they_had_before_a_merge(
    fill: Callable[..., None], each_database: Database, clock: Clock, closing: AccountClosing
) -> None:
    fill(1, 2)
    merge(each_database, clock, 2, 1)
    assert not closing.erase(2, "x")
    assert not closing.erase(9, "x")
    assert closing.erase(1, "x")
    assert not closing.erase(1, "x")
    assert rows(each_database, "SELECT COUNT(*) FROM audit_events WHERE event = 'erase'") == [(1,)]


def test_somebody_who_comes_back_while_a_purge_runs_stays(
    fill: Callable[..., None],
    each_database: Database,
    clock: Clock,
    closing: AccountClosing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(1, 2)
    now = int(clock.now())
    for number in (1, 2):
        each_database.run(lambda connection, number=number: users.close(connection, number, now - 15 * 86400))
    listed = users.due_for_erasure

    def list_and_reopen(connection, before: int) -> list[int]:
        due = listed(connection, before)
        if due:
            connection.exec_driver_sql("UPDATE users SET status = 'active', closed_at = NULL WHERE id = 1")
        return due

    monkeypatch.setattr(users, "due_for_erasure", list_and_reopen)
    monkeypatch.setattr(each_database, "read", each_database.run)
    assert closing.erase_due() == 1
    assert rows(each_database, "SELECT id, status FROM users") == [(1, "active")]


def test_an_erasure_that_breaks_off_cannot_be_undone_and_is_finished_by_the_next_purge(
    fill: Callable[..., None],
    each_database: Database,
    clock: Clock,
    closing: AccountClosing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(1)
    with monkeypatch.context() as broken:
        broken.setattr(personaldata, "erase", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            closing.erase(1, "x")
    now = int(clock.now())
    assert not each_database.run(lambda connection: users.reopen(connection, 1, since=now - 15 * 86400, now=now))
    assert closing.erase_due() == 1
    assert counts(each_database)["users"] == 0


def test_a_phone_is_forgotten_and_the_account_stays(
    fill: Callable[..., None], each_database: Database, closing: AccountClosing
) -> None:
    fill(1)
    assert closing.forget_phone(1, "by WeChat")
    assert not closing.forget_phone(1, "by WeChat")
    assert rows(each_database, "SELECT status, country_code, phone FROM users") == [("active", None, None)]
    assert rows(each_database, "SELECT event, detail FROM audit_events")[1:] == [("phone_forgotten", "by WeChat")]


def at_once(*works: Callable[[], object]) -> list[object]:
    """What came of works released at one moment; of one that was refused, the refusal."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        start.wait(5)
        try:
            return work()
        except AccountDisabled as refusal:
            return refusal

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_of_erasures_at_once_one_happens(fill: Callable[..., None], closing: AccountClosing) -> None:
    for number in range(1, 6):
        fill(number)
        found = at_once(*[lambda number=number: closing.erase(number, "x")] * 4)
        assert sorted(map(str, found)) == ["False", "False", "False", "True"]


def test_whoever_signs_in_while_they_are_erased_is_gone_or_somebody_new(
    each_database: Database, clock: Clock, closing: AccountClosing, figures: Callable[[str], None]
) -> None:
    house, pairs, refused = House(each_database, clock), 50, 0
    for turn in range(pairs):
        old = house.log_in(f"lan{turn}x", phone=PhoneNumber("86", f"138{turn:08}")).user.id
        came, erased = at_once(
            lambda turn=turn: house.log_in(f"lan{turn}x"),
            lambda old=old: closing.erase(old, "user_authorization_cancellation"),
        )
        refused += isinstance(came, AccountClosed)
        assert erased is True
        assert house.rows(f"SELECT COUNT(*) FROM users WHERE id = {old}") == [(0,)]
        again = house.log_in(f"lan{turn}x").user
        assert again.id > old and again.phone is None
    assert counts(each_database) | {"users": pairs, "identities": pairs} == counts(each_database)
    name = house.dialect
    figures(f"erasure beside a login, {name}: {pairs} pairs, {refused} logins refused, 0 half states")


def test_an_export_of_many_rows_has_each_of_them_once_whatever_they_share(
    fill: Callable[..., None], each_database: Database, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages go on by keys: rows of one second, ended and live ones, more and fewer than a page, and none."""
    fill(1, 2)
    copies = {
        "sessions": "INSERT INTO sessions (id, user_id, appid, contract, token_version, created_at, last_used_at,"
        " rotated_at, idle_seconds, idle_expires_at, absolute_expires_at, revoked_at) VALUES"
        " ('x{n}', 1, 'wx', 'native', 0, 5, 5, 5, 9, 9, 9, {ended})",
        "audit_events": "INSERT INTO audit_events (at, event, user_id) VALUES ({second}, 'x{n}', 1)",
        "consents": "INSERT INTO consents (user_id, version, given_at) VALUES (1, 'x{n}', 6)",
        "invite_codes": "INSERT INTO invite_codes (code, owner_id, created_at) VALUES ('x{n}', 1, 7)",
    }
    values = [{"n": n, "second": n % 3 if n % 2 else 7, "ended": ("NULL", 4, n)[n % 3]} for n in range(25)]

    def copy(connection) -> None:
        for sql in copies.values():
            for each in values:
                connection.exec_driver_sql(sql.format(**each))

    each_database.run(copy)
    export = Exports(each_database, AUDIT, clock, OneAtATime(tmp_path / "exports")).for_operator(1)
    for at_once in (1, 2, 5, 24, 25, 26, 100):
        monkeypatch.setattr("authsvc.services.people.exports._ROWS_AT_ONCE", at_once)
        found = json.loads("".join(export.json()))
        names = {"sessions": "id", "audit_events": "event", "consents": "version", "invite_codes": "code"}
        for table, name in names.items():
            got = [row[name] for row in found[table] if str(row[name]).startswith("x")]
            assert sorted(got) == sorted(f"x{n}" for n in range(25)), (table, at_once)
        assert set(found) == set(personaldata.EXPORTED)


def test_one_export_of_a_person_at_a_time(
    fill: Callable[..., None], each_database: Database, clock: Clock, tmp_path: Path
) -> None:
    fill(1, 2)
    exports = Exports(each_database, AUDIT, clock, OneAtATime(tmp_path / "exports"))
    one, other = (caller(each_database, number) for number in (1, 2))
    first = exports.for_person(one)
    with pytest.raises(TooManyRequests):
        exports.for_person(one)
    exports.for_person(other).close()
    first.close()
    first.close()
    exports.for_person(one).close()


def caller(database: Database, user_id: int) -> Caller:
    """The user of that number, by the session that the table was filled with."""
    claims = VerifiedClaims(user_id, f"s{user_id}", "wx", "x", 0, 0, "wx")
    session = Session(f"s{user_id}", user_id, "wx", "native")
    return Caller(database.read(lambda connection: users.get(connection, user_id)), session, claims, f"o{user_id}")
