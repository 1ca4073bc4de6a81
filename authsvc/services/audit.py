"""Security-relevant changes, one event each. Never a login per line, never an openid, phone number or token."""

import logging

from sqlalchemy import Connection

from authsvc.context import request_id
from authsvc.db import auditevents

logger = logging.getLogger(__name__)


def record(connection: Connection, event: str, user_id: int | None, now: int, detail: str = "") -> None:
    """Store an event in the transaction of the change it tells of, and log it."""
    auditevents.insert(connection, event, user_id, detail=detail, request_id=request_id.get()[:64], now=now)
    logger.info("audit: %s user=%s %s", event, user_id, detail)
