"""Whoever leaves between a request's door and its deed leaves no half state behind, and is told so."""

from types import SimpleNamespace
from typing import Any

import pytest

from authsvc.db.database import Database
from authsvc.db.queries import scan_sign_ins, sessions, users
from authsvc.db.queries.scan_sign_ins import ScanSignIn
from authsvc.errors import AccountClosed, AccountDisabled
from authsvc.services.people.closing import AccountClosing
from authsvc.services.people.consents import Consents
from authsvc.services.sessions.newsessions import NewSessions, open_session
from authsvc.services.signin.scans import ScanSignIns
from authsvc.values.sessions import SessionCaps, TokenPolicy
from tests.harness.fair import SHOP, Fair
from tests.harness.inprocess import APPS, AUDIT, BANS, INVITE_MEMORY, Clock, counts

NOTHING: Any = SimpleNamespace(delete=lambda _: None, delete_of_user=lambda _: None)
POLICY = TokenPolicy("native", lifetime=900, idle=30 * 86400)


@pytest.fixture
def fair(each_database: Database, clock: Clock) -> Fair:
    return Fair(each_database, clock)


@pytest.fixture
def closing(fair: Fair) -> AccountClosing:
    return AccountClosing(fair.database, NOTHING, NOTHING, BANS, INVITE_MEMORY, AUDIT, fair.clock, 0)


def test_who_was_erased_or_locked_out_meanwhile_agrees_to_nothing_and_gets_no_code(
    fair: Fair, closing: AccountClosing
) -> None:
    consents = Consents(fair.database, fair.clock)
    lan, mei = fair.log_in("lan").user, fair.log_in("mei").user
    assert closing.erase(lan.id, "x")
    with pytest.raises(AccountClosed):
        consents.give(SimpleNamespace(user=lan), "2026-11")
    with pytest.raises(AccountClosed):
        fair.service().own_code(lan.id)
    fair.change(f"UPDATE users SET status = 'disabled' WHERE id = {mei.id}")
    with pytest.raises(AccountDisabled):
        consents.give(SimpleNamespace(user=mei), "2026-11")
    assert counts(fair.database) | {"consents": 0, "invite_codes": 0} == counts(fair.database)


@pytest.mark.parametrize("what", ["unlinked", "signed out everywhere", "locked out"])
def test_a_browser_gets_no_session_of_a_phone_whose_session_ends_before_it_holds_the_user(
    fair: Fair, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The other change is committed while this one waits for the user's row."""
    admitted = fair.log_in("lan")
    user, identity_id = admitted.user, admitted.identity_id
    phone = fair.database.run(lambda c: open_session(c, user, SHOP, POLICY, "", fair.now, identity_id=identity_id))
    asked = ScanSignIn("scan", "x", SHOP.appid, "approved", "", None, fair.now, fair.now + 60)
    fair.database.run(lambda c: scan_sign_ins.insert(c, asked))
    fair.change(f"UPDATE scan_sign_ins SET state = 'approved', session_id = '{phone.id}'")
    approved = fair.database.read(lambda c: scan_sign_ins.find(c, asked.id))
    assert approved is not None and approved.session_id == phone.id
    lock = users.lock

    def end_first(connection: Any, user_id: int) -> Any:
        if what == "unlinked":
            sessions.end_of_identity(connection, user_id, identity_id, "unlinked", fair.now)
        elif what == "signed out everywhere":
            users.end_everything(connection, user_id, fair.now)
        else:
            users.disable(connection, user_id, fair.now)
        return lock(connection, user_id)

    monkeypatch.setattr(users, "lock", end_first)
    scans = ScanSignIns(
        apps=APPS,
        database=fair.database,
        draw=NOTHING,
        hashes=NOTHING,
        new_sessions=NewSessions(SessionCaps(), AUDIT, POLICY),
        tokens=NOTHING,
        audit=AUDIT,
        clock=fair.clock,
    )
    try:
        assert fair.database.run(lambda c: scans._hand_over(c, approved)) is None
    except AccountDisabled:
        assert what == "locked out"
    assert counts(fair.database)["sessions"] == 1
