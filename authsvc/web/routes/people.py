"""The people blueprint: what signed-in people can see and change about themselves. Native shape only."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response
from marshmallow import fields, validate

from authsvc.errors import UploadMalformed
from authsvc.services.people import profiles
from authsvc.values.people import Consent, IdentityLink, Profile
from authsvc.values.sessions import Caller
from authsvc.web import bodies, ratelimits
from authsvc.web.access import UPLOAD_BYTES, services
from authsvc.web.contracts.native import NATIVE, NativeUser, envelope, enveloped, user_view
from authsvc.web.pictures import picture_response
from authsvc.web.routing import Operation, View, add
from authsvc.web.schemas import APPID, CONSENT_VERSION, NUMBER, AvatarUrl, Body, CodeField, Integer, Nickname, Text
from authsvc.web.streaming import inside, streamed
from authsvc.web.who import PERSON, PUBLIC

people = Blueprint("people", __name__)


class ProfileChange(Body):
    """The fields to change; omitted fields do not change."""

    nickname = Nickname()
    avatar_url = AvatarUrl(profiles.MAX_AVATAR_URL, description="https")
    gender = Integer(validate=validate.OneOf([1, 2], error="malformed"))


class NewLink(Body):
    """The code of wx.login in another mini program of this deployment."""

    code = CodeField(required=True)
    appid = Text(18, APPID, required=True)


class ActivityQuery(Body):
    """Where to continue."""

    before = Text(15, NUMBER, description="`next` of the previous page")


class NewConsent(Body):
    """The version of the privacy terms that the person agrees to."""

    version = Text(40, CONSENT_VERSION, required=True)


_USER_ANSWER = enveloped("NativeUserAnswer", fields.Nested(NativeUser(), required=True))
_LINK = fields.Nested(
    Body.from_dict(
        {
            "id": fields.Integer(required=True),
            "appid": fields.String(required=True),
            "created_at": fields.Integer(required=True),
            "added": fields.Boolean(
                required=True, metadata={"description": "a second WeChat account, which opens the account only here"}
            ),
        },
        name="NativeIdentity",
    )()
)
_LINKS_ANSWER = enveloped("NativeIdentitiesAnswer", fields.List(_LINK, required=True))
_CLOSED = fields.Nested(Body.from_dict({"erased_after": fields.Integer(required=True)}, name="NativeClosing")())
_CONSENT = fields.Nested(
    Body.from_dict(
        {"version": fields.String(required=True), "given_at": fields.Integer(required=True)}, name="NativeConsent"
    )()
)
_CONSENTS_ANSWER = enveloped("NativeConsentsAnswer", fields.List(_CONSENT, required=True))
_ACTIVITY_ENTRY = Body.from_dict(
    {
        "at": fields.Integer(required=True, metadata={"description": "seconds since 1970 UTC"}),
        "event": fields.String(required=True, metadata={"description": "docs/accounts.md lists them"}),
        "appid": fields.String(required=True, allow_none=True),
        "device": fields.String(
            required=True, allow_none=True, metadata={"description": "its User-Agent, shortened; null if unknown"}
        ),
    },
    name="NativeActivityEntry",
)
_ACTIVITY = Body.from_dict(
    {
        "entries": fields.List(fields.Nested(_ACTIVITY_ENTRY()), required=True),
        "since": fields.Integer(
            required=True, metadata={"description": "earlier events are not kept, or are older than 90 days"}
        ),
        "next": fields.Integer(
            required=True,
            allow_none=True,
            metadata={"description": "send as `before` for the next page; null: no more"},
        ),
    },
    name="NativeActivity",
)
_ACTIVITY_ANSWER = enveloped("NativeActivityAnswer", fields.Nested(_ACTIVITY(), required=True))
_ROWS = fields.List(fields.Dict(keys=fields.String()))
_EXPORT_ANSWER = enveloped("NativeExportAnswer", fields.Dict(keys=fields.String(), values=_ROWS, required=True))
_UPLOAD = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "properties": {
                "file": {"type": "string", "contentMediaType": "image/jpeg", "description": "JPEG, PNG, GIF or WebP"}
            },
            "required": ["file"],
        }
    }
}
_JPEG = {"type": "string", "contentMediaType": "image/jpeg"}
_CLOSED_ANSWER = enveloped("NativeClosingAnswer", _CLOSED)


def _see(caller: Caller) -> Mapping[str, Any]:
    return envelope(user_view(caller.user))


def _change(caller: Caller, body: dict[str, Any]) -> Mapping[str, Any]:
    return envelope(user_view(services().profiles.set_profile(caller, Profile(**body))))


def _upload(caller: Caller) -> Mapping[str, Any]:
    content = bodies.read_upload("file", UPLOAD_BYTES)
    if content is None:
        raise UploadMalformed("no part named file, or too many parts")
    return envelope(user_view(services().profiles.set_avatar(caller, content)))


def _links(caller: Caller) -> Mapping[str, Any]:
    return envelope(_links_view(services().linking.links(caller)))


def _link(caller: Caller, body: dict[str, Any]) -> Mapping[str, Any]:
    ratelimits.by_app("login", services().apps.choose(body["appid"], None).appid)
    return envelope(_links_view(services().linking.link(caller, body["code"], body["appid"])))


def _unlink(caller: Caller, link_id: int) -> Mapping[str, Any]:
    return envelope(_links_view(services().linking.unlink(caller, link_id)))


def _consents(caller: Caller) -> Mapping[str, Any]:
    return envelope(_consents_view(services().consents.of(caller)))


def _consent(caller: Caller, body: dict[str, Any]) -> Mapping[str, Any]:
    return envelope(_consents_view(services().consents.give(caller, body["version"])))


def _export(caller: Caller) -> Response:
    export = services().exports.for_person(caller)
    return streamed(inside(envelope, export.json()), export.close)


def _activity(caller: Caller, body: dict[str, Any]) -> Mapping[str, Any]:
    found = services().activity.of(caller, int(body["before"]) if "before" in body else None)
    entries = [
        {"at": entry.at, "event": entry.event, "appid": entry.appid, "device": entry.device} for entry in found.entries
    ]
    return envelope(
        {"entries": entries, "since": found.since, "next": found.entries[-1].id if found.has_more else None}
    )


def _close(caller: Caller) -> Mapping[str, Any]:
    return envelope({"erased_after": services().closing.close(caller)})


def _consents_view(consents: list[Consent]) -> list[dict[str, Any]]:
    return [{"version": consent.version, "given_at": consent.given_at} for consent in consents]


def _links_view(links: list[IdentityLink]) -> list[dict[str, Any]]:
    return [
        {"id": link.id, "appid": link.appid, "created_at": link.created_at, "added": link.is_added} for link in links
    ]


def _picture(name: str) -> Response:
    """Return an uploaded picture: always a redrawn JPEG that never changes under its name."""
    return picture_response(name, services().profiles.picture(name))


_PICTURE = Operation(NATIVE, PUBLIC, "An uploaded picture", _JPEG, tag="people", media="image/jpeg", limited="read")
add(people, "GET", "/avatars/<picture:name>", _PICTURE, _picture)


def _add(method: str, rule: str, view: View, summary: str, answer: Any, **options: Any) -> None:
    add(people, method, rule, Operation(NATIVE, PERSON, summary, answer, tag="people", **options), view)


_add("GET", "/api/v1/me", _see, "The caller's profile", _USER_ANSWER)
_add("PUT", "/api/v1/me", _change, "Change the caller's profile", _USER_ANSWER, fields=ProfileChange())
_add(
    "POST",
    "/api/v1/me/avatar",
    _upload,
    "Upload a picture (multipart, part `file`)",
    _USER_ANSWER,
    limited="avatar",
    body=_UPLOAD,
    refuses=(400, 409, 413, 415),
)
_add("GET", "/api/v1/me/identities", _links, "The caller's mini-program identities", _LINKS_ANSWER)
_add(
    "POST",
    "/api/v1/me/identities",
    _link,
    "Add an identity",
    _LINKS_ANSWER,
    fields=NewLink(),
    limited="login",
    step_up=True,
)
_add("DELETE", "/api/v1/me/identities/<row:link_id>", _unlink, "Remove an identity", _LINKS_ANSWER, step_up=True)
_add("GET", "/api/v1/me/consents", _consents, "The privacy terms that the caller has agreed to", _CONSENTS_ANSWER)
_add("POST", "/api/v1/me/consents", _consent, "Agree to privacy terms", _CONSENTS_ANSWER, fields=NewConsent())
_add(
    "GET",
    "/api/v1/me/activity",
    _activity,
    "What happened to the account, newest first",
    _ACTIVITY_ANSWER,
    fields=ActivityQuery(),
)
_add(
    "GET",
    "/api/v1/me/export",
    _export,
    "Everything that is stored about the caller, by table",
    _EXPORT_ANSWER,
    limited="export",
    step_up=True,
)
_add(
    "POST",
    "/api/v1/me/close",
    _close,
    "Close the account, which is erased after a cooling-off period",
    _CLOSED_ANSWER,
    step_up=True,
)
