"""The simulated world: apps, users, their keys and codes, and an adjustable clock.

One lock covers everything, so every method is atomic: of 50 simultaneous exchanges of a code, exactly one succeeds.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from authsvc.wxsim import identifiers
from authsvc.wxsim.accesstokens import AccessTokens
from authsvc.wxsim.drawncodes import DrawnCodes
from authsvc.wxsim.errcodes import WeChatRefusal
from authsvc.wxsim.guard import require_simulated
from authsvc.wxsim.profiles import phone_candidate, profile_for

# wx.login page: "valid for five minutes". The phone code lives as long (getPhoneNumber page).
CODE_SECONDS = 300
# Expired codes are kept for a while: the test clock may be set back, and "used" and "unknown" must differ.
CODE_MEMORY_SECONDS = 3600
QUOTA_WINDOW_SECONDS = 60
# The result of wx.login in developer tools without an AppID (touristappid), and the person it stands for here.
MOCK_CODE = "the code is a mock one"
TOURIST = "tourist"


class UnknownApp(LookupError):
    """No such AppID in this simulator."""


class WorldConflict(Exception):
    """The request contradicts the state: a given code exists, or data is encrypted before any login."""


@dataclass
class Settings:
    """Switches of the simulated WeChat; ``POST /control/settings`` changes them, a reset restores them."""

    latency: float = 0.0  # seconds added to every answer, after the work is done
    min_refresh_seconds: float = 60.0  # a wx.login within this time after a new key keeps the key
    quota_per_minute: int | None = None  # exchanges per user and app (old page: 100); None is no limit
    token_seconds: int = 7200  # life of an access_token
    token_quota_per_day: int | None = 2000  # calls of /cgi-bin/token per app (older material); None is no limit
    ip_allow_list: list[str] | None = None  # addresses that may fetch tokens with AppSecret; None is any
    # The pages of the published version, for check_path; None accepts any.
    published_pages: list[str] | None = field(
        default_factory=lambda: ["pages/index/index", "pages/login/login", "pages/scan/scan"]
    )
    # Endpoints without permission (48001). That for the risk rank has to be applied for (mp.weixin.qq.com).
    ungranted: list[str] = field(default_factory=lambda: ["/wxa/getuserriskrank"])
    codes_per_minute: int | None = 5000  # calls of getwxacodeunlimit per app; None is no limit
    limited_codes: int = 100_000  # how many codes getwxacode and createwxaqrcode draw in total per app
    payment_key: str = "12345"  # AppKey of virtual payment, which signs pay_sig
    country_code_as_number: bool = False  # phone_info.countryCode as 86 instead of "86" (an older sample)
    escape_slashes: bool = True  # "/" as "\/" in JSON, as one capture of a session_key shows
    # By path prefix, longest first. text/plain on /sns is widely reported; the rest is application/json.
    content_types: dict[str, str] = field(
        default_factory=lambda: {"/sns/": "text/plain", "/": "application/json; charset=utf-8"}
    )

    def content_type_of(self, path: str) -> str:
        """Return the Content-Type header for JSON answers of ``path``."""
        prefixes = sorted((p for p in self.content_types if path.startswith(p)), key=len)
        return self.content_types[prefixes[-1]] if prefixes else "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class App:
    """A mini program. With a ``unionid_group`` (an Open Platform account) its users have a unionid."""

    appid: str
    secret: str = field(repr=False)
    unionid_group: str | None = None


@dataclass
class User:
    """A person with a phone. ``profile`` is the ``userInfo`` object, ``phone`` the number without country code."""

    name: str
    profile: dict[str, Any]
    phone: str
    country_code: str = "86"
    blocked: bool = False
    unionids: dict[str, str] = field(default_factory=dict)  # by Open Platform account, if set by a test


@dataclass
class Account:
    """A user in one app: the openid, and the current session_key (None before any login)."""

    app: App
    user: User
    openid: str
    session_key: str | None = field(default=None, repr=False)
    key_minted_at: float = 0.0
    key_pinned: bool = False
    exchanges: deque[float] = field(default_factory=deque, repr=False)

    @property
    def unionid(self) -> str | None:
        """The unionid, or None if the app is not bound to an Open Platform account (UnionID page)."""
        group = self.app.unionid_group
        if group is None:
            return None
        return self.user.unionids.get(group) or identifiers.unionid_for(group, self.user.name)


@dataclass
class Code:
    """A single-use code of one user in one app."""

    appid: str
    user: str
    minted_at: float
    used: bool = False
    phone_info: dict[str, Any] = field(default_factory=dict, repr=False)  # for a phone code: the result of the tap


@dataclass(frozen=True, slots=True)
class Session:
    """The result of a successful exchange."""

    openid: str
    session_key: str = field(repr=False)
    unionid: str | None = None


class Clock:
    """The simulator's clock: the machine's clock plus ``offset`` seconds."""

    def __init__(self) -> None:
        """Start with no offset."""
        self.offset = 0.0

    def now(self) -> float:
        """Return Unix seconds as the simulator sees them."""
        return time.time() + self.offset


class World:
    """The state of the simulated WeChat. Safe across threads, lost with the process."""

    def __init__(self, apps: Sequence[App], settings: Settings) -> None:
        """Begin with ``apps``. Raises RefusedAppId for an AppID that could be real."""
        self.settings = settings
        self.clock = Clock()
        self._lock = threading.RLock()
        self._apps: dict[str, App] = {}
        self._users: dict[str, User] = {}
        self._accounts: dict[tuple[str, str], Account] = {}
        self._phones: dict[str, str] = {}
        # Two namespaces: getuserphonenumber does not know login codes, and jscode2session does not know phone codes.
        self._login_codes: dict[str, Code] = {}
        self._phone_codes: dict[str, Code] = {}
        self.drawn_codes = DrawnCodes()
        self._codes_drawn: dict[str, deque[float]] = {}
        self._limited_codes_used: dict[str, int] = {}
        self.tokens = AccessTokens(self.clock.now, lambda: self.settings.token_seconds)
        for app in apps:
            self.put_app(app)

    # Apps

    def put_app(self, app: App) -> None:
        """Add or replace an app. Raises RefusedAppId."""
        require_simulated(app.appid)
        with self._lock:
            self._apps[app.appid] = app
            for account in self._accounts.values():
                if account.app.appid == app.appid:
                    account.app = app

    def find_app(self, appid: str) -> App | None:
        """Return the app, or None."""
        return self._apps.get(appid)

    def get_app(self, appid: str) -> App:
        """Return the app. Raises UnknownApp."""
        if (app := self._apps.get(appid)) is None:
            raise UnknownApp(f"there is no app {appid!r}; add it with --app or POST /control/apps")
        return app

    def apps(self) -> list[App]:
        """Return all apps in the order of their registration."""
        return list(self._apps.values())

    # Users

    def user(self, name: str) -> User:
        """Return the user, who is created on first use with a realistic profile and their own phone number."""
        with self._lock:
            if (user := self._users.get(name)) is None:
                user = self._users[name] = User(name, profile_for(name), self._free_phone(name))
            return user

    def account(self, appid: str, name: str) -> Account:
        """Return the user's account in the app, created on first use. Raises UnknownApp."""
        with self._lock:
            if (account := self._accounts.get((appid, name))) is None:
                app, user = self.get_app(appid), self.user(name)
                account = Account(app, user, identifiers.openid_for(appid, name))
                self._accounts[appid, name] = account
            return account

    def accounts_of(self, name: str) -> list[Account]:
        """Return the user's accounts in all apps."""
        with self._lock:
            return [account for (_, user), account in self._accounts.items() if user == name]

    def pin_session_key(self, account: Account, session_key: str) -> None:
        """Set the current ``session_key``, and keep it until a login forces a rotation."""
        with self._lock:
            account.session_key, account.key_pinned = session_key, True
            account.key_minted_at = self.clock.now()

    def counts(self) -> dict[str, int]:
        """Return how many users and login codes there are."""
        with self._lock:
            return {"users": len(self._users), "login_codes": len(self._login_codes)}

    def _free_phone(self, name: str) -> str:
        attempt = 0
        while self._phones.setdefault(phone := phone_candidate(name, attempt), name) != name:
            attempt += 1
        return phone

    # Login

    def log_in(self, appid: str, name: str, rotate: bool | None = None, code: str | None = None) -> str:
        """Do ``wx.login``: return a fresh code, and possibly create a new session_key, which replaces the old one.

        A new code may create a new key, but not within a minimum interval (signature page). ``rotate`` forces one or
        the other; ``code`` sets the code's text. Raises UnknownApp, or WorldConflict for a code that exists.
        """
        with self._lock:
            account = self.account(appid, name)
            code = code or identifiers.new_login_code()
            self._remember(self._login_codes, code, appid, name)
            if self._rotates(account, rotate):
                account.session_key, account.key_pinned = identifiers.new_session_key(), False
                account.key_minted_at = self.clock.now()
            return code

    def mint_phone_code(self, appid: str, name: str, phone_info: dict[str, Any]) -> str:
        """Return a phone-button code for getuserphonenumber, which will answer ``phone_info``.

        It needs no login (quick phone verification page).
        """
        with self._lock:
            self.account(appid, name)
            code = identifiers.new_phone_code()
            self._remember(self._phone_codes, code, appid, name)
            self._phone_codes[code].phone_info = phone_info
            return code

    def spend_phone_code(self, appid: str, code: str, openid: str | None) -> dict[str, Any]:
        """Use up a phone code and return its ``phone_info``. Exactly one caller per code gets it.

        Raises WeChatRefusal: 40029 unknown, expired or used (a login code is unknown here), 40013 another app's, 40003
        another user's than ``openid``.
        """
        with self._lock:
            found = self._phone_codes.get(code)
            if found is None or found.used or self.clock.now() - found.minted_at >= CODE_SECONDS:
                raise WeChatRefusal(40029)
            if found.appid != appid:
                raise WeChatRefusal(40013)
            if openid is not None and openid != self.account(appid, found.user).openid:
                raise WeChatRefusal(40003)
            found.used = True
            return found.phone_info

    def find_account(self, appid: str, openid: str) -> Account | None:
        """Return the account behind an openid of this app, or None."""
        with self._lock:
            accounts = self._accounts.values()
            return next((a for a in accounts if a.app.appid == appid and a.openid == openid), None)

    def reset_session_key(self, account: Account) -> str:
        """Give the account a new session_key, which inherits the age of the old one (重置登录态)."""
        with self._lock:
            account.session_key, account.key_pinned = identifiers.new_session_key(), False
            return account.session_key

    def exchange(self, appid: str, code: str) -> Session:
        """Use up a login code of this app and return the session. Exactly one caller per code gets it.

        Raises WeChatRefusal: 45011 too fast, 40029 unknown, expired or another app's, 40163 used, 40226 blocked user
        (which does not use up the code).

        WeChat itself refuses ``MOCK_CODE`` (40029). Here it is always valid, for demo projects in developer tools
        without an AppID.
        """
        with self._lock:
            found = self._mock_code(appid) if code == MOCK_CODE else self._login_codes.get(code)
            if found is None or found.appid != appid:
                raise WeChatRefusal(40029)
            account = self.account(appid, found.user)
            self._count(account.exchanges, self.settings.quota_per_minute, 45011)
            if self.clock.now() - found.minted_at >= CODE_SECONDS:
                raise WeChatRefusal(40029)
            if found.used:
                raise WeChatRefusal(40163)
            if account.user.blocked:
                raise WeChatRefusal(40226)
            if account.session_key is None:  # impossible: a code is created together with a key
                raise WeChatRefusal(-1)
            found.used = True
            return Session(account.openid, account.session_key, account.unionid)

    def _mock_code(self, appid: str) -> Code:
        """Return a code of the tourist, whose ``wx.login`` did not go through the simulator."""
        account = self.account(appid, TOURIST)
        if account.session_key is None:
            account.session_key, account.key_minted_at = identifiers.new_session_key(), self.clock.now()
        return Code(appid, TOURIST, self.clock.now())

    # Mini-program codes

    def forget_codes_drawn(self) -> None:
        """Restart the minute of getwxacodeunlimit's quota."""
        with self._lock:
            self._codes_drawn.clear()

    def count_code(self, appid: str) -> None:
        """Count a call of getwxacodeunlimit. Raises WeChatRefusal 45009 over the quota of a minute (older page)."""
        quota = self.settings.codes_per_minute
        with self._lock:
            self._count(self._codes_drawn.setdefault(appid, deque()), quota, 45009)

    def take_limited_code(self, appid: str) -> int:
        """Count a code of the limited kind, and return the total. Raises WeChatRefusal 45029 if none is left."""
        with self._lock:
            used = self._limited_codes_used.get(appid, 0) + 1
            if used > self.settings.limited_codes:
                raise WeChatRefusal(45029)
            self._limited_codes_used[appid] = used
            return used

    def _rotates(self, account: Account, forced: bool | None) -> bool:
        if account.session_key is None:
            return True
        if forced is not None:
            return forced
        age = self.clock.now() - account.key_minted_at
        return not account.key_pinned and age >= self.settings.min_refresh_seconds

    def _count(self, times: deque[float], quota: int | None, errcode: int) -> None:
        """Record a call. Raises WeChatRefusal if there were ``quota`` calls in this minute."""
        if quota is None:
            return
        now = self.clock.now()
        while times and not 0 <= now - times[0] < QUOTA_WINDOW_SECONDS:
            times.popleft()
        if len(times) >= quota:
            raise WeChatRefusal(errcode)
        times.append(now)

    def _remember(self, codes: dict[str, Code], code: str, appid: str, name: str) -> None:
        if code in codes:
            raise WorldConflict(f"the code {code!r} already exists")
        now = self.clock.now()
        while codes and now - codes[oldest := next(iter(codes))].minted_at > CODE_MEMORY_SECONDS:
            del codes[oldest]
        codes[code] = Code(appid, name, now)
