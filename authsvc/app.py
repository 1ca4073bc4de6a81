"""The composition root: settings → adapters → parts → blueprints. No logic."""

import logging
from collections.abc import Callable
from pathlib import Path

import click
from flask import Flask

from authsvc import context, logs, metrics
from authsvc.clock import SystemClock
from authsvc.config import Settings
from authsvc.db import engine, sqlitefile
from authsvc.db.database import Database
from authsvc.parts import Parts
from authsvc.signing.keyring import KeyRing, key_source
from authsvc.signing.tokens import TokenChecker
from authsvc.values.limits import Rate
from authsvc.values.tokens import ALGORITHM
from authsvc.web import access, bodies, contracts, metering, origins, paths, ratelimits, routing
from authsvc.web import errors as web_errors
from authsvc.web.ratelimits import RateLimits
from authsvc.web.routes.apipage import apipage
from authsvc.web.routes.auth import auth
from authsvc.web.routes.console import blueprints as console
from authsvc.web.routes.directory import directory
from authsvc.web.routes.gateway import gateway
from authsvc.web.routes.home import home
from authsvc.web.routes.internal import internal
from authsvc.web.routes.invites import invites
from authsvc.web.routes.oauth import oauth
from authsvc.web.routes.operator.inventory import operator_inventory
from authsvc.web.routes.operator.people import operator_people
from authsvc.web.routes.operator.readings import operator_readings
from authsvc.web.routes.ops import ops
from authsvc.web.routes.people import people
from authsvc.web.routes.phone import phone
from authsvc.web.routes.push import pushes
from authsvc.web.routes.qrcode import qrcode
from authsvc.web.routes.revocations import revocations
from authsvc.web.routes.scan import scan_sign_ins
from authsvc.web.routes.sessionkey import session_key
from authsvc.web.routes.signin import signin
from authsvc.web.routes.wellknown import wellknown
from authsvc.wechat.client import ENDPOINTS

logger = logging.getLogger(__name__)

_FOR_OPERATORS = (operator_people, operator_readings, operator_inventory, *console.BLUEPRINTS)
MIGRATIONS = str(Path(__file__).parent / "db" / "migrations")


def create_app(settings: Settings | None = None, *, clock: SystemClock | None = None) -> Flask:
    """Build the service.

    Raises BadSettings, BadKeys, UnfitDatabase or UndeclaredRoute instead of starting half-ready.
    """
    settings = settings or Settings.from_env()
    clock = clock or SystemClock()
    logs.configure(_log_level(settings), settings.log_format, settings.secrets)
    for name, alias in settings.aliases_used:
        logger.info("setting %s was read from %s", name, alias)
    app = Flask("authsvc", instance_path=str(settings.instance_path), static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = bodies.READ_BYTES

    metrics.begin(_worker(settings))
    app.extensions["authsvc-keep-watching"] = metrics.keep_watching
    database = _database(settings)
    app.extensions["authsvc-database"] = database
    if click.get_current_context(silent=True) is not None:  # built for a command, not for a worker
        _serve_migrations(app, settings)
    source = key_source(settings.instance_path, settings.jwt_private_key, settings.jwt_private_key_file)
    keys = KeyRing(source, clock)
    checker = TokenChecker(keys, settings.public_base_url, settings.apps)
    checker.install(app)
    app.extensions["authsvc-tokens"] = checker
    app.extensions[contracts.EXTENSION] = contracts.served(settings.contracts, console=settings.console)
    app.extensions["authsvc-metadata"] = _metadata(settings)
    app.extensions["authsvc-sign-in-origins"] = settings.scan_sign_in_origins
    app.extensions[origins.EXTENSION] = settings.public_origin
    app.config["SESSION_COOKIE_SECURE"] = settings.public_base_url.startswith("https:")
    Parts(settings, database, keys, checker, clock).services().install(app.extensions)
    app.extensions[ratelimits.EXTENSION] = RateLimits(
        settings.rate_limits,
        folder=settings.instance_path,
        shared=_shared_counter(settings.redis_url),
        workers=settings.workers,
    )

    paths.install(app)
    access.install(app, settings.trusted_proxies)
    metering.install(app)
    web_errors.install(app)
    for_people = (auth, people, phone, invites, qrcode, scan_sign_ins, signin)
    for_tools = (home, wellknown, *((apipage,) if settings.api_page else ()))
    for_services = (internal, session_key, directory, oauth, revocations, gateway)
    for_operators = (ops, *(_FOR_OPERATORS if settings.console else ()))
    for blueprint in (*for_people, *for_tools, *for_services, *for_operators, pushes):
        app.register_blueprint(blueprint)
    routing.refuse_undeclared(app)
    return app


def _worker(settings: Settings) -> metrics.Worker:
    return metrics.Worker(
        database="sqlite" if settings.database_url.startswith("sqlite") else "mysql",
        connections=settings.database_pool_size,
        calls=settings.wx_max_in_flight,
        endpoints=(*ENDPOINTS, f"/cgi-bin/{settings.wx_token_api}"),
    )


def _log_level(settings: Settings) -> str:
    """Return the level of the log: what a command does, its output says."""
    return "WARNING" if context.is_command.get() and settings.log_level == "INFO" else settings.log_level


def _database(settings: Settings) -> Database:
    url = settings.database_url
    sqlitefile.prepare(url)
    if settings.workers > 1 and not context.is_command.get():
        engine.warn_of_old_sqlite(url)
    database = Database(engine.create(url, settings.database_pool_size), MIGRATIONS)
    database.refuse_unfit(quietly=context.is_command.get())
    return database


def _shared_counter(redis_url: str | None) -> Callable[[Rate, str, str], float] | None:
    if redis_url is None:
        return None
    from authsvc import redispool
    from authsvc.web.rediscounter import RedisCounter

    redispool.look(redis_url)
    return RedisCounter(redis_url).hit


def _serve_migrations(app: Flask, settings: Settings) -> None:
    """Let ``flask db …`` and ``flask shell`` find the models and the migrations."""
    from flask_migrate import Migrate

    from authsvc.db.models import db

    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine.options(settings.database_url, settings.database_pool_size)
    db.init_app(app)
    Migrate(app, db, directory=MIGRATIONS)


def _metadata(settings: Settings) -> dict[str, object]:
    return {
        "issuer": settings.public_base_url,
        "jwks_uri": f"{settings.public_base_url}/.well-known/jwks.json",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "response_types_supported": [],
        "grant_types_supported": [],
        "introspection_endpoint": f"{settings.public_base_url}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "revocation_endpoint": f"{settings.public_base_url}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic"],
    }
