"""Settings: read once from the environment and ``.env``, checked as a whole, frozen.

``Settings.from_env()`` lists all problems at once, by name and never with a value, and nothing starts until all of them
are fixed. Any setting may come from a file named by ``NAME_FILE``.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from authsvc.clock import DAY
from authsvc.config import addresses, apps, pictures, places, rates
from authsvc.config.addresses import WECHAT_API
from authsvc.config.source import ENV_FILE, BadSettings, Source, choice, variables
from authsvc.values.invites import InviteCodeSource, InvitePolicy, Registration
from authsvc.values.limits import Asker, LimitedKind, PhoneBudgets, Rate
from authsvc.values.people import PhonePolicy
from authsvc.values.pictures import BucketPlace, PictureLimits, WxaCode
from authsvc.values.sessions import ContractName, ExtraClaim, SessionCaps
from authsvc.values.wechat import MiniProgram, TokenApi

_SECRET_KEY_BYTES = 32
_INVITE_PREFIX = re.compile(r"[A-Za-z0-9_-]*\Z")
_INVITE_CHARS = 20
# AppIDs that only the simulator knows; no customer can have one.
_PRACTICE_PREFIX = "wx51a051a0"


__all__ = ["WECHAT_API", "BadSettings", "Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that an operator can choose. Units: seconds and bytes unless the name says otherwise."""

    apps: tuple[MiniProgram, ...]
    public_base_url: str
    secret_keys: tuple[bytes, ...] = field(repr=False)
    instance_path: Path
    database_url: str = field(repr=False)
    database_pool_size: int = 16
    jwt_private_key: str | None = field(default=None, repr=False)
    # The file that it was read from, which is checked for changes while the service runs.
    jwt_private_key_file: Path | None = None
    jwks_max_age: int = 300
    jwt_extra_claims: tuple[ExtraClaim, ...] = ()
    access_token_lifetime: int = 900
    wx_api_base: str = WECHAT_API
    # The appid that stands for developer tools without an AppID.
    wx_tourist_app: str | None = None
    wx_proxy: str | None = field(default=None, repr=False)
    # Replaces the public certificate authorities.
    wx_ca_file: Path | None = None
    wx_max_in_flight: int = 12
    trusted_proxies: int = 0
    wx_token_api: TokenApi = "stable_token"  # noqa: S105 (an endpoint's name)
    redis_url: str | None = field(default=None, repr=False)
    phone_budgets: PhoneBudgets = field(default_factory=PhoneBudgets)
    contracts: tuple[ContractName, ...] = get_args(ContractName)
    watermark_max_age: int = 300
    login_retry_window: int = 60
    refresh_grace: int = 30
    session_caps: SessionCaps = field(default_factory=SessionCaps)
    phone_account: PhonePolicy = "link"
    account_cooling_off: int = 15 * DAY
    audit_retention: int = 365 * DAY
    # 0: changes of people are not written down.
    changes_retention: int = 0
    # 0: no merge can be undone.
    merge_undo: int = 7 * DAY
    # Where webhooks may lead besides public https addresses.
    webhook_hosts: tuple[str, ...] = ()
    ban_memory: int = 365 * DAY
    invite_memory: int = 180 * DAY
    rate_limits: Mapping[LimitedKind, Mapping[Asker, Rate]] = field(default_factory=dict)
    workers: int = 1
    registration: Registration = "open"
    invites: InvitePolicy = field(default_factory=InvitePolicy)
    # The look of codes; each code has its own scene.
    wxa_code: WxaCode = field(default_factory=lambda: WxaCode(scene="-"))
    picture_limits: PictureLimits = field(default_factory=PictureLimits)
    bucket: BucketPlace | None = None
    scan_sign_in_page: str | None = None
    api_page: bool = False
    console: bool = False
    scan_sign_in_origins: tuple[str, ...] = ()
    log_level: str = "INFO"
    log_format: str = "auto"
    # (setting, the alias it was read from), for the log.
    aliases_used: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read and check every setting; raise BadSettings naming all problems together.

        Without ``environ``, reads the process environment, which overrides the ``.env`` file of the working directory.
        This is the same under gunicorn, ``flask run`` and the command line.
        """
        source = Source(variables() if environ is None else environ)
        settings = cls.read(source)
        if settings is None:
            advice = [_advice(source.problems)] if environ is None else []
            raise BadSettings("\n".join((*source.problems, *advice)))
        return settings

    @classmethod
    def read(cls, source: Source) -> "Settings | None":
        """Read and check every setting; None if there are problems, which ``source`` then lists."""
        settings = _read(source)
        return None if source.problems else settings

    @property
    def public_origin(self) -> str:
        """``public_base_url`` as browsers write it in the header ``Origin``."""
        return addresses.web_origin(self.public_base_url)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every configured value that must not appear in a log."""
        keys = [base64.urlsafe_b64encode(key).decode().rstrip("=") for key in self.secret_keys]
        urls = (self.database_url, self.wx_proxy or "", self.redis_url or "")
        passwords = [password for url in urls for password in addresses.passwords(url)]
        private_key = [self.jwt_private_key] if self.jwt_private_key else []
        bucket_key = [self.bucket.secret_access_key] if self.bucket and self.bucket.secret_access_key else []
        pushed = [text for app in self.apps if app.push for text in app.push.texts]
        return (*(app.secret for app in self.apps), *pushed, *keys, *private_key, *bucket_key, *passwords)


def _advice(problems: list[str]) -> str:
    """Return what to do about settings of the environment and ``.env``."""
    env_file = ENV_FILE.absolute()
    if env_file.exists():
        return f"next: correct {env_file}, or the environment"
    if any(" is not set" in problem for problem in problems):
        return f"next: run authsvc init, which creates {env_file}, or change to the folder that has a .env"
    return "next: correct the environment"


def _read(source: Source) -> Settings | None:
    instance = places.instance(source)
    mini_programs = apps.read(source)
    base_url = addresses.public_base_url(source)
    keys = _secret_keys(source)
    values: dict[str, Any] = {
        "instance_path": instance,
        "database_url": addresses.database(source, instance),
        "database_pool_size": source.number("DATABASE_POOL_SIZE", 16, 1, 1000),
        "jwt_private_key": source.text("JWT_PRIVATE_KEY"),
        "jwt_private_key_file": source.file("JWT_PRIVATE_KEY"),
        "jwks_max_age": source.number("JWKS_MAX_AGE", 300, 1, DAY),
        "jwt_extra_claims": _extra_claims(source),
        "access_token_lifetime": source.number("JWT_ACCESS_TOKEN_EXPIRES", 900, 60, DAY),
        **_wechat(source, mini_programs),
        "trusted_proxies": source.number("TRUSTED_PROXIES", 0, 0, 10),
        "redis_url": addresses.redis(source),
        "phone_budgets": _phone_budgets(source),
        "contracts": _contracts(source),
        "watermark_max_age": source.number("WATERMARK_MAX_AGE", 300, 1, 10**9),
        "refresh_grace": source.number("REFRESH_GRACE", 30, 0, 300),
        "session_caps": _session_caps(source),
        "phone_account": choice(source, "PHONE_ACCOUNT", "link", ("link", "reject")),
        "account_cooling_off": source.number("ACCOUNT_COOLING_OFF_DAYS", 15, 0, 365) * DAY,
        "audit_retention": source.number("AUDIT_RETENTION_DAYS", 365, 1, 36500) * DAY,
        "changes_retention": source.number("CHANGES_RETENTION_DAYS", 0, 0, 3650) * DAY,
        "merge_undo": source.number("MERGE_UNDO_DAYS", 7, 0, 365) * DAY,
        "webhook_hosts": addresses.hosts(source, "WEBHOOK_HOSTS"),
        "ban_memory": source.number("BAN_MEMORY_DAYS", 365, 0, 36500) * DAY,
        "invite_memory": source.number("INVITE_MEMORY_DAYS", 180, 0, 36500) * DAY,
        "registration": choice(source, "REGISTRATION", "open", get_args(Registration)),
        "invites": _invites(source),
        "wxa_code": pictures.wxa_code(source),
        "picture_limits": pictures.limits(source),
        "bucket": pictures.bucket(source),
        "rate_limits": rates.limits(source),
        "workers": source.number("WEB_CONCURRENCY", 1, 1, 10_000),
        "login_retry_window": source.number("LOGIN_RETRY_WINDOW", 60, 0, 300),
        "scan_sign_in_page": pictures.page(source, "SCAN_SIGN_IN_PAGE"),
        "api_page": choice(source, "API_PAGE", "1" if (base_url or "").startswith("http:") else "0", ("0", "1")) == "1",
        "console": _console(source, base_url),
        "scan_sign_in_origins": addresses.origins(source, "SCAN_SIGN_IN_ORIGINS", base_url),
        "log_level": choice(source, "LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        "log_format": choice(source, "LOG_FORMAT", "auto", ("auto", "json", "text")),
    }
    if base_url is not None and not addresses.is_for_tests(base_url):
        _refuse_practice(source, mini_programs, values["wx_api_base"])
    source.complain_of_misspellings()
    if source.problems or base_url is None:
        return None
    aliases = tuple(source.aliases_used.items())
    return Settings(apps=mini_programs, public_base_url=base_url, secret_keys=keys, aliases_used=aliases, **values)


def _console(source: Source, base_url: str | None) -> bool:
    """Tell whether the console is on: its credentials and cookies need TLS."""
    is_on = choice(source, "CONSOLE", "0", ("0", "1")) == "1"
    if is_on and base_url and base_url.startswith("http:") and not addresses.is_on_this_machine(base_url):
        source.complain("CONSOLE=1 needs an https PUBLIC_BASE_URL, or http on this machine")
    return is_on


def _wechat(source: Source, mini_programs: tuple[MiniProgram, ...]) -> dict[str, Any]:
    """Read how WeChat is reached."""
    return {
        "wx_api_base": addresses.api_base(source),
        "wx_tourist_app": apps.tourist(source, mini_programs),
        "wx_proxy": addresses.proxy(source),
        "wx_ca_file": places.authorities(source, "WX_CA_FILE"),
        "wx_max_in_flight": source.number("WX_MAX_IN_FLIGHT", 12, 1, 100_000),
        "wx_token_api": choice(source, "WX_TOKEN_API", "stable_token", get_args(TokenApi)),
    }


def _refuse_practice(source: Source, mini_programs: tuple[MiniProgram, ...], api_base: str) -> None:
    """Note a problem for what would let anybody sign in as anybody, under an address that is open to the public."""
    if any(app.appid.startswith(_PRACTICE_PREFIX) for app in mini_programs):
        source.complain("WX_APPID is one of the simulator, but PUBLIC_BASE_URL is public: set the AppID of WeChat")
    if addresses.is_on_this_machine(api_base):
        source.complain("WX_API_BASE is on this machine, but PUBLIC_BASE_URL is public: remove WX_API_BASE")


def _session_caps(source: Source) -> SessionCaps:
    return SessionCaps(
        per_user=source.number("SESSIONS_PER_USER", 50, 1, 10_000),
        per_day=source.number("SESSIONS_PER_USER_DAILY", 500, 0, 10**6),
    )


def _phone_budgets(source: Source) -> PhoneBudgets:
    total = source.number("PHONE_DAILY_TOTAL", 10_000, 0, 10**9)
    unattributed = source.number("PHONE_DAILY_UNATTRIBUTED", -(-total // 2), 0, 10**9)
    if total and not 0 < unattributed < total and source.text("PHONE_DAILY_UNATTRIBUTED") is not None:
        source.complain("PHONE_DAILY_UNATTRIBUTED must be at least 1 and less than PHONE_DAILY_TOTAL")
    return PhoneBudgets(
        per_user=source.number("PHONE_DAILY_PER_USER", 5, 0, 10**6),
        per_address=source.number("PHONE_DAILY_PER_ADDRESS", 300, 0, 10**9),
        per_app=total,
        unattributed=unattributed,
        unattributed_per_address=source.number("PHONE_DAILY_UNATTRIBUTED_PER_ADDRESS", 100, 0, 10**9),
    )


def _contracts(source: Source) -> tuple[ContractName, ...]:
    """Return the contracts to serve: always the native one, and all of them if none is named."""
    known: tuple[ContractName, ...] = get_args(ContractName)
    named = {name.strip() for name in (source.text("CONTRACTS") or ",".join(known)).split(",")} - {""}
    if named - set(known):
        source.complain(f"CONTRACTS must be a list of {', '.join(known)}, separated by commas")
    return tuple(name for name in known if name in named or name == "native")


def _invites(source: Source) -> InvitePolicy:
    prefix = source.text("INVITE_CODE_PREFIX") or ""
    length = source.number("INVITE_CODE_LENGTH", 12, 8, 20)
    if not _INVITE_PREFIX.match(prefix):
        source.complain("INVITE_CODE_PREFIX may only contain letters, digits, hyphens and underscores")
    if len(prefix) + length > _INVITE_CHARS:
        source.complain("INVITE_CODE_PREFIX and INVITE_CODE_LENGTH together exceed 20 characters")
    return InvitePolicy(
        prefix=prefix,
        length=length,
        max_uses=source.number("INVITE_CODE_USES", 0, 0, 10**9),
        days=source.number("INVITE_CODE_DAYS", 0, 0, 36500),
        source=cast(InviteCodeSource, choice(source, "INVITE_CODE_SOURCE", "new", get_args(InviteCodeSource))),
    )


def _secret_keys(source: Source) -> tuple[bytes, ...]:
    """Return comma-separated base64url keys of 32 bytes; the first one encrypts, all of them decrypt."""
    value = source.text("SECRET_KEYS")
    if value is None:
        source.complain("SECRET_KEYS is not set (run: authsvc init)")
        return ()
    keys = []
    for text in value.split(","):
        key = _decode_key(text.strip())
        if key is None or len(set(key)) < 8:
            source.complain("SECRET_KEYS contains a key that is not 32 random bytes in base64url")
            return ()
        keys.append(key)
    return tuple(keys)


def _decode_key(text: str) -> bytes | None:
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == _SECRET_KEY_BYTES else None


def _extra_claims(source: Source) -> tuple[ExtraClaim, ...]:
    names = tuple(name.strip() for name in (source.text("JWT_EXTRA_CLAIMS") or "").split(",") if name.strip())
    if unknown := set(names) - {"openid", "nickname"}:
        source.complain(f"JWT_EXTRA_CLAIMS may only contain openid and nickname; it has {len(unknown)} other name(s)")
    return cast(tuple[ExtraClaim, ...], names)
