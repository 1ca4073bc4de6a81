"""Data of the current request that log lines and audit events need outside of the web room."""

from contextvars import ContextVar

# Set by the web room; empty on the command line.
request_id: ContextVar[str] = ContextVar("request_id", default="")
