"""Claims by rule: tokens of every contract say of a person what the operator has configured, and nothing slower."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import requests

from authsvc.clock import DAY
from authsvc.config.claims import rules
from authsvc.db.queries import person_roles, users
from authsvc.db.statements import Statement
from authsvc.errors import NotFound
from authsvc.services.accounts.merging import merge
from authsvc.services.changes.journal import ChangeJournal, Changes
from authsvc.services.sessions.claims import RuledClaims
from authsvc.services.siblings.directory import Directory
from authsvc.values.claims import MOST_ROLES, ROLE_CHARACTERS
from authsvc.values.people import User
from tests.harness.house import SHOP, House
from tests.harness.inprocess import APPS, AUDIT, beside
from tests.harness.leaks import Canaries
from tests.harness.service import Service
from tests.harness.signedin import claims, code_message_data, native, success_data, tapped
from tests.harness.simulator import Simulator

RULES = "is_new=new_user, recent=new_user:7d, has_phone, campaign=invite_campaign, roles"
SEEDED = "INSERT INTO invite_codes (code, batch, batch_number, uses, created_at) VALUES ('{}', '{}', 1, 0, 5)"
NAMES = ("is_new", "recent", "has_phone", "campaign", "roles")


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def ruled(request: pytest.FixtureRequest, start_service: Callable[..., Service]) -> Service:
    settings = {"JWT_CLAIMS": RULES, "CHANGES_RETENTION_DAYS": "7"}
    return start_service(f"claims-{request.param}", workers=1, database=request.param, settings=settings)


class Sibling:
    """A service that sets roles."""

    def __init__(self, service: Service, canaries: Canaries, name: str, *scopes: str) -> None:
        with beside(service) as app:
            made = app.extensions["authsvc"].service_credentials.add(name, scopes)
        self._service = service
        self._credential = canaries.never(f"credential {name}", made)

    def put(self, sub: object, **body: Any) -> requests.Response:
        path = f"/internal/v1/directory/people/{sub}/roles"
        return self._service.call("PUT", path, token=self._credential, json=body)


def ruled_claims(token: str) -> dict[str, Any]:
    found = claims(token)
    return {name: found[name] for name in NAMES if name in found}


def test_a_token_says_what_is_configured_at_every_login_and_refresh(
    ruled: Service, simulator: Simulator, canaries: Canaries
) -> None:
    ruled.rows(SEEDED.format("SPRING", "spring"))
    sibling = Sibling(ruled, canaries, "crm", "directory_roles")
    new = native(ruled, simulator, "claims-lan", json={"invite_code": "SPRING"})
    said = {"is_new": True, "recent": True, "has_phone": False, "campaign": "spring", "roles": []}
    assert ruled_claims(new.access) == said
    # A returning login, of somebody who has a phone by now.
    assert new.call("POST", "/api/v1/me/phone", json=tapped(simulator, "claims-lan")).status_code == 200
    again = native(ruled, simulator, "claims-lan")
    assert ruled_claims(again.access) == {**said, "is_new": False, "has_phone": True}
    # Roles reach the next token, and each time all of them are replaced.
    answer = sibling.put(new.user_id, roles=["staff", "shop:12", "staff"])
    assert (answer.status_code, answer.json()["data"]) == (200, {"roles": ["shop:12", "staff"]}), answer.text
    later = again.refreshed()
    assert ruled_claims(later.access)["roles"] == ["shop:12", "staff"]
    assert sibling.put(new.user_id, roles=["buyer"]).status_code == 200
    later = later.refreshed()
    assert ruled_claims(later.access)["roles"] == ["buyer"]
    ruled.rows(f"UPDATE users SET created_at = created_at - {8 * DAY} WHERE id = {new.user_id}")
    assert sibling.put(new.user_id, roles=[]).json()["data"] == {"roles": []}
    assert ruled_claims(later.refreshed().access) == {**said, "is_new": False, "recent": False, "has_phone": True}
    # authsvc's own routes go on to accept such tokens.
    assert later.call("GET", "/api/v1/me").status_code == 200


def test_tokens_of_other_contracts_follow_the_same_rules(ruled: Service, simulator: Simulator) -> None:
    for name, contract in (("claims-wei", code_message_data), ("claims-mei", success_data)):
        said = ruled_claims(contract(ruled, simulator, name))
        assert said == {"is_new": True, "recent": True, "has_phone": contract is success_data, "roles": []}
        assert ruled_claims(contract(ruled, simulator, name))["is_new"] is False


def test_a_difference_is_an_event_and_a_change_and_the_same_again_is_none(
    ruled: Service, simulator: Simulator, canaries: Canaries
) -> None:
    sibling = Sibling(ruled, canaries, "desk", "directory_roles")
    person = native(ruled, simulator, "claims-event")
    for roles in (["a"], ["a"], ["a", "a"], [], []):
        assert sibling.put(person.user_id, roles=roles, appid=ruled.appid).status_code == 200
    events = ruled.rows(
        f"SELECT detail FROM audit_events WHERE event = 'roles_changed' AND user_id = {person.user_id} ORDER BY id"
    )
    assert events == [(f"app {ruled.appid}, desk: {count} roles",) for count in (1, 0)]
    assert ruled.count("person_changes", f"kind = 'roles.changed' AND user_id = {person.user_id}") == 2
    assert ruled.count("person_roles", f"user_id = {person.user_id}") == 0


def test_who_lacks_the_scope_names_nobody_or_sends_too_much_is_refused(
    ruled: Service, simulator: Simulator, canaries: Canaries
) -> None:
    person = native(ruled, simulator, "claims-refused")
    reader = Sibling(ruled, canaries, "reader", "directory_read", "directory_phone", "revoke")
    answer = reader.put(person.user_id, roles=["staff"])
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    sibling = Sibling(ruled, canaries, "hr", "directory_roles")
    for wrong in (["a b"], [""], ["x" * (ROLE_CHARACTERS + 1)], ["老板"], [1], "staff", None, ["r"] * (MOST_ROLES + 1)):
        assert sibling.put(person.user_id, roles=wrong).status_code == 400, wrong
    assert sibling.put(person.user_id).status_code == 400
    assert sibling.put(person.user_id, roles=[], more=1).status_code == 400
    assert sibling.put(999_999_999, roles=["staff"]).status_code == 404
    assert sibling.put(person.user_id, roles=["staff"], appid="wx51a051a0ffffffff").status_code == 400
    assert ruled.count("person_roles", f"user_id = {person.user_id}") == 0


def test_the_longest_token_is_about_two_kilobytes(
    ruled: Service, simulator: Simulator, canaries: Canaries, figures: Callable[[str], None]
) -> None:
    sibling = Sibling(ruled, canaries, "most", "directory_roles")
    ruled.rows(SEEDED.format("LONG", "l" * 40))
    person = native(ruled, simulator, "claims-long", json={"invite_code": "LONG"})
    roles = [f"{number:02d}".ljust(ROLE_CHARACTERS, "x") for number in range(MOST_ROLES)]
    assert sibling.put(person.user_id, roles=roles).status_code == 200
    token = person.refreshed().access
    assert ruled_claims(token)["roles"] == roles and ruled_claims(token)["campaign"] == "l" * 40
    figures(f"claims by rule: the longest token has {len(token)} characters")
    assert len(token) < 1500


# --- without a process --------------------------------------------------------------------------------------------


def test_a_token_waits_for_no_statement_or_for_one(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    user = house.log_in("o-lan").user
    ruled_claims, ran = RuledClaims(house.database, house.clock), []
    run = Statement.run

    def note(self: Statement, *args: Any, **values: Any) -> Any:
        if "SELECT" in str(self._texts["sqlite"]):  # and not SQLite's BEGIN
            ran.append(self)
        return run(self, *args, **values)

    monkeypatch.setattr(Statement, "run", note)
    for text, statements in (("", 0), ("new_user, new=new_user:3d, has_phone", 0), ("roles", 1), (RULES, 1)):
        problems: list[str] = []
        app = replace(SHOP, claims=rules(text, "JWT_CLAIMS", problems))
        ran.clear()
        ruled_claims.of(user, app, is_new=False)
        assert (len(ran), problems) == (statements, []), text


def test_a_merge_moves_roles_where_the_other_has_none(house: House) -> None:
    loser, winner = house.log_in("loser").user, house.log_in("winner").user

    def work(connection: Any) -> None:
        for user, appid, role in ((loser, "wx1", "of-loser"), (loser, "wx2", "moved"), (winner, "wx1", "of-winner")):
            person_roles.replace(connection, user.id, appid, [role], house.now)
        merge(connection, AUDIT, loser, winner, house.now)

    house.database.run(work)
    found = house.rows("SELECT user_id, appid, roles FROM person_roles ORDER BY appid")
    assert found == [(winner.id, "wx1", "of-winner"), (winner.id, "wx2", "moved")]


def test_of_roles_that_are_set_during_a_merge_none_stay_with_who_left(house: House) -> None:
    directory = Directory(APPS, house.database, Changes(house.database, ChangeJournal(0)), AUDIT, house.clock)
    for number in range(20):
        loser, winner = house.log_in(f"loser-{number}").user, house.log_in(f"winner-{number}").user

        def set_roles(loser: User = loser) -> bool:
            try:
                return bool(directory.set_roles("crm", loser.id, ["staff"], None))
            except NotFound:
                return False

        def unite(loser: User = loser, winner: User = winner) -> None:
            def work(connection: Any) -> None:
                for user_id in sorted((loser.id, winner.id)):
                    users.lock(connection, user_id)
                merge(connection, AUDIT, loser, winner, house.now)

            house.database.run(work)

        with ThreadPoolExecutor(2) as pool:
            are_set, _ = pool.submit(set_roles), pool.submit(unite).result()
        held = house.rows(f"SELECT user_id FROM person_roles WHERE user_id IN ({loser.id}, {winner.id})")
        assert held == ([(winner.id,)] if are_set.result() else [])
