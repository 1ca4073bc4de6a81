"""Webhooks: where other services want to be told of changes of people."""

import re

from sqlalchemy import Connection

from authsvc.clock import DAY, SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import webhook_deliveries, webhooks
from authsvc.sealing import Sealer
from authsvc.services.audit import AuditLog
from authsvc.services.changes.journal import Changes
from authsvc.values.changes import ChangeKind, Delivery, Webhook, WebhookBacklog, WebhookScope
from authsvc.values.operator import Refused
from authsvc.webhooks.sender import BadTarget, Sender
from authsvc.webhooks.signature import new_secret

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}\Z")
# How long messages are also signed with the secret before the last rotation.
OVERLAP_SECONDS = DAY
MOST_DEAD_LISTED = 1000
_MOST_URL_CHARACTERS = 500


class BadWebhook(Refused):
    """The webhook cannot be made or found. The text says why."""


class Webhooks:
    """Creates, changes and removes webhooks. Every change has an audit event."""

    def __init__(
        self,
        *,
        database: Database,
        changes: Changes,
        sender: Sender,
        sealer: Sealer,
        audit: AuditLog,
        clock: SystemClock,
    ) -> None:
        self._database = database
        self._changes = changes
        self._sender = sender
        self._sealer = sealer
        self._audit = audit
        self._clock = clock

    def add(self, name: str, url: str, kinds: tuple[ChangeKind, ...], scopes: tuple[WebhookScope, ...]) -> str:
        """Create a webhook for changes from now on, and return its secret, which can be seen only now.

        Raises BadWebhook.
        """
        self._refuse_unfit(name, url)
        secret, now = new_secret(), self._clock.seconds()
        made = Webhook(name, url, kinds, scopes, self._sealer.seal(secret), None, now, 0, None, now)

        def work(connection: Connection) -> None:
            if not webhooks.insert(connection, made):
                raise BadWebhook(f"there is already a webhook {name}; see: authsvc webhooks list")
            self._audit.record(connection, "webhook_add", None, now, f"{name}: {' '.join(scopes) or 'ids only'}")

        self._database.run(work)
        return secret

    def _refuse_unfit(self, name: str, url: str) -> None:
        if not self._changes.are_kept:
            raise BadWebhook("changes are not written down: set CHANGES_RETENTION_DAYS, such as 30, and restart")
        if not NAME.match(name):
            raise BadWebhook("a name must be 1 to 40 of a-z, 0-9, _ and -, and begin with a letter or digit")
        if len(url) > _MOST_URL_CHARACTERS:
            raise BadWebhook(f"the address has more than {_MOST_URL_CHARACTERS} characters")
        try:
            self._sender.check(url)
        except BadTarget as bad:
            raise BadWebhook(str(bad)) from None

    def list_all(self) -> list[tuple[Webhook, WebhookBacklog]]:
        """Return every webhook with its backlog."""

        def work(connection: Connection) -> list[tuple[Webhook, WebhookBacklog]]:
            found = webhooks.list_all(connection)
            return [(webhook, webhook_deliveries.backlog(connection, webhook.name)) for webhook in found]

        return self._database.read(work)

    def remove(self, name: str) -> None:
        """Remove a webhook with everything that waits for it. Raises BadWebhook."""

        def work(connection: Connection) -> None:
            _refuse_none(webhooks.delete(connection, name), name)
            webhook_deliveries.delete_all(connection, name)
            self._note(connection, "webhook_remove", name)

        self._database.run(work)

    def rotate(self, name: str) -> str:
        """Return a new secret, which can be seen only now; for a day, messages are signed with the former one as well.

        Raises BadWebhook.
        """
        secret = new_secret()

        def work(connection: Connection) -> None:
            sealed, now = self._sealer.seal(secret), self._clock.seconds()
            _refuse_none(webhooks.rotate(connection, name, sealed, now), name)
            self._note(connection, "webhook_rotate", name)

        self._database.run(work)
        return secret

    def pause(self, name: str) -> None:
        """Stop deliveries; changes go on being collected. Raises BadWebhook."""

        def work(connection: Connection) -> None:
            _refuse_none(webhooks.find(connection, name) is not None, name)
            if webhooks.pause(connection, name, self._clock.seconds()):
                self._note(connection, "webhook_pause", name)

        self._database.run(work)

    def resume(self, name: str) -> None:
        """Go on where deliveries stopped. Raises BadWebhook."""

        def work(connection: Connection) -> None:
            _refuse_none(webhooks.find(connection, name) is not None, name)
            if webhooks.resume(connection, name):
                self._note(connection, "webhook_resume", name)

        self._database.run(work)

    def dead(self, name: str, most: int = MOST_DEAD_LISTED) -> list[Delivery]:
        """Return the deliveries that were given up, oldest first, up to so many. Raises BadWebhook."""

        def work(connection: Connection) -> list[Delivery]:
            _refuse_none(webhooks.find(connection, name) is not None, name)
            return webhook_deliveries.dead(connection, name, most)

        return self._database.read(work)

    def replay(self, name: str, delivery_id: int | None) -> int:
        """Send one dead delivery again, or all; return how many. Raises BadWebhook."""

        def work(connection: Connection) -> int:
            _refuse_none(webhooks.find(connection, name) is not None, name)
            again = webhook_deliveries.replay(connection, name, delivery_id, self._clock.seconds())
            if again:
                self._note(connection, "webhook_replay", name)
            return again

        return self._database.run(work)

    def _note(self, connection: Connection, event: str, name: str) -> None:
        self._audit.record(connection, event, None, self._clock.seconds(), name)


def keys_of(webhook: Webhook, sealer: Sealer, now: int) -> list[str]:
    """Return the secrets that sign a message now, the current one first; none that SECRET_KEYS no longer open."""
    is_overlapping = now < webhook.rotated_at + OVERLAP_SECONDS
    sealed = [webhook.secret, webhook.previous_secret if is_overlapping else None]
    return [secret for secret in map(sealer.open, sealed) if secret is not None]


def _refuse_none(is_there: bool, name: str) -> None:
    if not is_there:
        raise BadWebhook(f"there is no webhook {name}; see: authsvc webhooks list")
