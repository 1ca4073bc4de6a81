"""What an invite code looks like: short enough for a mini-program code, and readable from paper.

WeChat gives a scene 32 characters (getUnlimitedQRCode), of which ``invite_code=`` takes 12.
"""

import re
import secrets

MAX_CHARS = 20
# What is accepted, also of codes that were made elsewhere. Case counts.
PATTERN = re.compile(r"[A-Za-z0-9_-]{1,20}\Z")
# One case only, without 0 O Q, 1 I L, 2 Z, 5 S, 8 B, 6 G, U V: none is taken for another when read or typed.
ALPHABET = "34679ACDEFHJKMNPRTVWXY"


def draw(prefix: str, length: int) -> str:
    """Return a code of ``prefix`` and ``length`` random characters (4.4 bits each), at most 20 in all."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))
