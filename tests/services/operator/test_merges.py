"""A merge by an operator, what is kept of it, and its undoing, on SQLite and on MariaDB or MySQL."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from authsvc.db.queries import users
from authsvc.services.changes.journal import ChangeJournal, Changes
from authsvc.services.operator.merges import Merges
from authsvc.services.operator.retention import Retention
from authsvc.services.operator.users import Users
from authsvc.services.people.closing import AccountClosing
from authsvc.values.operator import Refused, UserRefused
from authsvc.values.people import PhoneNumber
from tests.harness.house import CLUB, House
from tests.harness.inprocess import APPS, AUDIT, BANS, INVITE_MEMORY
from tests.harness.operators import new_operator
from tests.harness.service import Service
from tests.harness.signedin import native
from tests.harness.simulator import Simulator

DAY = 86400
ONE, TWO, THREE = (PhoneNumber("86", f"1380013800{digit}") for digit in (1, 2, 3))
UNION = "oUNI00000000000000000000000a"
NOTHING: Any = SimpleNamespace(delete=lambda _: None, delete_of_user=lambda _: None)
# What a merge moves; the columns that only count or tell the time are left out.
STATE = {
    "users": "id, status, country_code, phone, claimed_phone, merged_into_id, invited_by_id, closed_at",
    "identities": "id, user_id, appid, openid, unionid, is_added",
    "unionids": "unionid, user_id",
    "invite_codes": "id, code, owner_id, is_own, uses, disabled_at",
    "invite_uses": "id, invite_code_id, user_id",
    "code_pictures": "stem, user_id",
    "person_roles": "user_id, appid, roles",
    "ban_marks": "id, user_id",
}


@pytest.fixture
def operator(house: House) -> Users:
    return Users(house.database, APPS, BANS, AUDIT, house.clock)


@pytest.fixture
def merges(house: House, operator: Users) -> Merges:
    return Merges(house.database, operator, BANS, AUDIT, house.clock, 7 * DAY)


def state(house: House) -> dict[str, list[tuple]]:
    return {table: sorted(house.rows(f"SELECT {columns} FROM {table}"), key=str) for table, columns in STATE.items()}


def two(house: House, loser: PhoneNumber | None = None, winner: PhoneNumber | None = None) -> tuple[int, int]:
    return house.log_in("lan", loser, unionid=UNION).user.id, house.log_in("mei", winner).user.id


def alone(house: House) -> None:
    two(house)


def with_a_number_that_moves(house: House) -> None:
    two(house, loser=ONE)


def with_a_number_that_is_lost(house: House) -> None:
    two(house, ONE, TWO)


def with_a_number_that_is_typed_in(house: House) -> None:
    loser, _ = two(house)
    house.claim(users_row(house, loser), THREE)


def with_one_unionid_of_both(house: House) -> None:
    two(house, ONE, TWO)
    house.log_in("mei-there", TWO, app=CLUB)
    house.change(f"UPDATE identities SET unionid = '{UNION}' WHERE openid = 'mei-there'")


def with_invites_of_both(house: House) -> None:
    root = house.log_in("root")
    lan = house.log_in("lan", ONE, code=house.code_of(root))
    mei = house.log_in("mei", TWO)
    for owner, guest in ((lan, "guest"), (lan, "other guest"), (mei, "guest of mei")):
        house.log_in(guest, code=house.code_of(owner))


def with_a_winner_who_came_through_the_loser(house: House) -> None:
    lan = house.log_in("lan", code=house.code_of(house.log_in("root")))
    house.log_in("mei", code=house.code_of(lan))


def with_a_loser_who_came_through_the_winner(house: House) -> None:
    house.log_in("lan", code=house.code_of(house.log_in("mei")))


def with_marks_and_pictures_and_somebody_merged_before(house: House) -> None:
    lan, _ = two(house, ONE)
    house.log_in("lan", TWO, unionid=UNION)  # a new number; the old one leaves a mark
    columns = "stem, ending, user_id, claimed_until, asked_at"
    house.change(f"INSERT INTO code_pictures ({columns}) VALUES ('q', 'jpg', {lan}, 0, 0)")
    before = house.log_in("before").user.id
    operator = Users(house.database, APPS, BANS, AUDIT, house.clock)
    Merges(house.database, operator, BANS, AUDIT, house.clock).merge(before, lan, "first")


def with_roles(house: House) -> None:
    lan, mei = two(house)
    give_roles(house, lan, "wx-a", "buyer")
    give_roles(house, mei, "wx-b", "seller")


def give_roles(house: House, user_id: int, appid: str, roles: str, at: int = 5) -> None:
    values = f"({user_id}, '{appid}', '{roles}', {at})"
    house.change(f"INSERT INTO person_roles (user_id, appid, roles, set_at) VALUES {values}")


def users_row(house: House, user_id: int) -> Any:
    return house.database.read(lambda connection: users.get(connection, user_id))


def id_of(house: House, openid: str) -> int:
    found: int = house.rows(f"SELECT user_id FROM identities WHERE openid = '{openid}'")[0][0]
    return found


@pytest.mark.parametrize(
    "given",
    [
        alone,
        with_a_number_that_moves,
        with_a_number_that_is_lost,
        with_a_number_that_is_typed_in,
        with_one_unionid_of_both,
        with_invites_of_both,
        with_a_winner_who_came_through_the_loser,
        with_a_loser_who_came_through_the_winner,
        with_roles,
        with_marks_and_pictures_and_somebody_merged_before,
    ],
)
def test_an_undone_merge_leaves_everything_as_it_was(
    house: House, merges: Merges, given: Callable[[House], None]
) -> None:
    given(house)
    loser, winner = id_of(house, "lan"), id_of(house, "mei")
    before = state(house)
    merges.merge(loser, winner, "one person", by="alice")
    assert state(house) != before
    merged = house.log_in("lan")
    session = house.open(merged.user, merged.identity_id)
    assert merged.user.id == winner and house.lives(session)
    assert merges.undo(loser, "two people", by="bob") == winner
    assert state(house) == before
    assert not house.lives(session)
    assert (house.log_in("lan").user.id, house.log_in("mei").user.id) == (loser, winner)
    assert house.rows("SELECT COUNT(*) FROM merges") == [(0,)]
    assert house.rows(f"SELECT COUNT(*) FROM merge_parts WHERE user_id = {loser}") == [(0,)]
    # Once more, from the beginning.
    merges.merge(loser, winner, "one person after all")
    merges.undo(loser, "no")
    assert state(house) == before


def test_both_trails_and_the_journal_tell_of_it(house: House, merges: Merges) -> None:
    loser, winner = two(house, ONE)
    merges.merge(loser, winner, "ticket 1", by="alice")
    merges.undo(loser, "ticket 2", by="bob")
    trail = house.rows("SELECT event, user_id, detail, operator FROM audit_events WHERE operator <> '' ORDER BY id")
    assert trail == [
        ("merge", winner, f"merged user {loser}: ticket 1", "alice"),
        ("phone_bound", winner, f"of user {loser}", "alice"),
        ("unmerge", winner, f"split off user {loser}: ticket 2", "bob"),
        ("unmerge", loser, f"of user {winner}: ticket 2", "bob"),
        ("phone_unbound", winner, f"to user {loser}", "bob"),
        ("phone_bound", loser, f"of user {winner}", "bob"),
    ]
    told = Changes(house.database, ChangeJournal(DAY)).after(0, 100)
    found = [(change.kind, change.user_id, change.into_id) for change in told if change.into_id]
    assert found == [("person.merged", loser, winner), ("person.unmerged", loser, winner)]
    assert ("sessions.ended", winner) in [(change.kind, change.user_id) for change in told]


def changes_the_number(house: House, loser: int, winner: int) -> None:
    house.log_in("mei", THREE)


def gains_an_identity(house: House, loser: int, winner: int) -> None:
    house.log_in("lan-there", app=CLUB, unionid=UNION)


def loses_an_identity(house: House, loser: int, winner: int) -> None:
    house.change("DELETE FROM identities WHERE openid = 'lan'")


def gets_roles(house: House, loser: int, winner: int) -> None:
    give_roles(house, winner, "wx-a", "buyer", house.now)


def is_disabled(house: House, loser: int, winner: int) -> None:
    Users(house.database, APPS, BANS, AUDIT, house.clock).disable(winner)


def is_closed(house: House, loser: int, winner: int) -> None:
    house.database.run(lambda connection: users.close(connection, winner, house.now))


def is_merged_again(house: House, loser: int, winner: int) -> None:
    operator = Users(house.database, APPS, BANS, AUDIT, house.clock)
    third = house.log_in("third").user.id
    Merges(house.database, operator, BANS, AUDIT, house.clock, 7 * DAY).merge(winner, third, "again")


def takes_in_another(house: House, loser: int, winner: int) -> None:
    operator = Users(house.database, APPS, BANS, AUDIT, house.clock)
    third = house.log_in("third").user.id
    Merges(house.database, operator, BANS, AUDIT, house.clock, 7 * DAY).merge(third, winner, "another")


@pytest.mark.parametrize(
    "builds",
    [
        changes_the_number,
        gains_an_identity,
        loses_an_identity,
        gets_roles,
        is_disabled,
        is_closed,
        is_merged_again,
        takes_in_another,
    ],
)
def test_a_merge_that_something_was_built_on_stays(
    house: House, merges: Merges, builds: Callable[[House, int, int], None]
) -> None:
    loser, winner = two(house, ONE)
    merges.merge(loser, winner, "one person")
    builds(house, loser, winner)
    before = state(house)
    with pytest.raises(UserRefused) as refused:
        merges.undo(loser, "no")
    assert refused.value.reason == "built_on"
    assert state(house) == before


def test_a_number_that_somebody_else_has_by_then_is_not_taken_from_them(house: House, merges: Merges) -> None:
    loser, winner = two(house, ONE, TWO)
    merges.merge(loser, winner, "one person")
    house.log_in("new owner", ONE)
    with pytest.raises(UserRefused, match="somebody's again"):
        merges.undo(loser, "no")


def test_merges_are_undone_in_the_other_order(house: House, merges: Merges) -> None:
    loser, winner = two(house, ONE)
    before = state(house)
    third = house.log_in("third").user.id
    merges.merge(loser, winner, "first")
    merges.merge(winner, third, "second")
    merges.undo(winner, "second")
    merges.undo(loser, "first")
    assert [row for row in state(house)["users"] if row[0] != third] == before["users"]


def test_only_a_kept_merge_is_undone_and_only_for_a_while(house: House, merges: Merges, operator: Users) -> None:
    loser, winner = two(house, ONE)
    for user_id, reason in ((loser, "nothing_to_undo"), (10**9, "no_such_user")):
        with pytest.raises(UserRefused) as refused:
            merges.undo(user_id, "no")
        assert refused.value.reason == reason
    merges.merge(loser, winner, "one person")
    with pytest.raises(Refused, match="say why"):
        merges.undo(loser, "")
    house.clock.moment += 7 * DAY
    with pytest.raises(UserRefused, match="can still be undone"):
        merges.undo(loser, "too late")
    retention = Retention(house.database, house.clock, 365 * DAY, DAY, 7 * DAY)
    assert retention.purge()["merges to undo"] == 0
    house.clock.moment += 1
    assert retention.purge()["merges to undo"] == 1
    assert house.rows("SELECT COUNT(*) FROM merge_parts") == [(0,)]
    never = Merges(house.database, operator, BANS, AUDIT, house.clock)
    never.merge(house.log_in("a").user.id, house.log_in("b").user.id, "one person")
    assert house.rows("SELECT COUNT(*) FROM merges") == [(0,)]


def test_the_record_goes_with_the_person_and_the_number_with_a_forgotten_number(house: House, merges: Merges) -> None:
    closing = AccountClosing(house.database, NOTHING, NOTHING, BANS, INVITE_MEMORY, AUDIT, house.clock, 15 * DAY)
    loser, winner = two(house, ONE)
    merges.merge(loser, winner, "one person")
    closing.forget_phone(winner, "on request")
    assert house.rows("SELECT phone, claimed_phone FROM merges") == [(None, None)]
    with pytest.raises(UserRefused, match="changed the phone number"):
        merges.undo(loser, "no")
    assert closing.erase(winner, "on request")
    assert house.rows("SELECT COUNT(*) FROM merges") == house.rows("SELECT COUNT(*) FROM merge_parts") == [(0,)]


@pytest.mark.slow
def test_logins_of_both_beside_merges_and_undoings_leave_no_orphan(each_service: Service, simulator: Simulator) -> None:
    """Twenty rounds; an undoing may find that nothing is left to undo, but never half of it."""
    _, credential = new_operator(each_service, "owner")
    names = ("race-lan", "race-mei")
    loser, winner = (native(each_service, simulator, name).user_id for name in names)

    def act(path: str, **body: str) -> int:
        answer = each_service.call(
            "POST", f"/operator/v1/people/{loser}/{path}", token=credential, json={**body, "reason": "race"}
        )
        code: int = answer.status_code
        return code

    with ThreadPoolExecutor(6) as pool:
        for number in range(20):
            logins = [pool.submit(native, each_service, simulator, names[index % 2]) for index in range(4)]
            acts = [pool.submit(act, "merge", into=winner), pool.submit(act, "unmerge")]
            assert {done.result(60).user_id for done in logins} <= {loser, winner}
            answers = [done.result(60) for done in acts]
            assert set(answers) <= {200, 409}, (number, answers)
            is_merged = each_service.rows(f"SELECT status FROM users WHERE id = {loser}")[0][0] == "closed"
            assert each_service.orphans() == [], number
            owners = [native(each_service, simulator, name).user_id for name in names]
            assert owners == ([winner, winner] if is_merged else [loser, winner])
            if is_merged:
                assert act("unmerge") == 200
            assert each_service.orphans() == []
            assert [native(each_service, simulator, name).user_id for name in names] == [loser, winner]
