"""The signing keys: readable, private, one signing, none forgotten half-way through a change."""

import time
from collections.abc import Iterator

from authsvc.clock import DAY
from authsvc.doctor.case import Case
from authsvc.doctor.findings import COMMAND, Line, ok, warning, wrong
from authsvc.signing.keyset import BadKeys, Key

# A signing key that is older should be changed; a step of a change that waits longer has probably been forgotten.
_OLD_DAYS = 730
_WAITING_DAYS = 7
_FORMER_DAYS = 45


def usable(case: Case) -> Iterator[Line]:
    """Yield whether the keys can sign."""
    source = case.key_source
    try:
        case.keys = source.load()
    except BadKeys as problem:
        says = str(problem)
        yield wrong(says.partition(" (run:")[0].partition("; run:")[0], _remedy(says, str(source.path)))
        return
    kept = f"{source.path}, mode 0600" if source.path and source.pem is None else "JWT_PRIVATE_KEY"
    yield ok(f"{case.keys.signing_kid} signs; {len(case.keys.keys)} published ({kept})")


def _remedy(says: str, path: str) -> str:
    if "missing" in says:
        return f"run: {COMMAND} init, or restore the file from a backup if tokens have been issued"
    if "readable by others" in says:
        return f"run: chmod 600 {path}; if others may have read it, change the key (docs/keys.md)"
    if "JWT_PRIVATE_KEY" in says:
        return "set it to a P-256 private key in PEM, or remove it to use the key file"
    return "restore the file from a backup; its owner must be the user of the service"


def ages(case: Case) -> Iterator[Line]:
    """Yield each key with its state and age."""
    for key in case.keys.keys if case.keys else ():
        yield _aged(key, (time.time() - key.since) / DAY if key.since else None)


def _aged(key: Key, days: float | None) -> Line:
    if days is None:
        return ok(f"{key.kid}: {key.state}, of unknown age")
    says = f"{key.kid}: {key.state} for {days:.0f} days"
    if days < -1:
        return warning(f"{key.kid}: {key.state} since a time in the future", "correct the clock of this machine")
    if key.state == "signing" and days > _OLD_DAYS:
        return warning(says, f"change the key: {COMMAND} keys new, then docs/keys.md")
    if key.state == "published" and days > _WAITING_DAYS:
        return warning(f"{says}, and does not sign yet", f"run: {COMMAND} keys activate")
    if key.state == "former" and days > _FORMER_DAYS:
        return warning(f"{says}, and none of its tokens is in use", f"run: {COMMAND} keys retire")
    return ok(says)
