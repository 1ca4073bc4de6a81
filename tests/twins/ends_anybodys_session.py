"""Ending a session by its id alone, whoever asks: the classic of reaching for another's things."""

from authsvc.app import create_app
from authsvc.db import sessions
from authsvc.db.statements import Statement

sessions._END = Statement(
    "UPDATE sessions SET revoked_at = :now, revoke_reason = :reason WHERE id = :id AND revoked_at IS NULL"
)
app = create_app()
