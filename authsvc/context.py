"""Data of the current request that log lines and audit events need outside of the web room."""

from contextvars import ContextVar

# Where the web room leaves, in the WSGI environment, what the access log says of a request.
ROUTE, CONTRACT = "authsvc.route", "authsvc.contract"
# Set by the web room when a request arrives; empty on the command line, and between the requests of a connection.
request_id: ContextVar[str] = ContextVar("request_id", default="")
# The AppID, as soon as the request's mini program is known.
appid: ContextVar[str] = ContextVar("appid", default="")


def clear() -> None:
    """Forget the request. A connection's next one may be refused before it has an id."""
    request_id.set("")
    appid.set("")
