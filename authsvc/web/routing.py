"""Declaring routes: what a view reads, what it answers, in whose shape. The documentation is made from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Blueprint, Response, current_app, request
from flask.sansio.blueprints import BlueprintSetupState
from marshmallow import Schema

from authsvc.errors import MethodNotAllowed
from authsvc.values.limits import LimitedKind
from authsvc.values.operator import ServiceScope
from authsvc.web import bodies, contracts, guards, ratelimits
from authsvc.web.contracts.shape import Contract

View = Callable[..., Mapping[str, Any] | Response]
# Whether a request, by the arguments of its view, wants step-up.
StepUp = bool | Callable[[Mapping[str, Any]], bool]
PlainView = Callable[..., Response]
_ATTRIBUTE = "authsvc_operation"


@dataclass(frozen=True, slots=True)
class Operation:
    """One route. ``guarded`` ones are for signed-in users and get the ``caller``; ``fields`` arrive as ``body``.

    ``bearer`` ones look at the token themselves; ``retryable`` ones take an Idempotency-Key; those with a ``scope`` are
    for other services that have it, and get the name as ``service``. Fields come in the query of a GET (or where
    ``in_query`` says so), in a form where ``form`` says so, and in the JSON body otherwise. ``also`` holds further
    statuses that come with the same answer; no answer is an empty body. ``limited`` names the rate limits that hold
    (``web/ratelimits.py``); no route is without. ``step_up`` ones want a fresh code of ``wx.login`` beside the token:
    always, or where it says so of the view's arguments.
    """

    contract: Contract
    summary: str
    answer: Schema | Mapping[str, Any] | None
    fields: Schema | None = None
    in_query: bool = False
    form: bool = False
    scope: ServiceScope | None = None
    guarded: bool = False
    bearer: bool = False
    retryable: bool = False
    status: int = 200
    tag: str = "auth"
    also: tuple[int, ...] = ()
    media: str = "application/json"
    limited: LimitedKind = "request"
    step_up: StepUp = False

    @property
    def knows_callers(self) -> bool:
        """True where a credential says who calls."""
        return self.guarded or self.bearer or self.scope is not None

    @property
    def spends_codes(self) -> bool:
        """True where a request may spend a code of WeChat's."""
        return self.retryable or bool(self.step_up)

    def wants_step_up(self, arguments: Mapping[str, Any]) -> bool:
        """Tell whether the request with these arguments of the view needs more than a token."""
        return self.step_up(arguments) if callable(self.step_up) else self.step_up


def describe(operation: Operation) -> Callable[[PlainView], PlainView]:
    """Declare a view that makes its own response: no envelope around it, nothing read for it.

    Where callers are known by a credential, the view asks ``web/guards.py``, which counts them.
    """

    def note(view: PlainView) -> PlainView:
        @wraps(view)
        def endpoint(**arguments: Any) -> Response:
            ratelimits.at_the_door(operation.limited, knows_callers=operation.knows_callers)
            return view(**arguments)

        setattr(endpoint, _ATTRIBUTE, operation)
        return endpoint

    return note


def add(blueprint: Blueprint, method: str, rule: str, operation: Operation, view: View) -> None:
    """Put ``view`` on ``blueprint``. It gets ``body`` and ``caller`` as declared and returns what JSON to answer.

    One whose answer is written while it is read returns a response (``web/streaming.py``). An app that does not serve
    the contract has no such address.
    """
    in_query = method == "GET" or operation.in_query
    read = bodies.read_query if in_query else bodies.read_form if operation.form else bodies.read

    @wraps(view)
    def endpoint(**arguments: Any) -> Response:
        if operation.spends_codes and request.method != method:
            raise MethodNotAllowed("a HEAD would spend the code", allow=method)
        arguments |= _enter(operation)
        if operation.fields is not None:
            arguments["body"] = read(operation.fields)
        # Last of all: whatever else is wrong with a request costs no code.
        if operation.wants_step_up(arguments):
            guards.step_up(arguments["caller"])
        answer = view(**arguments)
        return answer if isinstance(answer, Response) else bodies.write(answer, operation.status)

    setattr(endpoint, _ATTRIBUTE, operation)
    _record(blueprint, method, rule, operation, endpoint)


def _record(
    blueprint: Blueprint, method: str, rule: str, operation: Operation, endpoint: Callable[..., Response]
) -> None:
    name = f"{operation.contract.name}:{method}:{rule}".replace(".", "_")

    def register(state: BlueprintSetupState) -> None:
        if contracts.is_on(operation.contract, state.app):
            state.add_url_rule(rule, name, endpoint, methods=[method])

    blueprint.record(register)


def _enter(operation: Operation) -> dict[str, Any]:
    """Count the request, and let in whom the route is for: those are the view's ``caller`` and ``service``."""
    ratelimits.at_the_door(operation.limited, knows_callers=operation.knows_callers)
    known: dict[str, Any] = {}
    if operation.guarded:
        known["caller"] = guards.caller(operation.limited)
    if operation.scope is not None:
        known["service"] = guards.client(operation.scope, operation.limited)
    return known


def operation_of(endpoint: str | None) -> Operation | None:
    """Return what was declared for an endpoint, if anything was."""
    found: Operation | None = getattr(current_app.view_functions.get(endpoint or ""), _ATTRIBUTE, None)
    return found
