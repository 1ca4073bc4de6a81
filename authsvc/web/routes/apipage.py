"""The page that shows the API document. It loads nothing from elsewhere. ``API_PAGE`` turns it on or off."""

from pathlib import Path

from flask import Blueprint, Response, render_template, send_from_directory

from authsvc.web.contracts.native import NATIVE
from authsvc.web.routing import Operation, View, add
from authsvc.web.who import PUBLIC

_WEB = Path(__file__).parents[1]
_STATIC = _WEB / "static" / "apipage"
apipage = Blueprint("apipage", __name__, url_prefix="/docs", template_folder=str(_WEB / "templates"))

# Nothing from elsewhere, and no framing. swagger-ui sets styles in elements, and draws with data: URLs.
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _page() -> Response:
    """Return the page."""
    response = Response(render_template("apipage.html"))
    response.headers["Content-Security-Policy"] = _CSP
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _part(name: str) -> Response:
    """Return style or script of the page; browsers revalidate it each time."""
    return send_from_directory(_STATIC, name)


def _add(rule: str, view: View, summary: str, media: str) -> None:
    operation = Operation(
        NATIVE, PUBLIC, summary, {"type": "string"}, tag="discovery", media=media, limited="read", may_be_off=True
    )
    add(apipage, "GET", rule, operation, view)


_add("", _page, "This document as a page", "text/html")
_add("/<file:name>", _part, "Style and script of that page", "text/*")
