"""WeChat's identifiers, in their observed forms (WeChat documents none of them).

openid and unionid are derived from names, so that a database from one run fits the next one. Keys and codes are
random.
"""

import base64
import hashlib
import secrets
import string

_ALPHANUMERIC = (string.ascii_letters + string.digits).encode()
# Maps any byte to an alphanumeric. The small bias does not matter in a simulator, but speed does.
_TO_ALPHANUMERIC = bytes(_ALPHANUMERIC[value % len(_ALPHANUMERIC)] for value in range(256))


def openid_for(appid: str, user: str) -> str:
    """Return the user's openid in one app: 28 characters, ``o`` first, ``[A-Za-z0-9_-]``."""
    return _derived_id("openid", appid, user)


def unionid_for(group: str, user: str) -> str:
    """Return the user's unionid in one Open Platform account: the same shape as an openid."""
    return _derived_id("unionid", group, user)


def new_session_key() -> str:
    """Return a session_key: standard base64 of 16 bytes, 24 characters ending in ``==``."""
    return base64.b64encode(secrets.token_bytes(16)).decode()


def new_login_code() -> str:
    """Return a ``wx.login`` code: 32 alphanumerics, a zero first as in captures."""
    return "0" + secrets.token_bytes(31).translate(_TO_ALPHANUMERIC).decode()


def new_phone_code() -> str:
    """Return a phone-button code: 64 lowercase hex digits (getPhoneNumber page)."""
    return secrets.token_hex(32)


def new_access_token() -> str:
    """Return an access_token: digits, ``_``, then ``[A-Za-z0-9_-]``; 136 characters as in a sample of 2023."""
    return f"{70 + secrets.randbelow(30)}_{secrets.token_urlsafe(100)[:133]}"


def new_rid(now: float) -> str:
    """Return a request id: three groups of 8 hex digits, the first is the Unix time (rid query page)."""
    return f"{int(now) & 0xFFFFFFFF:08x}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"


def new_hint() -> str:
    """Return the opaque text of ``hint: […]``: 16 characters with a dash in the middle."""
    letters = secrets.token_bytes(15).translate(_TO_ALPHANUMERIC).decode()
    return f"{letters[:8]}-{letters[8:]}"


def number_from(*names: str) -> int:
    """Return a number that depends only on ``names``: the seed of an invented profile or phone."""
    return int.from_bytes(hashlib.sha256("\x00".join(names).encode()).digest()[:8])


def _derived_id(*names: str) -> str:
    digest = hashlib.sha256("\x00".join(names).encode()).digest()
    return "o" + base64.urlsafe_b64encode(digest).decode()[:27]
