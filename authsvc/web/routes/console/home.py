"""The first page of the console: finding people, and who registered; and the style of all pages."""

from pathlib import Path

from flask import Response, send_from_directory

from authsvc.values.operator import SignedInOperator
from authsvc.web.access import services
from authsvc.web.contracts.console import CONSOLE
from authsvc.web.routes.console import drawings, frame
from authsvc.web.routes.console.operations import add_page
from authsvc.web.routing import Operation, add
from authsvc.web.who import PUBLIC

home = frame.blueprint("home")
_STATIC = Path(__file__).parents[2] / "static" / "console"


def _home(operator: SignedInOperator) -> Response:
    readings, words = services().readings, frame.words()
    sign_ups, uses = readings.sign_ups(), readings.uses()
    return frame.page(
        "home.html",
        operator=operator,
        sign_ups=sign_ups,
        sign_ups_chart=drawings.by_day(
            sign_ups, name="sign-ups", title=words["sign_ups"], description=words["sign_ups_what"]
        ),
        uses=uses,
        uses_chart=drawings.by_day(uses, name="uses", title=words["uses"], description=words["uses_what"]),
    )


def _style() -> Response:
    """Return the style of the pages; browsers revalidate it each time."""
    return send_from_directory(_STATIC, "console.css")


_STYLE = Operation(
    CONSOLE,
    PUBLIC,
    "The style of the console's pages",
    {"type": "string"},
    tag="console",
    media="text/css",
    limited="read",
    may_be_off=True,
)
add_page(home, "", _home, "The first page of the console")
add(home, "GET", "/console.css", _STYLE, _style)
