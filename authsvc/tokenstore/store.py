"""The guarantees about access_tokens, the same on every shelf.

- Each token is fetched once: look, lock, look again, then fetch. Waiting callers get the result of that fetch.
- In a token's last five minutes, one caller fetches a new one while everybody else continues to use the old one.
- A token that WeChat rejects is replaced only while it is still the stored one, and at most twice a minute.
- All workers remember a failed fetch for some seconds, so nobody floods a WeChat that is down or rejects the secret.
- Within a process, the monotonic clock decides about expiry, so a change of the wall clock causes no fetch.
- Without its shelf (full disk, Redis unavailable), the store continues from memory, with one fetch per process, and
  writes its token back when the shelf returns. With ``stable_token`` all processes get the same token.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from authsvc import errors as e
from authsvc import metrics
from authsvc.clock import SystemClock
from authsvc.tokenstore.shelf import FAILURE_SECONDS, Failure, FailureKind, Record, Shelf, ShelfUnavailable
from authsvc.values.wechat import FetchedToken, MiniProgram, TokenApi, TokenStatus

logger = logging.getLogger(__name__)

# How old a process's view of the shelf may be. If a token was replaced elsewhere meanwhile, one call gets 40001, and
# replace() then looks at the shelf itself.
LOOK_SECONDS = 1.0
# WeChat's stable_token returns a new token in the last 300 s of the old one's life. A little later is safe even if
# the clocks differ.
EARLY_SECONDS = 290.0
# A request must not wait longer for another caller's fetch. A call to WeChat ends within 5 s.
PATIENCE_SECONDS = 4.5
# WeChat allows force_refresh once in 30 s. If there are more rejections than this, the token is not the cause.
REPLACEMENTS = 2
REPLACEMENT_SECONDS = 60.0
_PUBLISH_AGAIN_SECONDS = 2.0


@dataclass(slots=True)
class _Held:
    """A token as this process knows it; times are of the monotonic clock.

    ``saved`` is False until the shelf has stored it; ``beside`` is then the serial of the record that was there.
    """

    token: str = field(repr=False)
    serial: str
    source: TokenApi
    fetched_at: float
    dead_at: float
    renew_at: float
    look_at: float
    replaced_at: tuple[float, ...] = ()
    saved: bool = True
    beside: str | None = None
    publish_at: float = 0.0

    @property
    def lies_there(self) -> str | None:
        """The serial of the record on the shelf, as far as this process knows."""
        return self.serial if self.saved else self.beside


class AccessTokenStore:
    """Provides the access_token of each mini program.

    Safe across threads, greenlets, and processes that share the shelf.
    """

    def __init__(self, shelf: Shelf, fetch: Callable[[MiniProgram], FetchedToken], clock: SystemClock) -> None:
        """``fetch`` calls WeChat, within five seconds, and raises a WeChatError if that fails."""
        self._shelf = shelf
        self._fetch_one = fetch
        self._clock = clock
        self._monotonic = clock.monotonic
        self._held: dict[str, _Held] = {}
        self._turns: dict[str, threading.Lock] = {}
        self._failures: dict[str, tuple[Failure, float]] = {}
        self._troubles: set[str] = set()

    def get(self, app: MiniProgram) -> str:
        """Return a live access_token of ``app``; takes less than a microsecond if this process knows one.

        Raises AccessTokenUnavailable (try again), WeChatMisconfigured or WeChatQuotaExhausted.
        """
        held = self._held.get(app.appid)
        if held is not None and self._monotonic() < held.look_at:
            return held.token
        return self._get(app).token

    def lend(self, app: MiniProgram) -> FetchedToken:
        """Return a live access_token with its remaining seconds, for another service. Raises as ``get`` does."""
        held = self._get(app)
        return FetchedToken(held.token, max(1, int(held.dead_at - self._monotonic())), held.source)

    def replace(self, app: MiniProgram, rejected: str) -> str:
        """Return a token to use instead of one that WeChat rejected.

        Fetches only if ``rejected`` is still the stored one, however many callers report it. After two replacements in
        a minute, returns the stored token unchanged. Raises as ``get`` does.
        """
        before = self._current(app)
        if before is not None and before.token != rejected:
            return before.token

        def answers(held: _Held) -> bool:
            renewed = before is None or held.serial != before.serial
            return held.token != rejected or renewed or len(self._replacements(held)) >= REPLACEMENTS

        return self._fetch_in_turn(app, answers, is_replacement=True).token

    def refresh(self, app: MiniProgram) -> None:
        """Fetch a token now, whatever is stored or remembered. Raises as ``get`` does."""
        with self._turn(app, PATIENCE_SECONDS), self._locked(app, PATIENCE_SECONDS) as is_ours:
            if not is_ours:
                raise e.AccessTokenUnavailable("another process is fetching")
            self._fetch(app, self._current(app), is_replacement=False)

    def peek(self, app: MiniProgram) -> TokenStatus:
        """Tell what is stored and what last failed, without the token and without calling WeChat."""
        held = self._current(app)
        failure = self._remembered(app)
        told = TokenStatus() if failure is None else TokenStatus(failure=failure.detail, failed_ago=int(failure.age))
        if held is None:
            return told
        now = self._monotonic()
        return TokenStatus(
            int(now - held.fetched_at), int(held.dead_at - now), held.source, told.failure, told.failed_ago
        )

    # Looking

    def _get(self, app: MiniProgram) -> _Held:
        held = self._alive(app)
        if held is None:
            # Take the turn before the first look: fifty threads of a new process need not look fifty times.
            return self._fetch_in_turn(app, lambda _: True, is_replacement=False)
        if self._monotonic() >= held.look_at:
            held = self._current(app) or held
        return self._renew_early(app, held) if self._monotonic() >= held.renew_at else held

    def _alive(self, app: MiniProgram) -> _Held | None:
        held = self._held.get(app.appid)
        return held if held is not None and self._monotonic() < held.dead_at else None

    def _current(self, app: MiniProgram) -> _Held | None:
        """Look at the shelf, and return the live token: the shelf's, or this process's if the shelf has none."""
        held = self._alive(app)
        if held is not None:
            # Other callers use this one meanwhile, instead of looking too.
            held.look_at = min(self._monotonic() + LOOK_SECONDS, held.dead_at)
        try:
            found = self._shelf.read(app.appid, hurry=held is not None)
        except ShelfUnavailable as error:
            self._note_trouble("reading", error)
            return held
        self._note_well("reading")
        if held is None:
            return None if found is None else self._adopt(app, found)
        if found is None or found.serial == held.beside:
            self._publish(app, held)
        elif found.serial != held.serial:
            return self._adopt(app, found)
        return held

    def _adopt(self, app: MiniProgram, record: Record) -> _Held:
        now = self._monotonic()
        dead_at = now + record.remaining
        early = EARLY_SECONDS if record.remaining >= 2 * EARLY_SECONDS else record.remaining / 2
        held = _Held(
            token=record.token,
            serial=record.serial,
            source=record.source,
            fetched_at=now - record.age,
            dead_at=dead_at,
            renew_at=dead_at - early,
            look_at=min(now + LOOK_SECONDS, dead_at),
            replaced_at=record.replaced_at,
        )
        self._held[app.appid] = held
        wall = self._clock.now()
        metrics.access_token_fetched.labels(app.appid).set(wall - record.age)
        metrics.access_token_expiry.labels(app.appid).set(wall + record.remaining)
        return held

    def _publish(self, app: MiniProgram, held: _Held) -> None:
        """Write our token to a shelf that has lost it, or had no room for it before."""
        now = self._monotonic()
        if now < held.publish_at:
            return
        held.publish_at = now + _PUBLISH_AGAIN_SECONDS
        try:
            release = self._shelf.lock(app.appid, 0)
        except ShelfUnavailable as error:
            self._note_trouble("locking", error)
            return
        if release is None:
            return
        try:
            found = self._shelf.read(app.appid, hurry=True)
            if found is None or found.serial == held.beside:
                self._save(app, held, held.beside)
        except ShelfUnavailable as error:
            self._note_trouble("reading", error)
        finally:
            release()

    # Fetching

    def _fetch_in_turn(self, app: MiniProgram, answers: Callable[[_Held], bool], *, is_replacement: bool) -> _Held:
        """Return a stored token that ``answers``, or fetch one; everybody else waits, or gets the same."""
        give_up = self._monotonic() + PATIENCE_SECONDS
        with self._turn(app, PATIENCE_SECONDS):
            found = self._usable(app, answers)
            if found is not None:
                return found
            self._raise_remembered(app)
            with self._locked(app, max(0.0, give_up - self._monotonic())) as is_ours:
                if not is_ours:
                    raise self._remember_here(app, "another process has held the lock for too long")
                current = self._current(app)
                if current is not None and answers(current):
                    return current
                self._raise_remembered(app)
                return self._fetch(app, current, is_replacement)

    def _usable(self, app: MiniProgram, answers: Callable[[_Held], bool]) -> _Held | None:
        """Return a token that another thread may have fetched while this one waited for its turn."""
        held = self._alive(app)
        if held is not None and self._monotonic() < held.look_at and answers(held):
            return held
        held = self._current(app)
        return held if held is not None and answers(held) else None

    def _renew_early(self, app: MiniProgram, held: _Held) -> _Held:
        """Fetch the successor of a token that still works, unless another caller does; the old one is still valid."""
        turn = self._turns.setdefault(app.appid, threading.Lock())
        if not turn.acquire(blocking=False):
            return held
        try:
            with self._locked(app, 0) as is_ours:
                current = (self._current(app) or held) if is_ours else held
                if not is_ours or self._monotonic() < current.renew_at or self._remembered(app) is not None:
                    return current
                return self._fetch(app, current, is_replacement=False)
        except e.WeChatError:
            return held  # logged and remembered where it failed
        finally:
            turn.release()

    def _fetch(self, app: MiniProgram, current: _Held | None, is_replacement: bool) -> _Held:
        """Fetch a token from WeChat, and store it here and on the shelf.

        Only the holder of turn and lock may call this.
        """
        replaced_at = self._replacements(current) if current is not None else ()
        if is_replacement:
            replaced_at = (*replaced_at, self._clock.now())
        try:
            fetched = self._fetch_one(app)
        except e.WeChatOverloaded as error:  # WeChat was not called, so there is nothing to remember
            raise e.AccessTokenUnavailable(str(error)) from None
        except e.WeChatError as error:
            raise self._remember(app, error) from None
        record = Record(
            fetched.token,
            fetched.source,
            serial=secrets.token_hex(8),
            remaining=float(fetched.expires_in),
            replaced_at=replaced_at,
        )
        held = self._adopt(app, record)
        self._save(app, held, current.lies_there if current is not None else None)
        self._failures.pop(app.appid, None)
        logger.info("access_token of %s fetched from %s, valid for %d s", app.appid, held.source, fetched.expires_in)
        return held

    def _save(self, app: MiniProgram, held: _Held, beside: str | None) -> None:
        now = self._monotonic()
        record = Record(
            held.token, held.source, held.serial, held.dead_at - now, now - held.fetched_at, held.replaced_at
        )
        try:
            self._shelf.write(app.appid, record)
            self._shelf.forget_failure(app.appid)
        except ShelfUnavailable as error:
            held.saved, held.beside, held.publish_at = False, beside, now + _PUBLISH_AGAIN_SECONDS
            self._note_trouble("writing", error)
        else:
            held.saved, held.beside = True, None
            self._note_well("writing")

    def _replacements(self, held: _Held) -> tuple[float, ...]:
        """Return when tokens were replaced in the last minute, in seconds UTC."""
        now = self._clock.now()
        return tuple(at for at in held.replaced_at if 0 <= now - at < REPLACEMENT_SECONDS)

    # Waiting for each other

    @contextmanager
    def _turn(self, app: MiniProgram, seconds: float) -> Iterator[None]:
        """Let one thread of this process in at a time, so the shelf's lock has only one contender per process."""
        turn = self._turns.setdefault(app.appid, threading.Lock())
        if not turn.acquire(timeout=seconds):
            raise e.AccessTokenUnavailable("another thread has been fetching for too long")
        try:
            yield
        finally:
            turn.release()

    @contextmanager
    def _locked(self, app: MiniProgram, seconds: float) -> Iterator[bool]:
        """Hold the shelf's lock; False if another process has it. Without a shelf there is no other process: True."""
        try:
            release = self._shelf.lock(app.appid, seconds)
        except ShelfUnavailable as error:
            self._note_trouble("locking", error)
            yield True
            return
        self._note_well("locking")
        if release is None:
            yield False
            return
        try:
            yield True
        finally:
            release()

    # Failures

    def _remember(self, app: MiniProgram, error: e.WeChatError) -> e.WeChatError:
        failure = Failure(_kind_of(error), str(error), error.errcode, error.errmsg)
        seconds = FAILURE_SECONDS[failure.kind]
        try:
            self._shelf.write_failure(app.appid, failure, seconds)
        except ShelfUnavailable as away:
            self._note_trouble("writing", away)
            self._failures[app.appid] = failure, self._monotonic() + seconds
        level = logging.WARNING if failure.kind == "unavailable" else logging.ERROR
        logger.log(level, "access_token of %s not fetched: %s", app.appid, failure.detail)
        return _error_for(failure)

    def _remember_here(self, app: MiniProgram, detail: str) -> e.WeChatError:
        failure = Failure("unavailable", detail)
        self._failures[app.appid] = failure, self._monotonic() + FAILURE_SECONDS["unavailable"]
        logger.warning("access_token of %s not fetched: %s", app.appid, detail)
        return _error_for(failure)

    def _remembered(self, app: MiniProgram) -> Failure | None:
        here = self._failures.get(app.appid)
        if here is not None and self._monotonic() < here[1]:
            return here[0]
        try:
            return self._shelf.read_failure(app.appid)
        except ShelfUnavailable as error:
            self._note_trouble("reading", error)
            return None

    def _raise_remembered(self, app: MiniProgram) -> None:
        failure = self._remembered(app)
        if failure is not None:
            raise _error_for(failure)

    def _note_trouble(self, doing: str, error: ShelfUnavailable) -> None:
        if doing not in self._troubles:
            self._troubles.add(doing)
            metrics.note_store("access_tokens", fails=True)
            logger.error("access_tokens are only in memory: %s the %s store fails: %s", doing, self._shelf.name, error)

    def _note_well(self, doing: str) -> None:
        if doing in self._troubles:
            self._troubles.discard(doing)
            metrics.note_store("access_tokens", fails=bool(self._troubles))
            logger.info("%s the %s store of access_tokens works again", doing, self._shelf.name)


def _kind_of(error: e.WeChatError) -> FailureKind:
    if isinstance(error, e.WeChatMisconfigured):
        return "misconfigured"
    return "quota" if isinstance(error, e.WeChatQuotaExhausted | e.WeChatRateLimited) else "unavailable"


def _error_for(failure: Failure) -> e.WeChatError:
    """Return the caller's error. WeChat has not seen the code, so after an outage the same code may be sent again."""
    kinds: dict[FailureKind, type[e.WeChatError]] = {
        "misconfigured": e.WeChatMisconfigured,
        "quota": e.WeChatQuotaExhausted,
        "unavailable": e.AccessTokenUnavailable,
    }
    return kinds[failure.kind](f"no access_token: {failure.detail}", failure.errcode, failure.errmsg)
