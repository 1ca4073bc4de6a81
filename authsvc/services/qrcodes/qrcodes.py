"""Mini-program codes (小程序码): each picture is asked of WeChat once, kept, and found again.

A picture's name is a keyed hash of all that it shows, so guessing is pointless. Who finds no row for it in the
database claims the name by inserting one, asks WeChat, stores the picture and marks the row; everybody else waits for
that, on whatever machine. An attempt that failed has failed for those who waited for it; who comes afterwards begins
another.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from authsvc.clock import SystemClock
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
    WeChatBadAnswer,
    WeChatBusy,
    WeChatError,
    WeChatMisconfigured,
    WeChatNoAnswer,
    WeChatOverloaded,
    WxaCodeUnanswered,
    WxaPageUnknown,
)
from authsvc.imaging.essence import Undecodable
from authsvc.imaging.lane import Lane
from authsvc.picturestore.store import PictureStore, is_name
from authsvc.sealing import KeyedHash
from authsvc.services.accounts.accounts import refuse_inactive
from authsvc.services.invites.invites import Invites
from authsvc.services.miniprograms.accesstokens import AccessTokens
from authsvc.services.miniprograms.apps import Apps
from authsvc.values.pictures import CodePicture, PictureLimits, WxaCode
from authsvc.values.sessions import Caller
from authsvc.values.wechat import MiniProgram
from authsvc.wechat.client import WeChatClient

logger = logging.getLogger(__name__)

_DAY = 86400
# Longer than an access_token and a picture take together. Whoever holds a claim longer has died.
_CLAIM_SECONDS = 30
_CLAIM_BITS = 62
_PATIENCE_SECONDS = 12.0
_POLL_SECONDS = 0.1
# Of all pictures, what services leave to people and their invite codes.
_FOR_PEOPLE = 1 / 5
_COUNT_SECONDS = 30.0


class QrCodes:
    """Makes, keeps and serves pictures of mini-program codes. Safe across threads, processes and machines."""

    def __init__(
        self,
        *,
        apps: Apps,
        wechat: WeChatClient,
        access_tokens: AccessTokens,
        database: Database,
        store: PictureStore,
        lane: Lane,
        base_url: str,
        hashes: KeyedHash,
        invites: Invites,
        defaults: WxaCode,
        limits: PictureLimits,
        clock: SystemClock,
    ) -> None:
        """``defaults`` is how codes look and which page they open, ``base_url`` what goes before a picture's name.

        ``lane`` draws codes anew: what comes from WeChat may be anything.
        """
        self._apps = apps
        self._wechat = wechat
        self._access_tokens = access_tokens
        self._database = database
        self._store = store
        self._lane = lane
        self._base_url = base_url
        self._hashes = hashes
        self._invites = invites
        self._defaults = defaults
        self._limits = limits
        self._clock = clock
        self._counted = 0, float("-inf")

    def own(self, caller: Caller, **look: Any) -> CodePicture:
        """Return the picture of the caller's own invite code; ``look`` holds fields of WxaCode.

        Raises as ``picture`` does, but WeChatMisconfigured where the page of the settings is unknown.
        """
        app = self._apps.choose(caller.session.appid, None)
        code = self.invite(self._invites.own_code(caller.user.id).code, **look)
        with _page_of_the_settings():
            return self.picture(app, code, Owner(user_id=caller.user.id))

    def draw_once(self, app: MiniProgram, scene: str, page: str) -> tuple[str, bytes]:
        """Have WeChat draw a code that is used up by its first use, and keep nothing; return its ending and content.

        Raises WxaCodeUnanswered (try again), WeChatRateLimited, or another WeChatError; the page is the settings'.
        """
        with _page_of_the_settings():
            return self._draw(app, self.code(scene, page=page))

    def invite(self, invite_code: str, **look: Any) -> WxaCode:
        """Return what carries an invite code into the page that the settings name."""
        return self.code(f"invite_code={invite_code}", **look)

    def code(self, scene: str, **look: Any) -> WxaCode:
        """Return a code with this scene, in all else as the settings say unless ``look`` says otherwise."""
        return replace(self._defaults, scene=scene, **look)

    def of_app(self, appid: str | None, code: WxaCode, service: str) -> CodePicture:
        """Return a picture for a service, of an app by its appid (default: the first one).

        Raises UnknownApp, or as ``picture`` does.
        """
        return self.picture(self._apps.choose(appid, None), code, Owner(service=service))

    def find(self, app: MiniProgram, code: WxaCode) -> str | None:
        """Return the name of a picture that is kept, without having one drawn."""
        return self._kept(self._stem(app, code), None)

    def picture(self, app: MiniProgram, code: WxaCode, owner: Owner = NOBODY) -> CodePicture:
        """Return the kept picture of a code, or have WeChat draw it; that of a user goes when the user goes.

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
        """Delete every picture of a user, also one that is being made."""
        while found := self._database.read(rows.of_user, user_id):
            for stored in found:
                self._remove(stored)

    def sweep(self) -> int:
        """Delete pictures that nobody has asked for in a long time, and the oldest over the limit; return how many."""
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
        """128 bits of a hash over the app and all that the picture shows."""
        shown = (code.scene, code.page, code.env_version, code.width, code.line_color, code.auto_color, code.is_hyaline)
        return self._hashes.of(app.appid, *map(str, shown))[:32]

    def _kept(self, stem: str, user_id: int | None) -> str | None:
        """Return the name of a picture that is made and still in its place, and note that it was asked for."""
        stored = self._database.read(rows.find, stem)
        if stored is None or stored.name is None or not self._store.holds(stored.name):
            return None
        now = self._clock.seconds()
        if now - stored.asked_at > _DAY or (stored.user_id is None and user_id is not None):
            self._database.run(rows.touch, stem, user_id, now)
        return stored.name

    # Making

    def _make_in_turn(self, stem: str, app: MiniProgram, code: WxaCode, owner: Owner) -> str:
        """Make the picture, or wait for whoever does; one that died holding the claim is succeeded.

        Raises what the attempt failed with that this request waited for.
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
                continue  # somebody was faster: whoever it was, their attempt is the one to wait for
            waited_for = stored.claim
            time.sleep(_POLL_SECONDS)
            if name := self._kept(stem, owner.user_id):
                return name
        raise WxaCodeUnanswered("another request has been making this picture for too long")

    def _share_failure(self, claim: int) -> None:
        """Raise what the attempt under this claim failed with; nothing when its maker died or was made to leave."""
        failure = self._database.read(rows.failure_of, claim)
        if failure is not None:
            raise _error(failure)

    def _claim(self, stem: str, stored: StoredPicture | None, owner: Owner, claim: int) -> bool:
        """Make this name the caller's to draw; False while it is another's."""
        until = self._clock.seconds() + _CLAIM_SECONDS
        if stored is None:
            self._refuse_when_full(owner)
            return self._database.run(self._begin, stem, owner, claim, until)
        is_dead = stored.name is None and stored.claimed_until <= self._clock.seconds()
        is_lost = stored.name is not None and not self._store.holds(stored.name)
        return (is_dead or is_lost) and self._database.run(rows.take_over, known=stored, claim=claim, until=until)

    def _begin(self, connection: Connection, stem: str, owner: Owner, claim: int, until: int) -> bool:
        # Two claims at once would each count without the other, and whoever is being erased leaves no more of them.
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
        """Have the picture drawn and keep it, as the holder of the claim."""
        try:
            ending, content = self._draw(app, code)
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
        """Let others try, and tell those who wait; but these try themselves where WeChat was not asked at all."""
        try:
            if isinstance(error, WeChatOverloaded) or not isinstance(error, Exception):
                self._database.run(rows.delete, stem=stem, claim=claim)
                return
            failure, now = _failure(error), self._clock.seconds()
            self._database.run(rows.fail, stem=stem, claim=claim, failure=failure, now=now)
            self._database.run(rows.delete_failures, before=now - rows.FAILURE_SECONDS)
        except (ServiceBusy, DatabaseUnusable) as busy:
            logger.warning("a claim on a picture stays for %d s: %s", _CLAIM_SECONDS, busy)

    def _draw(self, app: MiniProgram, code: WxaCode) -> tuple[str, bytes]:
        """Ask WeChat; return the picture's ending and content."""
        try:
            answer = self._access_tokens.call(app, lambda token: self._wechat.get_wxacode_unlimited(token, code))
            return self._lane.draw(answer)
        except Undecodable as reason:
            logger.error("WeChat sent what is no picture of a code: %s", reason)
            raise WxaCodeUnanswered(str(reason)) from None
        except (WeChatBusy, WeChatNoAnswer) as error:
            if isinstance(error, WeChatBadAnswer):
                logger.error("unusable answer to a code: %s", error)
            raise WxaCodeUnanswered(str(error), error.errcode, error.errmsg) from None

    def _refuse_when_full(self, owner: Owner) -> None:
        """Raise PicturesFull at the limit of all together; counted anew every half minute, so give or take some."""
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
        """Delete a picture as the holder of its claim, so that nobody makes it anew meanwhile."""
        claim, until = secrets.randbits(_CLAIM_BITS), self._clock.seconds() + _CLAIM_SECONDS
        if not self._database.run(rows.take_over, known=stored, claim=claim, until=until):
            return False
        for ending in (stored.ending,) if stored.ending else ("jpg", "png"):
            self._store.delete(f"{stored.stem}.{ending}")
        self._database.run(rows.delete, stem=stored.stem, claim=claim)
        return True


def _failure(error: Exception) -> Failure:
    """Return what those who wait are told: the error, or that there is no picture where nobody foresaw it."""
    name = error.error if isinstance(error, AuthSvcError) else WxaCodeUnanswered.error
    return Failure(name, error.errcode if isinstance(error, WeChatError) else None)


def _error(failure: Failure) -> AuthSvcError:
    """Return the error that somebody else met, for those who waited for them."""
    detail = f"as for the request that asked WeChat: {failure.error}"
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


@contextmanager
def _page_of_the_settings() -> Iterator[None]:
    """A page that WeChat does not know is the operator's to mend, not the caller's."""
    try:
        yield
    except WxaPageUnknown as error:
        raise WeChatMisconfigured(str(error), error.errcode, error.errmsg) from None


def _refuse_malformed(code: WxaCode) -> None:
    """Raise InvalidRequest naming what WeChat would refuse, before it is asked."""
    if faults := code.faults():
        raise InvalidRequest(f"fields {sorted(faults)}", {name: [reason] for name, reason in faults.items()})
