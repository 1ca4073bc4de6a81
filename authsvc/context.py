"""Data of the current request, or command, that is needed outside of its room."""

from contextvars import ContextVar

# Where the web room leaves, in the WSGI environment, what the access log says of a request.
ROUTE, CONTRACT = "authsvc.route", "authsvc.contract"
# Set by the web room when a request arrives; empty on the command line, and between the requests of a connection.
request_id: ContextVar[str] = ContextVar("request_id", default="")
# The AppID, as soon as the request's mini program is known.
appid: ContextVar[str] = ContextVar("appid", default="")
# Set while a command of ours runs: what concerns the operator is its output, and does not belong in its log too.
is_command: ContextVar[bool] = ContextVar("is_command", default=False)


def clear() -> None:
    """Forget the request. A connection's next one may be refused before it has an id."""
    request_id.set("")
    appid.set("")
