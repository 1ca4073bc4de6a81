"""Front ends behind a cloud function: ``{"code": 200, "message": …, "data": …, "timestamp": …}``."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from marshmallow import Schema, fields

from authsvc.types import Caller
from authsvc.web.contracts.shape import Contract, Problem


class ProfileData(Schema):
    """A person as this front end knows them."""

    id = fields.String(required=True)
    openid = fields.String(required=True)
    nickname = fields.String(required=True, allow_none=True)
    avatar = fields.String(required=True, allow_none=True)
    created_at = fields.String(required=True, metadata={"format": "date-time"})


class ProfileAnswer(Schema):
    """A success around a person."""

    code = fields.Integer(required=True)
    message = fields.String(required=True)
    data = fields.Nested(ProfileData(), required=True)
    timestamp = fields.String(required=True, metadata={"format": "date-time"})


class CodeMessageDataError(Schema):
    """A failure: ``code`` is the HTTP status and ``error`` its reason phrase."""

    code = fields.Integer(required=True)
    message = fields.String(required=True)
    error = fields.String(required=True)
    timestamp = fields.String(required=True, metadata={"format": "date-time"})


def envelope(data: dict[str, Any], message: str = "success") -> dict[str, Any]:
    """Wrap the data of a success."""
    return {"code": 200, "message": message, "data": data, "timestamp": _iso(datetime.now(UTC))}


def user_view(caller: Caller) -> dict[str, Any]:
    """Return the caller as ProfileData describes."""
    user = caller.user
    return {
        "id": str(user.id),
        "openid": caller.openid,
        "nickname": user.profile.nickname,
        "avatar": user.profile.avatar_url,
        "created_at": _iso(datetime.fromtimestamp(user.created_at, UTC)),
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _render_error(problem: Problem) -> dict[str, Any]:
    reasons = "; ".join(f"{name} {reason}" for name, reason in problem.fields.items())
    return {
        "code": problem.status,
        "message": f"{problem.message}: {reasons}" if reasons else problem.message,
        "error": HTTPStatus(problem.status).phrase,
        "timestamp": _iso(datetime.now(UTC)),
    }


CODE_MESSAGE_DATA = Contract(
    name="code_message_data",
    prefixes=("/api/v1/user/profile",),
    render_error=_render_error,
    error_answer=CodeMessageDataError(),
)
