"""The first page of the console."""

from flask import Response

from authsvc.values.operator import SignedInOperator
from authsvc.web.routes.console import frame
from authsvc.web.routes.console.operations import add_page

home = frame.blueprint("home")


def _home(operator: SignedInOperator) -> Response:
    return frame.page("home.html", operator=operator)


add_page(home, "", _home, "The first page of the console")
