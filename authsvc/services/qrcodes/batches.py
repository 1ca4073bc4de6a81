"""Draws pictures of many invite codes in advance, several at once, within WeChat's limit per minute."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import TypeVar

from authsvc.clock import SystemClock
from authsvc.errors import AuthSvcError, PicturesFull, WeChatQuotaExhausted, WeChatRateLimited, will_pass
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.qrcodes.codepictures import CodePictures
from authsvc.services.qrcodes.qrcodes import QrCodes
from authsvc.values.operator import Refused
from authsvc.values.wechat import MiniProgram

# Errors that no code causes, and that more calls would only make worse.
_POINTLESS = (WeChatQuotaExhausted, WeChatRateLimited, PicturesFull)
# This many failures in a row are not caused by single codes.
_FAILURES_IN_A_ROW = 10
# Longer than the breaker blocks calls.
_PAUSE_SECONDS = 6.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Drawn:
    """The result for one invite code: a new picture, an existing one, or an error."""

    invite_code: str
    is_new: bool = False
    error: AuthSvcError | None = None


class Stopped(Refused):
    """Continuing makes no sense at the moment; finished pictures are kept. ``will_pass``: it will work later."""

    def __init__(self, error: AuthSvcError) -> None:
        super().__init__(f"{error.en} ({error})")
        self.will_pass = will_pass(error)


class CodeBatches:
    """Has WeChat draw the codes that have no picture yet."""

    def __init__(
        self,
        apps: Apps,
        qrcodes: QrCodes,
        pictures: CodePictures,
        clock: SystemClock,
        *,
        per_minute: int,
        at_once: int,
    ) -> None:
        """Requests at most ``per_minute`` new pictures, ``at_once`` at a time."""
        self._apps = apps
        self._qrcodes = qrcodes
        self._pictures = pictures
        self._per_minute = per_minute
        self._at_once = at_once
        self._clock = clock

    def draw(self, invite_codes: Iterable[str], appid: str | None = None) -> Generator[Drawn, None, None]:
        """Draw pictures of these codes for an app (default: the first one); yields the result of each, in order.

        The pictures belong to nobody, so they do not count for the owner of a code. If a quota is used up, or after ten
        errors in a row, nothing more is started; Stopped is raised when all started pictures have been reported. Raises
        UnknownApp before anything else. The caller may stop at any time.
        """
        app = self._apps.choose(appid, None)
        pace = _Pace(self._per_minute, self._clock)
        reason: AuthSvcError | None = None
        failures = 0
        with ThreadPoolExecutor(self._at_once) as pool, pace:
            wanted = takewhile(lambda _: reason is None, invite_codes)
            for drawn in _in_order(pool, partial(self._draw, pace, app), wanted, self._at_once * 4):
                if drawn is None:
                    continue
                is_pointless = isinstance(drawn.error, _POINTLESS)
                failures = failures + 1 if drawn.error else 0
                if is_pointless or failures == _FAILURES_IN_A_ROW:
                    reason = reason or drawn.error
                    pace.end()
                if not is_pointless:
                    yield drawn
        if reason is not None:
            raise Stopped(reason)

    def pictures(self, invite_codes: Iterable[str], appid: str | None = None) -> Iterator[tuple[str, bytes] | None]:
        """Yield name and content of each picture, or None if there is none yet. Raises UnknownApp."""
        app = self._apps.choose(appid, None)
        for invite_code in invite_codes:
            name = self._pictures.find(app, self._qrcodes.invite(invite_code))
            yield None if name is None else (name, self._pictures.read(name))

    def names(self, invite_codes: Iterable[str], appid: str | None = None) -> dict[str, str]:
        """Return the file name of each picture that exists, by invite code. Raises UnknownApp."""
        app = self._apps.choose(appid, None)
        named = ((code, self._pictures.find(app, self._qrcodes.invite(code))) for code in invite_codes)
        return {code: name for code, name in named if name is not None}

    def _draw(self, pace: "_Pace", app: MiniProgram, invite_code: str) -> Drawn | None:
        """Have one picture drawn unless it exists; None if nothing more is to be started."""
        code = self._qrcodes.invite(invite_code)
        for is_last in (False, False, True):
            try:
                if self._pictures.find(app, code) is not None:
                    return Drawn(invite_code)
                if not pace.turn():
                    return None
                self._pictures.picture(app, code)
                return Drawn(invite_code, is_new=True)
            except AuthSvcError as error:
                if isinstance(error, _POINTLESS):
                    pace.end()
                if is_last or error.action != "retry" or not pace.pause():
                    return Drawn(invite_code, error=error)
        raise AssertionError("unreachable")


class _Pace:
    """Gives threads a turn, evenly over the minute, until it is stopped."""

    def __init__(self, per_minute: int, clock: SystemClock) -> None:
        self._gap = 60 / per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0
        self._ended = threading.Event()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Give no more turns."""
        self._ended.set()

    def turn(self) -> bool:
        """Wait for a turn; False if there are no more."""
        with self._lock:
            now = self._clock.monotonic()
            turn = max(self._next, now)
            self._next = turn + self._gap
        return not self._ended.wait(turn - now)

    def pause(self) -> bool:
        """Wait until a failing WeChat may be called again; False if that does not happen."""
        return not self._ended.wait(_PAUSE_SECONDS)


def _in_order(pool: ThreadPoolExecutor, work: Callable[[str], T], items: Iterable[str], ahead: int) -> Iterator[T]:
    """Yield the result of ``work`` for each item, in order, while the pool works on the next ones."""
    pending: deque[Future[T]] = deque()
    for item in items:
        pending.append(pool.submit(work, item))
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
