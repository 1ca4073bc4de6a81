"""Signs messages as the Standard Webhooks specification says (version 1, symmetric), with its own library.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from standardwebhooks import Webhook

_PREFIX = "whsec_"
# The specification asks for 24 to 64 bytes.
_SECRET_BYTES = 32


def new_secret() -> str:
    """Return a random secret as the specification writes it: ``whsec_`` and 44 characters of base64."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def headers(message_id: str, now: int, body: str, keys: Iterable[str]) -> dict[str, str]:
    """Return the headers of a message that was sent at ``now`` (seconds UTC), with a signature by each secret."""
    moment = datetime.fromtimestamp(now, UTC)
    signatures = [Webhook(key).sign(msg_id=message_id, timestamp=moment, data=body) for key in keys]
    return {"webhook-id": message_id, "webhook-timestamp": str(now), "webhook-signature": " ".join(signatures)}
