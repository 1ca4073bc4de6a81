"""The life of a signing key: published, then signing, then former, then removed.

There is a wait between two steps, so that no verifier ever gets a token with an unknown key: a new key is published for
as long as others may cache the key set before it signs, and a former one stays until none of its tokens is in use.
"""

from dataclasses import dataclass
from typing import Any

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import audit_events
from authsvc.errors import DatabaseUnusable, ServiceBusy
from authsvc.services.audit import AuditLog
from authsvc.signing.keyfile import Change, change_key_file, new_key
from authsvc.signing.keyring import LOOK_SECONDS, KeyRing
from authsvc.signing.keyset import Key, KeyState
from authsvc.values.operator import Incomplete, Refused


class KeyRefusal(Refused):
    """A step was refused; the text says why. ``ready_at`` is when it is possible (seconds UTC), if waiting helps."""

    def __init__(self, reason: str, ready_at: int | None = None) -> None:
        super().__init__(reason)
        self.ready_at = ready_at
        self.will_pass = ready_at is not None


@dataclass(frozen=True, slots=True)
class Step:
    """The next step for a key, none for the one that signs; ``ready_at`` is seconds UTC, 0 for now."""

    key: Key
    action: str
    ready_at: int


_NEXT: dict[KeyState, str] = {"published": "activate", "signing": "", "former": "retire"}


class SigningKeys:
    """Lists and changes the keys. ``max_age`` is how long others may cache the key set, in seconds.

    Every change raises KeyRefusal, BadKeys, OSError, ServiceBusy or DatabaseUnusable if nothing was changed, and
    Incomplete if the step was taken, but its audit event could not be stored. ``at_once`` does not wait for the
    database.
    """

    def __init__(
        self,
        ring: KeyRing,
        database: Database,
        audit: AuditLog,
        clock: SystemClock,
        *,
        max_age: int,
        longest_token: int,
    ) -> None:
        """``longest_token`` is how long a token may be in use, in seconds."""
        self.max_age = max_age
        self._ring = ring
        self._database = database
        self._audit = audit
        self._clock = clock
        self._waits = {"activate": max_age + LOOK_SECONDS, "retire": longest_token + LOOK_SECONDS}

    def published(self) -> dict[str, Any]:
        """Return the key set (RFC 7517), public members only."""
        return self._ring.current().jwks

    def list_all(self) -> list[Step]:
        """Return every key with its next step."""
        return [self._next_step(key) for key in self._ring.current().keys]

    def add(self, *, at_once: bool = False) -> str:
        """Create a key and publish it; return its ``kid``."""
        made = new_key(self._clock.seconds())
        self._change("key_new", made.kid, lambda keys: [*keys, made], at_once)
        return made.kid

    def activate(self, kid: str | None, *, at_once: bool = False) -> str:
        """Sign with this key from now on; the previous one stays published; return the whole ``kid``.

        ``kid`` may be the beginning of one, or None for the only waiting key. Raises KeyRefusal; unless ``at_once``,
        also for a key that some verifier may not have seen yet.
        """
        chosen = self._choose(kid, "published")
        now = self._clock.seconds()

        def moved(key: Key) -> Key:
            if key.kid == chosen:
                return Key("signing", now, key.key)
            return Key("former", now, key.key) if key.state == "signing" else key

        def change(keys: tuple[Key, ...]) -> list[Key]:
            key = _find(keys, chosen)
            if key.state == "signing":
                raise KeyRefusal(f"{chosen} already signs")
            # A former key has always been published.
            if key.state == "published" and not at_once:
                self._refuse_early(key, "some verifiers may not have seen it yet")
            return [moved(key) for key in keys]

        self._change("key_activate", chosen, change, at_once)
        return chosen

    def retire(self, kid: str | None, *, at_once: bool = False) -> str:
        """Remove a key permanently, so that none of its tokens is accepted any more; return its whole ``kid``.

        ``kid`` may be the beginning of one, or None for the only former key. Raises KeyRefusal; unless ``at_once``,
        also while its tokens may be in use.
        """
        chosen = self._choose(kid, "former")

        def change(keys: tuple[Key, ...]) -> list[Key]:
            key = _find(keys, chosen)
            if key.state == "signing":
                raise KeyRefusal(f"{chosen} is the signing key; activate another key first")
            # A waiting key has signed nothing.
            if key.state == "former" and not at_once:
                self._refuse_early(key, "tokens signed with it may still be in use")
            return [other for other in keys if other is not key]

        self._change("key_retire", chosen, change, at_once)
        return chosen

    def _next_step(self, key: Key) -> Step:
        action = _NEXT[key.state]
        ready_at = key.since + self._waits.get(action, 0)
        return Step(key, action, ready_at if ready_at > self._clock.seconds() else 0)

    def _refuse_early(self, key: Key, reason: str) -> None:
        if ready_at := self._next_step(key).ready_at:
            raise KeyRefusal(f"{key.kid}: {reason}", ready_at)

    def _choose(self, kid: str | None, state: KeyState) -> str:
        """Return the only ``kid`` with this beginning, or that of the only key in this state."""
        keys = self._ring.current().keys
        found = [key.kid for key in keys if (key.state == state if kid is None else key.kid.startswith(kid))]
        if len(found) == 1:
            return found[0]
        what = f"{state} key" if kid is None else f"key {kid}…"
        raise KeyRefusal(f"there is no {what}" if not found else f"there are {len(found)} of {what}: name one")

    def _change(self, event: str, kid: str, change: Change, at_once: bool = False) -> None:
        if self._ring.key_file is None:
            raise KeyRefusal("the keys come from JWT_PRIVATE_KEY; change them there")
        if not at_once:
            # A step is only taken if its event can be stored, but a leaked key does not stay because of that.
            self._database.run(audit_events.count, 0)
        change_key_file(self._ring.key_file, change)
        self._ring.look()
        detail = f"{kid} at once" if at_once else kid
        try:
            self._database.run(self._audit.record, event, None, self._clock.seconds(), detail)
        except (ServiceBusy, DatabaseUnusable) as error:
            raise Incomplete(f"{kid}: done, but the audit event could not be stored ({error})") from error


def _find(keys: tuple[Key, ...], kid: str) -> Key:
    """Return the key; raises KeyRefusal if it was removed meanwhile."""
    for key in keys:
        if key.kid == kid:
            return key
    raise KeyRefusal(f"there is no key {kid}")
