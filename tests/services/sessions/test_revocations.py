"""The feed over the databases: transactions that commit in another order than that of their times."""

import json
import threading

import pytest

from authsvc.db.database import Database
from authsvc.db.queries import sessions, users
from authsvc.services.sessions import revocations
from authsvc.services.sessions.newsessions import open_session
from authsvc.services.sessions.revocations import RevocationFeed
from authsvc.services.sessions.tokens import NATIVE
from authsvc.signing.tokens import TokenIssuer
from authsvc.values.people import Profile
from authsvc.values.sessions import Session, TokenPolicy
from tests.harness.forging import unb64
from tests.harness.inprocess import SHOP, Clock, rows

PREFIX = revocations.SESSION_PREFIX


@pytest.fixture
def feed(each_database: Database, clock: Clock, issuer: TokenIssuer) -> RevocationFeed:
    return RevocationFeed(each_database, issuer, {NATIVE: 900, "week": 7 * 86400}, clock)


def some_sessions(database: Database, clock: Clock, count: int, contract: str = NATIVE) -> list[Session]:
    policy, now = TokenPolicy(contract, 900, 30 * 86400), int(clock.now())

    def work(connection) -> list[Session]:
        user = users.insert(connection, Profile("Lan"), now)
        return [open_session(connection, user, SHOP, policy, "", now, identity_id=None) for _ in range(count)]

    return database.run(work)


def end(database: Database, session: Session, now: float) -> None:
    assert database.run(lambda connection: sessions.end(connection, session.id, session.user_id, "logout", int(now)))


def out_of_order(database: Database, clock: Clock, feed: RevocationFeed) -> tuple[str, str]:
    """Two sessions end; the one that ended first is committed last, after the feed was read in between.

    Returns what is new then to somebody who goes on from the cursor, and what should be.
    """
    early, late = some_sessions(database, clock, 2)
    took_the_time, may_go_on = threading.Event(), threading.Event()

    def slow(now: float) -> None:
        took_the_time.set()
        may_go_on.wait(10)
        end(database, early, now)

    thread = threading.Thread(target=slow, args=[clock.now()])
    thread.start()
    took_the_time.wait(10)
    clock.moment += 4
    end(database, late, clock.now())
    clock.moment += 1
    cursor = feed.read(None).cursor
    may_go_on.set()
    thread.join()
    clock.moment += 1
    return feed.read(cursor).sessions, early.id[:PREFIX]


def test_nothing_is_missed_when_transactions_commit_out_of_order(
    each_database: Database, clock: Clock, feed: RevocationFeed
) -> None:
    new, expected = out_of_order(each_database, clock, feed)
    assert expected in new


def test_without_the_overlap_it_would_be_missed(
    each_database: Database, clock: Clock, feed: RevocationFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations, "OVERLAP_SECONDS", 0)
    new, expected = out_of_order(each_database, clock, feed)
    assert expected not in new


def test_a_session_that_ends_in_the_second_of_the_cursor_is_in_the_next_answer(
    each_database: Database, clock: Clock, feed: RevocationFeed
) -> None:
    (session,) = some_sessions(each_database, clock, 1)
    cursor = feed.read(None).cursor
    end(each_database, session, clock.now())
    assert feed.read(cursor).sessions == session.id[:PREFIX]


def test_a_contract_that_is_no_longer_in_the_code_counts_as_the_longest(
    each_database: Database, clock: Clock, feed: RevocationFeed
) -> None:
    kept = {name: some_sessions(each_database, clock, 1, name)[0] for name in (NATIVE, "week", "of yesteryear")}
    for session in kept.values():
        end(each_database, session, clock.now())
    clock.moment += 6 * 86400
    found = feed.read(None).sessions
    assert {name for name, session in kept.items() if session.id[:PREFIX] in found} == {"week", "of yesteryear"}


def test_a_mark_moves_forward_only_and_is_signed_beside_the_sessions(
    each_database: Database, clock: Clock, feed: RevocationFeed
) -> None:
    (session,) = some_sessions(each_database, clock, 1)
    began = int(clock.now())
    for moment in (began + 5, began + 2, began + 9, began):
        each_database.run(lambda connection, moment=moment: users.end_everything(connection, session.user_id, moment))
    clock.moment += 10
    found = feed.read(None)
    assert (found.users, found.sessions) == ({session.user_id: began + 9}, "")
    header, payload, _ = (unb64(part) for part in feed.sign(found).split("."))
    assert json.loads(header)["typ"] == "revocations+jwt"
    assert json.loads(payload)["users"] == {str(session.user_id): began + 9}
    assert rows(each_database, "SELECT token_version FROM users") == [(4,)]
