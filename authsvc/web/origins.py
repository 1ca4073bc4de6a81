"""Which page a browser's request comes from: the headers that no page can forge.

``Origin`` comes with every write of a page, and ``Sec-Fetch-Site`` with every request of a current browser. Programs
send neither.
"""

from flask import current_app, request

from authsvc.errors import ForeignPage

# The key under which the app stores its own origin.
EXTENSION = "authsvc-origin"
_ORIGIN = "Origin"
_SITE = "Sec-Fetch-Site"


def refuse_other_sites() -> None:
    """Raise ForeignPage unless a page of our own origin sends the request."""
    if request.headers.get(_ORIGIN) != current_app.extensions[EXTENSION]:
        raise ForeignPage("not from our origin")
    if request.headers.get(_SITE, "same-origin") != "same-origin":
        raise ForeignPage("not from the same origin, says the browser")


def refuse_pages() -> None:
    """Raise ForeignPage if any page sends the request: it is for programs."""
    if _ORIGIN in request.headers or request.headers.get(_SITE, "none") not in ("none", "same-origin"):
        raise ForeignPage("from a page")
