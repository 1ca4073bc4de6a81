"""The credentials and scopes of the company's other services.

A credential is ``name.secret``, stored as a keyed hash.
"""

import hmac
import re
import secrets
from typing import get_args

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import service_credentials
from authsvc.db.queries.service_credentials import ServiceCredential
from authsvc.errors import NoSuchRoute, NotPermitted, Unauthenticated
from authsvc.sealing import KeyedHash
from authsvc.services.audit import AuditLog
from authsvc.values.operator import Refused, ServiceScope

# Dots separate name and secret, so a name has none.
_NAME = "[a-z0-9][a-z0-9_-]{0,39}"
NAME = re.compile(rf"{_NAME}\Z")
_CREDENTIAL = re.compile(rf"({_NAME})\.([A-Za-z0-9_-]{{43}})\Z")
_SECRET_BYTES = 32
_HASHED = "service credentials"


class BadCredential(Refused):
    """A credential cannot be created. The text says why."""


class ServiceCredentials:
    """Creates, checks and removes credentials."""

    def __init__(self, database: Database, secret_keys: tuple[bytes, ...], audit: AuditLog, clock: SystemClock) -> None:
        """The first of ``secret_keys`` hashes new secrets; every key still verifies, so that keys can rotate."""
        self._database = database
        self._hashes = [KeyedHash((key,), _HASHED) for key in secret_keys]
        self._audit = audit
        self._clock = clock

    def check(self, credential: str | None, scope: ServiceScope) -> str:
        """Return the name of the service with this ``credential`` (``name.secret``) if it has ``scope``.

        Raises NoSuchRoute if no credential exists at all (the interface is off), Unauthenticated for a wrong one (an
        unknown name and a wrong secret cannot be distinguished, also not by time), NotPermitted without the scope.
        """
        match = _CREDENTIAL.match(credential or "")
        name, secret = match.groups() if match else ("", "")
        stored = self._database.read(service_credentials.find, name)
        held = stored.secret_hash if stored else ""
        # Not any(): every key is tried, whatever the result of the others.
        fits = sum(hmac.compare_digest(hashed.of(name, secret), held) for hashed in self._hashes)
        if stored is None or not fits:
            if not self._database.read(service_credentials.exists):
                raise NoSuchRoute("no service credential exists")
            raise Unauthenticated("no valid service credential")
        if scope not in stored.scopes:
            raise NotPermitted(f"service {name} without scope {scope}")
        return name

    def add(self, name: str, scopes: tuple[str, ...]) -> str:
        """Create a credential and return it, ``name.secret``, which can be seen only now. Raises BadCredential."""
        if not NAME.match(name):
            raise BadCredential("a name must be 1 to 40 of a-z, 0-9, _ and -, and begin with a letter or digit")
        if unknown := set(scopes) - set(get_args(ServiceScope)):
            raise BadCredential(f"unknown scope: {', '.join(sorted(unknown))}")
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        now = self._clock.seconds()
        made = ServiceCredential(name, self._hashes[0].of(name, secret), tuple(sorted(set(scopes))), now)

        def work(connection: Connection) -> None:
            if not service_credentials.insert(connection, made):
                raise BadCredential(
                    f"there is already a credential {name}: choose another name, or run first: "
                    f"authsvc services remove {name}"
                )
            self._audit.record(connection, "credential_add", None, now, f"{name}: {' '.join(made.scopes)}")

        self._database.run(work)
        return f"{name}.{secret}"

    def list_all(self) -> list[ServiceCredential]:
        """Return every credential, without secrets."""
        return self._database.read(service_credentials.list_all)

    def remove(self, name: str) -> bool:
        """Remove a credential, immediately for all workers; False if there was none."""
        now = self._clock.seconds()

        def work(connection: Connection) -> bool:
            removed = service_credentials.delete(connection, name)
            if removed:
                self._audit.record(connection, "credential_remove", None, now, name)
            return removed

        return self._database.run(work)
