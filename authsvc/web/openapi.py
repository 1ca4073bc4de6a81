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
        spec.path(path, operations={method.lower(): _describe(path, method, operation)})
    described: dict[str, Any] = spec.to_dict()
    return described


def _describe(path: str, method: str, operation: Operation) -> dict[str, Any]:
    refusal = {"content": {"application/json": {"schema": operation.contract.error_answer}}}
    statuses = {"401", "403", "500", "503"} if operation.fields is None else set(_REFUSALS)
    answer = {"description": "Done", "content": {"application/json": {"schema": operation.answer}}}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "tags": [operation.tag, operation.contract.name],
        "parameters": _parameters(path, method, operation),
        "responses": {
            str(operation.status): answer,
            **{status: {"description": _REFUSALS[status], **refusal} for status in sorted(statuses)},
        },
    }
    if operation.fields is not None and not _reads_query(method, operation):
        content = {"application/json": {"schema": operation.fields}}
        described["requestBody"] = {"required": True, "content": content}
    if operation.guarded or operation.bearer:
        described["security"] = [{"bearer": []}]
    return described


def _parameters(path: str, method: str, operation: Operation) -> list[Any]:
    parameters: list[Any] = [_path_parameter(name) for name in re.findall(r"{(\w+)}", path)]
    if operation.fields is not None and _reads_query(method, operation):
        parameters.append({"in": "query", "schema": operation.fields})
    if operation.retryable:
        parameters.append(_IDEMPOTENCY_KEY)
    return parameters


def _reads_query(method: str, operation: Operation) -> bool:
    return method == "GET" or operation.in_query


def _path_parameter(name: str) -> dict[str, Any]:
    kind = "integer" if name.endswith("link_id") else "string"
    return {"in": "path", "name": name, "required": True, "schema": {"type": kind}}
