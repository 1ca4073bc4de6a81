"""The only place where exceptions become responses, in the shape of the contract that was called."""

import logging
from collections.abc import Mapping

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from authsvc import errors as e
from authsvc.logs import shown
from authsvc.values.operator import UserRefusal, UserRefused
from authsvc.web import bodies
from authsvc.web.access import prefers_english, request_id
from authsvc.web.contracts import for_path
from authsvc.web.contracts.shape import Contract, Problem
from authsvc.web.routing import operation_of
from authsvc.web.schemas import REASONS

logger = logging.getLogger(__name__)

STATUSES: Mapping[type[e.AuthSvcError], int] = {
    e.InvalidRequest: 400,
    e.MalformedBody: 400,
    e.BodyTooLarge: 413,
    e.UnsupportedMediaType: 415,
    e.NoSuchRoute: 404,
    e.MethodNotAllowed: 405,
    e.TooManyRequests: 429,
    e.PushRejected: 403,
    e.UnknownApp: 400,
    e.Unauthenticated: 401,
    e.AccountDisabled: 403,
    e.NotPermitted: 403,
    e.StepUpRequired: 403,
    e.StepUpMismatch: 403,
    e.OtherMiniProgram: 403,
    e.AddedWeChat: 403,
    e.InviteRequired: 403,
    e.RegistrationClosed: 403,
    e.DataRejected: 400,
    e.TicketInvalid: 400,
    e.ScanTicketInvalid: 400,
    e.Conflict: 409,
    e.NotFound: 404,
    e.PictureRejected: 400,
    e.PictureLimitReached: 409,
    e.LimitReached: 409,
    e.CursorExpired: 410,
    e.LoginCodeInvalid: 401,
    e.LoginCodeUsed: 401,
    e.PhoneCodeInvalid: 400,
    e.PhoneBudgetExhausted: 429,
    e.SessionKeyStale: 401,
    e.SessionKeyReplaced: 409,
    e.WeChatUserBlocked: 403,
    e.WeChatRateLimited: 429,
    e.WeChatQuotaExhausted: 503,
    e.WeChatMisconfigured: 503,
    e.WxaPageUnknown: 400,
    e.WeChatUnreachable: 503,
    e.WeChatBusy: 503,
    e.WeChatNoAnswer: 503,
    e.WeChatBadAnswer: 502,
    e.WeChatUnknownError: 502,
    e.PhoneCallsStopped: 503,
    e.ServiceBusy: 503,
    e.InternalError: 500,
}


# What a use case for operators refuses, in the words of its command, by its reason.
_REFUSALS: Mapping[UserRefusal, type[e.AuthSvcError]] = {
    "no_such_user": e.NoSuchUser,
    "already_disabled": e.AlreadyDisabled,
    "not_disabled": e.NotDisabled,
    "merged_away": e.MergedAway,
    "not_active": e.NotActive,
    "same_user": e.SameUser,
    "nothing_to_undo": e.NothingToUndo,
    "built_on": e.BuiltOnMerge,
}


def install(app: Flask) -> None:
    """Route every exception of ``app`` through here."""
    app.register_error_handler(e.AuthSvcError, respond)
    app.register_error_handler(UserRefused, lambda refused: respond(_REFUSALS[refused.reason](str(refused))))
    app.register_error_handler(HTTPException, lambda error: respond(_ours(error)))
    app.register_error_handler(Exception, _unforeseen)


def respond(error: e.AuthSvcError) -> Response:
    """Log an error and write it in the shape of the caller's front end."""
    contract = _contract()
    status = status_of(error, contract)
    level = logging.ERROR if error.alarm else logging.INFO
    known = {"error": error.error, "status": status, "method": request.method, "path": request.path}
    detail = f" ({error})" if str(error) else ""
    logger.log(level, "refused: %s%s %s", error.error, detail, shown(request.path), extra=known)
    problem = Problem(error, status, _sentence(error), _reasons(error), request_id())
    response = contract.page(problem) if contract.page else bodies.write(contract.render_error(problem), status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, e.MethodNotAllowed):
        response.headers["Allow"] = error.allow
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = contract.challenge
    return response


def status_of(error: e.AuthSvcError, contract: Contract) -> int:
    """Return the HTTP status of an error in a contract; the nearest class with a status decides."""
    for table in (contract.statuses, STATUSES):
        for kind in type(error).__mro__:
            if kind in table:
                return table[kind]
    raise AssertionError(f"{type(error).__name__} has no status")


def _contract() -> Contract:
    operation = operation_of(request.endpoint)
    return operation.contract if operation else for_path(request.path, current_app)


def _unforeseen(error: Exception) -> Response:
    logger.error("unexpected %s", type(error).__name__, exc_info=error)
    return respond(e.InternalError(type(error).__name__))


def _ours(error: HTTPException) -> e.AuthSvcError:
    """Translate the exceptions of Flask and Werkzeug."""
    if isinstance(error, MethodNotAllowed):
        return e.MethodNotAllowed(allow=", ".join(sorted(error.valid_methods or ())))
    if isinstance(error, NotFound):
        return e.NoSuchRoute()
    if isinstance(error, RequestEntityTooLarge):
        return e.BodyTooLarge()
    return e.MalformedBody(type(error).__name__) if (error.code or 500) < 500 else e.InternalError()


def _sentence(error: e.AuthSvcError) -> str:
    return error.en if prefers_english() else error.zh


def _reasons(error: e.AuthSvcError) -> dict[str, str]:
    if not isinstance(error, e.InvalidRequest):
        return {}
    language = 1 if prefers_english() else 0
    return {
        name: ", ".join(REASONS.get(reason, REASONS["malformed"])[language] for reason in reasons)
        for name, reasons in error.fields.items()
    }
