"""Opening encrypted data as it is often written: under the session_key that this very login has got, and no other."""

from authsvc.app import create_app
from authsvc.db.queries.identities import Identity
from authsvc.services.miniprograms.sessionkeys import SessionKeys


def _hold_nothing(_keys: SessionKeys, _identity: Identity, _now: int) -> list[str]:
    return []


SessionKeys.held = _hold_nothing  # type: ignore[method-assign]
app = create_app()
