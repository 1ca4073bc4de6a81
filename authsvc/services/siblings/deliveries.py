"""Delivers changes to webhooks: at least once, and each person's in order."""

import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from authsvc.clock import HOUR, SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import identities, users, webhook_deliveries, webhooks
from authsvc.errors import CursorExpired
from authsvc.sealing import Sealer
from authsvc.services.changes.journal import Changes
from authsvc.services.siblings.webhooks import keys_of
from authsvc.values.changes import Delivery, PersonChange, Webhook
from authsvc.webhooks import signature
from authsvc.webhooks.sender import NotDelivered, Sender

logger = logging.getLogger(__name__)

# Seconds between attempts; after the last one, a delivery is dead. Together three days and a half.
SCHEDULE = (5, 60, 5 * 60, 30 * 60, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
# Longer than an attempt takes, so nobody else sends the same at the same time.
CLAIM_SECONDS = 30
AT_ONCE = 8
_CHANGES_AT_ONCE = 200
_PER_WEBHOOK = 32
_MOST_REST_SECONDS = 60
_ERROR_CHARACTERS = 80


@dataclass(slots=True)
class Round:
    """What one round did."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0

    @property
    def did_anything(self) -> bool:
        """True if the next round may find more at once."""
        return self.delivered > 0


class Deliveries:
    """Takes changes from the journal and sends them. Several processes may run; each delivery is one's at a time."""

    def __init__(
        self,
        *,
        database: Database,
        changes: Changes,
        sender: Sender,
        sealer: Sealer,
        clock: SystemClock,
        claim_seconds: int = CLAIM_SECONDS,
    ) -> None:
        self._database = database
        self._changes = changes
        self._sender = sender
        self._sealer = sealer
        self._clock = clock
        self._claim_seconds = claim_seconds
        # By webhook: how often in a row nobody answered there, and until when this process leaves it alone (monotonic).
        self._away: dict[str, tuple[int, float]] = {}

    def round(self) -> Round:
        """Collect what is new and send what is due, once; the pauses between attempts are kept in the database."""
        done = Round()
        for webhook in self._database.read(webhooks.list_all):
            if webhook.paused_at is None:
                self.collect(webhook)
                self._send_due(webhook, done)
        return done

    def collect(self, webhook: Webhook) -> None:
        """Make deliveries of the changes that this webhook has not had yet."""
        while (changes := self._new(webhook)) is not None:
            position = changes[-1].position
            wanted = [change for change in changes if not webhook.kinds or change.kind in webhook.kinds]
            if not self._database.run(self._store, webhook, position, wanted):
                return  # another process is at it
            found = self._database.read(webhooks.find, webhook.name)
            if found is None:
                return
            webhook = found

    def _new(self, webhook: Webhook) -> list[PersonChange] | None:
        try:
            return self._changes.after(webhook.position, _CHANGES_AT_ONCE) or None
        except CursorExpired:
            logger.error("webhook %s: changes were deleted before they were collected", webhook.name)
            return self._changes.after(0, _CHANGES_AT_ONCE) or None

    def _store(self, connection: Connection, webhook: Webhook, position: int, changes: list[PersonChange]) -> bool:
        if not webhooks.move(connection, webhook, position):
            return False
        webhook_deliveries.insert(connection, webhook.name, changes, self._clock.seconds())
        return True

    def _send_due(self, webhook: Webhook, done: Round) -> None:
        failures, until = self._away.get(webhook.name, (0, 0.0))
        if time.monotonic() < until:
            return
        # Where nobody answered, one message finds out whether anybody does now.
        limit = 1 if failures else _PER_WEBHOOK
        due = self._database.read(webhook_deliveries.due, webhook.name, self._clock.seconds(), limit)
        if not due:
            return
        with ThreadPoolExecutor(min(AT_ONCE, len(due))) as pool:
            for outcome in pool.map(lambda delivery: self._attempt(webhook, delivery), due):
                outcome(done)

    def _attempt(self, webhook: Webhook, delivery: Delivery) -> Callable[[Round], None]:
        now = self._clock.seconds()
        if not self._database.run(webhook_deliveries.claim, delivery.id, now, now + self._claim_seconds):
            return lambda done: None
        try:
            self._send(webhook, delivery, now)
        except NotDelivered as reason:
            return self._failed(webhook, delivery, reason)
        self._database.run(webhook_deliveries.done, delivery.id)
        self._away.pop(webhook.name, None)

        def count(done: Round) -> None:
            done.delivered += 1

        return count

    def _send(self, webhook: Webhook, delivery: Delivery, now: int) -> None:
        keys = keys_of(webhook, self._sealer, now)
        if not keys:
            raise NotDelivered("the secret cannot be opened: SECRET_KEYS has lost its key")
        payload = self._database.read(_payload, delivery.change, webhook)
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        message_id = f"change-{delivery.change.position}"
        self._sender.send(webhook.url, signature.headers(message_id, now, body, keys), body)

    def _failed(self, webhook: Webhook, delivery: Delivery, reason: NotDelivered) -> Callable[[Round], None]:
        now, attempts = self._clock.seconds(), delivery.attempts
        is_last = attempts >= len(SCHEDULE)
        pause = 0 if is_last else SCHEDULE[attempts]
        error = str(reason)[:_ERROR_CHARACTERS]
        dead_at = now if is_last else None
        self._database.run(webhook_deliveries.failed, delivery.id, due_at=now + pause, dead_at=dead_at, error=error)
        if reason.is_away:
            failures = self._away.get(webhook.name, (0, 0.0))[0] + 1
            self._away[webhook.name] = (failures, time.monotonic() + min(2 ** min(failures, 6), _MOST_REST_SECONDS))
        position = delivery.change.position
        logger.info("webhook %s: change %s not taken: %s", webhook.name, position, error)

        def count(done: Round) -> None:
            done.failed += 1
            done.dead += is_last

        return count


def _payload(connection: Connection, change: PersonChange, webhook: Webhook) -> dict[str, Any]:
    """Return the message: ids, and what the scopes of the webhook name, as it is now."""
    data: dict[str, Any] = {"sub": str(change.user_id)}
    if change.into_id is not None:
        data["into"] = str(change.into_id)
    if "phone" in webhook.scopes:
        person = users.summary(connection, change.user_id)
        data["phone"] = person.phone if person else None
    if "openid" in webhook.scopes:
        data["identities"] = [
            {"appid": found.appid, "openid": found.openid, "unionid": found.unionid}
            for found in identities.all_of_user(connection, change.user_id)
        ]
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(change.at))
    return {"type": change.kind, "timestamp": moment, "data": data}
