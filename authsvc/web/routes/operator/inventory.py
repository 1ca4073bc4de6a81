"""The operator API about what this installation has: mini programs, services, webhooks, keys. No secret is shown."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import Blueprint
from marshmallow import Schema, fields

from authsvc.values.operator import SignedInOperator
from authsvc.web.access import services
from authsvc.web.contracts.native import NATIVE, envelope, enveloped
from authsvc.web.routing import Operation, View, add
from authsvc.web.who import Operator

# Of each webhook; the command line shows a thousand.
_MOST_DEAD = 100

operator_inventory = Blueprint("operator-inventory", __name__, url_prefix="/operator/v1")


class OperatorProgram(Schema):
    """A mini program, and the status of its access_token; null: none is stored."""

    appid = fields.String(required=True)
    name = fields.String(required=True, allow_none=True)
    audience = fields.String(required=True, metadata={"description": "`aud` of its users' tokens"})
    has_push = fields.Boolean(required=True, metadata={"description": "WeChat's message push is set up"})
    token_age = fields.Integer(required=True, allow_none=True, metadata={"description": "seconds"})
    token_expires_in = fields.Integer(required=True, allow_none=True, metadata={"description": "seconds"})
    token_failure = fields.String(
        required=True, allow_none=True, metadata={"description": "the last failed fetch, while it is remembered"}
    )


class OperatorService(Schema):
    """Another service that has a credential."""

    name = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True)
    created_at = fields.Integer(required=True)


class OperatorWebhook(Schema):
    """An address that is told of changes of people, and what waits for it."""

    name = fields.String(required=True)
    url = fields.String(required=True)
    events = fields.List(fields.String(), required=True, metadata={"description": "empty: all kinds"})
    scopes = fields.List(fields.String(), required=True)
    waiting = fields.Integer(required=True)
    oldest_at = fields.Integer(required=True, allow_none=True, metadata={"description": "seconds since 1970 UTC"})
    dead = fields.Integer(required=True, metadata={"description": "messages that were given up"})
    paused_at = fields.Integer(required=True, allow_none=True, metadata={"description": "seconds since 1970 UTC"})


class OperatorDeadMessage(Schema):
    """A message that no attempt could deliver."""

    id = fields.Integer(required=True)
    webhook = fields.String(required=True)
    event = fields.String(required=True)
    sub = fields.String(required=True)
    at = fields.Integer(required=True, metadata={"description": "when it changed, seconds since 1970 UTC"})
    error = fields.String(required=True, metadata={"description": "why the last attempt failed"})


class OperatorKey(Schema):
    """A published signing key, and its next step."""

    kid = fields.String(required=True)
    state = fields.String(required=True, metadata={"enum": ["published", "signing", "former"]})
    since = fields.Integer(required=True, metadata={"description": "seconds since 1970 UTC; 0: not known"})
    next = fields.String(required=True, metadata={"enum": ["activate", "", "retire"]})
    ready_at = fields.Integer(required=True, metadata={"description": "when the step is possible; 0: now"})


def _programs(operator: SignedInOperator) -> Mapping[str, Any]:
    found = [
        {
            "appid": app.appid,
            "name": app.name,
            "audience": app.audience,
            "has_push": app.push is not None,
            "token_age": token.age,
            "token_expires_in": token.expires_in,
            "token_failure": token.failure,
        }
        for app, token in services().inventory.programs()
    ]
    return envelope({"programs": found})


def _services(operator: SignedInOperator) -> Mapping[str, Any]:
    return envelope({"services": [asdict(found) for found in services().inventory.services()]})


def _webhooks(operator: SignedInOperator) -> Mapping[str, Any]:
    found = [
        {
            "name": hook.name,
            "url": hook.url,
            "events": hook.kinds,
            "scopes": hook.scopes,
            "waiting": backlog.waiting,
            "oldest_at": backlog.oldest_at,
            "dead": backlog.dead,
            "paused_at": hook.paused_at,
        }
        for hook, backlog in services().webhooks.list_all()
    ]
    return envelope({"webhooks": found})


def _dead(operator: SignedInOperator) -> Mapping[str, Any]:
    """Return the oldest dead messages of each webhook."""
    found = [
        {
            "id": letter.id,
            "webhook": letter.webhook,
            "event": letter.change.kind,
            "sub": str(letter.change.user_id),
            "at": letter.change.at,
            "error": letter.last_error,
        }
        for hook, backlog in services().webhooks.list_all()
        if backlog.dead
        for letter in services().webhooks.dead(hook.name, _MOST_DEAD)
    ]
    return envelope({"messages": found})


def _keys(operator: SignedInOperator) -> Mapping[str, Any]:
    return envelope({"keys": [asdict(found) for found in services().inventory.signing_keys()]})


def _add(name: str, view: View, summary: str, schema: Schema, rule: str = "") -> None:
    title = f"Operator{name.capitalize()}"
    data = Schema.from_dict({name: fields.List(fields.Nested(schema), required=True)}, name=title)
    answer = enveloped(f"{title}Answer", fields.Nested(data(), required=True))
    who = Operator("read")
    operation = Operation(NATIVE, who, summary, answer, tag="operator", limited="operator", may_be_off=True)
    add(operator_inventory, "GET", rule or f"/{name}", operation, view)


_add("programs", _programs, "Mini programs, and how old their access_tokens are", OperatorProgram())
_add("services", _services, "Other services that have a credential", OperatorService())
_add("webhooks", _webhooks, "Webhooks, and what waits for them", OperatorWebhook())
_add("keys", _keys, "Signing keys, and their next steps", OperatorKey())
_add("messages", _dead, "Messages to webhooks that were given up", OperatorDeadMessage(), "/webhooks/dead")
