"""Whoever leaves between a request's door and its deed leaves no half state behind, and is told so."""

from types import SimpleNamespace
from typing import Any

import pytest

from authsvc.db.queries import scan_sign_ins, sessions, users
from authsvc.db.queries.scan_sign_ins import ScanSignIn
from authsvc.errors import AccountClosed, AccountDisabled
from authsvc.services.people.closing import AccountClosing
from authsvc.services.people.consents import Consents
from authsvc.services.sessions.newsessions import NewSessions
from authsvc.services.signin.scans import ScanSignIns
from authsvc.values.sessions import SessionCaps
from tests.harness.house import POLICY, SHOP, House
from tests.harness.inprocess import APPS, AUDIT, BANS, INVITE_MEMORY, counts

NOTHING: Any = SimpleNamespace(delete=lambda _: None, delete_of_user=lambda _: None)


@pytest.fixture
def closing(house: House) -> AccountClosing:
    return AccountClosing(house.database, NOTHING, NOTHING, BANS, INVITE_MEMORY, AUDIT, house.clock, 0)


def test_who_was_erased_or_locked_out_meanwhile_agrees_to_nothing_and_gets_no_code(
    house: House, closing: AccountClosing
) -> None:
    consents = Consents(house.database, house.clock)
    lan, mei = house.log_in("lan").user, house.log_in("mei").user
    assert closing.erase(lan.id, "x")
    with pytest.raises(AccountClosed):
        consents.give(SimpleNamespace(user=lan), "2026-11")
    with pytest.raises(AccountClosed):
        house.invites().own_code(lan.id)
    house.change(f"UPDATE users SET status = 'disabled' WHERE id = {mei.id}")
    with pytest.raises(AccountDisabled):
        consents.give(SimpleNamespace(user=mei), "2026-11")
    assert counts(house.database) | {"consents": 0, "invite_codes": 0} == counts(house.database)


@pytest.mark.parametrize("what", ["unlinked", "signed out everywhere", "locked out"])
def test_a_browser_gets_no_session_of_a_phone_whose_session_ends_before_it_holds_the_user(
    house: House, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The other change is committed while this one waits for the user's row."""
    admitted = house.log_in("lan")
    user, identity_id = admitted.user, admitted.identity_id
    phone = house.open(user, identity_id)
    asked = ScanSignIn("scan", "x", SHOP.appid, "approved", "", None, house.now, house.now + 60)
    house.database.run(lambda c: scan_sign_ins.insert(c, asked))
    house.change(f"UPDATE scan_sign_ins SET state = 'approved', session_id = '{phone.id}'")
    approved = house.database.read(lambda c: scan_sign_ins.find(c, asked.id))
    assert approved is not None and approved.session_id == phone.id
    lock = users.lock

    def end_first(connection: Any, user_id: int) -> Any:
        if what == "unlinked":
            sessions.end_of_identity(connection, user_id, identity_id, "unlinked", house.now)
        elif what == "signed out everywhere":
            users.end_everything(connection, user_id, house.now)
        else:
            users.disable(connection, user_id, house.now)
        return lock(connection, user_id)

    monkeypatch.setattr(users, "lock", end_first)
    scans = ScanSignIns(
        apps=APPS,
        database=house.database,
        draw=NOTHING,
        hashes=NOTHING,
        new_sessions=NewSessions(SessionCaps(), AUDIT, POLICY),
        tokens=NOTHING,
        audit=AUDIT,
        clock=house.clock,
    )
    try:
        assert house.database.run(lambda c: scans._hand_over(c, approved)) is None
    except AccountDisabled:
        assert what == "locked out"
    assert counts(house.database)["sessions"] == 1
