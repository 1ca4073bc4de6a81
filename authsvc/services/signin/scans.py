"""Signing in a browser with a scan: a page shows a mini-program code, and a signed-in phone scans and approves it.

pending → scanned → approved or refused, each until it expires. The ticket in the code is only for the phone, and the
secret in the cookie only for the browser. Only keyed hashes of both are stored, and neither is enough without the
other. The session is opened when the browser fetches it, once.
"""

import hmac
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection

from authsvc import networks
from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import scan_sign_ins, sessions, users
from authsvc.db.queries.scan_sign_ins import ScanSignIn
from authsvc.db.queries.sessions import LiveSession
from authsvc.errors import NotFound, ScanTicketInvalid, ServiceBusy
from authsvc.networks import subscriber
from authsvc.sealing import KeyedHash
from authsvc.services.accounts.accounts import refuse_inactive
from authsvc.services.audit import AuditLog
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.sessions import devices
from authsvc.services.sessions.newsessions import NewSessions
from authsvc.services.sessions.tokens import SessionTokens
from authsvc.values.operator import of_app
from authsvc.values.sessions import DEVICE_CHARACTERS, Caller, LoginResult, ScanState, Session
from authsvc.values.wechat import MiniProgram

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 600.0
# Time to find the phone and sign in there. A code that was made to trick somebody expires as quickly.
_SCAN_SECONDS = 180
# Time to read the question.
_DECISION_SECONDS = 120
# The page polls every POLL_SECONDS; a sleeping tab less often.
_FETCH_SECONDS = 60
POLL_SECONDS = 2

Outcome = Literal["approved", "refused"]
# Returns the extension of the picture ("jpg" or "png") and its content; raises UnknownApp or a WeChatError.
Draw = Callable[[MiniProgram, str], tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Asked:
    """The answer to a browser that starts a sign-in; it must keep ``secret`` private. ``ending``: jpg or png."""

    id: str
    secret: str = field(repr=False)
    picture: bytes = field(repr=False)
    ending: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class Progress:
    """The current state; ``login`` comes once, with the state ``approved``."""

    state: ScanState | Literal["expired"]
    expires_in: int = 0
    login: LoginResult | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person should know before they approve. ``same_network`` is None if an address is not known."""

    device: str
    address: str | None = field(repr=False)
    same_network: bool | None
    asked_at: int
    expires_in: int


class ScanSignIns:
    """Signs in browsers with a scan."""

    def __init__(
        self,
        *,
        apps: Apps,
        database: Database,
        draw: Draw,
        hashes: KeyedHash,
        new_sessions: NewSessions,
        tokens: SessionTokens,
        audit: AuditLog,
        clock: SystemClock,
    ) -> None:
        """``draw`` has WeChat draw a code of an app that carries a scene into the approval page."""
        self._apps = apps
        self._database = database
        self._draw = draw
        self._hashes = hashes
        self._new_sessions = new_sessions
        self._tokens = tokens
        self._audit = audit
        self._clock = clock
        self._sweep_at = 0.0

    def start(self, appid: str | None, device: str, address: str | None) -> Asked:
        """Store a browser's request, and draw the code for it. ``device`` is its User-Agent.

        Raises UnknownApp or a WeChatError; then nothing is stored.
        """
        app = self._apps.choose(appid, None)
        ticket, secret = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
        ending, picture = self._draw(app, f"t={ticket}")
        scan_id, now = self._id(ticket), self._clock.seconds()
        asked = ScanSignIn(
            id=scan_id,
            browser_hash=self._browser_hash(scan_id, secret),
            appid=app.appid,
            state="pending",
            device=device[:DEVICE_CHARACTERS],
            address=address,
            created_at=now,
            expires_at=now + _SCAN_SECONDS,
        )
        self._sweep(now)
        self._database.run(scan_sign_ins.insert, asked)
        return Asked(scan_id, secret, picture, ending, _SCAN_SECONDS)

    def _sweep(self, now: int) -> None:
        """Delete expired rows occasionally, because strangers create them and the next purge may be far away."""
        if now < self._sweep_at:
            return
        self._sweep_at = now + _SWEEP_SECONDS
        try:
            while self._database.run(scan_sign_ins.delete_expired, now - scan_sign_ins.RUN_OUT_SECONDS):
                pass
        except ServiceBusy as error:
            logger.info("old scan sign-ins not deleted: %s", error)

    def poll(self, scan_id: str, secret: str) -> Progress:
        """Return the state to the browser, with the session if it is approved.

        An approval that was fetched before, came too late, or whose phone has signed out meanwhile, is ``expired``.
        Raises NotFound for a wrong secret, and AccountDisabled.
        """
        found = self._database.read(scan_sign_ins.find, scan_id)
        if found is None or not hmac.compare_digest(found.browser_hash, self._browser_hash(scan_id, secret)):
            raise NotFound("no such scan sign-in of this browser")
        left = found.expires_at - self._clock.seconds()
        if found.handed_over_at is not None or (left <= 0 and found.state != "refused"):
            return Progress("expired")
        if found.state != "approved":
            return Progress(found.state, max(0, left))
        opened = self._database.run(self._hand_over, found)
        if opened is None:
            return Progress("expired")
        phone, session = opened
        return Progress("approved", login=self._tokens.hand_out(phone.user, session, phone.openid))

    def scan(self, caller: Caller, ticket: str, address: str | None) -> Consent:
        """Let only the caller's session decide about a code, and return what they should know. A repeat gets the same.

        Raises ScanTicketInvalid.
        """
        now = self._clock.seconds()

        def work(connection: Connection) -> ScanSignIn:
            session, scan_id, until = caller.session, self._id(ticket), now + _DECISION_SECONDS
            scan_sign_ins.scan(
                connection, scan_id, appid=session.appid, session_id=session.id, expires_at=until, now=now
            )
            return _theirs(scan_sign_ins.find(connection, scan_id), caller, "scanned")

        found = self._database.run(work)
        if found.expires_at <= now:
            raise ScanTicketInvalid("expired")
        asked_from = networks.address(found.address)
        return Consent(
            device=devices.describe(found.device),
            address=asked_from,
            same_network=_is_same_network(asked_from, address),
            asked_at=found.created_at,
            expires_in=found.expires_at - now,
        )

    def decide(self, caller: Caller, ticket: str, outcome: Outcome) -> None:
        """Approve or refuse what this session scanned; a repeat changes nothing.

        Raises ScanTicketInvalid.
        """
        now = self._clock.seconds()

        def work(connection: Connection) -> None:
            scan_id, session_id = self._id(ticket), caller.session.id
            until = now + _FETCH_SECONDS
            scan_sign_ins.decide(connection, scan_id, session_id=session_id, state=outcome, expires_at=until, now=now)
            _theirs(scan_sign_ins.find(connection, scan_id), caller, outcome)

        self._database.run(work)

    def _hand_over(self, connection: Connection, found: ScanSignIn) -> tuple[LiveSession, Session] | None:
        """Open the browser's session if that has not happened; return the phone's session and the new one."""
        now = self._clock.seconds()
        if not scan_sign_ins.hand_over(connection, found.id, now):
            return None
        phone = sessions.find_live(connection, str(found.session_id), now)
        if phone is None:
            return None
        user = users.lock(connection, phone.user.id)
        refuse_inactive(user)
        # Read again after the lock, which a logout everywhere, or an unlinking, holds until it is done.
        phone = sessions.find_live(connection, phone.session.id, now)
        if phone is None:
            return None
        app, identity_id = self._apps.get(found.appid), phone.session.identity_id
        session = self._new_sessions.open(connection, user, app, found.device, now, identity_id=identity_id)
        self._audit.record(connection, "scan_sign_in", user.id, now, of_app(found.appid, found.device))
        return phone, session

    def _id(self, ticket: str) -> str:
        return self._hashes.of("ticket", ticket)

    def _browser_hash(self, scan_id: str, secret: str) -> str:
        return self._hashes.of("browser", scan_id, secret)


def _theirs(found: ScanSignIn | None, caller: Caller, state: ScanState) -> ScanSignIn:
    """Return the request that this session has brought into this state; raises ScanTicketInvalid."""
    if found is None or (found.session_id, found.state) != (caller.session.id, state):
        raise ScanTicketInvalid("unknown, already decided, too late, or another session's")
    return found


def _is_same_network(one: str | None, other: str | None) -> bool | None:
    """Tell whether both addresses belong to one subscriber; None if either is not known."""
    if one is None or other is None:
        return None
    return subscriber(one) == subscriber(other)
