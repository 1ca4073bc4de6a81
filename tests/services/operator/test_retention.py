"""What is kept for a while goes when its time is over, and not before; with many rows as with few."""

from collections.abc import Callable

import pytest

from authsvc.db.database import Database
from authsvc.services.operator.retention import Retention
from tests.harness.inprocess import Clock, counts, rows

HOUR, DAY = 3600, 86400
USER = "INSERT INTO users (id, created_at, updated_at, last_login_at) VALUES (1, 0, 0, 0)"

OPERATOR = "INSERT INTO operators (name, role, secret_hash, created_at) VALUES ('alice', 'read', 'x', 0)"


def attempt(name: str, at: int) -> str:
    return f"INSERT INTO login_attempts (login_hash, started_at) VALUES ('{name}', {at})"


def ticket(name: str, expires_at: int) -> str:
    return f"INSERT INTO spent_tickets (ticket_id, expires_at) VALUES ('{name}', {expires_at})"


def failure(name: str, at: int) -> str:
    return f"INSERT INTO decrypt_failures (key_hash, failures, failed_at) VALUES ('{name}', 5, {at})"


def scan(name: str, expires_at: int) -> str:
    return (
        "INSERT INTO scan_sign_ins (id, browser_hash, appid, state, device, created_at, expires_at)"
        f" VALUES ('{name}', '', 'wx', 'pending', '', 0, {expires_at})"
    )


def code_failure(claim: int, failed: int) -> str:
    return f"INSERT INTO code_failures (claim, error, failed_at) VALUES ({claim}, 'e', {failed})"


def receipt(name: str, received_at: int) -> str:
    return f"INSERT INTO push_receipts (receipt, received_at) VALUES ('{name}', {received_at})"


def wechat_error(appid: str, hour: int) -> str:
    return (
        "INSERT INTO wechat_errors (hour, appid, endpoint, error, errcode, calls)"
        f" VALUES ({hour}, '{appid}', '/sns/jscode2session', 'wechat_busy', -1, 3)"
    )


def operator_session(name: str, begun_at: int) -> str:
    return f"INSERT INTO operator_sessions (id, operator, begun_at, seen_at) VALUES ('{name}', 'alice', {begun_at}, 0)"


def ban(name: str, expires_at: int) -> str:
    return f"INSERT INTO ban_marks (mark, ban, expires_at) VALUES ('{name}', 'x', {expires_at})"


def counted(name: str, expires_at: int) -> str:
    return f"INSERT INTO invite_marks (mark, expires_at) VALUES ('{name}', {expires_at})"


def event(name: str, at: int) -> str:
    return f"INSERT INTO audit_events (event, at) VALUES ('{name}', {at})"


def change(name: str, at: int) -> str:
    return f"INSERT INTO person_changes (kind, user_id, at) VALUES ('{name}', 1, {at})"


def dead(name: str, dead_at: int) -> str:
    return (
        "INSERT INTO webhook_deliveries"
        " (webhook, position, kind, user_id, at, attempts, due_at, claimed_until, dead_at, last_error)"
        f" VALUES ('orders', {dead_at}, '{name}', 1, 0, 11, 0, 0, {dead_at}, '')"
    )


def merge(user_id: int, merged_at: int) -> str:
    return (
        "INSERT INTO merges (user_id, into_id, merged_at, country_code, phone, gave_phone)"
        f" VALUES ({user_id}, 9, {merged_at}, NULL, NULL, 0)"
    )


def session(name: str, *, idle: int = 2**40, absolute: int = 2**40, revoked: int | None = None) -> str:
    return (
        "INSERT INTO sessions (id, user_id, appid, contract, token_version, created_at, last_used_at, rotated_at,"
        " idle_seconds, idle_expires_at, absolute_expires_at, revoked_at) VALUES"
        f" ('{name}', 1, 'wx', 'native', 0, 0, 0, 0, 1, {idle}, {absolute}, {revoked or 'NULL'})"
    )


@pytest.fixture
def store(each_database: Database) -> Callable[..., None]:
    def run(*statements: str) -> None:
        def work(connection) -> None:
            for statement in statements:
                connection.exec_driver_sql(statement)

        each_database.run(work)

    run(USER, OPERATOR)
    return run


def test_each_kind_goes_when_its_time_is_over(
    store: Callable[..., None], each_database: Database, clock: Clock
) -> None:
    now = int(clock.now())
    store(
        *(attempt("kept", now - HOUR), attempt("gone", now - HOUR - 1)),
        *(ticket("kept", now), ticket("gone", now - 1)),
        *(failure("kept", now - 31 * DAY), failure("gone", now - 31 * DAY - 1)),
        *(scan("kept", now - HOUR), scan("gone", now - HOUR - 1)),
        *(session("live"), session("just ended", revoked=now), session("month old", revoked=now - 31 * DAY)),
        session("revoked long ago", revoked=now - 31 * DAY - 1),
        session("idle long ago", idle=now - 31 * DAY - 1),
        session("over long ago", absolute=now - 31 * DAY - 1),
        *(receipt("kept", now - 600), receipt("gone", now - 601)),
        *(operator_session("kept", now - 12 * HOUR), operator_session("gone", now - 12 * HOUR - 1)),
        *(wechat_error("kept", now - 2 * DAY), wechat_error("gone", now - 2 * DAY - 1)),
        *(code_failure(1, now - 60), code_failure(2, now - 61)),
        *(ban("kept", now + 1), ban("gone", now), counted("kept", now + 1), counted("gone", now)),
        *(change("kept", now - 30 * DAY), change("gone", now - 30 * DAY - 1)),
        *(dead("kept", now - 30 * DAY), dead("gone", now - 30 * DAY - 1)),
        *(merge(1, now - 7 * DAY), merge(2, now - 7 * DAY - 1)),
        *(event("kept", now - 365 * DAY), event("gone", now - 365 * DAY - 1)),
        f"INSERT INTO not_before_marks (user_id, not_before) VALUES (1, {now - 31 * DAY}), (2, {now - 31 * DAY - 1})",
    )
    deleted = Retention(each_database, clock, 365 * DAY, 30 * DAY, 7 * DAY).purge()
    assert deleted == {
        "login attempts": 1,
        "used tickets": 1,
        "ended sessions": 3,
        "marks of users": 1,
        "marks of bans": 1,
        "marks of invites": 1,
        "decrypt failures": 1,
        "scan sign-ins": 1,
        "failures of codes": 1,
        "sessions of operators": 1,
        "receipts of pushes": 1,
        "errors of WeChat": 1,
        "changes of people": 1,
        "merges to undo": 1,
        "dead messages": 1,
        "audit events": 1,
    }
    left = rows(
        each_database,
        "SELECT login_hash FROM login_attempts UNION ALL SELECT ticket_id FROM spent_tickets"
        " UNION ALL SELECT key_hash FROM decrypt_failures UNION ALL SELECT id FROM sessions"
        " UNION ALL SELECT id FROM scan_sign_ins UNION ALL SELECT receipt FROM push_receipts"
        " UNION ALL SELECT appid FROM wechat_errors UNION ALL SELECT id FROM operator_sessions"
        " UNION ALL SELECT kind FROM person_changes UNION ALL SELECT kind FROM webhook_deliveries"
        " UNION ALL SELECT mark FROM ban_marks UNION ALL SELECT mark FROM invite_marks"
        " UNION ALL SELECT event FROM audit_events ORDER BY 1",
    )
    assert sorted(name for (name,) in left) == ["just ended", *["kept"] * 12, "live", "month old"]
    assert counts(each_database)["users"] == 1
    assert rows(each_database, "SELECT user_id FROM merges") == [(1,)]


def test_a_second_purge_finds_nothing(each_database: Database, clock: Clock) -> None:
    service = Retention(each_database, clock, 365 * DAY, 30 * DAY, 7 * DAY)
    service.purge()
    assert set(service.purge().values()) == {0}


def test_more_rows_than_one_transaction_takes_all_go(
    store: Callable[..., None], each_database: Database, clock: Clock
) -> None:
    store(*(ticket(f"ticket {number}", 1) for number in range(2500)))
    assert Retention(each_database, clock, 365 * DAY, 30 * DAY, 7 * DAY).purge()["used tickets"] == 2500
    assert counts(each_database)["spent_tickets"] == 0
