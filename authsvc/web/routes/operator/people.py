"""The operator API about people: find, show, disable, enable, end sessions, erase, merge."""

from collections.abc import Mapping
from typing import Any, get_args

from flask import Blueprint
from marshmallow import Schema, fields

from authsvc.errors import NotFound
from authsvc.services.operator.userfiles import SEARCH_CHARACTERS
from authsvc.values.operator import REASON, REASON_CHARACTERS, Fate, OperatorRole, SignedInOperator
from authsvc.values.people import UserStatus
from authsvc.web.access import services
from authsvc.web.contracts.native import NATIVE, envelope, enveloped
from authsvc.web.routes.operator.views import event_view, file_view, preview_view, sign_in_view, summary_view
from authsvc.web.routing import Operation, View, add
from authsvc.web.schemas import NUMBER, Body, Text
from authsvc.web.who import Operator

operator_people = Blueprint("operator-people", __name__, url_prefix="/operator/v1/people")

_MOST_EVENTS = 100


class PeopleSearch(Body):
    """What is known of somebody. In the body, because proxies log addresses."""

    q = Text(
        SEARCH_CHARACTERS,
        required=True,
        description="id, phone number, its last digits (four or more), openid, or the beginning of a nickname",
    )


class MergeInto(Body):
    """The user that stays."""

    into = Text(18, NUMBER, required=True, description="id of the user that stays")


class MergeReason(MergeInto):
    """The user that stays, and why."""

    reason = Text(
        REASON_CHARACTERS,
        REASON,
        required=True,
        description="why, for the audit trail; one line without personal data",
    )


def _text(description: str = "", **options: Any) -> fields.String:
    return fields.String(required=True, metadata={"description": description}, **options)


def _moment(**options: Any) -> fields.Integer:
    return fields.Integer(required=True, metadata={"description": "seconds since 1970 UTC"}, **options)


class OperatorPerson(Schema):
    """A user in short. An operator with the role read sees of numbers the last four digits."""

    id = _text()
    status = fields.String(required=True, metadata={"enum": list(get_args(UserStatus))})
    nickname = _text(allow_none=True)
    phone = _text("verified, in E.164", allow_none=True)
    claimed_phone = _text("only typed in, in E.164", allow_none=True)
    created_at = _moment()
    last_login_at = _moment()
    closed_at = _moment(allow_none=True)
    merged_into = _text("the user that stayed", allow_none=True)


class OperatorIdentity(Schema):
    """One person in one mini program. An operator with the role read sees the ends of the openid."""

    id = fields.Integer(required=True)
    appid = _text()
    openid = _text()
    created_at = _moment()
    added = fields.Boolean(required=True, metadata={"description": "a second WeChat account of the person"})


class OperatorConsent(Schema):
    """A version of privacy terms that the person agreed to."""

    version = _text()
    given_at = _moment()


class OperatorFile(OperatorPerson):
    """All that is shown of one user."""

    identities = fields.List(fields.Nested(OperatorIdentity()), required=True)
    consents = fields.List(fields.Nested(OperatorConsent()), required=True)
    merged_ids = fields.List(fields.String(), required=True, metadata={"description": "users merged into this one"})
    live_sessions = fields.Integer(required=True)
    audit_events = fields.Integer(required=True)


class Reason(Body):
    """Why an operator does something."""

    reason = Text(REASON_CHARACTERS, REASON, required=True, description="why; one line without personal data")


class OperatorMergedIdentity(Schema):
    """An identity that would move."""

    id = fields.Integer(required=True)
    appid = _text()


class OperatorMergePreview(Schema):
    """What a merge would do now. ``none``: there is nothing; ``lost``: the user that stays keeps their own."""

    id = _text("the user that would be merged")
    into = _text("the user that would stay")
    identities = fields.List(fields.Nested(OperatorMergedIdentity()), required=True)
    phone = fields.String(required=True, metadata={"enum": list(get_args(Fate))})
    invite = fields.String(required=True, metadata={"enum": list(get_args(Fate)), "description": "how they came"})
    invite_codes = fields.Integer(required=True, metadata={"description": "how many would move"})
    invited_people = fields.Integer(required=True, metadata={"description": "how many would have another inviter"})
    code_pictures = fields.Integer(required=True, metadata={"description": "how many would move"})
    merged_ids = fields.List(fields.String(), required=True, metadata={"description": "users merged into it before"})
    live_sessions = fields.Integer(required=True, metadata={"description": "how many would end"})


class OperatorSignIn(Schema):
    """One sign-in, and the session that began with it."""

    session_id = _text()
    appid = _text()
    contract = _text("the shape of its front end")
    device = _text("its User-Agent; may be empty")
    created_at = _moment()
    last_used_at = _moment()
    ended_at = _moment(allow_none=True)
    reason = _text("why it was ended", allow_none=True)
    live = fields.Boolean(required=True)


class OperatorEvent(Schema):
    """An audit event; docs/audit.md lists them."""

    at = _moment()
    event = _text()
    detail = _text()
    operator = _text("who did it in the console or by this API; empty otherwise")
    request_id = _text()


class OperatorEnded(Schema):
    """How many sessions were ended."""

    ended = fields.Integer(required=True)


def _listed(name: str, member: str, schema: Schema) -> Schema:
    data = Schema.from_dict({member: fields.List(fields.Nested(schema), required=True)}, name=name)
    return enveloped(f"{name}Answer", fields.Nested(data(), required=True))


_FILE_ANSWER = enveloped("OperatorFileAnswer", fields.Nested(OperatorFile(), required=True))
_PERSON_ANSWER = enveloped("OperatorPersonAnswer", fields.Nested(OperatorPerson(), required=True))
_ENDED_ANSWER = enveloped("OperatorEndedAnswer", fields.Nested(OperatorEnded(), required=True))
_PREVIEW_ANSWER = enveloped("OperatorMergePreviewAnswer", fields.Nested(OperatorMergePreview(), required=True))
_ERASED_ANSWER = enveloped("OperatorErasedAnswer", fields.Raw(required=True, allow_none=True))


def _find(operator: SignedInOperator, body: dict[str, Any]) -> Mapping[str, Any]:
    """Return up to a hundred people."""
    found = services().user_files.search(body["q"])
    return envelope({"people": [summary_view(user, operator) for user in found]})


def _show(operator: SignedInOperator, user_id: int) -> Mapping[str, Any]:
    return envelope(file_view(services().user_files.show(user_id), operator))


def _sign_ins(operator: SignedInOperator, user_id: int) -> Mapping[str, Any]:
    return envelope({"sign_ins": [sign_in_view(found) for found in services().user_files.sign_ins(user_id)]})


def _events(operator: SignedInOperator, user_id: int) -> Mapping[str, Any]:
    """Return the newest events about a user, newest first; also about one who was erased."""
    found = services().users.events(user_id=user_id, openid=None, event=None, since=0, limit=_MOST_EVENTS)
    return envelope({"events": [event_view(event) for event in reversed(found)]})


def _disable(operator: SignedInOperator, user_id: int) -> Mapping[str, Any]:
    services().users.disable(user_id, operator.name)
    return _in_short(operator, user_id)


def _enable(operator: SignedInOperator, user_id: int) -> Mapping[str, Any]:
    services().users.enable(user_id, operator.name)
    return _in_short(operator, user_id)


def _end_all(operator: SignedInOperator, user_id: int) -> Mapping[str, Any]:
    return envelope({"ended": services().users.log_out(user_id, operator.name)})


def _end_one(operator: SignedInOperator, user_id: int, session_id: str) -> Mapping[str, Any]:
    if not services().users.end_session(user_id, session_id, operator.name):
        raise NotFound(f"no live session of user {user_id}")
    return envelope({"ended": 1})


def _erase(operator: SignedInOperator, user_id: int) -> Mapping[str, Any]:
    services().erasures.erase(user_id, operator.name)
    return envelope(None)


def _preview(operator: SignedInOperator, user_id: int, body: dict[str, Any]) -> Mapping[str, Any]:
    return envelope(preview_view(services().merges.preview(user_id, int(body["into"]))))


def _merge(operator: SignedInOperator, user_id: int, body: dict[str, Any]) -> Mapping[str, Any]:
    services().merges.merge(user_id, int(body["into"]), body["reason"], operator.name)
    return _in_short(operator, int(body["into"]))


def _unmerge(operator: SignedInOperator, user_id: int, body: dict[str, Any]) -> Mapping[str, Any]:
    services().merges.undo(user_id, body["reason"], operator.name)
    return _in_short(operator, user_id)


def _in_short(operator: SignedInOperator, user_id: int) -> Mapping[str, Any]:
    return envelope(summary_view(services().users.get(user_id), operator))


def _add(method: str, rule: str, view: View, role: OperatorRole, summary: str, answer: Schema, **options: Any) -> None:
    options = {"tag": "operator", "limited": "operator", "may_be_off": True, **options}
    add(operator_people, method, rule, Operation(NATIVE, Operator(role), summary, answer, **options), view)


_ONE = "/<row:user_id>"
_PEOPLE_ANSWER = _listed("OperatorPeople", "people", OperatorPerson())
_SIGN_INS_ANSWER = _listed("OperatorSignIns", "sign_ins", OperatorSignIn())
_EVENTS_ANSWER = _listed("OperatorEvents", "events", OperatorEvent())
_add("POST", "/search", _find, "read", "Find people", _PEOPLE_ANSWER, fields=PeopleSearch())
_add("GET", _ONE, _show, "read", "One person", _FILE_ANSWER)
_add("GET", f"{_ONE}/sessions", _sign_ins, "read", "A person's latest sign-ins, latest first", _SIGN_INS_ANSWER)
_add("GET", f"{_ONE}/events", _events, "read", "The newest audit events about a person", _EVENTS_ANSWER)
_add("POST", f"{_ONE}/disable", _disable, "support", "Disable a person", _PERSON_ANSWER, refuses=(409,))
_add("POST", f"{_ONE}/enable", _enable, "support", "Enable a disabled person", _PERSON_ANSWER, refuses=(409,))
_add("DELETE", f"{_ONE}/sessions", _end_all, "support", "End all sessions of a person", _ENDED_ANSWER)
_add(
    "DELETE",
    f"{_ONE}/sessions/<session:session_id>",
    _end_one,
    "support",
    "End one session of a person",
    _ENDED_ANSWER,
)
_add("POST", f"{_ONE}/erase", _erase, "owner", "Erase a person at once", _ERASED_ANSWER, refuses=(409,))
_add(
    "GET",
    f"{_ONE}/merge",
    _preview,
    "read",
    "What a merge would do",
    _PREVIEW_ANSWER,
    fields=MergeInto(),
    refuses=(409,),
)
_add(
    "POST",
    f"{_ONE}/merge",
    _merge,
    "owner",
    "Merge a person into another one",
    _PERSON_ANSWER,
    fields=MergeReason(),
    refuses=(409,),
)
_add(
    "POST",
    f"{_ONE}/unmerge",
    _unmerge,
    "owner",
    "Undo a merge",
    _PERSON_ANSWER,
    fields=Reason(),
    refuses=(409,),
)
