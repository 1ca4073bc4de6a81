"""The page about operators: who may enter the console, and when they last did."""

from flask import Response

from authsvc.values.operator import SignedInOperator
from authsvc.web.access import services
from authsvc.web.routes.console import frame
from authsvc.web.routes.console.operations import add_page

operators = frame.blueprint("operators")


def _operators(operator: SignedInOperator) -> Response:
    return frame.page("operators.html", operator=operator, operators=services().operators.list_all())


add_page(operators, "/operators", _operators, "Who may enter the console", "owner")
