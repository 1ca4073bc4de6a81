"""The OpenAPI 3.1 document, generated from the declarations of the routes."""

import re
from collections.abc import Iterable
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import current_app

from authsvc import __version__
from authsvc.web import bodies
from authsvc.web.guards import STEP_UP_HEADER
from authsvc.web.routing import Operation, declared
from authsvc.web.who import Person, Service, Who

_KEY = "authsvc-openapi"
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A person's access token"},
    "basic": {"type": "http", "scheme": "basic", "description": "A service's credential: name and secret"},
    "credential": {"type": "http", "scheme": "bearer", "description": "The same in one piece: name.secret"},
}
_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{8,64}$"},
    "description": "The same code with the same key within the retry window returns the same session.",
}
_STEP_UP = {
    "in": "header",
    "name": STEP_UP_HEADER,
    "schema": {"type": "string", "pattern": "^[0-9A-Za-z_-]{1,128}$"},
    "description": "A fresh code of wx.login, from the WeChat account and mini program that this session began with.",
}
_REFUSALS = {
    "400": "A field, the code or the data is not valid",
    "401": "Not signed in, or the code is not valid",
    "403": "Disabled, or refused by WeChat",
    "404": "It does not exist, or does not belong to the caller",
    "409": "It belongs to somebody else",
    "413": "Body over 16 KB",
    "415": "Not JSON",
    "422": "A field is missing or malformed",
    "429": "Too many requests",
    "500": "Internal error",
    "502": "WeChat gave an unusable answer",
    "503": "WeChat or the database is unavailable",
}


def document() -> bytes:
    """Return the document of the current app as JSON. The first call generates it, which takes 30 ms."""
    extensions = current_app.extensions
    if _KEY not in extensions:
        extensions[_KEY] = bodies.as_json(_document(declared(current_app)))
    made: bytes = extensions[_KEY]
    return made


def _document(routes: Iterable[tuple[str, str, Operation]]) -> dict[str, Any]:
    spec = APISpec("authsvc", __version__, "3.1.0", plugins=[MarshmallowPlugin()])
    for name, scheme in _SCHEMES.items():
        spec.components.security_scheme(name, scheme)
    for method, path, operation in routes:
        spec.path(path, operations={method.lower(): _describe(path, method, operation)})
    described: dict[str, Any] = spec.to_dict()
    return described


def _describe(path: str, method: str, operation: Operation) -> dict[str, Any]:
    answer = {"content": {operation.media: {"schema": operation.answer}}} if operation.answer is not None else {}
    refusal = {"content": {"application/json": {"schema": operation.contract.error_answer}}}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "tags": [operation.tag, operation.contract.name],
        "parameters": _parameters(path, method, operation),
        "responses": {
            str(operation.status): {"description": "Done", **answer},
            **{status: {"description": _REFUSALS[status], **refusal} for status in _refusals(path, operation)},
            **{str(status): {"description": "Not done", **answer} for status in operation.also},
        },
    }
    if operation.fields is not None and not operation.reads_query(method):
        media = "application/x-www-form-urlencoded" if operation.form else "application/json"
        described["requestBody"] = {"required": True, "content": {media: {"schema": operation.fields}}}
    if security := _security(operation.who):
        described["security"] = security
    return described


def _security(who: Who) -> list[dict[str, list[str]]]:
    """Return the alternatives for authentication; an empty one allows callers without a credential."""
    match who:
        case Service():
            return [{"basic": [who.scope]}, {"credential": [who.scope]}]
        case Person():
            return [{"bearer": []}]
    return [{}, {"bearer": []}] if who.knows_people else []


def _refusals(path: str, operation: Operation) -> list[str]:
    """Return the statuses of a route's refusals, as far as its declaration shows them."""
    found = {"429", "500"}
    if operation.fields is not None:
        found |= set(_REFUSALS) - {"404", "422"}
    if operation.asks_who:
        found |= {"401", "403", "503"}
    if isinstance(operation.who, Service) and operation.who.hidden:
        found.add("404")
    if operation.step_up:
        found |= {"400", "429", "502"}
    if "{" in path:
        found.add("404")
    if operation.fields is not None and 422 in operation.contract.statuses.values():
        found.add("422")
    return sorted(found)


def _parameters(path: str, method: str, operation: Operation) -> list[Any]:
    parameters: list[Any] = [_path_parameter(name) for name in re.findall(r"{(\w+)}", path)]
    if operation.fields is not None and operation.reads_query(method):
        parameters.append({"in": "query", "schema": operation.fields})
    if operation.retryable:
        parameters.append(_IDEMPOTENCY_KEY)
    if operation.step_up:
        parameters.append({**_STEP_UP, "required": operation.step_up is True})
    return parameters


def _path_parameter(name: str) -> dict[str, Any]:
    kind = "integer" if name.endswith("link_id") else "string"
    return {"in": "path", "name": name, "required": True, "schema": {"type": kind}}
