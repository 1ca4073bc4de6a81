"""What a JWT looks like before anybody decodes it: one spelling only.

The verifier says the same in its own ``compact.py``: it is installed without us. A test holds the two together.
"""

import base64
import re

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")


def is_compact(text: str, most: int) -> bool:
    """True for three parts of canonical base64url, at most so many characters together."""
    return len(text) <= most and _COMPACT.match(text) is not None and all(map(_is_canonical, text.split(".")))


def _is_canonical(part: str) -> bool:
    """Decoders ignore the spare bits of the last character; a token has one spelling only."""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return False
    return base64.urlsafe_b64encode(raw).rstrip(b"=") == part.encode()
