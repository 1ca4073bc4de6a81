"""Describes the refusals of an operation, as far as its declaration shows them, in the shape of its contract."""

from collections.abc import Iterator
from typing import Any

from authsvc import errors as e
from authsvc.web.contracts.shape import Contract, Problem
from authsvc.web.errors import STATUSES, status_of
from authsvc.web.routing import Operation
from authsvc.web.schemas import REASONS
from authsvc.web.who import Service

_REQUEST_ID = "5f0c2d9a7b3e4f1c8a6d0e9b2c4f7a10"
_MEANINGS = {
    400: "A field, the code or the data is not valid",
    401: "Not signed in, or the code is not valid",
    403: "Disabled, or refused by WeChat",
    404: "It does not exist, or does not belong to the caller",
    409: "It belongs to somebody else",
    410: "What is asked for is not kept any more",
    413: "Body over 16 KB",
    414: "The address is longer than 4 KB",
    415: "Not JSON",
    422: "A field is missing or malformed",
    429: "Too many requests",
    500: "Internal error",
    502: "WeChat gave an unusable answer",
    503: "WeChat or the database is unavailable",
}
_TOO_LONG = 414
# In an example, the error of its status that people meet most often.
_TYPICAL: tuple[type[e.AuthSvcError], ...] = (
    e.InvalidRequest,
    e.Unauthenticated,
    e.AccountDisabled,
    e.NoSuchRoute,
    e.PhoneTaken,
    e.BodyTooLarge,
    e.UnsupportedMediaType,
    e.TooManyRequests,
    e.InternalError,
    e.WeChatBadAnswer,
    e.ServiceBusy,
)


def refusals(path: str, method: str, operation: Operation) -> dict[str, Any]:
    """Return the Response Objects of an operation's refusals, by status."""
    found: dict[str, Any] = {}
    for status in sorted(_statuses(path, method, operation)):
        if status == _TOO_LONG:  # with the web server's own page
            found[str(status)] = {"description": _MEANINGS[status]}
        elif example := _example(operation.contract, status):
            content = {"schema": operation.contract.error_answer, "example": example}
            found[str(status)] = {"description": _MEANINGS[status], "content": {"application/json": content}}
    return found


def _example(contract: Contract, status: int) -> dict[str, Any] | None:
    """Return the answer to one of the errors with this status in the contract; None if it has no such status."""
    for kind in (*_TYPICAL, *contract.statuses, *STATUSES):
        if status_of(kind(), contract) == status:
            blamed = {"code": REASONS["required"][0]} if issubclass(kind, e.InvalidRequest) else {}
            return contract.render_error(Problem(kind(), status, kind.zh, blamed, _REQUEST_ID))
    return None


def _statuses(path: str, method: str, operation: Operation) -> Iterator[int]:
    found = {429, 500, *operation.refuses}
    if operation.fields is not None:
        found |= set(_MEANINGS) - {404, 410, _TOO_LONG, 422}
        if 422 in operation.contract.statuses.values():
            found.add(422)
        if operation.reads_query(method):
            found.add(_TOO_LONG)
    if operation.asks_who:
        found |= {401, 403, 503}
    if operation.step_up:
        found |= {400, 429, 502}
    if "{" in path or operation.may_be_off or (isinstance(operation.who, Service) and operation.who.hidden):
        found.add(404)
    return iter(found)
