"""The people of support and marketing, who use the console and the operator API: their credentials and sessions.

A credential is ``name.secret``, stored as a keyed hash. A browser trades it for a session.
"""

import hmac
import re
import secrets
from typing import get_args

from sqlalchemy import Connection

from authsvc.clock import HOUR, SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import operator_sessions, operators
from authsvc.db.queries.operators import Operator
from authsvc.errors import Unauthenticated
from authsvc.sealing import LastingHash
from authsvc.services.audit import AuditLog
from authsvc.values.operator import OperatorRole, Refused, SignedInOperator

# Dots separate name and secret, so a name has none.
_NAME = "[a-z0-9][a-z0-9_-]{0,39}"
NAME = re.compile(rf"{_NAME}\Z")
_TOKEN = "[A-Za-z0-9_-]{43}"  # noqa: S105 (a pattern)
_CREDENTIAL = re.compile(rf"({_NAME})\.({_TOKEN})\Z")
_SESSION = re.compile(rf"{_TOKEN}\Z")
_SECRET_BYTES = 32
# A session ends so long after its beginning, and so long after its last request.
SESSION_SECONDS = 12 * HOUR
IDLE_SECONDS = HOUR // 2
MOST_SESSIONS = 10
# Uses are recorded this rarely, so a session may end so much earlier.
_RECORDED_SECONDS = 20
# What is compared if there is no such operator: as long as a hash, and no hash.
_NOBODYS = "-" * 64


class BadOperator(Refused):
    """An operator cannot be created or changed. The text says why."""


class Operators:
    """Creates, changes and removes operators, and signs them in."""

    def __init__(self, database: Database, secret_keys: tuple[bytes, ...], audit: AuditLog, clock: SystemClock) -> None:
        """The first of ``secret_keys`` hashes new secrets; every key still verifies, so that keys can rotate."""
        self._database = database
        self._credentials = LastingHash(secret_keys, "operators")
        self._sessions = LastingHash(secret_keys, "sessions of operators")
        self._forms = LastingHash(secret_keys, "forms of operators")
        self._audit = audit
        self._clock = clock

    # --- who there is

    def add(self, name: str, role: OperatorRole, by: str = "") -> str:
        """Create an operator and return the credential, ``name.secret``, which can be seen only now.

        ``by``, here and elsewhere, is the operator who does it; empty for the command line. Raises BadOperator.
        """
        if not NAME.match(name):
            raise BadOperator("a name must be 1 to 40 of a-z, 0-9, _ and -, and begin with a letter or digit")
        _refuse_unknown(role)
        secret, now = secrets.token_urlsafe(_SECRET_BYTES), self._clock.seconds()
        made = Operator(name, role, self._credentials.of(name, secret), now)

        def work(connection: Connection) -> None:
            if not operators.insert(connection, made):
                raise BadOperator(f"{name} is, or was, the name of an operator; choose another one")
            self._audit.record(connection, "operator_add", None, now, f"{name}: {role}", operator=by)

        self._database.run(work)
        return f"{name}.{secret}"

    def list_all(self) -> list[Operator]:
        """Return every operator, also those who were removed, without secrets."""
        return self._database.read(operators.list_all)

    def set_role(self, name: str, role: OperatorRole, by: str = "") -> None:
        """Give an operator another role, and end their sessions. Raises BadOperator."""
        _refuse_unknown(role)
        now = self._clock.seconds()

        def work(connection: Connection) -> None:
            _refuse_nobody(operators.set_role(connection, name, role), name)
            operator_sessions.end_all(connection, name)
            self._audit.record(connection, "operator_role", None, now, f"{name}: {role}", operator=by)

        self._database.run(work)

    def rotate(self, name: str, by: str = "") -> str:
        """Replace an operator's credential and end their sessions; return the new one. Raises BadOperator."""
        secret, now = secrets.token_urlsafe(_SECRET_BYTES), self._clock.seconds()
        hashed = self._credentials.of(name, secret)

        def work(connection: Connection) -> None:
            _refuse_nobody(operators.rotate(connection, name, hashed, now), name)
            operator_sessions.end_all(connection, name)
            self._audit.record(connection, "operator_rotate", None, now, name, operator=by)

        self._database.run(work)
        return f"{name}.{secret}"

    def remove(self, name: str, by: str = "") -> None:
        """Remove an operator and end their sessions. Nobody else can get the name. Raises BadOperator."""
        now = self._clock.seconds()

        def work(connection: Connection) -> None:
            _refuse_nobody(operators.remove(connection, name, now), name)
            operator_sessions.end_all(connection, name)
            self._audit.record(connection, "operator_remove", None, now, name, operator=by)

        self._database.run(work)

    # --- who asks

    def of_credential(self, credential: str | None) -> SignedInOperator:
        """Return the operator with this credential; raises Unauthenticated, for every reason in the same way."""
        found = self._checked(credential)
        now = self._clock.seconds()
        if found.last_used_at is None or found.last_used_at < now - _RECORDED_SECONDS:
            self._database.run(operators.touch, found.name, now=now, before=now - _RECORDED_SECONDS)
        return SignedInOperator(found.name, found.role)

    def sign_in(self, credential: str | None) -> str:
        """Begin a session of the operator with this credential, and return its token.

        At most MOST_SESSIONS live at once; one more ends the oldest. Raises Unauthenticated as ``of_credential`` does.
        """
        found = self._checked(credential)
        token, now = secrets.token_urlsafe(_SECRET_BYTES), self._clock.seconds()
        session_id = self._sessions.of(token)

        def work(connection: Connection) -> None:
            # Locked, and compared again: no session begins with a credential that was replaced meanwhile.
            held = operators.lock(connection, found.name)
            if held is None or held.secret_hash != found.secret_hash:
                raise Unauthenticated("the operator's credential was replaced meanwhile")
            operators.touch(connection, found.name, now=now, before=now)
            operator_sessions.end_oldest(connection, found.name, keep=MOST_SESSIONS - 1)
            operator_sessions.insert(connection, session_id, found.name, now)
            self._audit.record(connection, "operator_sign_in", None, now, operator=found.name)

        self._database.run(work)
        return token

    def of_session(self, token: str | None) -> SignedInOperator:
        """Return the operator in whose live session this token is; raises Unauthenticated."""
        if token is None or not _SESSION.match(token):
            raise Unauthenticated("no session of an operator")
        now = self._clock.seconds()
        limits = {"begun_after": now - SESSION_SECONDS, "seen_after": now - IDLE_SECONDS}
        ids = self._sessions.any_of(token)
        found = self._database.read(operator_sessions.find_live, ids, **limits)
        if found is None:
            raise Unauthenticated("no live session of an operator")
        if found.seen_at < now - _RECORDED_SECONDS:
            self._database.run(operator_sessions.touch, found.id, now=now, **limits)
        return SignedInOperator(found.operator, found.role, found.id, self._forms.of(token))

    def is_own_form(self, token: str, csrf: str) -> bool:
        """Tell whether a form with this ``csrf`` was made for the session with this token."""
        # Not any(): every key is tried, whatever the result of the others.
        shown = csrf.encode(errors="replace")
        return sum(hmac.compare_digest(made.encode(), shown) for made in self._forms.any_of(token)) > 0

    def sign_out(self, operator: SignedInOperator) -> None:
        """End the session of this request."""
        now = self._clock.seconds()

        def work(connection: Connection) -> None:
            if operator_sessions.end(connection, operator.session):
                self._audit.record(connection, "operator_sign_out", None, now, operator=operator.name)

        self._database.run(work)

    def _checked(self, credential: str | None) -> Operator:
        match = _CREDENTIAL.match(credential or "")
        name, secret = match.groups() if match else ("", "")
        stored = self._database.read(operators.find, name)
        held = stored.secret_hash if stored else _NOBODYS
        fits = sum(hmac.compare_digest(made, held) for made in self._credentials.any_of(name, secret))
        if stored is None or not fits:
            raise Unauthenticated("no valid credential of an operator")
        return stored


def _refuse_unknown(role: str) -> None:
    if role not in get_args(OperatorRole):
        raise BadOperator(f"a role must be one of {', '.join(get_args(OperatorRole))}")


def _refuse_nobody(is_somebody: bool, name: str) -> None:
    if not is_somebody:
        raise BadOperator(f"there is no operator {name}; see: authsvc operators list")
