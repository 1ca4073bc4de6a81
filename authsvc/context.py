"""What belongs to the request at hand and is wanted where no request is: in log lines and audit events."""

from contextvars import ContextVar

# Set by the web room; empty on the command line.
request_id: ContextVar[str] = ContextVar("request_id", default="")
