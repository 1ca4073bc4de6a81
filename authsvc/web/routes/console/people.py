"""The pages about people: finding them, one person, and what an operator may do about them."""

import re
from collections.abc import Callable
from typing import Any

from flask import Response
from marshmallow import Schema

from authsvc.services.operator.userfiles import MOST_FOUND, SEARCH_CHARACTERS
from authsvc.values.operator import REASON, REASON_CHARACTERS, OperatorRole, SignedInOperator
from authsvc.web.access import services
from authsvc.web.routes.console import frame
from authsvc.web.routes.console.operations import add_act, add_page
from authsvc.web.schemas import NUMBER, Body, Text

people = frame.blueprint("people")

MOST_EVENTS = 100
_MOST_CODES = 10


class _Found(Body):
    search = Text(1000)
    done = Text(20, re.compile(r"erased\Z"))


class _Search(Body):
    q = Text(SEARCH_CHARACTERS, load_default="")


class _Notice(Body):
    done = Text(20, re.compile(r"(?:disabled|enabled|logged_out|session_ended|merged|not_confirmed)\Z"))


class _Erasure(Body):
    typed = Text(18, load_default="")


class _Merge(_Erasure):
    into = Text(18, NUMBER, required=True)
    reason = Text(REASON_CHARACTERS, REASON, required=True)


def _people(operator: SignedInOperator, body: dict[str, Any]) -> Response:
    """Return the form for a search, and those whom one finds that was sealed here."""
    q = services().searches.open(body.get("search", ""))
    found = [] if q is None else services().user_files.search(q)
    return frame.page("people.html", operator=operator, q=q, found=found, most=MOST_FOUND, done=body.get("done"))


def _search(operator: SignedInOperator, body: dict[str, Any]) -> Response:
    """Lead to the page with those who are found; the address does not say what was searched."""
    q = body["q"].strip()
    return frame.redirect(f"/people?search={services().searches.seal(q)}" if q else "/people")


def _show(operator: SignedInOperator, user_id: int, body: dict[str, Any]) -> Response:
    use = services()
    file = use.user_files.show(user_id)
    codes = use.campaigns.first(_MOST_CODES, owner_id=user_id)
    events = use.users.events(user_id=user_id, openid=None, event=None, since=0, limit=MOST_EVENTS)
    return frame.page(
        "person.html",
        operator=operator,
        done=body.get("done"),
        file=file,
        person=file.summary,
        invited_at=use.invites.invited_at(user_id),
        codes=[(code, use.campaigns.fault(code)) for code in codes],
        most_codes=_MOST_CODES,
        names={app.appid: app.name for app in map(use.apps.get, use.apps.ids())},
        sessions=use.users.sessions(user_id),
        sign_ins=use.user_files.sign_ins(user_id),
        events=events[::-1],
        most_events=MOST_EVENTS,
    )


def _disable(operator: SignedInOperator, user_id: int) -> Response:
    services().users.disable(user_id, by=operator.name)
    return _back(user_id, "disabled")


def _enable(operator: SignedInOperator, user_id: int) -> Response:
    services().users.enable(user_id, by=operator.name)
    return _back(user_id, "enabled")


def _log_out(operator: SignedInOperator, user_id: int) -> Response:
    services().users.log_out(user_id, by=operator.name)
    return _back(user_id, "logged_out")


def _end_session(operator: SignedInOperator, user_id: int, session_id: str) -> Response:
    services().users.end_session(user_id, session_id, by=operator.name)
    return _back(user_id, "session_ended")


def _merge(operator: SignedInOperator, user_id: int, body: dict[str, Any]) -> Response:
    if body["typed"] != str(user_id):
        return _back(user_id, "not_confirmed")
    services().merges.merge(user_id, int(body["into"]), body["reason"], by=operator.name)
    return _back(int(body["into"]), "merged")


def _erase(operator: SignedInOperator, user_id: int, body: dict[str, Any]) -> Response:
    if body["typed"] != str(user_id):
        return _back(user_id, "not_confirmed")
    services().erasures.erase(user_id, by=operator.name)
    return frame.redirect("/people?done=erased")


def _back(user_id: int, done: str) -> Response:
    """Lead back to a user's page, which says what was done."""
    return frame.redirect(f"/people/{user_id}?done={done}")


def _add_act(
    name: str, view: Callable[..., Response], summary: str, role: OperatorRole, fields: Schema | None = None
) -> None:
    add_act(people, f"/people/<row:user_id>/{name}", view, summary, role, fields)


add_page(people, "/people", _people, "People who were found", fields=_Found())
add_act(people, "/people", _search, "Find people", "read", _Search())
add_page(people, "/people/<row:user_id>", _show, "One person", fields=_Notice())
_add_act("disable", _disable, "Disable a user", "support")
_add_act("enable", _enable, "Enable a user", "support")
_add_act("log-out", _log_out, "End all sessions of a user", "support")
_add_act("sessions/<session:session_id>/end", _end_session, "End one session of a user", "support")
_add_act("merge", _merge, "Merge a user into another", "owner", _Merge())
_add_act("erase", _erase, "Erase a user", "owner", _Erasure())
