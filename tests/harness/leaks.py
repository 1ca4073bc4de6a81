"""The scan for leaked secrets: every marked value, in every spelling it could take, in everything a run wrote."""

import base64
import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

# The scan looks at every fourth place of a file for eight bytes that begin in one of a spelling's first four.
_STRIDE = 4
_WINDOW = 8
# Shorter spellings would be found by chance, and not by this scan.
_LEAST = _WINDOW + _STRIDE - 1


def spellings(secret: str) -> set[bytes]:
    """Return the forms in which a secret may turn up in a file."""
    forms = _forms_of(secret.encode())
    for text in (secret, json.dumps(secret)[1:-1], secret.replace("/", "\\/")):
        quoted = quote(text, safe="")
        forms |= {text.encode(), text.replace("\\", "\\\\").encode(), quoted.encode(), quoted.lower().encode()}
        forms |= {quote(quoted, safe="").encode(), quote(secret, safe="/").encode()}
    if secret.endswith("="):  # a session_key is base64 text: its bytes must not show either
        forms |= _forms_of(base64.b64decode(secret))
    return {form for form in forms if len(form) >= _LEAST}


def _forms_of(raw: bytes) -> set[bytes]:
    forms = {raw.hex().encode(), raw.hex().upper().encode()}
    # Base64 of a text that starts anywhere in a block of three: compare the part no neighbour can change.
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + raw)
        inner = whole[(shift * 8 + 5) // 6 : (shift + len(raw)) * 8 // 6]
        forms |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_"), inner.replace(b"/", b"\\/")}
    return forms


class Canaries:
    """Secrets of one run, by the place in which they may not appear."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._never: dict[str, str] = {}
        self._not_in_logs: dict[str, str] = {}

    def never(self, name: str, secret: str) -> str:
        """Note a secret that may appear in no log, in no answer and in no database of ours."""
        with self._lock:
            self._never[secret] = name
        return secret

    def not_in_logs(self, name: str, secret: str) -> str:
        """Note a value that its owner may get in an answer, but that no log may hold."""
        with self._lock:
            self._not_in_logs[secret] = name
        return secret

    def hits(self, logs: Iterable[Path], elsewhere: Iterable[Path]) -> list[str]:
        """Return "name in file" for every secret found where it must not be."""
        in_logs, everywhere = _Scan({**self._not_in_logs, **self._never}), _Scan(self._never)
        return [*in_logs.hits(logs), *everywhere.hits(elsewhere)]


def written_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return what a run has written there: logs, and everything else that must hold no secret.

    Left out is whatever is there to hold one: keys, settings, what the simulator and Redis keep for themselves.
    """
    files = [path for path in folder.rglob("*") if path.is_file() and not _holds_secrets(path.relative_to(folder))]
    logs = [path for path in files if path.suffix == ".log"]
    return logs, [path for path in files if path.suffix != ".log"]


def _holds_secrets(path: Path) -> bool:
    is_setting = path.suffix == ".toml" or path.name == ".env" or path.parent.name == "keys"
    return is_setting or path.name == "simulator.txt" or any("redis" in part for part in path.parts)


class _Scan:
    """Looks for all spellings of many secrets in one pass over each file."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._windows: dict[bytes, list[tuple[int, bytes, str]]] = defaultdict(list)
        for secret, name in secrets.items():
            for form in spellings(secret):
                self._add(form, name)

    def _add(self, form: bytes, name: str) -> None:
        for shift in range(_STRIDE):
            self._windows[form[shift : shift + _WINDOW]].append((shift, form, name))

    def hits(self, files: Iterable[Path]) -> list[str]:
        return [f"{name} in {file.parent.name}/{file.name}" for file in files for name in self._names(file)]

    def _names(self, file: Path) -> set[str]:
        try:
            content = file.read_bytes()
        except FileNotFoundError:  # SQLite takes its -wal and -shm away with the last connection
            return set()
        found = set()
        for place in range(0, len(content), _STRIDE):
            for shift, form, name in self._windows.get(content[place : place + _WINDOW], ()):
                if content.startswith(form, max(0, place - shift)):
                    found.add(name)
        return found
