"""Tells other services who somebody is: by batches, in one mini program, as far as a service's scopes go."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import identities, person_roles, service_credentials, users
from authsvc.db.queries.identities import PersonInApp
from authsvc.errors import AccountClosed, NotFound, NotPermitted
from authsvc.services import numbers
from authsvc.services.audit import AuditLog
from authsvc.services.changes.journal import Changes
from authsvc.services.miniprograms.apps import Apps
from authsvc.values.changes import PersonChange
from authsvc.values.directory import DirectoryKey, Entry
from authsvc.values.operator import ServiceScope, of_app

# Whoever may read a field may look people up by it.
_NEEDED: Mapping[DirectoryKey, ServiceScope] = {
    "sub": "directory_read",
    "openid": "directory_openid",
    "unionid": "directory_unionid",
    "phone": "directory_phone",
}
MOST_AT_ONCE = 500
_HIGHEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a batch, and the scopes by which it may be told."""

    entries: list[Entry | None]
    scopes: frozenset[str]


class Directory:
    """Looks people up, and hands out what changed."""

    def __init__(self, apps: Apps, database: Database, changes: Changes, audit: AuditLog, clock: SystemClock) -> None:
        self._apps = apps
        self._database = database
        self._changes = changes
        self._audit = audit
        self._clock = clock

    def look_up(self, service: str, key: DirectoryKey, asked: Sequence[str], appid: str | None) -> Found:
        """Return the person for each of the keys, in their order; None for whoever is not in that mini program.

        Raises NotPermitted if the service lacks the scope of the key, or UnknownApp. The batch is an audit event,
        without its keys.
        """
        app = self._apps.choose(appid, None)

        def work(connection: Connection) -> Found:
            scopes = _scopes(connection, service)
            if _NEEDED[key] not in scopes:
                raise NotPermitted(f"service {service} without scope {_NEEDED[key]}")
            owners = _OWNERS[key](connection, app.appid, set(asked))
            entries = _entries(connection, app.appid, set(owners.values()))
            return Found([entries.get(owners.get(one, 0)) for one in asked], scopes)

        found = self._database.read(work)
        hits = sum(entry is not None for entry in found.entries)
        detail = f"{service}: {len(asked)} by {key}, {hits} found, {' '.join(sorted(found.scopes))}"
        self._database.run(
            self._audit.record, "directory_lookup", None, self._clock.seconds(), of_app(app.appid, detail)
        )
        return found

    def set_roles(self, service: str, user_id: int, roles: Sequence[str], appid: str | None) -> list[str]:
        """Give a person these roles in a mini program instead of those they have there, and return them in order.

        Only a difference is written, and is an audit event and a change. Raises NotFound for nobody and for a merged
        user, or UnknownApp.
        """
        app, now = self._apps.choose(appid, None), self._clock.seconds()
        wanted = sorted(set(roles))

        def work(connection: Connection) -> None:
            _lock_person(connection, user_id)
            if list(person_roles.find(connection, user_id, app.appid)) == wanted:
                return
            person_roles.replace(connection, user_id, app.appid, wanted, now)
            detail = of_app(app.appid, f"{service}: {len(wanted)} roles")
            self._audit.record(connection, "roles_changed", user_id, now, detail)

        self._database.run(work)
        return wanted

    @property
    def tells_changes(self) -> bool:
        """False if changes are not written down."""
        return self._changes.are_kept

    def changes_after(self, position: int) -> tuple[list[PersonChange], bool]:
        """Return the next changes after a position, and whether there may be more. Raises CursorExpired."""
        found = self._changes.after(position, MOST_AT_ONCE)
        return found, len(found) == MOST_AT_ONCE


def _lock_person(connection: Connection, user_id: int) -> None:
    """Lock the user, so that no merge or erasure comes between. Raises NotFound if they are nobody, or another now."""
    try:
        users.lock(connection, user_id)
    except AccountClosed:
        raise NotFound("no such user") from None
    if users.is_merged(connection, user_id):
        raise NotFound("merged into another user")


def _scopes(connection: Connection, service: str) -> frozenset[str]:
    """Return the service's scopes for the directory, which are none once its credential is removed."""
    stored = service_credentials.find(connection, service)
    return frozenset(scope for scope in (stored.scopes if stored else ()) if scope.startswith("directory_"))


def _by_sub(connection: Connection, appid: str, asked: set[str]) -> dict[str, int]:
    # As authsvc writes it: without sign, blanks and leading zeros.
    ids = {one: int(one) for one in asked if one.isascii() and one.isdigit() and one[0] != "0"}
    return {one: user_id for one, user_id in ids.items() if user_id <= _HIGHEST_ID}


def _by_openid(connection: Connection, appid: str, asked: set[str]) -> dict[str, int]:
    return identities.owners_of_openids(connection, appid, asked)


def _by_unionid(connection: Connection, appid: str, asked: set[str]) -> dict[str, int]:
    return identities.owners_of_unionids(connection, asked)


def _by_phone(connection: Connection, appid: str, asked: set[str]) -> dict[str, int]:
    written: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in asked:
        if (number := numbers.international(one)) is not None:
            written[number.country_code][number.national].append(one)
    owners: dict[str, int] = {}
    for country_code, nationals in written.items():
        for national, user_id in users.owners_of_phones(connection, country_code, set(nationals)).items():
            owners |= dict.fromkeys(nationals[national], user_id)
    return owners


_OWNERS = {"sub": _by_sub, "openid": _by_openid, "unionid": _by_unionid, "phone": _by_phone}


def _entries(connection: Connection, appid: str, ids: set[int]) -> dict[int, Entry]:
    """Return those of these users who are in the mini program, or were merged into somebody there."""
    people = identities.people_in_app(connection, appid, ids)
    into = {person.into_id for person in people.values() if person.into_id is not None}
    winners = identities.people_in_app(connection, appid, into)
    entries = {}
    for person in people.values():
        if person.into_id in winners and winners[person.into_id].openid is not None:
            entries[person.id] = Entry(person.id, "merged", person.into_id, person.created_at)
        elif person.into_id is None and person.openid is not None:
            entries[person.id] = _entry(person)
    return entries


def _entry(person: PersonInApp) -> Entry:
    if person.status == "closed":
        return Entry(person.id, "closed", None, person.created_at)
    return Entry(
        person.id,
        person.status,
        None,
        person.created_at,
        nickname=person.nickname,
        avatar_url=person.avatar_url,
        phone=None if person.phone is None else person.phone.e164,
        openid=person.openid,
        unionid=person.unionid,
    )
