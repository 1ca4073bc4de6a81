"""Describes one operation: its names, parameters, body, answers and refusals."""

import re
from typing import Any

from authsvc.web.contracts.native import NATIVE
from authsvc.web.guards import STEP_UP_HEADER
from authsvc.web.openapi.refusals import refusals
from authsvc.web.routing import Operation
from authsvc.web.who import Operator, Person, Service, Who

_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{8,64}$"},
    "description": "The same code with the same key within the retry window returns the same session.",
    "example": "login-7f3a9c2e",
}
_STEP_UP = {
    "in": "header",
    "name": STEP_UP_HEADER,
    "schema": {"type": "string", "pattern": "^[0-9A-Za-z_-]{1,128}$"},
    "description": "A fresh code of wx.login, from the WeChat account and mini program that this session began with.",
    "example": "0a3Xyl000aBcDeFgHi1jKlMnOp0Xyl0k",
}
_QUERY = {"in": "query", "schema": {"type": "string"}, "description": "As WeChat's message push sends it"}
# Kind of a path parameter: description and example.
_PARAMETERS = {
    "link_id": ("The id of one of the caller's identities", 17),
    "user_id": ("The id of a user", 17),
    "session_id": ("The id of a session: of the caller's, or of the user's", "6928d1a0u3nXc0Jq2kS4wYb7Tz9LmQ"),
    "appid": ("The AppID of the mini program", "wx51a051a051a051a0"),
    "name": ("The name of the file", "3q2-7wAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxw.jpg"),
    "original": ("The path of the request that the proxy asks about", "orders/17"),
}


def describe(path: str, method: str, operation: Operation) -> dict[str, Any]:
    """Return the Operation Object for ``method`` on ``path`` (``/me/{id}``)."""
    answer = _answer(operation)
    described: dict[str, Any] = {
        "operationId": _operation_id(path, method),
        "summary": operation.summary,
        "description": _description(operation),
        "tags": [operation.tag, operation.contract.name],
        "parameters": _parameters(path, method, operation),
        "responses": {
            str(operation.status): {"description": "Done", **answer},
            **_with_answers(refusals(path, method, operation), operation.also, answer),
        },
        "security": _security(operation.who),
    }
    if body := _body(method, operation):
        described["requestBody"] = {"required": True, "content": body}
    return described


def _answer(operation: Operation) -> dict[str, Any]:
    if operation.answer is None:
        return {}
    page = {"text/html": {"schema": {"type": "string"}}} if operation.is_page_too else {}
    return {"content": {operation.media: {"schema": operation.answer}, **page}}


def _with_answers(described: dict[str, Any], statuses: tuple[int, ...], answer: dict[str, Any]) -> dict[str, Any]:
    """Add to some statuses that they may also come with the answer of a success."""
    for status in map(str, statuses):
        refusal = described.get(status, {"description": "Not done"})
        described[status] = {**refusal, "content": {**refusal.get("content", {}), **answer.get("content", {})}}
    return described


def _operation_id(path: str, method: str) -> str:
    """Return a name in camelCase, from the method and the words of the path: ``postApiV1AuthLogin``."""
    return method.lower() + "".join(word[0].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", path))


def _description(operation: Operation) -> str:
    """Return who may call it and what it asks for, in sentences."""
    sentences = [_for_whom(operation.who)]
    if operation.step_up:
        sentences.append(f"A token alone is not enough: the header `{STEP_UP_HEADER}` proves that the person asks.")
    if operation.retryable:
        sentences.append("May be sent again with the same `Idempotency-Key` if the answer was lost.")
    if operation.may_be_off:
        sentences.append("404 while this feature is off.")
    if operation.contract is not NATIVE:
        sentences.append(f"Requests and answers have the shape of the contract `{operation.contract.name}`.")
    return f"{operation.summary}. {' '.join(sentences)}"


def _for_whom(who: Who) -> str:
    match who:
        case Service(scope=scope):
            return f"For another service, whose credential has the scope `{scope}`."
        case Operator(role=role):
            return f"For an operator with the role `{role}` or a higher one."
        case Person(may_be_expired=True):
            return "For a person with an access token, which may have expired."
        case Person():
            return "For a person with an access token."
    return "For everybody."


def _security(who: Who) -> list[dict[str, list[str]]]:
    """Return the alternatives for authentication; an empty one allows callers without a credential."""
    match who:
        case Service():
            return [{"basic": []}, {"credential": []}]
        case Person():
            return [{"bearer": []}]
        case Operator():
            return [{"operator": []}]
    return [{}, {"bearer": []}] if who.knows_people else [{}]


def _parameters(path: str, method: str, operation: Operation) -> list[Any]:
    parameters: list[Any] = [_path_parameter(name) for name in re.findall(r"{(\w+)}", path)]
    if operation.fields is not None and operation.reads_query(method):
        parameters.append({"in": "query", "schema": operation.fields})
    parameters += [_QUERY | {"name": name} for name in operation.reads]
    if operation.retryable:
        parameters.append(_IDEMPOTENCY_KEY)
    if operation.step_up:
        parameters.append({**_STEP_UP, "required": operation.step_up is True})
    return parameters


def _path_parameter(name: str) -> dict[str, Any]:
    description, example = _PARAMETERS[name]
    kind = "integer" if isinstance(example, int) else "string"
    schema = {"type": kind}
    return {
        "in": "path",
        "name": name,
        "required": True,
        "schema": schema,
        "description": description,
        "example": example,
    }


def _body(method: str, operation: Operation) -> dict[str, Any] | None:
    if operation.body is not None:
        return dict(operation.body)
    if operation.fields is None or operation.reads_query(method):
        return None
    media = "application/x-www-form-urlencoded" if operation.form else "application/json"
    return {media: {"schema": operation.fields}}
