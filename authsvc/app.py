"""The composition root: settings → adapters → services → blueprints. No logic."""

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
from authsvc.imaging.lane import Lane
from authsvc.oneatatime import OneAtATime
from authsvc.picturestore.bucket import PictureBucket
from authsvc.picturestore.folder import PictureFolder
from authsvc.picturestore.store import PictureStore
from authsvc.sealing import KeyedHash, LastingHash, Sealer
from authsvc.services import Services
from authsvc.services.accounts.accounts import AccountRules
from authsvc.services.accounts.bans import Bans
from authsvc.services.accounts.tickets import RegistrationTickets
from authsvc.services.audit import AuditLog
from authsvc.services.invites.campaigns import Campaigns
from authsvc.services.invites.invites import Invites
from authsvc.services.invites.memory import InviteMemory
from authsvc.services.invites.rules import InviteRules
from authsvc.services.miniprograms.accesstokens import AccessTokens
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.miniprograms.keychecks import WeChatSessions
from authsvc.services.miniprograms.opening import SealedData
from authsvc.services.miniprograms.sessionkeys import SessionKeys
from authsvc.services.operator.conflicts import Conflicts
from authsvc.services.operator.credentials import ServiceCredentials
from authsvc.services.operator.health import Health
from authsvc.services.operator.retention import Retention
from authsvc.services.operator.signingkeys import SigningKeys
from authsvc.services.operator.users import Users
from authsvc.services.people.activity import ActivityLog
from authsvc.services.people.avatars import Avatars
from authsvc.services.people.closing import AccountClosing
from authsvc.services.people.consents import Consents
from authsvc.services.people.exports import Exports
from authsvc.services.people.people import People
from authsvc.services.people.pushes import Pushes
from authsvc.services.phones.binding import Phones
from authsvc.services.phones.codes import PhoneCodes
from authsvc.services.qrcodes.batches import CodeBatches
from authsvc.services.qrcodes.qrcodes import QrCodes
from authsvc.services.sessions.introspection import Introspection
from authsvc.services.sessions.newsessions import NewSessions
from authsvc.services.sessions.refreshtokens import RefreshTokens
from authsvc.services.sessions.revocations import RevocationFeed
from authsvc.services.sessions.sessions import Sessions
from authsvc.services.sessions.stepup import StepUp
from authsvc.services.sessions.tokens import NATIVE, SessionTokens
from authsvc.services.signin.attempts import LoginAttempts
from authsvc.services.signin.login import Logins
from authsvc.services.signin.registration import Registrations
from authsvc.services.signin.scans import ScanSignIns
from authsvc.signing.keyring import KeyRing, key_source
from authsvc.signing.keyset import ALGORITHM
from authsvc.signing.tokens import TokenChecker, TokenIssuer
from authsvc.tokenstore.fileshelf import FileShelf
from authsvc.tokenstore.redisshelf import RedisShelf
from authsvc.tokenstore.shelf import Shelf
from authsvc.tokenstore.store import AccessTokenStore
from authsvc.values.sessions import TokenPolicy
from authsvc.web import access, bodies, contracts, metering, paths, ratelimits, routing
from authsvc.web import errors as web_errors
from authsvc.web.contracts import longest_token_seconds, token_lifetimes
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
from authsvc.wechat.client import WeChatClient
from authsvc.wechat.transport import Transport

logger = logging.getLogger(__name__)

MIGRATIONS = str(Path(__file__).parent / "db" / "migrations")
# Calls of a batch at once: with WeChat at 200 ms that is 3,600 a minute.
_AT_ONCE = 12
# Pictures of others that one process holds while they wait to be drawn: up to 2 MB each, and some 100 KB.
_AVATARS_AT_ONCE = 8
_CODES_AT_ONCE = 64
_NATIVE_IDLE_SECONDS = 30 * 86400


def create_app(settings: Settings | None = None, *, clock: SystemClock | None = None) -> Flask:
    """Build the service. Raises BadSettings, BadKeys, UnfitDatabase or UndeclaredRoute rather than start half-right."""
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
    app.extensions["authsvc"] = _services(settings, database, keys, checker, clock)
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


def _services(
    settings: Settings, database: Database, keys: KeyRing, checker: TokenChecker, clock: SystemClock
) -> Services:
    secret_keys = settings.secret_keys
    native = TokenPolicy(NATIVE, settings.access_token_lifetime, _NATIVE_IDLE_SECONDS)
    apps = Apps(settings.apps, settings.wx_tourist_app)
    transport = Transport(
        settings.wx_api_base,
        max_in_flight=settings.wx_max_in_flight,
        proxy=settings.wx_proxy,
        ca_file=settings.wx_ca_file,
    )
    wechat = WeChatClient(transport, settings.wx_token_api)
    avatars = Avatars(
        _pictures(settings, "avatars"), Lane("avatar", _AVATARS_AT_ONCE), f"{settings.public_base_url}/avatars"
    )
    issuer = TokenIssuer(keys, settings.public_base_url, clock)
    tokens = SessionTokens(apps, issuer, RefreshTokens(secret_keys), settings.jwt_extra_claims)
    tickets = RegistrationTickets(Sealer(secret_keys, "registration ticket"), clock)
    session_keys = SessionKeys(Sealer(secret_keys, "session_key"))
    audit = AuditLog(KeyedHash(secret_keys, "audit"))
    new_sessions = NewSessions(settings.session_caps, audit)
    bans = Bans(LastingHash(secret_keys, "bans"), settings.ban_memory)
    invite_memory = InviteMemory(LastingHash(secret_keys, "counted invites"), settings.invite_memory)
    accounts = AccountRules(settings.phone_account, InviteRules(settings.registration, invite_memory), bans, audit)
    access_tokens = AccessTokens(AccessTokenStore(_shelf(settings, clock), wechat.fetch_access_token, clock), apps)
    invites = Invites(database, settings.invites, clock)
    qrcodes = QrCodes(
        apps=apps,
        wechat=wechat,
        access_tokens=access_tokens,
        database=database,
        store=_pictures(settings, "qrcodes"),
        lane=Lane("code", _CODES_AT_ONCE),
        base_url=f"{settings.public_base_url}/qrcodes",
        hashes=KeyedHash(secret_keys, "pictures of codes"),
        invites=invites,
        defaults=settings.wxa_code,
        limits=settings.picture_limits,
        clock=clock,
    )
    batch_width = min(_AT_ONCE, settings.wx_max_in_flight)
    closing = AccountClosing(
        database, avatars, qrcodes, bans, invite_memory, audit, clock, settings.account_cooling_off
    )
    sealed_data = SealedData(KeyedHash(secret_keys, "decrypt failures"), clock, settings.watermark_max_age)
    phone_codes = PhoneCodes(
        wechat=wechat,
        access_tokens=access_tokens,
        database=database,
        hashes=KeyedHash(secret_keys, "phone calls"),
        budgets=settings.phone_budgets,
        max_age=settings.watermark_max_age,
        clock=clock,
    )
    phones = Phones(
        apps=apps,
        database=database,
        accounts=accounts,
        session_keys=session_keys,
        sealed_data=sealed_data,
        codes=phone_codes,
        tickets=tickets,
        new_sessions=new_sessions,
        tokens=tokens,
        bans=bans,
        audit=audit,
        policy=native,
        clock=clock,
    )
    login = Logins(
        apps=apps,
        wechat=wechat,
        database=database,
        accounts=accounts,
        closing=closing,
        session_keys=session_keys,
        sealed_data=sealed_data,
        attempts=LoginAttempts(database, clock, settings.login_retry_window),
        login_hashes=KeyedHash(secret_keys, "login attempts"),
        phone_codes=phone_codes,
        tickets=tickets,
        new_sessions=new_sessions,
        tokens=tokens,
        avatars=avatars,
        policy=native,
        clock=clock,
    )
    people = People(
        apps=apps,
        wechat=wechat,
        database=database,
        accounts=accounts,
        session_keys=session_keys,
        avatars=avatars,
        bans=bans,
        invite_memory=invite_memory,
        audit=audit,
        clock=clock,
    )
    scan_sign_ins = (
        None
        if settings.scan_sign_in_page is None
        else ScanSignIns(
            apps=apps,
            database=database,
            qrcodes=qrcodes,
            page=settings.scan_sign_in_page,
            hashes=KeyedHash(secret_keys, "scan sign-ins"),
            new_sessions=new_sessions,
            tokens=tokens,
            audit=audit,
            policy=native,
            clock=clock,
        )
    )
    sessions = Sessions(database, tokens, audit, native, clock, settings.refresh_grace)
    return Services(
        apps=apps,
        login=login,
        registration=Registrations(
            apps, database, accounts, tickets, KeyedHash(secret_keys, "registering"), new_sessions, tokens, clock
        ),
        sessions=sessions,
        step_up=StepUp(apps, wechat, database, session_keys, clock),
        introspection=Introspection(checker, sessions, settings.public_base_url),
        people=people,
        closing=closing,
        conflicts=Conflicts(database),
        consents=Consents(database, clock),
        activity=ActivityLog(database, clock, settings.audit_retention),
        exports=Exports(database, audit, clock, OneAtATime(settings.instance_path / "exports")),
        users=Users(database, apps, bans, audit, clock),
        retention=Retention(database, clock, settings.audit_retention),
        invites=invites,
        health=Health(database, keys.current().signing_kid),
        campaigns=Campaigns(database, clock),
        access_tokens=access_tokens,
        phone_codes=phone_codes,
        phones=phones,
        pushes=Pushes(
            apps=apps,
            database=database,
            people=people,
            closing=closing,
            hashes=KeyedHash(secret_keys, "pushes"),
            clock=clock,
        ),
        qrcodes=qrcodes,
        code_batches=CodeBatches(apps, qrcodes, settings.picture_limits.per_minute, batch_width, clock),
        service_credentials=ServiceCredentials(database, secret_keys, audit, clock),
        wechat_sessions=WeChatSessions(database, session_keys, wechat, access_tokens, apps),
        signing_keys=SigningKeys(
            keys, database, audit, clock, max_age=settings.jwks_max_age, longest_token=longest_token_seconds()
        ),
        scan_sign_ins=scan_sign_ins,
        revocations=RevocationFeed(database, issuer, {NATIVE: native.lifetime, **token_lifetimes()}, clock),
    )


def _shelf(settings: Settings, clock: SystemClock) -> Shelf:
    """Where access_tokens lie: in Redis for several machines, else in a file for one."""
    if settings.redis_url is None:
        return FileShelf(settings.instance_path / "access_token", clock)
    return RedisShelf(settings.redis_url, clock)


def _pictures(settings: Settings, kind: str) -> PictureStore:
    """Where pictures of a kind lie: in a bucket for several machines, else in a folder."""
    if settings.bucket is None:
        return PictureFolder(settings.instance_path / kind)
    return PictureBucket(settings.bucket, kind)
