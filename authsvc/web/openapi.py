"""The OpenAPI 3.1 document, made from what the routes declare."""

import re
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import current_app

from authsvc import __version__
from authsvc.web.operations import Operation, operation_of

_KEY = "authsvc-openapi"
_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{8,64}$"},
    "description": "The same code with the same key within the retry window gives the same session.",
}
_REFUSALS = {"400": "A field, the code or the data is not right", "401": "Not signed in, or a code that does not hold",
             "403": "Disabled, or refused by WeChat", "413": "Body over 16 KB", "415": "Not JSON",
             "429": "Too many requests", "500": "Internal error", "502": "WeChat gave an unusable answer",
             "503": "WeChat or the database is unavailable"}  # fmt: skip


def document() -> dict[str, Any]:
    """Return the document of the current app; made once, at the first call."""
    extensions = current_app.extensions
    if _KEY not in extensions:
        extensions[_KEY] = _document(_declared())
    made: dict[str, Any] = extensions[_KEY]
    return made


def _declared() -> list[tuple[str, str, Operation]]:
    found = []
    for rule in current_app.url_map.iter_rules():
        operation = operation_of(rule.endpoint)
        methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        if operation is not None:
            found += [(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method, operation) for method in methods]
    return found


def _document(declared: list[tuple[str, str, Operation]]) -> dict[str, Any]:
    spec = APISpec("authsvc", __version__, "3.1.0", plugins=[MarshmallowPlugin()])
    spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    for path, method, operation in declared:
        spec.path(path, operations={method.lower(): _describe(operation)})
    described: dict[str, Any] = spec.to_dict()
    return described


def _describe(operation: Operation) -> dict[str, Any]:
    refusal = {"content": {"application/json": {"schema": operation.contract.error_answer}}}
    statuses = {"401", "403", "500", "503"} if operation.body is None else set(_REFUSALS)
    described: dict[str, Any] = {
        "summary": operation.summary,
        "tags": [operation.tag, operation.contract.name],
        "responses": {
            "200": {"description": "Done", "content": {"application/json": {"schema": operation.answer}}},
            **{status: {"description": _REFUSALS[status], **refusal} for status in sorted(statuses)},
        },
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": operation.body}},
        }
        described["parameters"] = [_IDEMPOTENCY_KEY]
    if operation.guarded:
        described["security"] = [{"bearer": []}]
    return described
