"""The composition root: settings → adapters → parts → blueprints. No logic."""

import logging
from pathlib import Path

from flask import Flask
from flask_migrate import Migrate

from authsvc import logs, redispool
from authsvc.clock import SystemClock
from authsvc.config import Settings
from authsvc.db import engine, sqlitefile
from authsvc.db.database import Database
from authsvc.db.models import db
from authsvc.parts import Parts
from authsvc.signing.keyring import KeyRing, key_source
from authsvc.signing.tokens import TokenChecker
from authsvc.values.tokens import ALGORITHM
from authsvc.web import access, bodies, contracts, metering, paths, ratelimits, routing
from authsvc.web import errors as web_errors
from authsvc.web.ratelimits import RateLimits
from authsvc.web.routes.auth import auth
from authsvc.web.routes.gateway import gateway
from authsvc.web.routes.internal import internal
from authsvc.web.routes.invites import invites
from authsvc.web.routes.oauth import oauth
from authsvc.web.routes.ops import ops
from authsvc.web.routes.people import people
from authsvc.web.routes.phone import phone
from authsvc.web.routes.push import pushes
from authsvc.web.routes.qrcode import qrcode
from authsvc.web.routes.revocations import revocations
from authsvc.web.routes.scan import scan_sign_ins
from authsvc.web.routes.signin import signin
from authsvc.web.routes.wellknown import wellknown

logger = logging.getLogger(__name__)

MIGRATIONS = str(Path(__file__).parent / "db" / "migrations")


def create_app(settings: Settings | None = None, *, clock: SystemClock | None = None) -> Flask:
    """Build the service.

    Raises BadSettings, BadKeys, UnfitDatabase or UndeclaredRoute instead of starting half-ready.
    """
    settings = settings or Settings.from_env()
    clock = clock or SystemClock()
    logs.configure(settings.log_level, settings.log_format, settings.secrets)
    for name, alias in settings.aliases_used:
        logger.info("setting %s was read from %s", name, alias)
    if settings.redis_url is not None:
        redispool.look(settings.redis_url)
    app = Flask("authsvc", instance_path=str(settings.instance_path), static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = bodies.READ_BYTES

    database = _database(app, settings)
    source = key_source(settings.instance_path, settings.jwt_private_key, settings.jwt_private_key_file)
    keys = KeyRing(source, clock)
    checker = TokenChecker(keys, settings.public_base_url, settings.apps)
    checker.install(app)
    app.extensions["authsvc-tokens"] = checker
    app.extensions[contracts.EXTENSION] = frozenset(settings.contracts)
    app.extensions["authsvc-metadata"] = _metadata(settings)
    app.extensions["authsvc-sign-in-origins"] = settings.scan_sign_in_origins
    app.config["SESSION_COOKIE_SECURE"] = settings.public_base_url.startswith("https:")
    Parts(settings, database, keys, checker, clock).services().install(app.extensions)
    app.extensions[ratelimits.EXTENSION] = RateLimits(
        settings.rate_limits, folder=settings.instance_path, redis_url=settings.redis_url, workers=settings.workers
    )

    paths.install(app)
    access.install(app, settings.trusted_proxies)
    metering.install(app)
    web_errors.install(app)
    for_people = (auth, people, phone, invites, qrcode, scan_sign_ins, signin)
    for blueprint in (*for_people, wellknown, ops, internal, pushes, oauth, revocations, gateway):
        app.register_blueprint(blueprint)
    routing.refuse_undeclared(app)
    return app


def _database(app: Flask, settings: Settings) -> Database:
    url = settings.database_url
    sqlitefile.prepare(url)
    if settings.workers > 1:
        engine.warn_of_old_sqlite(url)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine.options(url, settings.database_pool_size)
    db.init_app(app)
    Migrate(app, db, directory=MIGRATIONS)
    with app.app_context():
        database = Database(db.engine, MIGRATIONS)
    database.refuse_unfit()
    return database


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
