"""The door: every route is declared here, its declaration is enforced, and the documentation is generated from it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from flask.sansio.blueprints import BlueprintSetupState
from marshmallow import Schema

from authsvc.errors import MethodNotAllowed
from authsvc.values.limits import LimitedKind
from authsvc.web import bodies, contracts, guards
from authsvc.web.contracts.shape import Contract
from authsvc.web.who import PERSON, Public, Who

View = Callable[..., Mapping[str, Any] | Response]
# Whether a request needs step-up, by the arguments of its view.
StepUp = bool | Callable[[Mapping[str, Any]], bool]
_ATTRIBUTE = "authsvc_operation"


class UndeclaredRoute(Exception):
    """A route does not declare who may enter; the text names it."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: its shape, who may enter, its summary, and its answer (None: an empty body).

    ``fields`` are passed as ``body``: from the query of a GET (or with ``in_query``), from a form with ``form``, and
    otherwise from the JSON body. ``retryable`` routes accept an Idempotency-Key. ``also`` lists further statuses with
    the same answer. ``limited`` names the rate limits (``web/ratelimits.py``), which every route has. ``step_up``
    routes need a fresh code of ``wx.login`` in addition to the token: always, or depending on the view's arguments.

    Only for the documentation: ``refuses`` lists statuses that the declaration does not imply, ``body`` describes what
    the view reads by itself, by media type, ``reads`` names what it reads from the query, and a route that
    ``may_be_off`` is then a 404. An answer that ``is_page_too`` is a page for browsers.
    """

    contract: Contract
    who: Who
    summary: str
    answer: Schema | Mapping[str, Any] | None
    fields: Schema | None = None
    in_query: bool = False
    form: bool = False
    retryable: bool = False
    status: int = 200
    tag: str = "auth"
    also: tuple[int, ...] = ()
    media: str = "application/json"
    limited: LimitedKind = "request"
    step_up: StepUp = False
    refuses: tuple[int, ...] = ()
    body: Mapping[str, Any] | None = None
    reads: tuple[str, ...] = ()
    may_be_off: bool = False
    is_page_too: bool = False

    def __post_init__(self) -> None:
        if self.step_up and self.who != PERSON:
            raise ValueError(f"{self.summary}: step-up is for a person")

    @property
    def asks_who(self) -> bool:
        """True if every caller needs a credential."""
        return not isinstance(self.who, Public)

    @property
    def spends_codes(self) -> bool:
        """True if a request may use up a code of WeChat."""
        return self.retryable or bool(self.step_up)

    def wants_step_up(self, arguments: Mapping[str, Any]) -> bool:
        """Tell whether a request with these view arguments needs more than a token."""
        return self.step_up(arguments) if callable(self.step_up) else self.step_up

    def reads_query(self, method: str) -> bool:
        """Tell whether the fields are in the query of a request with this method."""
        return method == "GET" or self.in_query


def add(blueprint: Blueprint, methods: str, rule: str, operation: Operation, view: View) -> None:
    """Put ``view`` on ``blueprint``, behind the door, for one or more methods separated by blanks.

    The view gets the arguments that ``who.py`` describes, the ``body`` if there are fields, and the parameters of the
    rule. It returns the JSON to answer, or a response object. An app that does not serve the contract has no such
    route.
    """
    accepted = methods.split()
    read = _reader(operation, methods)

    @wraps(view)
    def endpoint(**arguments: Any) -> Response:
        if operation.spends_codes and request.method not in accepted:
            raise MethodNotAllowed("a HEAD would use up the code", allow=", ".join(accepted))
        arguments |= guards.enter(operation.who, operation.limited)
        if operation.fields is not None:
            arguments["body"] = read(operation.fields)
        # The last check, so that no other error uses up a code.
        if operation.wants_step_up(arguments):
            guards.step_up(arguments["caller"])
        answer = view(**arguments)
        return answer if isinstance(answer, Response) else bodies.write(answer, operation.status)

    setattr(endpoint, _ATTRIBUTE, operation)
    name = f"{operation.contract.name}:{methods}:{rule}".replace(".", "_")

    def register(state: BlueprintSetupState) -> None:
        if contracts.is_on(operation.contract, state.app):
            state.add_url_rule(rule, name, endpoint, methods=accepted)

    blueprint.record(register)


def _reader(operation: Operation, methods: str) -> Callable[[Schema], dict[str, Any]]:
    if operation.reads_query(methods):
        return bodies.read_query
    return bodies.read_form if operation.form else bodies.read


def refuse_undeclared(app: Flask) -> None:
    """Raise UndeclaredRoute if a route of ``app`` was not added with ``add``."""
    undeclared = {rule.rule for rule in app.url_map.iter_rules() if _operation(app, rule.endpoint) is None}
    if undeclared:
        raise UndeclaredRoute(
            f"{', '.join(sorted(undeclared))}: not declared who may enter; add the route with add of web/routing.py"
        )


def operation_of(endpoint: str | None) -> Operation | None:
    """Return the declaration of an endpoint of the current app, if it exists."""
    return _operation(current_app, endpoint)


def declared(app: Flask) -> Iterator[tuple[str, str, Operation]]:
    """Yield method, path (``/me/{id}``) and declaration of every route of ``app``."""
    for rule in app.url_map.iter_rules():
        operation = _operation(app, rule.endpoint)
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if operation is not None:
                yield method, path, operation


def _operation(app: Flask, endpoint: str | None) -> Operation | None:
    found: Operation | None = getattr(app.view_functions.get(endpoint or ""), _ATTRIBUTE, None)
    return found
