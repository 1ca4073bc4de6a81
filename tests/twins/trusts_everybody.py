"""Ending a session by its id alone, and taking any fresh code for the person's: reaching for another's things."""

from authsvc.app import create_app
from authsvc.db.queries import sessions
from authsvc.db.statements import Statement
from authsvc.services.sessions import stepup
from authsvc.services.sessions.stepup import StepUp
from authsvc.values.sessions import Caller

sessions._END = Statement(
    "UPDATE sessions SET revoked_at = :now, revoke_reason = :reason WHERE id = :id AND revoked_at IS NULL"
)


def _prove(self: StepUp, caller: Caller, code: str) -> None:
    self._login_codes.exchange(self._login_codes.app(caller.session.appid), code)


stepup.StepUp.prove = _prove
app = create_app()
