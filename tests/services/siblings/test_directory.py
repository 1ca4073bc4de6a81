"""The directory: who somebody is, for other services, in one mini program and as far as the scopes go."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from authsvc.db.queries import service_credentials, users
from authsvc.db.queries.service_credentials import ServiceCredential
from authsvc.errors import NotPermitted, UnknownApp
from authsvc.services import numbers
from authsvc.services.accounts.merging import merge
from authsvc.services.changes.journal import ChangeJournal, Changes
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.siblings.directory import MOST_AT_ONCE, Directory
from authsvc.values.directory import DirectoryKey, Entry
from authsvc.values.people import PhoneNumber, Profile
from tests.harness.house import CLUB, SHOP, House
from tests.harness.inprocess import AUDIT, beside
from tests.harness.leaks import Canaries
from tests.harness.service import Service
from tests.harness.signedin import native, tapped
from tests.harness.simulator import Simulator

PEOPLE, CHANGES = "/internal/v1/directory/people", "/internal/v1/directory/changes"
ALL = ("directory_openid", "directory_phone", "directory_profile", "directory_read", "directory_unionid")
READER = "orders"
PHONE = PhoneNumber("86", "13800138000")


@pytest.fixture
def directory(house: House) -> Directory:
    may(house, READER, *ALL)
    changes = Changes(house.database, ChangeJournal(86_400))
    return Directory(Apps((SHOP, CLUB)), house.database, changes, AUDIT, house.clock)


def may(house: House, service: str, *scopes: str) -> None:
    assert house.database.run(service_credentials.insert, ServiceCredential(service, "hash", scopes, house.now))


def look_up(
    directory: Directory, key: DirectoryKey, asked: list[str], appid: str | None = None, service: str = READER
) -> list[Entry | None]:
    return directory.look_up(service, key, asked, appid).entries


# --- who is found -----------------------------------------------------------------------------------------------


def test_every_key_finds_its_person_and_nobody_else(house: House, directory: Directory) -> None:
    lan = house.log_in("o-lan", PHONE, unionid="u-lan", profile=Profile("岚", "https://a.test/1")).user.id
    wei = house.log_in("o-wei").user.id
    entry = Entry(lan, "active", None, house.now, "岚", "https://a.test/1", "+8613800138000", "o-lan", "u-lan")
    other = Entry(wei, "active", None, house.now, openid="o-wei")
    asked: dict[DirectoryKey, list[str]] = {
        "sub": [str(wei), "999999999", str(lan), f"0{lan}", "", "-1", "٣", "9" * 19, "9" * 60, str(lan)],
        "openid": ["o-wei", "O-LAN", "o-lan", "o-lan ", "' OR 1=1 --"],
        "unionid": ["o-wei", "u-LAN", "u-lan"],
        "phone": [
            "+8613800138001",
            "8613800138000",
            "+8613800138000",
            "13800138000",
            "+",
            "+0",
            "+86",
            "+8613800138000;",
        ],
    }
    found = {key: look_up(directory, key, values) for key, values in asked.items()}
    assert found["sub"] == [other, None, entry, None, None, None, None, None, None, entry]
    assert found["openid"] == [other, None, entry, None, None]
    assert found["unionid"] == [None, None, entry]
    assert found["phone"] == [None, None, entry, None, None, None, None, None]


def test_only_people_in_the_mini_program_are_found_with_their_identity_there(
    house: House, directory: Directory
) -> None:
    both = house.log_in("shop-both", unionid="u-both").user.id
    assert house.log_in("club-both", app=CLUB, unionid="u-both").user.id == both
    away = house.log_in("club-only", PHONE, app=CLUB, unionid="u-away").user.id
    subs = [str(both), str(away)]
    assert [entry and entry.openid for entry in look_up(directory, "sub", subs)] == ["shop-both", None]
    in_club = look_up(directory, "sub", subs, CLUB.appid)
    assert [entry and entry.openid for entry in in_club] == ["club-both", "club-only"]
    for key, value in (("openid", "club-only"), ("unionid", "u-away"), ("phone", PHONE.e164)):
        assert look_up(directory, key, [value], SHOP.appid) == [None], key  # type: ignore[arg-type]
        assert look_up(directory, key, [value], CLUB.appid) != [None], key  # type: ignore[arg-type]
    assert look_up(directory, "openid", ["shop-both"], CLUB.appid) == [None]
    with pytest.raises(UnknownApp):
        look_up(directory, "sub", subs, "wx51a051a0ffffffff")


def test_a_merged_person_leads_to_who_they_are_now(house: House, directory: Directory) -> None:
    loser, winner = house.log_in("loser", PHONE).user, house.log_in("winner").user
    house.database.run(lambda connection: merge(connection, AUDIT, loser, winner, house.now))
    [old, new] = look_up(directory, "sub", [str(loser.id), str(winner.id)], None)
    assert old == Entry(loser.id, "merged", winner.id, house.now)
    assert new is not None and new.status == "active"
    # Whoever is in another mini program alone is not found there as a former user either.
    assert look_up(directory, "sub", [str(loser.id)], CLUB.appid) == [None]


def test_whoever_closes_their_account_is_nothing_but_closed(house: House, directory: Directory) -> None:
    user = house.log_in("gone", PHONE, unionid="u-gone", profile=Profile("走")).user
    assert house.database.run(users.close, user.id, house.now)
    for key, value in (("sub", str(user.id)), ("openid", "gone"), ("unionid", "u-gone"), ("phone", PHONE.e164)):
        found = look_up(directory, key, [value])  # type: ignore[arg-type]
        assert found == [Entry(user.id, "closed", None, house.now)], key


def test_every_number_of_every_country_is_found_as_it_is_told(house: House, directory: Directory) -> None:
    stored = [("86", "13800138000"), ("1", "8765551234"), ("290", "4321"), ("44", "7400123456"), ("852", "51234567")]
    for number, (country, national) in enumerate(stored):
        phone = numbers.verified(country, national)
        assert phone is not None
        house.log_in(f"o-{number}", phone)
    told = [f"+{country}{national}" for country, national in stored]
    found = look_up(directory, "phone", told)
    assert [entry and entry.phone for entry in found] == told


def test_a_batch_is_an_event_without_its_keys(house: House, directory: Directory) -> None:
    house.log_in("o-lan", PHONE)
    look_up(directory, "phone", [PHONE.e164, "+8613800138001"])
    may(house, "news", "directory_read", "metrics")
    look_up(directory, "sub", ["1"] * 3, CLUB.appid, "news")
    details = [row[0] for row in house.rows("SELECT detail FROM audit_events WHERE event = 'directory_lookup'")]
    assert details == [
        f"app {SHOP.appid}, orders: 2 by phone, 1 found, {' '.join(ALL)}",
        f"app {CLUB.appid}, news: 3 by sub, 0 found, directory_read",
    ]


@pytest.mark.parametrize("key", ["openid", "unionid", "phone"])
def test_looking_up_by_a_field_takes_the_scope_to_read_it(
    house: House, directory: Directory, key: DirectoryKey
) -> None:
    may(house, "lacking", *set(ALL) - {f"directory_{key}"})
    may(house, "holding", f"directory_{key}")
    for service in ("lacking", "removed"):
        with pytest.raises(NotPermitted):
            look_up(directory, key, ["x"], None, service)
    assert look_up(directory, key, ["x"], None, "holding") == [None]


# --- over HTTP ----------------------------------------------------------------------------------------------------


class Sibling:
    """A service with a credential."""

    def __init__(self, service: Service, canaries: Canaries, name: str, *scopes: str) -> None:
        with beside(service) as app:
            made = app.extensions["authsvc"].service_credentials.add(name, scopes)
        self._service = service
        self._credential = canaries.never(f"credential {name}", made)

    def ask(self, **body: Any) -> requests.Response:
        return self._service.call("POST", PEOPLE, token=self._credential, json=body)

    def changes(self, **query: Any) -> requests.Response:
        return self._service.call("GET", CHANGES, token=self._credential, params=query)


def test_an_answer_has_the_members_that_the_scopes_name(
    each_service: Service, simulator: Simulator, canaries: Canaries
) -> None:
    person = native(each_service, simulator, "directory-lan")
    assert person.call("POST", "/api/v1/me/phone", json=tapped(simulator, "directory-lan")).status_code == 200
    assert person.call("PUT", "/api/v1/me", json={"nickname": "岚"}).status_code == 200
    always = {"sub", "status", "into", "created_at"}
    more = {
        "directory_profile": {"nickname", "avatar_url"},
        "directory_phone": {"phone"},
        "directory_openid": {"openid"},
        "directory_unionid": {"unionid"},
    }
    plain = Sibling(each_service, canaries, "directory-plain", "directory_read")
    for scope, members in more.items():
        one = Sibling(each_service, canaries, scope.replace("_", "-"), "directory_read", scope)
        [found] = one.ask(subs=[person.user_id]).json()["data"]["people"]
        assert set(found) == always | members, scope
    [found] = plain.ask(subs=[person.user_id]).json()["data"]["people"]
    assert (set(found), found["sub"], found["status"]) == (always, person.user_id, "active")
    whole = Sibling(each_service, canaries, "directory-whole", *ALL)
    [found] = whole.ask(subs=[person.user_id]).json()["data"]["people"]
    openid = simulator.account("directory-lan")["openid"]
    assert (found["nickname"], found["openid"]) == ("岚", openid) and found["phone"].startswith("+86170")
    assert whole.ask(phones=[found["phone"]]).json()["data"]["people"] == [found]
    for name in ("openids", "unionids", "phones"):
        answer = plain.ask(**{name: ["x"]})
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert Sibling(each_service, canaries, "directory-none", *ALL[:3], ALL[4]).ask(subs=["1"]).status_code == 403
    # The door holds no key either: nothing of the batch is in an event.
    events = each_service.rows("SELECT detail FROM audit_events WHERE event = 'directory_lookup'")
    assert events and not [detail for (detail,) in events if openid in detail or "170" in detail.split(":")[1]]


def test_a_wrong_batch_is_refused_and_a_whole_one_fits(
    service: Service, simulator: Simulator, canaries: Canaries, figures: Callable[[str], None]
) -> None:
    sibling = Sibling(service, canaries, "directory-batches", *ALL)
    for body in ({}, {"subs": []}, {"subs": ["1"], "phones": ["+1"]}, {"subs": "1"}, {"subs": [1]}, {"subs": [None]}):
        assert sibling.ask(**body).json()["error"] == "invalid_request", body
    for body in ({"subs": ["1"] * 501}, {"subs": ["1" * 65]}, {"subs": ["1"], "more": 1}, {"openids": ["\x00"]}):
        assert sibling.ask(**body).json()["error"] == "invalid_request", body
    person = native(service, simulator, "directory-batch")
    openid = simulator.account("directory-batch")["openid"]
    wanted = {
        "openids": [f"{openid[:-3]}{number:03d}" for number in range(MOST_AT_ONCE - 1)] + [openid],
        "unionids": [f"o{number:027d}" for number in range(MOST_AT_ONCE)],
        "phones": [f"+86138{number:08d}" for number in range(MOST_AT_ONCE)],
    }
    for name, keys in wanted.items():
        began = time.monotonic()
        answer = sibling.ask(**{name: keys})
        figures(f"directory: {len(keys)} {name} in {1000 * (time.monotonic() - began):.0f} ms")
        assert (answer.status_code, len(answer.json()["data"]["people"])) == (200, MOST_AT_ONCE), answer.text
    found = sibling.ask(openids=wanted["openids"]).json()["data"]["people"]
    assert [entry["sub"] for entry in found if entry] == [person.user_id]


def test_batches_are_limited_for_each_service(start_service: Callable[..., Service], canaries: Canaries) -> None:
    service = start_service("directory-rate", workers=1, settings={"RATE_LIMIT_DIRECTORY": "service 3/hour"})
    one, other = (Sibling(service, canaries, name, *ALL) for name in ("first", "second"))
    assert [one.ask(subs=["1"]).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert other.ask(subs=["1"]).status_code == 200


@pytest.mark.parametrize("database", ["sqlite", pytest.param("mysql", marks=pytest.mark.slow)])
def test_a_copy_follows_the_changes(
    start_service: Callable[..., Service], simulator: Simulator, canaries: Canaries, database: str
) -> None:
    service = start_service(
        f"directory-{database}", workers=1, database=database, settings={"CHANGES_RETENTION_DAYS": "7"}
    )
    sibling = Sibling(service, canaries, "copy", "directory_read", "directory_phone")
    assert sibling.changes().json()["data"] == {"changes": [], "cursor": None, "more": False}
    person = native(service, simulator, "copied")
    first = sibling.changes().json()["data"]
    assert [(change["type"], change["sub"]) for change in first["changes"]] == [("person.registered", person.user_id)]
    assert person.call("POST", "/api/v1/me/phone", json=tapped(simulator, "copied")).status_code == 200
    service.flask("authsvc", "users", "disable", person.user_id)
    news = sibling.changes(after=first["cursor"]).json()["data"]
    assert [change["type"] for change in news["changes"]] == ["phone.changed", "person.disabled"]
    assert (news["more"], int(news["cursor"]) > int(first["cursor"])) == (False, True)
    [entry] = sibling.ask(subs=[person.user_id]).json()["data"]["people"]
    assert entry["status"] == "disabled" and entry["phone"].startswith("+86170")
    nothing = sibling.changes(after=news["cursor"]).json()["data"]
    assert nothing == {"changes": [], "cursor": news["cursor"], "more": False}
    # Pages of five hundred.
    values = ", ".join(f"('profile.changed', {person.user_id}, 5)" for _ in range(600))
    service.rows(f"INSERT INTO person_changes (kind, user_id, at) VALUES {values}")
    pages = [sibling.changes(after=news["cursor"]).json()["data"]]
    while pages[-1]["more"]:
        pages.append(sibling.changes(after=pages[-1]["cursor"]).json()["data"])
    assert sum(len(page["changes"]) for page in pages) == 600 and len(pages) == 2
    # Whose cursor is older than what is kept starts again.
    service.flask("authsvc", "purge")
    expired = sibling.changes(after=first["cursor"])
    assert (expired.status_code, expired.json()["error"]) == (410, "cursor_expired")
    for wrong in ("0", "-1", "x", "9" * 20):
        assert sibling.changes(after=wrong).status_code == 400


def test_changes_are_off_while_none_are_written_down(service: Service, canaries: Canaries) -> None:
    answer = Sibling(service, canaries, "directory-off", "directory_read").changes()
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
