"""How pages of the console and their forms are declared."""

from flask import Blueprint
from marshmallow import Schema

from authsvc.values.operator import OperatorRole
from authsvc.web.contracts.console import CONSOLE
from authsvc.web.routing import Operation, View, add
from authsvc.web.who import Operator, Who

_PAGE = {"type": "string"}


def add_page(
    blueprint: Blueprint,
    rule: str,
    view: View,
    summary: str,
    role: OperatorRole = "read",
    fields: Schema | None = None,
    media: str = "text/html",
) -> None:
    """Add a page for operators with this role; ``fields`` come from its query. The view gets the ``operator``."""
    _add(blueprint, "GET", rule, view, summary, Operator(role, page=True), fields, media)


def add_act(
    blueprint: Blueprint, rule: str, view: View, summary: str, role: OperatorRole, fields: Schema | None = None
) -> None:
    """Add what a form of a page does; its ``fields`` are in the form, beside ``csrf``. Answer with a redirect."""
    _add(blueprint, "POST", rule, view, summary, Operator(role, page=True), fields, "text/html")


def _add(
    blueprint: Blueprint,
    method: str,
    rule: str,
    view: View,
    summary: str,
    who: Who,
    fields: Schema | None,
    media: str,
) -> None:
    operation = Operation(
        CONSOLE,
        who,
        summary,
        _PAGE,
        fields=fields,
        form=method == "POST",
        tag="console",
        media=media,
        limited="operator",
        may_be_off=True,
    )
    add(blueprint, method, rule, operation, view)
