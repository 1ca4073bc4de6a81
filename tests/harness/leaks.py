"""The scan for leaked secrets: every marked value, in every spelling it could take, in everything a run wrote."""

import base64
import json
import threading
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote


def spellings(secret: str) -> set[bytes]:
    """Return the forms in which a secret may turn up in a file."""
    raw = secret.encode()
    forms = {raw, raw.hex().encode(), quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode()}
    forms.add(secret.replace("/", "\\/").encode())
    # Base64 of a text that starts anywhere in a block of three: compare the part no neighbour can change.
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + raw)
        inner = whole[(shift * 8 + 5) // 6 : len(raw) * 8 // 6]
        forms |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return {form for form in forms if len(form) >= 8}


class Canaries:
    """Secrets of one run, by the place in which they may not appear."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._never: dict[str, str] = {}
        self._not_in_logs: dict[str, str] = {}

    def never(self, name: str, secret: str) -> str:
        """Note a secret that may appear in no log and in no answer of ours."""
        with self._lock:
            self._never[secret] = name
        return secret

    def not_in_logs(self, name: str, secret: str) -> str:
        """Note a value that its owner may get in an answer, but that no log may hold."""
        with self._lock:
            self._not_in_logs[secret] = name
        return secret

    def hits(self, logs: Iterable[Path], answers: Iterable[Path]) -> list[str]:
        """Return "name in file" for every secret found where it must not be."""
        in_logs = {**self._not_in_logs, **self._never}
        return [*_hits(in_logs, logs), *_hits(self._never, answers)]


def _hits(secrets: dict[str, str], files: Iterable[Path]) -> list[str]:
    found = []
    for file in files:
        content = file.read_bytes()
        for secret, name in secrets.items():
            if any(form in content for form in spellings(secret)):
                found.append(f"{name} in {file.name}")
    return found
