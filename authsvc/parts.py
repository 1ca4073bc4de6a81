"""The parts that the composition root puts together, by subject. No logic."""

from dataclasses import fields
from functools import cached_property

from authsvc.clock import DAY, SystemClock
from authsvc.config import Settings
from authsvc.db.database import Database
from authsvc.imaging.lane import Lane
from authsvc.oneatatime import OneAtATime
from authsvc.picturestore.bucket import PictureBucket
from authsvc.picturestore.folder import PictureFolder
from authsvc.picturestore.store import PictureStore
from authsvc.sealing import KeyedHash, LastingHash, Sealer
from authsvc.services import Services
from authsvc.services.accounts.accounts import AccountRules
from authsvc.services.accounts.bans import Bans
from authsvc.services.accounts.linking import Linking
from authsvc.services.accounts.tickets import RegistrationTickets
from authsvc.services.audit import AuditLog
from authsvc.services.changes.journal import ChangeJournal, Changes
from authsvc.services.invites.campaigns import Campaigns
from authsvc.services.invites.invites import Invites
from authsvc.services.invites.memory import InviteMemory
from authsvc.services.invites.rules import InviteRules
from authsvc.services.miniprograms.accesstokens import AccessTokens
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.miniprograms.keychecks import WeChatSessions
from authsvc.services.miniprograms.logincodes import LoginCodes
from authsvc.services.miniprograms.opening import SealedData
from authsvc.services.miniprograms.sessionkeys import SessionKeys
from authsvc.services.operator.arrivals import PURPOSE, Arrivals
from authsvc.services.operator.conflicts import Conflicts
from authsvc.services.operator.credentials import ServiceCredentials
from authsvc.services.operator.erasures import Erasures
from authsvc.services.operator.examination import Examination
from authsvc.services.operator.health import Health
from authsvc.services.operator.inventory import Inventory
from authsvc.services.operator.merges import Merges
from authsvc.services.operator.operators import Operators
from authsvc.services.operator.readings import Readings
from authsvc.services.operator.retention import Retention
from authsvc.services.operator.searches import Searches
from authsvc.services.operator.signingkeys import SigningKeys
from authsvc.services.operator.userfiles import UserFiles
from authsvc.services.operator.users import Users
from authsvc.services.operator.wechaterrors import WeChatErrors
from authsvc.services.people.activity import ActivityLog
from authsvc.services.people.avatars import Avatars
from authsvc.services.people.closing import AccountClosing
from authsvc.services.people.consents import Consents
from authsvc.services.people.exports import Exports
from authsvc.services.people.profiles import Profiles
from authsvc.services.people.pushes import Pushes
from authsvc.services.phones.binding import Phones
from authsvc.services.phones.codes import PhoneCodes
from authsvc.services.phones.lookups import LookUps
from authsvc.services.qrcodes.batches import CodeBatches
from authsvc.services.qrcodes.codepictures import CodePictures
from authsvc.services.qrcodes.drawing import Drawing
from authsvc.services.qrcodes.qrcodes import QrCodes
from authsvc.services.sessions.claims import RuledClaims
from authsvc.services.sessions.introspection import Introspection
from authsvc.services.sessions.newsessions import NewSessions
from authsvc.services.sessions.refreshtokens import RefreshTokens
from authsvc.services.sessions.revocations import RevocationFeed
from authsvc.services.sessions.sessions import Sessions
from authsvc.services.sessions.stepup import StepUp
from authsvc.services.sessions.tokens import NATIVE, SessionTokens
from authsvc.services.siblings.deliveries import Deliveries
from authsvc.services.siblings.directory import Directory
from authsvc.services.siblings.userstate import UserState
from authsvc.services.siblings.webhooks import Webhooks
from authsvc.services.signin.attempts import LoginAttempts
from authsvc.services.signin.login import Logins
from authsvc.services.signin.registration import Registrations
from authsvc.services.signin.scans import ScanSignIns
from authsvc.services.signin.transaction import LoginTransaction
from authsvc.signing.keyring import KeyRing
from authsvc.signing.tokens import TokenChecker, TokenIssuer
from authsvc.tokenstore.fileshelf import FileShelf
from authsvc.tokenstore.shelf import Shelf
from authsvc.tokenstore.store import AccessTokenStore
from authsvc.values.sessions import TokenPolicy
from authsvc.web.contracts import longest_token_seconds, token_lifetimes
from authsvc.webhooks.sender import Sender
from authsvc.wechat.client import WeChatClient
from authsvc.wechat.transport import Transport

# Concurrent calls of a batch: if WeChat takes 200 ms, that is 3,600 a minute.
_AT_ONCE = 12
# How many pictures may wait in one process: avatars of up to 2 MB each, and codes of about 100 KB.
_AVATARS_AT_ONCE = 8
_CODES_AT_ONCE = 64
_NATIVE_IDLE_SECONDS = 30 * DAY


class Parts:
    """Every part of the service, by subject. Each is created once, when another one first needs it."""

    def __init__(
        self, settings: Settings, database: Database, keys: KeyRing, checker: TokenChecker, clock: SystemClock
    ) -> None:
        self.settings = settings
        self.database = database
        self.keys = keys
        self.checker = checker
        self.clock = clock

    def services(self) -> Services:
        """Return the parts for routes and commands, all of them now, so that a bad setting fails at start."""
        return Services(**{field.name: getattr(self, field.name) for field in fields(Services)})

    # --- shared by several subjects

    def hashes(self, purpose: str) -> KeyedHash:
        return KeyedHash(self.settings.secret_keys, purpose)

    def pictures(self, kind: str) -> PictureStore:
        """The place for pictures of a kind: a bucket for several machines, otherwise a folder."""
        if self.settings.bucket is None:
            return PictureFolder(self.settings.instance_path / kind)
        return PictureBucket(self.settings.bucket, kind)

    @cached_property
    def audit(self) -> AuditLog:
        return AuditLog(self.hashes("audit"), self.change_journal)

    @cached_property
    def change_journal(self) -> ChangeJournal:
        return ChangeJournal(self.settings.changes_retention)

    @cached_property
    def wechat(self) -> WeChatClient:
        settings = self.settings
        transport = Transport(
            settings.wx_api_base,
            max_in_flight=settings.wx_max_in_flight,
            proxy=settings.wx_proxy,
            ca_file=settings.wx_ca_file,
            failed=self.wechat_errors.note,
        )
        return WeChatClient(transport, settings.wx_token_api)

    # --- mini programs

    @cached_property
    def apps(self) -> Apps:
        return Apps(self.settings.apps, self.settings.wx_tourist_app)

    @cached_property
    def login_codes(self) -> LoginCodes:
        return LoginCodes(self.apps, self.wechat)

    @cached_property
    def access_tokens(self) -> AccessTokens:
        return AccessTokens(AccessTokenStore(self._shelf(), self.wechat.fetch_access_token, self.clock), self.apps)

    def _shelf(self) -> Shelf:
        """The place for access_tokens: Redis for several machines, otherwise a file."""
        if self.settings.redis_url is None:
            return FileShelf(self.settings.instance_path / "access_token", self.clock)
        from authsvc.tokenstore.redisshelf import RedisShelf

        return RedisShelf(self.settings.redis_url, self.clock)

    @cached_property
    def session_keys(self) -> SessionKeys:
        return SessionKeys(Sealer(self.settings.secret_keys, "session_key"))

    @cached_property
    def sealed_data(self) -> SealedData:
        hashes = self.hashes("decrypt failures")
        return SealedData(self.session_keys, hashes, self.clock, self.settings.watermark_max_age)

    @cached_property
    def wechat_sessions(self) -> WeChatSessions:
        return WeChatSessions(self.database, self.session_keys, self.wechat, self.access_tokens, self.apps)

    # --- accounts

    @cached_property
    def bans(self) -> Bans:
        return Bans(LastingHash(self.settings.secret_keys, "bans"), self.settings.ban_memory)

    @cached_property
    def invite_memory(self) -> InviteMemory:
        return InviteMemory(LastingHash(self.settings.secret_keys, "counted invites"), self.settings.invite_memory)

    @cached_property
    def accounts(self) -> AccountRules:
        invites = InviteRules(self.settings.registration, self.invite_memory)
        return AccountRules(self.settings.phone_account, invites, self.bans, self.audit, self.session_keys)

    @cached_property
    def tickets(self) -> RegistrationTickets:
        return RegistrationTickets(Sealer(self.settings.secret_keys, "registration ticket"), self.clock)

    @cached_property
    def linking(self) -> Linking:
        return Linking(
            login_codes=self.login_codes,
            database=self.database,
            accounts=self.accounts,
            bans=self.bans,
            invite_memory=self.invite_memory,
            audit=self.audit,
            clock=self.clock,
        )

    # --- sessions

    @cached_property
    def native(self) -> TokenPolicy:
        return TokenPolicy(NATIVE, self.settings.access_token_lifetime, _NATIVE_IDLE_SECONDS)

    @cached_property
    def issuer(self) -> TokenIssuer:
        return TokenIssuer(self.keys, self.settings.public_base_url, self.clock)

    @cached_property
    def tokens(self) -> SessionTokens:
        refresh_tokens = RefreshTokens(self.settings.secret_keys)
        ruled = RuledClaims(self.database, self.clock)
        return SessionTokens(self.apps, self.issuer, refresh_tokens, self.settings.jwt_extra_claims, ruled, self.native)

    @cached_property
    def new_sessions(self) -> NewSessions:
        return NewSessions(self.settings.session_caps, self.audit, self.native)

    @cached_property
    def sessions(self) -> Sessions:
        return Sessions(self.database, self.tokens, self.audit, self.clock, self.settings.refresh_grace)

    @cached_property
    def step_up(self) -> StepUp:
        return StepUp(self.login_codes, self.database, self.session_keys, self.clock)

    @cached_property
    def introspection(self) -> Introspection:
        return Introspection(self.checker, self.sessions, self.settings.public_base_url)

    @cached_property
    def revocations(self) -> RevocationFeed:
        lifetimes = {NATIVE: self.native.lifetime, **token_lifetimes()}
        return RevocationFeed(self.database, self.issuer, lifetimes, self.clock)

    # --- signing in

    @cached_property
    def login(self) -> Logins:
        hashes, window = self.hashes("login attempts"), self.settings.login_retry_window
        return Logins(
            login_codes=self.login_codes,
            phone_codes=self.phone_codes,
            database=self.database,
            attempts=LoginAttempts(self.database, hashes, self.clock, window),
            transaction=self.login_transaction,
            tickets=self.tickets,
            tokens=self.tokens,
            avatars=self.avatars,
        )

    @cached_property
    def login_transaction(self) -> LoginTransaction:
        return LoginTransaction(
            accounts=self.accounts,
            closing=self.closing,
            sealed_data=self.sealed_data,
            avatars=self.avatars,
            new_sessions=self.new_sessions,
            clock=self.clock,
        )

    @cached_property
    def registration(self) -> Registrations:
        return Registrations(
            apps=self.apps,
            database=self.database,
            accounts=self.accounts,
            tickets=self.tickets,
            hashes=self.hashes("registering"),
            new_sessions=self.new_sessions,
            tokens=self.tokens,
            clock=self.clock,
        )

    @cached_property
    def scan_sign_ins(self) -> ScanSignIns | None:
        page = self.settings.scan_sign_in_page
        if page is None:
            return None
        return ScanSignIns(
            apps=self.apps,
            database=self.database,
            draw=lambda app, scene: self.qrcodes.draw_once(app, scene, page),
            hashes=self.hashes("scan sign-ins"),
            new_sessions=self.new_sessions,
            tokens=self.tokens,
            audit=self.audit,
            clock=self.clock,
        )

    # --- phones

    @cached_property
    def phone_codes(self) -> PhoneCodes:
        return PhoneCodes(
            wechat=self.wechat,
            access_tokens=self.access_tokens,
            database=self.database,
            hashes=self.hashes("phone calls"),
            budgets=self.settings.phone_budgets,
            max_age=self.settings.watermark_max_age,
            clock=self.clock,
        )

    @cached_property
    def phone_look_ups(self) -> LookUps:
        return LookUps(self.apps, self.phone_codes, self.tickets)

    @cached_property
    def phones(self) -> Phones:
        return Phones(
            apps=self.apps,
            database=self.database,
            accounts=self.accounts,
            sealed_data=self.sealed_data,
            codes=self.phone_codes,
            new_sessions=self.new_sessions,
            tokens=self.tokens,
            clock=self.clock,
        )

    # --- invites, and the codes that carry them

    @cached_property
    def invites(self) -> Invites:
        return Invites(self.database, self.settings.invites, self.clock)

    @cached_property
    def campaigns(self) -> Campaigns:
        return Campaigns(self.database, self.clock)

    @cached_property
    def drawing(self) -> Drawing:
        return Drawing(self.wechat, self.access_tokens, Lane("code", _CODES_AT_ONCE))

    @cached_property
    def code_pictures(self) -> CodePictures:
        return CodePictures(
            drawing=self.drawing,
            database=self.database,
            store=self.pictures("qrcodes"),
            base_url=f"{self.settings.public_base_url}/qrcodes",
            hashes=self.hashes("pictures of codes"),
            limits=self.settings.picture_limits,
            clock=self.clock,
        )

    @cached_property
    def qrcodes(self) -> QrCodes:
        return QrCodes(self.apps, self.invites, self.code_pictures, self.drawing, self.settings.wxa_code)

    @cached_property
    def code_batches(self) -> CodeBatches:
        return CodeBatches(
            self.apps,
            self.qrcodes,
            self.code_pictures,
            self.clock,
            per_minute=self.settings.picture_limits.per_minute,
            at_once=min(_AT_ONCE, self.settings.wx_max_in_flight),
        )

    # --- people

    @cached_property
    def avatars(self) -> Avatars:
        base_url = f"{self.settings.public_base_url}/avatars"
        return Avatars(self.pictures("avatars"), Lane("avatar", _AVATARS_AT_ONCE), base_url)

    @cached_property
    def profiles(self) -> Profiles:
        return Profiles(self.database, self.avatars, self.audit, self.clock)

    @cached_property
    def closing(self) -> AccountClosing:
        return AccountClosing(
            database=self.database,
            avatars=self.avatars,
            pictures=self.code_pictures,
            bans=self.bans,
            invite_memory=self.invite_memory,
            audit=self.audit,
            clock=self.clock,
            cooling_off=self.settings.account_cooling_off,
        )

    @cached_property
    def consents(self) -> Consents:
        return Consents(self.database, self.clock)

    @cached_property
    def activity(self) -> ActivityLog:
        return ActivityLog(self.database, self.clock, self.settings.audit_retention)

    @cached_property
    def exports(self) -> Exports:
        one_at_a_time = OneAtATime(self.settings.instance_path / "exports")
        return Exports(self.database, self.audit, self.clock, one_at_a_time)

    @cached_property
    def pushes(self) -> Pushes:
        return Pushes(
            apps=self.apps,
            database=self.database,
            profiles=self.profiles,
            linking=self.linking,
            closing=self.closing,
            hashes=self.hashes("pushes"),
            clock=self.clock,
        )

    # --- other services

    @cached_property
    def user_state(self) -> UserState:
        return UserState(
            apps=self.apps,
            database=self.database,
            session_keys=self.session_keys,
            sealed_data=self.sealed_data,
            wechat_sessions=self.wechat_sessions,
            clock=self.clock,
        )

    @cached_property
    def directory(self) -> Directory:
        return Directory(self.apps, self.database, self.changes, self.audit, self.clock)

    @cached_property
    def changes(self) -> Changes:
        return Changes(self.database, self.change_journal)

    @cached_property
    def webhook_sender(self) -> Sender:
        return Sender(self.settings.webhook_hosts)

    @cached_property
    def webhooks(self) -> Webhooks:
        return Webhooks(
            database=self.database,
            changes=self.changes,
            sender=self.webhook_sender,
            sealer=self.webhook_sealer,
            audit=self.audit,
            clock=self.clock,
        )

    @cached_property
    def webhook_sealer(self) -> Sealer:
        return Sealer(self.settings.secret_keys, "webhook secrets")

    @cached_property
    def deliveries(self) -> Deliveries:
        return Deliveries(
            database=self.database,
            changes=self.changes,
            sender=self.webhook_sender,
            sealer=self.webhook_sealer,
            clock=self.clock,
        )

    # --- the operator

    @cached_property
    def wechat_errors(self) -> WeChatErrors:
        return WeChatErrors(self.database, self.clock)

    @cached_property
    def users(self) -> Users:
        return Users(self.database, self.apps, self.bans, self.audit, self.clock)

    @cached_property
    def merges(self) -> Merges:
        return Merges(self.database, self.users, self.bans, self.audit, self.clock, self.settings.merge_undo)

    @cached_property
    def user_files(self) -> UserFiles:
        return UserFiles(self.database, self.apps, self.exports, self.clock)

    @cached_property
    def erasures(self) -> Erasures:
        return Erasures(self.users, self.closing)

    @cached_property
    def inventory(self) -> Inventory:
        return Inventory(self.apps, self.access_tokens, self.service_credentials, self.signing_keys)

    @cached_property
    def operators(self) -> Operators:
        return Operators(self.database, self.settings.secret_keys, self.audit, self.clock)

    @cached_property
    def searches(self) -> Searches:
        return Searches(Sealer(self.settings.secret_keys, "searches of operators"))

    @cached_property
    def readings(self) -> Readings:
        return Readings(self.database, self.clock)

    @cached_property
    def examination(self) -> Examination:
        return Examination(self.clock)

    @cached_property
    def conflicts(self) -> Conflicts:
        return Conflicts(self.database)

    @cached_property
    def retention(self) -> Retention:
        settings = self.settings
        return Retention(
            self.database, self.clock, settings.audit_retention, settings.changes_retention, settings.merge_undo
        )

    @cached_property
    def health(self) -> Health:
        return Health(self.database, self.keys.current().signing_kid)

    @cached_property
    def arrivals(self) -> Arrivals:
        return Arrivals(self.hashes(PURPOSE), self.clock)

    @cached_property
    def service_credentials(self) -> ServiceCredentials:
        return ServiceCredentials(self.database, self.settings.secret_keys, self.audit, self.clock)

    @cached_property
    def signing_keys(self) -> SigningKeys:
        max_age, longest = self.settings.jwks_max_age, longest_token_seconds()
        return SigningKeys(self.keys, self.database, self.audit, self.clock, max_age=max_age, longest_token=longest)
