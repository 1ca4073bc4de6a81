"""Pictures of mini-program codes: each is requested from WeChat once, stored, and found again.

A picture's name is a keyed hash of everything that it shows, so it cannot be guessed. A request that finds no row for
it in the database claims the name by inserting one, asks WeChat, stores the picture and marks the row. All other
requests wait for it, on any machine. A failed attempt has failed for all that waited for it; later requests start
another one.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator

from sqlalchemy import Connection

from authsvc.clock import DAY, SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import code_pictures as rows
from authsvc.db.queries import service_credentials, users
from authsvc.db.queries.code_pictures import NOBODY, Failure, Owner, StoredPicture
from authsvc.errors import (
    AuthSvcError,
    DatabaseUnusable,
    InvalidRequest,
    NotFound,
    NotPermitted,
    PictureLimitReached,
    PicturesBusy,
    PicturesFull,
    PicturesUnavailable,
    ServiceBusy,
    WeChatError,
    WeChatOverloaded,
    WxaCodeUnanswered,
)
from authsvc.picturestore.store import PictureStore, is_name
from authsvc.sealing import KeyedHash
from authsvc.services.accounts.accounts import refuse_inactive
from authsvc.services.qrcodes.drawing import Drawing
from authsvc.values.pictures import CodePicture, PictureLimits, WxaCode
from authsvc.values.wechat import MiniProgram

logger = logging.getLogger(__name__)

# Longer than an access_token and a picture take together. The holder of an older claim has died.
_CLAIM_SECONDS = 30
_CLAIM_BITS = 62
_PATIENCE_SECONDS = 12.0
_POLL_SECONDS = 0.1
# The share of all pictures that services leave to people and their invite codes.
_FOR_PEOPLE = 1 / 5
_COUNT_SECONDS = 30.0


class CodePictures:
    """Creates, stores and serves pictures of mini-program codes. Safe across threads, processes and machines."""

    def __init__(
        self,
        *,
        drawing: Drawing,
        database: Database,
        store: PictureStore,
        base_url: str,
        hashes: KeyedHash,
        limits: PictureLimits,
        clock: SystemClock,
    ) -> None:
        """``base_url`` is the part of the address before a picture's name."""
        self._drawing = drawing
        self._database = database
        self._store = store
        self._base_url = base_url
        self._hashes = hashes
        self._limits = limits
        self._clock = clock
        self._counted = 0, float("-inf")

    def find(self, app: MiniProgram, code: WxaCode) -> str | None:
        """Return the name of a stored picture, without having one drawn."""
        return self._kept(self._stem(app, code), None)

    def picture(self, app: MiniProgram, code: WxaCode, owner: Owner = NOBODY) -> CodePicture:
        """Return the stored picture of a code, or have WeChat draw it; a user's picture is deleted with the user.

        Raises InvalidRequest (scene, page, …), WxaPageUnknown, WxaCodeUnanswered (try again), WeChatRateLimited (5,000
        a minute), PictureLimitReached, PicturesFull, PicturesUnavailable, ServiceBusy, or another WeChatError.
        """
        _refuse_malformed(code)
        stem = self._stem(app, code)
        name = self._kept(stem, owner.user_id) or self._make_in_turn(stem, app, code, owner)
        return CodePicture(name, f"{self._base_url}/{name}", code)

    def read(self, name: str) -> bytes:
        """Return a picture by its file name. Raises NotFound, PicturesUnavailable."""
        content = self._store.read(name) if is_name(name) else None
        if content is None:
            raise NotFound("no such picture")
        return content

    def delete_of_user(self, user_id: int) -> None:
        """Delete every picture of a user, also one in progress."""
        while found := self._database.read(rows.of_user, user_id):
            for stored in found:
                self._remove(stored)

    def sweep(self) -> int:
        """Delete pictures that were not requested for a long time, and the oldest above the limit; return how many."""
        self._store.sweep()
        removed = 0
        if self._limits.keep:
            before = self._clock.seconds() - self._limits.keep
            removed += self._remove_all(rows.not_asked_since, before)
        if self._limits.total:
            removed += self._remove_all(_surplus, self._limits.total)
        return removed

    # Finding

    def _stem(self, app: MiniProgram, code: WxaCode) -> str:
        """Return 128 bits of a hash over the app and everything that the picture shows."""
        shown = (code.scene, code.page, code.env_version, code.width, code.line_color, code.auto_color, code.is_hyaline)
        return self._hashes.of(app.appid, *map(str, shown))[:32]

    def _kept(self, stem: str, user_id: int | None) -> str | None:
        """Return the name of a finished picture that still exists, and record that it was requested."""
        stored = self._database.read(rows.find, stem)
        if stored is None or stored.name is None or not self._store.holds(stored.name):
            return None
        now = self._clock.seconds()
        if now - stored.asked_at > DAY or (stored.user_id is None and user_id is not None):
            self._database.run(rows.touch, stem, user_id, now)
        return stored.name

    # Making

    def _make_in_turn(self, stem: str, app: MiniProgram, code: WxaCode, owner: Owner) -> str:
        """Make the picture, or wait for the request that does; take over the claim of one that died.

        Raises the error of the attempt that this request waited for.
        """
        give_up = time.monotonic() + _PATIENCE_SECONDS
        waited_for: int | None = None
        while time.monotonic() < give_up:
            stored = self._database.read(rows.find, stem)
            if waited_for is not None and (stored is None or stored.claim != waited_for):
                self._share_failure(waited_for)
            claim = secrets.randbits(_CLAIM_BITS)
            if self._claim(stem, stored, owner, claim):
                return self._make(stem, app, code, claim)
            if stored is None:
                continue  # another request was faster, so wait for its attempt
            waited_for = stored.claim
            time.sleep(_POLL_SECONDS)
            if name := self._kept(stem, owner.user_id):
                return name
        raise WxaCodeUnanswered("another request has been making this picture for too long")

    def _share_failure(self, claim: int) -> None:
        """Raise the error of the attempt with this claim; nothing if its process died or was stopped."""
        failure = self._database.read(rows.failure_of, claim)
        if failure is not None:
            raise _error(failure)

    def _claim(self, stem: str, stored: StoredPicture | None, owner: Owner, claim: int) -> bool:
        """Claim this name for the caller; False if another request has it."""
        until = self._clock.seconds() + _CLAIM_SECONDS
        if stored is None:
            self._refuse_when_full(owner)
            return self._database.run(self._begin, stem, owner, claim, until)
        is_dead = stored.name is None and stored.claimed_until <= self._clock.seconds()
        is_lost = stored.name is not None and not self._store.holds(stored.name)
        return (is_dead or is_lost) and self._database.run(rows.take_over, known=stored, claim=claim, until=until)

    def _begin(self, connection: Connection, stem: str, owner: Owner, claim: int, until: int) -> bool:
        # Otherwise two claims at once would not count each other, and a user who is being erased could leave pictures.
        if owner.user_id is not None:
            refuse_inactive(users.lock(connection, owner.user_id))
            if rows.count_of_user(connection, owner.user_id) >= self._limits.per_user > 0:
                raise PictureLimitReached(f"user {owner.user_id}")
        if owner.service is not None and self._limits.per_service:
            if not service_credentials.lock(connection, owner.service):
                raise NotPermitted(f"service {owner.service} has been removed")
            if rows.count_of_service(connection, owner.service) >= self._limits.per_service:
                raise PictureLimitReached(f"service {owner.service}")
        return rows.begin(connection, stem, owner, claim, until=until, now=self._clock.seconds())

    def _make(self, stem: str, app: MiniProgram, code: WxaCode, claim: int) -> str:
        """Have the picture drawn and store it, as the holder of the claim."""
        try:
            ending, content = self._drawing.draw(app, code)
            name = f"{stem}.{ending}"
            self._store.put(name, content)
        except BaseException as error:
            self._give_up(stem, claim, error)
            raise
        if not self._database.run(rows.finish, stem=stem, ending=ending, claim=claim):
            self._store.delete(name)
            raise WxaCodeUnanswered("the picture was deleted while it was made")
        return name

    def _give_up(self, stem: str, claim: int, error: BaseException) -> None:
        """Release the claim, with the error for waiting requests; if WeChat was not called, they try themselves."""
        try:
            if isinstance(error, WeChatOverloaded) or not isinstance(error, Exception):
                self._database.run(rows.delete, stem=stem, claim=claim)
                return
            failure, now = _failure(error), self._clock.seconds()
            self._database.run(rows.fail, stem=stem, claim=claim, failure=failure, now=now)
            self._database.run(rows.delete_failures, before=now - rows.FAILURE_SECONDS)
        except (ServiceBusy, DatabaseUnusable) as busy:
            logger.warning("a claim on a picture stays for %d s: %s", _CLAIM_SECONDS, busy)

    def _refuse_when_full(self, owner: Owner) -> None:
        """Raise PicturesFull at the total limit, which is counted every half minute and so approximate."""
        count, counted_at = self._counted
        now = time.monotonic()
        if now - counted_at > _COUNT_SECONDS:
            count = self._database.read(rows.count)
            self._counted = count, now
        total = self._limits.total
        if count >= (total if owner.service is None else total * (1 - _FOR_PEOPLE)) > 0:
            raise PicturesFull(f"{count} pictures")

    # Deleting

    def _remove_all(self, find: Callable[[Connection, int], list[StoredPicture]], bound: int) -> int:
        removed = 0
        while found := self._database.read(find, bound):
            removed += sum(map(self._remove, found))
        return removed

    def _remove(self, stored: StoredPicture) -> bool:
        """Delete a picture as the holder of its claim, so that nobody makes it again meanwhile."""
        claim, until = secrets.randbits(_CLAIM_BITS), self._clock.seconds() + _CLAIM_SECONDS
        if not self._database.run(rows.take_over, known=stored, claim=claim, until=until):
            return False
        for ending in (stored.ending,) if stored.ending else ("jpg", "png"):
            self._store.delete(f"{stored.stem}.{ending}")
        self._database.run(rows.delete, stem=stored.stem, claim=claim)
        return True


def _failure(error: Exception) -> Failure:
    """Return the error for waiting requests: the same one, or for an unexpected one that there is no picture."""
    name = error.error if isinstance(error, AuthSvcError) else WxaCodeUnanswered.error
    return Failure(name, error.errcode if isinstance(error, WeChatError) else None)


def _error(failure: Failure) -> AuthSvcError:
    """Return another request's error, for a request that waited for it."""
    detail = f"same error as the request that called WeChat: {failure.error}"
    ours = _OURS.get(failure.error)
    return ours(detail) if ours else _OF_WECHAT.get(failure.error, WxaCodeUnanswered)(detail, failure.errcode)


def _kinds(kind: type[WeChatError]) -> Iterator[type[WeChatError]]:
    for child in kind.__subclasses__():
        yield from _kinds(child)
        yield child  # after those that share its name


_OF_WECHAT = {kind.error: kind for kind in _kinds(WeChatError)}
_OURS = {kind.error: kind for kind in (PicturesUnavailable, PicturesBusy, ServiceBusy)}


def _surplus(connection: Connection, total: int) -> list[StoredPicture]:
    surplus = rows.count(connection) - total
    return rows.oldest(connection, min(surplus, rows.BATCH)) if surplus > 0 else []


def _refuse_malformed(code: WxaCode) -> None:
    """Raise InvalidRequest for what WeChat would refuse, before it is called."""
    if faults := code.faults():
        raise InvalidRequest(f"fields {sorted(faults)}", {name: [reason] for name, reason in faults.items()})
