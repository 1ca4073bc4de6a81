"""For the company's other services: who somebody is, and what changed about people.

Off (404) until an operator creates a credential.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, get_args

from flask import Blueprint
from marshmallow import Schema, ValidationError, fields, validates_schema

from authsvc.errors import NoSuchRoute
from authsvc.services.siblings.directory import MOST_AT_ONCE
from authsvc.values.changes import ChangeKind, PersonChange
from authsvc.values.claims import MOST_ROLES, ROLE, ROLE_CHARACTERS
from authsvc.values.directory import DirectoryKey, DirectoryStatus, Entry
from authsvc.web.access import services
from authsvc.web.contracts.native import NATIVE, envelope, enveloped
from authsvc.web.routing import Operation, add
from authsvc.web.schemas import APPID, NUMBER, Body, Text, Texts
from authsvc.web.who import Service

directory = Blueprint("directory", __name__, url_prefix="/internal/v1/directory")

_WHO = Service("directory_read", hidden=True)
_KEYS: Mapping[str, DirectoryKey] = {"subs": "sub", "openids": "openid", "unionids": "unionid", "phones": "phone"}
# Which members of an entry a scope adds to those that every service gets.
_MEMBERS = {
    "directory_profile": ("nickname", "avatar_url"),
    "directory_phone": ("phone",),
    "directory_openid": ("openid",),
    "directory_unionid": ("unionid",),
}


class _LookUp(Body):
    """One list of keys, of one kind."""

    constraints: ClassVar[dict[str, Any]] = {"oneOf": [{"required": [name]} for name in _KEYS]}
    appid = Text(18, APPID, description="only people in this mini program are found; default: the first app")
    subs = Texts(64, MOST_AT_ONCE, description="users' ids: `sub` of the token")
    openids = Texts(64, MOST_AT_ONCE, description="needs the scope `directory_openid`")
    unionids = Texts(64, MOST_AT_ONCE, description="needs the scope `directory_unionid`")
    phones = Texts(64, MOST_AT_ONCE, description="E.164, such as +8613800138000; needs the scope `directory_phone`")

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        given = sorted(_KEYS.keys() & data.keys())
        if len(given) != 1:
            raise ValidationError({(given or ["subs"])[0]: ["alone" if given else "required"]})


class _After(Body):
    after = Text(19, NUMBER, description="the `cursor` of your last page; default: from the oldest change that is kept")


class _Roles(Body):
    roles = Texts(
        ROLE_CHARACTERS,
        MOST_ROLES,
        ROLE,
        least=0,
        required=True,
        description="all that the person has there; [] for none",
    )
    appid = Text(18, APPID, description="the mini program whose tokens say so; default: the first app")


class NativeEntry(Schema):
    """A person. Members that need a scope are missing without it, and null if there is nothing, or the account is
    closed.
    """

    sub = fields.String(required=True)
    status = fields.String(required=True, metadata={"enum": list(get_args(DirectoryStatus))})
    into = fields.String(required=True, allow_none=True, metadata={"description": "of a merged user: who they are now"})
    created_at = fields.Integer(required=True, metadata={"description": "seconds since 1970 UTC"})
    nickname = fields.String(allow_none=True, metadata={"description": "with the scope `directory_profile`"})
    avatar_url = fields.String(allow_none=True, metadata={"description": "with the scope `directory_profile`"})
    phone = fields.String(allow_none=True, metadata={"description": "E.164, with the scope `directory_phone`"})
    openid = fields.String(allow_none=True, metadata={"description": "with the scope `directory_openid`"})
    unionid = fields.String(allow_none=True, metadata={"description": "with the scope `directory_unionid`"})


class NativeEntries(Schema):
    """The people, in the order of the keys; null where a key fits nobody."""

    people = fields.List(fields.Nested(NativeEntry(), allow_none=True), required=True)


class NativeChange(Schema):
    """What changed, about whom, and when; not what it is now."""

    type = fields.String(required=True, metadata={"enum": list(get_args(ChangeKind))})
    sub = fields.String(required=True)
    into = fields.String(required=True, allow_none=True, metadata={"description": "of a merge: who they are now"})
    at = fields.Integer(required=True, metadata={"description": "seconds since 1970 UTC"})


class NativeChanges(Schema):
    """A page of changes, oldest first."""

    changes = fields.List(fields.Nested(NativeChange()), required=True)
    cursor = fields.String(
        required=True, allow_none=True, metadata={"description": "send it as `after`; null if nothing has changed yet"}
    )
    more = fields.Boolean(required=True, metadata={"description": "whether there may be another page already"})


class NativeRoles(Schema):
    """The roles that a person has now, sorted, each once."""

    roles = fields.List(fields.String(), required=True)


def _look_up(body: dict[str, Any], service: str) -> Mapping[str, Any]:
    """Return the people with these keys: null for a key that fits nobody in that mini program."""
    [name] = _KEYS.keys() & body.keys()
    found = services().directory.look_up(service, _KEYS[name], body[name], body.get("appid"))
    members = [member for scope, added in _MEMBERS.items() if scope in found.scopes for member in added]
    return envelope({"people": [None if entry is None else _entry(entry, members) for entry in found.entries]})


def _entry(entry: Entry, members: list[str]) -> dict[str, Any]:
    return {
        "sub": str(entry.user_id),
        "status": entry.status,
        "into": _text(entry.into_id),
        "created_at": entry.created_at,
        **{member: getattr(entry, member) for member in members},
    }


def _changes(body: dict[str, Any], service: str) -> Mapping[str, Any]:
    """Return what changed after a cursor. 410 `cursor_expired` if some of it is not kept any more."""
    if not services().directory.tells_changes:
        raise NoSuchRoute("CHANGES_RETENTION_DAYS is 0")
    after = body.get("after")
    found, more = services().directory.changes_after(int(after or 0))
    cursor = str(found[-1].position) if found else after
    return envelope({"changes": [_change(change) for change in found], "cursor": cursor, "more": more})


def _change(change: PersonChange) -> dict[str, Any]:
    return {"type": change.kind, "sub": str(change.user_id), "into": _text(change.into_id), "at": change.at}


def _set_roles(body: dict[str, Any], service: str, user_id: int) -> Mapping[str, Any]:
    """Replace a person's roles in one mini program. Their next token has them, if its claims are configured so."""
    return envelope({"roles": services().directory.set_roles(service, user_id, body["roles"], body.get("appid"))})


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _answer(schema: Schema) -> Schema:
    return enveloped(f"{type(schema).__name__}Answer", fields.Nested(schema, required=True))


add(
    directory,
    "POST",
    "/people",
    Operation(
        NATIVE,
        _WHO,
        "Look people up",
        _answer(NativeEntries()),
        _LookUp(),
        tag="internal",
        limited="directory",
    ),
    _look_up,
)
add(
    directory,
    "GET",
    "/changes",
    Operation(
        NATIVE,
        _WHO,
        "What changed about people since a cursor",
        _answer(NativeChanges()),
        _After(),
        tag="internal",
        may_be_off=True,
        refuses=(410,),
    ),
    _changes,
)
add(
    directory,
    "PUT",
    "/people/<row:user_id>/roles",
    Operation(
        NATIVE,
        Service("directory_roles", hidden=True),
        "Set a person's roles",
        _answer(NativeRoles()),
        _Roles(),
        tag="internal",
        limited="directory",
        refuses=(404,),
    ),
    _set_roles,
)
