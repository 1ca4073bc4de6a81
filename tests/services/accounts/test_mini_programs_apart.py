"""Several mini programs, each in its own operator's hands: what a session of one sees and changes of another."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.harness import scanning, signedin
from tests.harness.service import Service
from tests.harness.signedin import Person
from tests.harness.simulator import Simulator

# Two of one Open Platform account, and two of none.
SHOP, CLUB = "wx51a051a0000000b1", "wx51a051a0000000b2"
NORTH, SOUTH = "wx51a051a0000000b3", "wx51a051a0000000b4"
GROUPS = {SHOP: "apart", CLUB: "apart", NORTH: None, SOUTH: None}
IDENTITIES = "/api/v1/me/identities"


@pytest.fixture(scope="module")
def service(
    run_folder: Path, start_service: Callable[..., Service], shared_simulator: Simulator, app_secret: str
) -> Iterator[Service]:
    for appid, group in GROUPS.items():
        app = {"appid": appid, "secret": app_secret, "unionid_group": group}
        shared_simulator.call("POST", "/control/apps", app)
    file = run_folder / "apart.toml"
    others = [appid for appid in GROUPS if appid != SHOP]
    file.write_text("\n".join(f'[[app]]\nappid = "{appid}"\nsecret = "{app_secret}"\n' for appid in others))
    service = start_service("apart", appid=SHOP, settings={"WX_APPS_FILE": str(file)})
    yield service
    service.stop()


@dataclass(frozen=True)
class World:
    """Who does what in which mini program."""

    service: Service
    simulator: Simulator

    def opens(self, user: str, appid: str, **more: Any) -> Person:
        """Somebody opens a mini program."""
        code = self.simulator.code(user, appid=appid)
        return signedin.native(self.service, self.simulator, user, code=code, json={"appid": appid, **more})

    def taps(self, user: str, appid: str, **options: Any) -> Person:
        """Somebody opens it and taps the phone button."""
        return self.opens(user, appid, phoneCode=self.simulator.phone_code(user, appid=appid, **options))

    def links(self, who: Person, user: str, appid: str) -> tuple[int, str]:
        body = {"code": self.simulator.code(user, appid=appid), "appid": appid}
        return refusal(who.call("POST", IDENTITIES, json=body))

    def number_of(self, user: str) -> str:
        return str(self.simulator.call("GET", f"/control/users/{user}")["phone"])


@pytest.fixture
def world(service: Service, simulator: Simulator) -> World:
    return World(service, simulator)


def refusal(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("error", "")


# --- the attacks --------------------------------------------------------------------------------------------


def test_a_mini_program_links_its_operator_to_nobody_in_another_one(world: World) -> None:
    visitor = world.opens("apart-visitor", SHOP)
    there = world.opens("apart-visitor", CLUB)
    assert there.user_id == visitor.user_id
    for answer in (world.links(there, "apart-operator", SHOP), world.links(there, "apart-operator", NORTH)):
        assert answer == (403, "other_mini_program")
    assert world.opens("apart-operator", SHOP).user_id != visitor.user_id


def test_an_operator_who_is_let_in_at_home_stays_there(world: World) -> None:
    """They get into no other mini program by their unionid, by a number, or by what they then ask for."""
    visitor = world.taps("apart-guest", SHOP)
    at_home = world.opens("apart-guest", CLUB)
    number = world.number_of("apart-guest")
    assert world.links(at_home, "apart-host", CLUB) == (200, "")
    host = world.opens("apart-host", CLUB)
    assert host.user_id == visitor.user_id

    assert world.links(host, "apart-host", SHOP) == (403, "other_mini_program")
    tapped = {"code": world.simulator.phone_code("apart-host", appid=CLUB)}
    asked = len(world.simulator.journal(path="/wxa/business/getuserphonenumber"))
    assert refusal(host.call("POST", "/api/v1/me/phone", json=tapped)) == (403, "added_wechat")
    assert len(world.simulator.journal(path="/wxa/business/getuserphonenumber")) == asked
    for method, path in (("DELETE", "/api/v1/me/phone"), ("POST", "/api/v1/me/close")):
        assert refusal(host.call(method, path)) == (403, "added_wechat")
    again = world.taps("apart-host", CLUB)
    assert again.user_id == visitor.user_id
    assert again.call("GET", "/api/v1/me").json()["data"]["phone"] == f"+86{number}"

    assert world.taps("apart-host", SHOP).user_id != visitor.user_id
    assert world.opens("apart-guest", SHOP).user_id == visitor.user_id


def test_a_unionid_that_appears_later_does_not_let_an_added_wechat_out(
    world: World, app_secret: str, figures: Callable[[str], None]
) -> None:
    visitor = world.opens("apart-early", NORTH)
    assert world.links(visitor, "apart-lurker", NORTH) == (200, "")
    world.simulator.call("POST", "/control/apps", {"appid": NORTH, "secret": app_secret, "unionid_group": "apart"})
    try:
        for user in ("apart-early", "apart-lurker"):
            assert world.opens(user, NORTH).user_id == visitor.user_id
        assert world.opens("apart-early", SHOP).user_id == visitor.user_id
        assert world.opens("apart-lurker", SHOP).user_id != visitor.user_id
    finally:
        world.simulator.call("POST", "/control/apps", {"appid": NORTH, "secret": app_secret, "unionid_group": None})


def test_a_visitors_code_that_somebody_links_first_takes_the_visitor_nowhere_else(world: World) -> None:
    operator = world.opens("apart-fisher", SHOP)
    assert world.links(operator, "apart-fish", CLUB) == (403, "other_mini_program")
    # In the operator's own mini program they are theirs, and there alone.
    home = world.opens("apart-fisher", CLUB)
    assert world.links(home, "apart-fish", CLUB) == (200, "")
    assert world.opens("apart-fish", CLUB).user_id == operator.user_id
    assert world.taps("apart-fish", CLUB).user_id == operator.user_id
    assert world.opens("apart-fish", SHOP).user_id != operator.user_id
    assert world.taps("apart-fish", SOUTH).user_id != operator.user_id


def test_an_account_that_its_person_closed_is_not_opened_by_who_was_added(world: World) -> None:
    person = world.opens("apart-leaver", SHOP)
    assert world.links(person, "apart-leaver-second", SHOP) == (200, "")
    assert person.call("POST", "/api/v1/me/close").status_code == 200
    code = world.simulator.code("apart-leaver-second", appid=SHOP)
    answer = world.service.login(code, json={"appid": SHOP, "reopen": True})
    assert refusal(answer) == (403, "account_closed")
    assert world.opens("apart-leaver", SHOP, reopen=True).user_id == person.user_id


def test_who_is_left_alone_takes_over_but_for_the_number(world: World) -> None:
    """Somebody moves to another WeChat: the old one is removed, and with it what it had shown."""
    person = world.taps("apart-mover", NORTH)
    assert world.links(person, "apart-mover-new", NORTH) == (200, "")
    new = world.opens("apart-mover-new", NORTH)
    old, mine = new.call("GET", IDENTITIES).json()["data"]
    assert (old["added"], mine["added"]) == (False, True)
    left = new.call("DELETE", f"{IDENTITIES}/{old['id']}").json()["data"]
    assert left == [{**mine, "added": False}]
    assert new.call("GET", "/api/v1/me").json()["data"]["phone"] is None
    tapped = {"code": world.simulator.phone_code("apart-mover-new", appid=NORTH)}
    assert new.call("POST", "/api/v1/me/phone", json=tapped).status_code == 200


# --- the table of docs/accounts.md ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Both:
    """One user in two mini programs: ``here`` asks, ``there`` is what it asks about."""

    world: World
    name: str
    here: Person
    there: Person
    here_app: str
    there_app: str

    def asks(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.here.call(method, path, **options)

    def data(self, path: str) -> Any:
        return self.here.does("GET", path)

    def lives(self, who: Person) -> bool:
        return who.call("GET", "/api/v1/me").status_code == 200

    @property
    def there_link(self) -> int:
        found = self.there.call("GET", IDENTITIES).json()["data"]
        return int(next(link["id"] for link in found if link["appid"] == self.there_app))

    @property
    def there_openid(self) -> str:
        accounts = self.world.simulator.call("GET", f"/control/users/{self.name}")["accounts"]
        return str(next(account["openid"] for account in accounts if account["appid"] == self.there_app))


def _same_unionid(world: World, name: str) -> Both:
    there, here = (world.taps(name, appid) for appid in (SHOP, CLUB))
    return Both(world, name, here, there, CLUB, SHOP)


def _same_phone(world: World, name: str) -> Both:
    there, here = (world.taps(name, appid) for appid in (NORTH, SOUTH))
    return Both(world, name, here, there, SOUTH, NORTH)


JOINED = {"by unionid": _same_unionid, "by phone": _same_phone}
ENOUGH, OTHER = (200, ""), (403, "other_mini_program")


def _sees_identity(both: Both) -> bool:
    return both.there_app in [link["appid"] for link in both.data(IDENTITIES)]


def _links_another(both: Both) -> tuple[int, str]:
    return both.world.links(both.here, f"{both.name}-other", both.there_app)


def _links_themselves(both: Both) -> tuple[int, str]:
    return both.world.links(both.here, both.name, both.there_app)


def _unlinks(both: Both) -> tuple[int, str]:
    return refusal(both.asks("DELETE", f"{IDENTITIES}/{both.there_link}"))


def _changes_profile(both: Both) -> bool:
    both.asks("PUT", "/api/v1/me", json={"nickname": "from elsewhere"})
    seen = both.there.call("GET", "/api/v1/me").json()["data"]["nickname"]
    return bool(seen == "from elsewhere")


def _binds(both: Both) -> tuple[int, str]:
    code = both.world.simulator.phone_code(
        both.name, appid=both.here_app, phone=f"137{zlib.crc32(both.name.encode()) % 10**8:08d}"
    )
    return refusal(both.asks("POST", "/api/v1/me/phone", json={"code": code}))


def _ends_session(both: Both) -> tuple[int, str]:
    answer = refusal(both.asks("DELETE", f"/api/v1/sessions/{both.there.sid}"))
    assert both.lives(both.there)
    return answer


def _ends_others(both: Both) -> bool:
    again = both.world.opens(both.name, both.here_app)
    assert both.asks("POST", signedin.LOGOUT, params={"scope": "others"}).status_code == 200
    assert both.lives(both.here) and not both.lives(again)
    return not both.lives(both.there)


def _ends_everything(both: Both) -> bool:
    assert both.asks("POST", signedin.LOGOUT, params={"scope": "global"}).status_code == 200
    return not both.lives(both.there)


def _consents(both: Both) -> bool:
    both.there.call("POST", "/api/v1/me/consents", json={"version": "there-1"})
    both.asks("POST", "/api/v1/me/consents", json={"version": "here-1"})
    return {given["version"] for given in both.data("/api/v1/me/consents")} == {"there-1", "here-1"}


def _export_tells(both: Both) -> set[str]:
    exported = both.data("/api/v1/me/export")
    events = [event["detail"] for event in exported["audit_events"] if event["event"] == "register"]
    told = {
        "identity": both.there_openid in str(exported["identities"]),
        "session": both.there.sid in str(exported["sessions"]),
        "event": f"app {both.there_app}" in events,
        "phone": bool(exported["users"][0]["phone"]),
    }
    return {name for name, is_told in told.items() if is_told}


def _activity_tells(both: Both) -> set[str]:
    world = both.world
    both.there.call("POST", signedin.LOGOUT, params={"scope": "others"})  # ends nothing that lives
    second = world.opens(both.name, both.there_app)
    both.there.call("DELETE", f"/api/v1/sessions/{second.sid}")
    entries = both.data("/api/v1/me/activity")["entries"]
    return {entry["event"] for entry in entries if entry["appid"] == both.there_app}


def _approves_scan(both: Both) -> tuple[int, str]:
    browser = scanning.start(both.world.service, {"appid": both.there_app})
    return refusal(scanning.phone(both.world.service, "scan", browser.ticket, both.here.access))


# What the session ``here`` does about ``there``: by unionid, by phone. The same table stands in docs/accounts.md.
CELLS: dict[str, tuple[Callable[[Both], Any], Any, Any]] = {
    "sees the profile and the number": (lambda both: bool(both.data("/api/v1/me")["phone"]), True, True),
    "changes the profile": (_changes_profile, True, True),
    "binds another number": (_binds, ENOUGH, ENOUGH),
    "removes the number": (lambda both: refusal(both.asks("DELETE", "/api/v1/me/phone")), ENOUGH, OTHER),
    "sees the identity": (_sees_identity, True, False),
    "links another WeChat": (_links_another, OTHER, OTHER),
    "links the person's own WeChat": (_links_themselves, ENOUGH, OTHER),
    "unlinks": (_unlinks, ENOUGH, OTHER),
    "sees sessions and devices": (lambda both: both.there.sid in str(both.data("/api/v1/sessions")), False, False),
    "ends a session": (_ends_session, (404, "no_such_item"), (404, "no_such_item")),
    "ends the others": (_ends_others, False, False),
    "ends everything": (_ends_everything, True, True),
    "sees and gives consents": (_consents, True, True),
    "exports": (_export_tells, {"identity", "phone"}, {"phone"}),
    "sees activity": (_activity_tells, {"phone_bound"}, {"phone_bound"}),
    "sees the invite code": (
        lambda both: both.data("/api/v1/me/invite") == both.there.call("GET", "/api/v1/me/invite").json()["data"],
        True,
        True,
    ),
    "approves a scan": (_approves_scan, (400, "scan_ticket_invalid"), (400, "scan_ticket_invalid")),
    "closes the account": (lambda both: refusal(both.asks("POST", "/api/v1/me/close")), ENOUGH, OTHER),
}


@pytest.mark.parametrize("joined", JOINED)
@pytest.mark.parametrize("what", CELLS)
def test_what_a_session_sees_and_changes_of_another_mini_program(what: str, joined: str, world: World) -> None:
    name = f"apart-{joined[3:]}-{what.replace(' ', '-')}"
    both = JOINED[joined](world, name)
    assert both.here.user_id == both.there.user_id
    act, by_unionid, by_phone = CELLS[what]
    assert act(both) == (by_unionid if joined == "by unionid" else by_phone)


def test_step_up_takes_the_code_of_the_sessions_own_mini_program(world: World) -> None:
    both = _same_unionid(world, "apart-step-up")
    for who, appid, elsewhere in ((both.here, CLUB, SHOP), (both.there, SHOP, CLUB)):
        for code_of, expected in ((elsewhere, (401, "wx_code_invalid")), (appid, ENOUGH)):
            header = {"Step-Up-Code": world.simulator.code(both.name, appid=code_of)}
            answer = who.call("GET", "/api/v1/me/export", headers=header)
            assert refusal(answer) == expected


def test_who_may_not_close_from_here_leaves_here_and_closes_there(world: World) -> None:
    both = _same_phone(world, "apart-leaves-both")
    assert refusal(both.asks("POST", "/api/v1/me/close")) == OTHER
    (mine,) = both.data(IDENTITIES)
    assert refusal(both.asks("DELETE", f"{IDENTITIES}/{mine['id']}")) == ENOUGH
    assert not both.lives(both.here)
    assert refusal(both.there.call("POST", "/api/v1/me/close")) == ENOUGH


def test_of_another_persons_things_there_is_nothing_in_any_mini_program(world: World) -> None:
    """2 × 2: a session of each of two people in each of two mini programs, against what the other has in each."""
    people = {(name, appid): world.opens(name, appid) for name in ("apart-one", "apart-two") for appid in (SHOP, CLUB)}
    links = {key: who.call("GET", IDENTITIES).json()["data"] for key, who in people.items()}
    for (name, appid), who in people.items():
        for (other_name, other_app), other in people.items():
            if other_name == name:
                continue
            assert refusal(who.call("DELETE", f"/api/v1/sessions/{other.sid}")) == (404, "no_such_item")
            for link in links[other_name, other_app]:
                assert refusal(who.call("DELETE", f"{IDENTITIES}/{link['id']}")) == (404, "no_such_item")
            linked = world.links(who, other_name, other_app)
            assert linked == ((409, "identity_taken") if other_app == appid else OTHER)
    assert all(who.call("GET", "/api/v1/me").status_code == 200 for who in people.values())
