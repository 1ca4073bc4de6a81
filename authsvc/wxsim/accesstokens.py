"""access_tokens, and which of them work at a given time.

Pages 获取接口调用凭据 (getAccessToken), 获取稳定版接口调用凭据 (getStableAccessToken) and access_token 使用说明. The
two kinds do not affect each other. Safe across threads.
"""

import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from authsvc.wxsim import identifiers
from authsvc.wxsim.errcodes import WeChatRefusal

Kind = Literal["stable_token", "token"]
KINDS: tuple[Kind, ...] = ("stable_token", "token")

# "Old and new both work for five minutes": for stable_token, the last five minutes of the old one; for token, the five
# minutes after the new one was created.
OVERLAP_SECONDS = 300
FORCE_SPACING_SECONDS = 30
FORCES_PER_DAY = 20
DAY_SECONDS = 86400

_WELL_FORMED = re.compile(r"\d+_[A-Za-z0-9_-]{20,511}")


@dataclass
class Token:
    """One access_token. It gets 42001 from ``expires_at`` on, and 40001 from ``dies_at`` on if that is earlier."""

    text: str = field(repr=False)
    appid: str
    kind: Kind
    made_at: float
    expires_at: float
    dies_at: float = math.inf


@dataclass
class Counts:
    """How often one app requested one kind of token, and the results."""

    fetches: int = 0  # calls that got a token
    minted: int = 0  # tokens created
    forced: int = 0  # tokens created by force_refresh


@dataclass
class _Drawer:
    """The tokens of one kind of one app: the current one, and the previous one while it may still work."""

    current: Token | None = None
    previous: Token | None = None
    counts: Counts = field(default_factory=Counts)
    asked_at: list[float] = field(default_factory=list)
    forced_at: list[float] = field(default_factory=list)


class AccessTokens:
    """All access_tokens of this world."""

    def __init__(self, now: Callable[[], float], lifetime: Callable[[], int]) -> None:
        """Begin without tokens; ``lifetime`` is called for each new token (seconds, WeChat: 7200)."""
        self._now = now
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._drawers: dict[tuple[str, Kind], _Drawer] = {}
        self._known: dict[str, Token] = {}

    def fetch(self, appid: str, quota_per_day: int | None) -> tuple[str, int]:
        """Do /cgi-bin/token: always a new token; the previous one works for five more minutes, older ones no longer.

        Raises WeChatRefusal 45009 over the quota.
        """
        with self._lock:
            drawer = self._drawer(appid, "token")
            now = self._now()
            drawer.asked_at = [at for at in drawer.asked_at if now - at < DAY_SECONDS]
            if quota_per_day is not None and len(drawer.asked_at) >= quota_per_day:
                raise WeChatRefusal(45009)
            drawer.asked_at.append(now)
            if drawer.previous is not None:
                drawer.previous.dies_at = min(drawer.previous.dies_at, now)
            if drawer.current is not None:
                drawer.current.dies_at = min(drawer.current.dies_at, now + OVERLAP_SECONDS)
            return self._given(drawer, self._mint(drawer, appid, "token"))

    def fetch_stable(self, appid: str, force: bool) -> tuple[str, int]:
        """Do /cgi-bin/stable_token: the same token until its last five minutes, then additionally a new one.

        Force kills the existing tokens, at most 20 times a day, and has no effect within 30 s of the last time. Raises
        WeChatRefusal 45009 for the 21st time.
        """
        with self._lock:
            drawer = self._drawer(appid, "stable_token")
            now = self._now()
            token = drawer.current
            if force and self._may_force(drawer, now):
                self._kill(drawer, now)
                drawer.counts.forced += 1
                token = None
            if token is None or token.dies_at <= now or token.expires_at - now < OVERLAP_SECONDS:
                token = self._mint(drawer, appid, "stable_token")
            return self._given(drawer, token)

    def require(self, text: str | None) -> str:
        """Return the AppID of a token. Raises WeChatRefusal 41001, 40014, 40001 or 42001."""
        if not text:
            raise WeChatRefusal(41001)
        if not _WELL_FORMED.fullmatch(text):
            raise WeChatRefusal(40014)
        with self._lock:
            token = self._known.get(text)
            now = self._now()
            if token is None or token.dies_at <= now:
                raise WeChatRefusal(40001)
            if token.expires_at <= now:
                raise WeChatRefusal(42001)
            return token.appid

    def kill(self, appid: str, kind: Kind) -> None:
        """Make every token of this kind get 40001 from now on, as after a force_refresh elsewhere."""
        with self._lock:
            self._kill(self._drawer(appid, kind), self._now())

    def expire(self, appid: str, kind: Kind) -> None:
        """Make every token of this kind get 42001 from now on."""
        with self._lock:
            drawer = self._drawer(appid, kind)
            for token in filter(None, (drawer.current, drawer.previous)):
                token.expires_at = self._now()

    def show(self, appid: str, kind: Kind) -> dict[str, object]:
        """Return counts and the current token in plain text, because tests search logs for it."""
        with self._lock:
            drawer = self._drawer(appid, kind)
            now = self._now()
            token = drawer.current
            alive = token is not None and token.dies_at > now and token.expires_at > now
            shown = {"access_token": token.text, "expires_in": int(token.expires_at - now)} if token and alive else {}
            return {"appid": appid, "kind": kind, **vars(drawer.counts), **shown}

    def _drawer(self, appid: str, kind: Kind) -> _Drawer:
        return self._drawers.setdefault((appid, kind), _Drawer())

    def _mint(self, drawer: _Drawer, appid: str, kind: Kind) -> Token:
        now = self._now()
        token = Token(identifiers.new_access_token(), appid, kind, now, now + self._lifetime())
        self._known[token.text] = token
        drawer.previous, drawer.current = drawer.current, token
        drawer.counts.minted += 1
        return token

    def _given(self, drawer: _Drawer, token: Token) -> tuple[str, int]:
        drawer.counts.fetches += 1
        return token.text, math.ceil(token.expires_at - self._now())

    def _may_force(self, drawer: _Drawer, now: float) -> bool:
        drawer.forced_at = [at for at in drawer.forced_at if now - at < DAY_SECONDS]
        if len(drawer.forced_at) >= FORCES_PER_DAY:
            raise WeChatRefusal(45009)
        if drawer.forced_at and now - drawer.forced_at[-1] < FORCE_SPACING_SECONDS:
            return False
        drawer.forced_at.append(now)
        return True

    def _kill(self, drawer: _Drawer, now: float) -> None:
        for token in filter(None, (drawer.current, drawer.previous)):
            token.dies_at = now
