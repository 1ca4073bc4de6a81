"""What the service says of itself when it starts: never a value that could be a secret."""

import logging
import os
from collections.abc import Iterator
from typing import Any

from authsvc import __version__
from authsvc.config import WECHAT_API, Settings
from authsvc.config.source import ENV_FILE, Source, stored, variables
from authsvc.db import sqlitefile
from authsvc.errors import AuthSvcError

logger = logging.getLogger(__name__)

# Settings that gunicorn's configuration reads.
_OF_GUNICORN = {"ACCESS_LOG", "BIND", "PORT", "WEB_CONCURRENCY"}


def tell(settings: Settings, cfg: Any, given: frozenset[str]) -> None:
    """Log how the service is set up, in a few lines. ``given``: the names in the environment, before we set any."""
    for line in _lines(settings, cfg, given):
        logger.info(line)


def tell_of_database(database: Any) -> None:
    """Log whether the database is migrated, or why it cannot be asked."""
    try:
        found, newest = database.revision(), database.newest
    except AuthSvcError as problem:
        logger.warning("database: %s", problem)
        return
    if found == newest:
        logger.info("database: migrated (%s)", found)
    else:
        logger.warning("database: at migration %s, not %s; run: authsvc db upgrade", found or "none", newest)


def _lines(settings: Settings, cfg: Any, given: frozenset[str]) -> Iterator[str]:
    workers = f"{cfg.workers} {cfg.worker_class_str} worker{'' if cfg.workers == 1 else 's'}"
    yield f"authsvc {__version__}: {workers}, public address {settings.public_base_url}"
    file = sqlitefile.path_of(settings.database_url)
    yield f"database: {f'SQLite, {file}' if file else 'MySQL or MariaDB, of DATABASE_URL'}"
    shared = "Redis" if settings.redis_url else None
    bucket = f"bucket {settings.bucket.bucket}" if settings.bucket else None
    yield (
        f"access_token in {shared or settings.instance_path / 'access_token'}, rate limits counted in"
        f" {shared or settings.instance_path / 'ratelimits'}, pictures in {bucket or settings.instance_path}"
    )
    yield f"proxies believed: {settings.trusted_proxies} (TRUSTED_PROXIES)"
    yield _sources(given)
    if off := list(_off(settings, cfg)):
        yield f"off: {', '.join(off)}"


def _sources(given: frozenset[str]) -> str:
    source = Source(variables())
    Settings.read(source)
    names = source.names() | _OF_GUNICORN
    from_environment = sorted(names & given)
    from_file = sorted((names & set(stored())) - given)
    parts = [
        f"{place}: {', '.join(found)}"
        for place, found in (("environment", from_environment), (str(ENV_FILE.absolute()), from_file))
        if found
    ]
    return f"settings from {'; from '.join(parts)}; all others have their defaults"


def _off(settings: Settings, cfg: Any) -> Iterator[str]:
    if settings.wx_api_base != WECHAT_API:
        yield f"WeChat itself (WX_API_BASE is {settings.wx_api_base})"
    if settings.registration != "open":
        yield f"registration for everybody (REGISTRATION={settings.registration})"
    features = {
        "access log (ACCESS_LOG)": cfg.accesslog,
        "message push (WX_PUSH_TOKEN)": any(app.push for app in settings.apps),
        "scan sign-in (SCAN_SIGN_IN_PAGE)": settings.scan_sign_in_page,
        "API page (API_PAGE)": settings.api_page,
        "console (CONSOLE)": settings.console,
    }
    yield from (name for name, is_on in features.items() if not is_on)
    off = sorted(kind for kind, rates in settings.rate_limits.items() if not rates)
    if off:
        yield f"rate limits of {', '.join(off)}"


def names_given() -> frozenset[str]:
    """Return the names in the process environment that have a value."""
    return frozenset(name for name, value in os.environ.items() if value)
