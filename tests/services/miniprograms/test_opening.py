"""What of the phone's data is believed: whose, how old, under which key, and how often it may fail."""

import base64
import hashlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad
from sqlalchemy import Connection

from authsvc.db.database import Database
from authsvc.db.statements import Statement
from authsvc.errors import DataRejected
from authsvc.sealing import KeyedHash
from authsvc.services.miniprograms.opening import MAX_FAILURES, Opened, Sealed, SealedData, settle
from authsvc.values.wechat import EncryptedData, MiniProgram, SignedProfile
from tests.harness import vectors
from tests.harness.inprocess import SESSION_KEYS, Clock, rows

APP = MiniProgram(vectors.APPID, "the-secret-of-no-account", vectors.APPID)
OPENID = vectors.OPENID
CURRENT, PREVIOUS, FOREIGN = (base64.b64encode(bytes([fill]) * 16).decode() for fill in (1, 2, 3))
MAX_AGE = 300
NOT_GIVEN = object()


@pytest.fixture
def sealed_data(clock: Clock) -> SealedData:
    return SealedData(SESSION_KEYS, KeyedHash((bytes(range(32)),), "decrypt failures"), clock, MAX_AGE)


def sealed(payload: dict[str, Any], key: str = CURRENT) -> EncryptedData:
    cipher = AES.new(base64.b64decode(key), AES.MODE_CBC, bytes(16))
    text = json.dumps(payload).encode()
    return EncryptedData(base64.b64encode(cipher.encrypt(pad(text, 16))).decode(), base64.b64encode(bytes(16)).decode())


def profile(clock: Clock, *, age: float = 0, **changes: Any) -> dict[str, Any]:
    watermark = {"appid": vectors.APPID, "timestamp": int(clock.now() - age), **changes.pop("watermark", {})}
    return {"openId": OPENID, "nickName": "Lan", "watermark": watermark, **changes}


@pytest.fixture
def opened(database: Database, sealed_data: SealedData):
    """Open a payload as a login of OPENID would, with these keys to try; failures are counted as a login does."""

    def attempt(data: EncryptedData, keys: tuple[str, ...] = (CURRENT,)) -> dict[str, Any]:
        return unsealed(database, sealed_data, Sealed(data), keys).payload

    return attempt


def unsealed(
    database: Database, sealed_data: SealedData, came: Sealed, keys: Sequence[str], *, is_locked: bool = True
) -> Opened:
    """Open in a transaction as a login does."""

    def work(connection: Connection) -> Opened:
        return sealed_data.open(connection, APP, keys, came, OPENID, is_locked=is_locked)

    return settle(database.run, work)


@pytest.mark.parametrize("age", [0, 1, 299, 300, -59, -60])
def test_data_of_the_last_five_minutes_opens(opened, clock: Clock, age: int) -> None:
    payload = profile(clock, age=age)
    assert opened(sealed(payload)) == payload


@pytest.mark.parametrize("age", [301, 3600, 10**9, -61, -3600])
def test_older_data_and_data_from_the_future_is_refused(opened, clock: Clock, age: int) -> None:
    with pytest.raises(DataRejected):
        opened(sealed(profile(clock, age=age)))


def test_the_age_limit_is_the_operators(database: Database, clock: Clock) -> None:
    patient = SealedData(SESSION_KEYS, KeyedHash((bytes(range(32)),), "decrypt failures"), clock, 10**9)
    data = EncryptedData(vectors.PROFILE.encrypted_data, vectors.IV)
    payload = unsealed(database, patient, Sealed(data), [vectors.SESSION_KEY]).payload
    assert payload == json.loads(vectors.PROFILE.plaintext)


@pytest.mark.parametrize(
    "timestamp", ["1800000000", 1800000000.0, None, True, [], {}, 10**400, -(10**400), "now"], ids=lambda v: str(v)[:12]
)
def test_a_timestamp_that_is_not_a_plausible_whole_number_is_refused(opened, clock: Clock, timestamp: Any) -> None:
    with pytest.raises(DataRejected):
        opened(sealed(profile(clock, watermark={"timestamp": timestamp})))


def test_a_watermark_without_timestamp_is_refused(opened) -> None:
    with pytest.raises(DataRejected):
        opened(sealed({"openId": OPENID, "watermark": {"appid": vectors.APPID}}))


@pytest.mark.parametrize("appid", ["wx51a051a000000001", vectors.APPID.upper(), f"{vectors.APPID} ", "", None])
def test_data_of_another_app_is_refused(opened, clock: Clock, appid: str | None) -> None:
    with pytest.raises(DataRejected):
        opened(sealed(profile(clock, watermark={"appid": appid})))


@pytest.mark.parametrize("openid", [f"{OPENID[:-1]}X", OPENID.lower(), f"{OPENID} ", "", None, [OPENID]])
def test_data_about_another_person_is_refused(opened, clock: Clock, openid: Any) -> None:
    with pytest.raises(DataRejected):
        opened(sealed(profile(clock, openId=openid)))


def test_data_that_names_no_person_opens(opened, clock: Clock) -> None:
    payload = profile(clock)
    del payload["openId"]
    assert opened(sealed(payload)) == payload


@pytest.mark.parametrize("key", [CURRENT, PREVIOUS])
def test_the_current_key_and_the_one_before_are_tried(opened, clock: Clock, key: str) -> None:
    payload = profile(clock)
    assert opened(sealed(payload, key), (CURRENT, PREVIOUS)) == payload


@pytest.mark.parametrize("keys", [(CURRENT,), (CURRENT, PREVIOUS), ()])
def test_no_other_key_is_tried(opened, clock: Clock, keys: tuple[str, ...]) -> None:
    with pytest.raises(DataRejected):
        opened(sealed(profile(clock), FOREIGN), keys)


def test_the_first_key_that_fits_is_taken(opened, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    decrypt = SealedData._decrypt

    def noting(self: SealedData, app: MiniProgram, key: str, *rest: Any) -> dict[str, Any] | None:
        tried.append(key)
        return decrypt(self, app, key, *rest)

    monkeypatch.setattr(SealedData, "_decrypt", noting)
    opened(sealed(profile(clock)), (CURRENT, PREVIOUS))
    assert tried == [CURRENT]


def test_after_five_failures_not_even_good_data_opens(opened, clock: Clock) -> None:
    good, bad = sealed(profile(clock)), sealed(profile(clock), FOREIGN)
    for _ in range(MAX_FAILURES - 1):
        with pytest.raises(DataRejected):
            opened(bad)
    assert opened(good)
    with pytest.raises(DataRejected) as fifth:
        opened(bad)
    with pytest.raises(DataRejected) as locked:
        opened(good)
    assert str(fifth.value) == str(locked.value)


def test_failures_under_one_key_leave_another_key_open(opened, clock: Clock) -> None:
    for _ in range(MAX_FAILURES):
        with pytest.raises(DataRejected):
            opened(sealed(profile(clock), FOREIGN), (PREVIOUS,))
    payload = profile(clock)
    assert opened(sealed(payload, CURRENT), (CURRENT, PREVIOUS)) == payload
    with pytest.raises(DataRejected):
        opened(sealed(payload, PREVIOUS), (CURRENT, PREVIOUS))


def test_every_key_that_was_tried_counts_the_failure(opened, database: Database, clock: Clock) -> None:
    with pytest.raises(DataRejected):
        opened(sealed(profile(clock), FOREIGN), (CURRENT, PREVIOUS))
    counted = rows(database, "SELECT failures, failed_at FROM decrypt_failures")
    assert counted == [(1, int(clock.now()))] * 2


def test_no_session_key_is_written_down_with_its_failures(opened, database: Database, clock: Clock) -> None:
    with pytest.raises(DataRejected):
        opened(sealed(profile(clock), FOREIGN))
    (stored,) = rows(database, "SELECT key_hash FROM decrypt_failures")
    assert CURRENT not in stored[0] and base64.b64decode(CURRENT).hex() not in stored[0] and len(stored[0]) == 64


@pytest.mark.parametrize("raw_data, session_key, signature", vectors.SIGNATURES, ids=["published", "with Chinese"])
def test_signed_data_holds_under_the_current_key_or_the_one_before(
    database: Database, sealed_data: SealedData, raw_data: str, session_key: str, signature: str
) -> None:
    came = Sealed(signed=SignedProfile(raw_data, signature))
    for keys in ([session_key], [FOREIGN, session_key]):
        assert unsealed(database, sealed_data, came, keys) == Opened()
    for keys in ([FOREIGN], []):
        with pytest.raises(DataRejected):
            unsealed(database, sealed_data, came, keys)


def test_signatures_share_the_limit_of_their_key(
    opened, clock: Clock, database: Database, sealed_data: SealedData
) -> None:
    raw_data, session_key, signature = vectors.SIGNATURES[0]
    for _ in range(MAX_FAILURES):
        with pytest.raises(DataRejected):
            opened(sealed(profile(clock), FOREIGN), (session_key,))
    with pytest.raises(DataRejected):
        unsealed(database, sealed_data, Sealed(signed=SignedProfile(raw_data, signature)), [session_key])


# --- many at once ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_locked", [True, False], ids=["known", "new"])
def test_an_honest_opening_leaves_nothing_and_a_known_persons_asks_once(
    each_database: Database, sealed_data: SealedData, clock: Clock, monkeypatch: pytest.MonkeyPatch, is_locked: bool
) -> None:
    asked: list[str] = []
    run = Statement.run

    def noting(self: Statement, connection: Connection, **values: Any) -> Any:
        asked.append(str(self._texts["sqlite"]).split()[0])
        return run(self, connection, **values)

    came = Sealed(sealed(profile(clock)), SignedProfile(*signed_under(CURRENT)))
    monkeypatch.setattr(Statement, "run", noting)
    unsealed(each_database, sealed_data, came, (CURRENT, PREVIOUS), is_locked=is_locked)
    changes = [word for word in asked if word not in ("BEGIN", "SELECT")]
    assert asked.count("SELECT") == 1 and bool(changes) is not is_locked
    assert rows(each_database, "SELECT * FROM decrypt_failures") == []


def signed_under(key: str) -> tuple[str, str]:
    return "{}", hashlib.sha1(f"{{}}{key}".encode(), usedforsecurity=False).hexdigest()


def test_of_sixty_at_once_five_are_looked_at_for_somebody_new_and_an_honest_one_takes_none(
    each_database: Database, sealed_data: SealedData, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of somebody known the identity is locked: see tests/services/miniprograms/test_opening_burst.py."""
    tried: list[str] = []
    decrypt = SealedData._decrypt

    def slowly(self: SealedData, app: MiniProgram, key: str, *rest: Any) -> dict[str, Any] | None:
        tried.append(key)
        time.sleep(0.005)
        return decrypt(self, app, key, *rest)

    monkeypatch.setattr(SealedData, "_decrypt", slowly)
    good, bad = sealed(profile(clock)), sealed(profile(clock), FOREIGN)

    def attempt(data: EncryptedData) -> bool:
        try:
            unsealed(each_database, sealed_data, Sealed(data), (CURRENT,), is_locked=False)
        except DataRejected:
            return False
        return True

    with ThreadPoolExecutor(8) as crowd:
        assert all(crowd.map(attempt, [good] * 20))
        tried.clear()
        assert not any(crowd.map(attempt, [bad] * 60))
    assert len(tried) == MAX_FAILURES
    assert rows(each_database, "SELECT failures FROM decrypt_failures") == [(MAX_FAILURES,)]
    assert not attempt(good)
