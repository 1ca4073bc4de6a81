"""Decrypts data from the phone, and checks its signatures, with the session_keys that may apply.

The most frequently reported problem here is a phone button that is tapped before ``wx.login`` replaces the key. Data
with the previous key is therefore accepted for ten minutes after the change. After five failures a key is no longer
accepted for decryption.

Of many simultaneous attempts, at most five are tried. Each attempt holds a lock that the next one waits for: the row of
the identity, which a login locks in any case, or, if there is none, the row of the key's count. The next attempt sees
the result of the previous one, because a refusal is committed with its count, in the transaction that refuses. So an
honest login needs no statement for it: ``find`` reads the count with the identity.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.queries import decrypt_failures, identities
from authsvc.db.queries.identities import Identity
from authsvc.errors import DataRejected
from authsvc.sealing import KeyedHash
from authsvc.services import numbers
from authsvc.services.miniprograms.sessionkeys import SessionKeys
from authsvc.values.people import PhoneNumber
from authsvc.values.wechat import EncryptedData, MiniProgram, SignedProfile
from authsvc.wechat.wxbizdatacrypt import WXBizDataCrypt, signature_matches

T = TypeVar("T")

MAX_FAILURES = 5
# How far WeChat's clock may be ahead of ours.
_FUTURE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Sealed:
    """The encrypted or signed data of a request, with a flag that it must come from the phone button."""

    encrypted: EncryptedData | None = None
    signed: SignedProfile | None = None
    expects_phone: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """The decrypted payload, if there was one, and the number in it, if that was expected."""

    payload: dict[str, Any] | None = field(default=None, repr=False)
    phone: PhoneNumber | None = None


class SealedData:
    """Opens the data of one request."""

    def __init__(self, session_keys: SessionKeys, hashes: KeyedHash, clock: SystemClock, max_age: int) -> None:
        self._session_keys = session_keys
        self._hashes = hashes
        self._clock = clock
        self._max_age = max_age

    def find(
        self, connection: Connection, app: MiniProgram, openid: str, came: Sealed, session_key: str
    ) -> Identity | None:
        """Return this identity, if known, locked, with what ``open_from`` needs to know of this session_key."""
        if came.encrypted is None and came.signed is None:
            return identities.find(connection, app.appid, openid)
        return identities.find_counted(connection, app.appid, openid, self._hashes.of(session_key))

    def open_from(
        self,
        connection: Connection,
        app: MiniProgram,
        came: Sealed,
        openid: str,
        *,
        known: Identity | None,
        session_key: str | None = None,
    ) -> Opened:
        """Return the data from this openid, opened with the keys that may apply to it.

        These are ``session_key``, which WeChat has just returned, and the stored keys of the identity. That is locked
        in this transaction, and with a ``session_key`` it comes from ``find``; None means an openid without an
        identity. Raises as ``open`` does.
        """
        if came.encrypted is None and came.signed is None:
            return Opened()
        if known is None:
            return self.open(connection, app, [session_key] if session_key else [], came, openid, is_locked=False)
        if (
            session_key
            and known.failures < MAX_FAILURES
            and (opened := self._opened_by(app, session_key, came, openid))
        ):
            return opened
        held = self._session_keys.held(known, self._clock.seconds())
        keys = dict.fromkeys([session_key, *held] if session_key else held)  # each once
        return self.open(connection, app, list(keys), came, openid, is_locked=True)

    def _opened_by(self, app: MiniProgram, session_key: str, came: Sealed, openid: str) -> Opened | None:
        """Try only the likeliest key, which nearly always fits.

        A failure is not counted; other keys must then be tried.
        """
        try:
            return self._open(app, [session_key], came, openid)
        except DataRejected:
            return None

    def open(
        self,
        connection: Connection,
        app: MiniProgram,
        keys: Sequence[str],
        came: Sealed,
        openid: str,
        *,
        is_locked: bool,
    ) -> Opened:
        """Return the content; ``keys`` are session_keys (base64 text), the likeliest first.

        ``is_locked`` says that the identity of the openid is locked in this transaction; without an identity, it is
        not. Raises DataRejected, the same for every cause: no key opens it, a key has failed five times, the watermark
        has another appid or is too old, it is about another openid, or it lacks a required number. The refusal is
        counted in this transaction, so run it with ``settle``.
        """
        usable = self._usable(connection, keys, is_locked=is_locked)
        try:
            opened = self._open(app, usable, came, openid)
        except DataRejected:
            if is_locked:
                self._count(connection, usable)
            raise
        if not is_locked:
            self._take_back(connection, usable)
        return opened

    def _usable(self, connection: Connection, keys: Sequence[str], *, is_locked: bool) -> list[str]:
        """Return the keys that have not failed five times. If nobody else waits, they are counted as failed for now."""
        if not is_locked:
            self._count(connection, keys)
        failures = decrypt_failures.counts(connection, [self._hashes.of(key) for key in keys])
        most = MAX_FAILURES - 1 if is_locked else MAX_FAILURES
        usable = [key for key in keys if failures.get(self._hashes.of(key), 0) <= most]
        if not is_locked:
            self._take_back(connection, [key for key in keys if key not in usable])
        return usable

    def _open(self, app: MiniProgram, keys: Sequence[str], came: Sealed, openid: str) -> Opened:
        signed, encrypted = came.signed, came.encrypted
        if signed is not None:
            _first(keys, lambda key: signature_matches(signed.raw_data, signed.signature, key) or None)
        if encrypted is None:
            return Opened()
        payload = _first(keys, lambda key: self._decrypt(app, key, encrypted, openid))
        return Opened(payload, numbers.from_wechat(payload) if came.expects_phone else None)

    def _count(self, connection: Connection, keys: Sequence[str]) -> None:
        now = self._clock.seconds()
        for key in keys:
            decrypt_failures.add(connection, self._hashes.of(key), now)

    def _take_back(self, connection: Connection, keys: Sequence[str]) -> None:
        for key in keys:
            decrypt_failures.take_back(connection, self._hashes.of(key))

    def _decrypt(self, app: MiniProgram, key: str, data: EncryptedData, openid: str) -> dict[str, Any] | None:
        try:
            payload = WXBizDataCrypt(app.appid, key).decrypt(data.data, data.iv)
        except DataRejected:
            return None
        timestamp = payload["watermark"].get("timestamp")
        if type(timestamp) is not int or payload.get("openId", openid) != openid:
            return None
        age = self._clock.seconds() - timestamp  # whole numbers only: a float and 400 digits overflow
        return payload if -_FUTURE_SECONDS <= age <= self._max_age else None


def settle(
    run: Callable[[Callable[[Connection], T | DataRejected]], T | DataRejected], work: Callable[[Connection], T]
) -> T:
    """Do ``work`` in a transaction of ``run`` and return the result; raises its refusal after that is committed.

    A refusal is counted in the transaction that refuses, so ``work`` must change nothing before it opens the data.
    """

    def refusing(connection: Connection) -> T | DataRejected:
        try:
            return work(connection)
        except DataRejected as refusal:
            return refusal

    outcome = run(refusing)
    if isinstance(outcome, DataRejected):
        raise outcome
    return outcome


def _first(keys: Sequence[str], attempt: Callable[[str], T | None]) -> T:
    for key in keys:
        result = attempt(key)
        if result is not None:
            return result
    raise DataRejected("no session_key fits, or its tries are used up")
