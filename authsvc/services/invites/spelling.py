"""The form of invite codes: short enough for a mini-program code, and readable on paper.

WeChat gives a scene 32 characters (getUnlimitedQRCode), of which ``invite_code=`` takes 12.
"""

import re
import secrets

MAX_CHARS = 20
# The accepted form, also for codes that were created elsewhere. Codes are case-sensitive.
PATTERN = re.compile(r"[A-Za-z0-9_-]{1,20}\Z")
# One case only, without 0 O Q, 1 I L, 2 Z, 5 S, 8 B, 6 G, U V, so that no character is mistaken for another.
ALPHABET = "34679ACDEFHJKMNPRTVWXY"


def draw(prefix: str, length: int) -> str:
    """Return a code of ``prefix`` and ``length`` random characters (4.4 bits each), at most 20 in total."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))
