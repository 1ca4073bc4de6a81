"""Batches of invite codes for campaigns: creating, importing, assigning and counting them.

The codes of a batch are numbered from 1, and a unique key over batch and number decides which process adds the next
ones. So an interrupted batch continues where it stopped, and two processes never create too many codes.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from sqlalchemy import Connection

from authsvc.clock import SystemClock, give_way
from authsvc.db.database import Database, Restart
from authsvc.db.queries import invite_batches, invite_codes, users
from authsvc.services.invites import spelling
from authsvc.values.invites import ImportedInvite, InviteBatch, InviteBatchStats, InviteCode
from authsvc.values.operator import Refused

BATCH_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z")
# The size of one transaction, which is short so that logins run in between (SQLite has one writer).
_AT_ONCE = 1000
# Ten milliseconds of SQLite, during which a worker answers nobody else.
_COUNTED_AT_ONCE = 20_000
# A random guess hits a code of a batch at most once in this many tries.
_TRIES_PER_HIT = 10**6


class BadCampaign(Refused):
    """The request cannot be carried out, and nothing was changed. The text says why."""


class Campaigns:
    """Creates and manages batches of invite codes. Every method that changes something may raise BadCampaign."""

    def __init__(self, database: Database, clock: SystemClock, counted_at_once: int = _COUNTED_AT_ONCE) -> None:
        self._database = database
        self._clock = clock
        self._counted_at_once = counted_at_once

    def seed(self, wanted: InviteBatch) -> Iterator[int]:
        """Fill a batch up to its count; yields how many codes it has, starting before anything is added.

        The yielded number of codes is committed.
        """
        _check(wanted)
        have = self._database.read(self._numbered, wanted)
        yield have
        while have < wanted.count:
            have = self._database.run(self._add, wanted)
            yield have

    def import_codes(self, brought: Sequence[ImportedInvite]) -> Iterator[tuple[int, int]]:
        """Add codes that do not exist yet; yields how many were checked and how many of these are new.

        Existing codes do not change. In a batch the new ones get the next numbers, in the given order.
        """
        owners = {invite.owner_id for invite in brought if invite.owner_id is not None}
        self._database.read(_check_owners, owners)
        for start in range(0, len(brought), _AT_ONCE):
            some = brought[start : start + _AT_ONCE]
            yield len(some), self._database.run(self._bring, some=some)

    def assign(self, owner_id: int, codes: Sequence[str]) -> None:
        """Assign these codes to a user: all of them, or none if one has an owner or is no longer usable."""
        self._database.run(self._assign, owner_id, codes)

    def assign_first(self, owner_id: int, batch: str, count: int) -> None:
        """Assign the first free codes of a batch to a user: this many, or none if there are fewer."""
        self._database.run(self._assign_first, owner_id, batch, count)

    def disable(self, codes: Sequence[str]) -> int:
        """Disable these codes, all or none; return how many were not disabled before."""
        return self._database.run(self._disable, codes)

    def disable_batch(self, batch: str) -> int:
        """Disable a whole batch; return how many codes were not disabled before."""
        self._check_batch(batch)
        return self._database.run(invite_batches.disable_batch, batch, self._clock.seconds())

    def codes(self, *, batch: str | None = None, owner_id: int | None = None) -> Iterator[InviteCode]:
        """Yield the codes of a batch or a user, or all, in the order of their creation."""
        if batch is not None:
            self._check_batch(batch)
        return self._pages(batch, owner_id)

    def first(self, most: int, *, batch: str | None = None, owner_id: int | None = None) -> list[InviteCode]:
        """Return up to ``most`` codes of a batch or a user, in the order of their creation."""
        return self._database.read(invite_batches.page, after=0, at_once=most, batch=batch, owner_id=owner_id)

    def named(self, codes: Sequence[str]) -> list[InviteCode]:
        """Return these codes, in this order; raises BadCampaign naming one that does not exist."""
        return self._database.read(lambda connection: [_find(connection, code) for code in codes])

    def count(self, *, batch: str | None = None, owner_id: int | None = None) -> int:
        """Return how many codes a batch or a user has, or how many there are in total."""
        return self._database.read(invite_batches.count, batch=batch, owner_id=owner_id)

    def stats(self) -> list[InviteBatchStats]:
        """Count the codes of every batch, by name, and of those without one first."""
        now, totals = self._clock.seconds(), dict[str | None, InviteBatchStats]()
        after: int | None = 0
        while after is not None:
            some, after = self._database.read(invite_batches.stats, now, after=after, most=self._counted_at_once)
            for part in some:
                totals[part.batch] = part.plus(totals[part.batch]) if part.batch in totals else part
            give_way()
        return [totals[batch] for batch in sorted(totals, key=lambda batch: batch or "")]

    def fault(self, invite: InviteCode) -> str | None:
        """Return why nobody can use a code at the moment, or None."""
        return invite.fault(self._clock.seconds())

    def _numbered(self, connection: Connection, wanted: InviteBatch) -> int:
        """Return the highest number of a batch, which must have been created with the same options."""
        if wanted.owner_id is not None:
            _check_owners(connection, {wanted.owner_id})
        last = invite_batches.last(connection, wanted.name)
        if last is None:
            return 0
        if not _is_like(last, wanted):
            raise BadCampaign(
                f"batch {wanted.name} was created with another prefix, length, number of uses or expiry"
                f" (see {last.code}); use the same options, or choose another name"
            )
        return last.batch_number or 0

    def _add(self, connection: Connection, wanted: InviteBatch) -> int:
        have = self._numbered(connection, wanted)
        numbers = range(have + 1, min(have + _AT_ONCE, wanted.count) + 1)
        new = [_drawn(wanted) for _ in numbers]
        self._insert(connection, new, {wanted.name: have})
        return have + len(numbers)

    def _bring(self, connection: Connection, some: Sequence[ImportedInvite]) -> int:
        taken = invite_batches.taken(connection, [invite.code for invite in some])
        new = [invite for invite in some if invite.code not in taken]
        numbered = {}
        for batch in {invite.batch for invite in new if invite.batch is not None}:
            last = invite_batches.last(connection, batch)
            numbered[batch] = 0 if last is None else last.batch_number or 0
        self._insert(connection, new, numbered)
        return len(new)

    def _insert(self, connection: Connection, new: Sequence[ImportedInvite], numbered: dict[str, int]) -> None:
        """Add codes with the numbers that follow those in ``numbered``; starts again if another process was faster."""
        numbers = dict(numbered)
        now, rows = self._clock.seconds(), []
        for invite in new:
            number = None
            if invite.batch is not None:
                number = numbers[invite.batch] = numbers[invite.batch] + 1
            rows.append(_row(invite, number, now))
        if rows and not invite_batches.insert(connection, rows):
            raise Restart

    def _assign(self, connection: Connection, owner_id: int, codes: Sequence[str]) -> None:
        _check_owners(connection, {owner_id})
        for code in codes:
            if not invite_batches.assign(connection, code, owner_id, self._clock.seconds()):
                found = _find(connection, code)
                reason = f"belongs to user {found.owner_id}" if found.owner_id else "is used, expired or disabled"
                raise BadCampaign(f"{code} {reason}; no code was assigned")

    def _assign_first(self, connection: Connection, owner_id: int, batch: str, count: int) -> None:
        _check_owners(connection, {owner_id})
        found = invite_batches.assign_first(connection, batch, count, owner_id, self._clock.seconds())
        if found < count:
            raise BadCampaign(f"batch {batch} has only {found} free codes; no code was assigned")

    def _disable(self, connection: Connection, codes: Sequence[str]) -> int:
        for code in codes:
            _find(connection, code)
        return sum(invite_batches.disable(connection, code, self._clock.seconds()) for code in codes)

    def _check_batch(self, batch: str) -> None:
        if self._database.read(invite_batches.last, batch) is None:
            raise BadCampaign(f"there is no batch {batch}")

    def _pages(self, batch: str | None, owner_id: int | None) -> Iterator[InviteCode]:
        after = 0
        while found := self._database.read(
            invite_batches.page, after=after, at_once=_AT_ONCE, batch=batch, owner_id=owner_id
        ):
            yield from found
            after = found[-1].id


def _check(wanted: InviteBatch) -> None:
    if not BATCH_NAME.match(wanted.name):
        raise BadCampaign("the name of a batch must be 1 to 40 letters, digits, dots, hyphens and underscores")
    if not spelling.PATTERN.match(wanted.prefix + "x" * wanted.length):
        raise BadCampaign("a code has at most 20 characters, and its prefix only letters, digits, - and _")
    needed = next(n for n in count(1) if len(spelling.ALPHABET) ** n >= wanted.count * _TRIES_PER_HIT)
    if wanted.length < needed:
        raise BadCampaign(f"{wanted.count} codes need {needed} random characters; shorter ones could be guessed")


def _drawn(wanted: InviteBatch) -> ImportedInvite:
    """Return a new code of a batch."""
    return ImportedInvite(
        code=spelling.draw(wanted.prefix, wanted.length),
        batch=wanted.name,
        owner_id=wanted.owner_id,
        max_uses=wanted.max_uses,
        expires_at=wanted.expires_at,
    )


def _check_owners(connection: Connection, owners: set[int]) -> None:
    for owner_id in sorted(owners):
        if not users.is_active(connection, owner_id):
            raise BadCampaign(f"there is no active user {owner_id}")


def _is_like(made: InviteCode, wanted: InviteBatch) -> bool:
    """Tell whether a code was created with the same options. Its owner may have changed since."""
    return (
        made.code.startswith(wanted.prefix)
        and len(made.code) == len(wanted.prefix) + wanted.length
        and (made.max_uses, made.expires_at) == (wanted.max_uses, wanted.expires_at)
    )


def _find(connection: Connection, code: str) -> InviteCode:
    found = invite_codes.find(connection, code)
    if found is None:
        raise BadCampaign(f"there is no code {code}")
    return found


def _row(invite: ImportedInvite, number: int | None, now: int) -> dict[str, Any]:
    return {
        "code": invite.code,
        "owner_id": invite.owner_id,
        "max_uses": invite.max_uses,
        "expires_at": invite.expires_at,
        "disabled_at": now if invite.is_disabled else None,
        "batch": invite.batch,
        "batch_number": number,
        "created_at": now,
    }
