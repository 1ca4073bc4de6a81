"""A key's life: published, signing, former, gone; and how a running service follows it."""

import contextlib
import json
import logging
import os
import stat
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from authsvc.db.database import Database
from authsvc.errors import ServiceBusy
from authsvc.services.operator.signingkeys import KeyRefusal, SigningKeys
from authsvc.signing import keyfile
from authsvc.signing.keyfile import change_key_file, create_key_file, new_key
from authsvc.signing.keyring import LOOK_SECONDS, KeyRing, KeySource
from authsvc.signing.keyset import BadKeys, KeySet
from authsvc.values.operator import Incomplete
from authsvc.web.contracts import longest_token_seconds
from tests.harness.inprocess import AUDIT, Clock, rows

MAX_AGE, LONGEST = 300, 30 * 86400


class Hands(Clock):
    """Both of its hands stand still until they are moved."""

    elapsed = 0.0

    def monotonic(self) -> float:
        return self.elapsed


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create_key_file(tmp_path / "keys" / "signing.json")
    return tmp_path / "keys" / "signing.json"


def made(source: KeySource, clock: Hands, database: Database) -> SigningKeys:
    return SigningKeys(KeyRing(source, clock), database, AUDIT, clock, max_age=MAX_AGE, longest_token=LONGEST)


@pytest.fixture
def keys(path: Path, clock: Hands, database: Database) -> SigningKeys:
    return made(KeySource(path), clock, database)


def states(keys: SigningKeys) -> dict[str, str]:
    return {step.key.kid: step.key.state for step in keys.list_all()}


def signing(keys: SigningKeys) -> str:
    return next(kid for kid, state in states(keys).items() if state == "signing")


def test_a_key_is_published_signs_and_goes_each_only_after_its_wait(
    keys: SigningKeys, clock: Hands, database: Database
) -> None:
    first = signing(keys)
    second = keys.add()
    assert states(keys) == {first: "signing", second: "published"}
    assert [jwk["kid"] for jwk in keys.published()["keys"]] == [first, second]

    clock.moment += MAX_AGE + LOOK_SECONDS - 1
    with pytest.raises(KeyRefusal, match="may not have seen it yet") as refused:
        keys.activate(None)
    assert refused.value.ready_at == clock.moment + 1
    clock.moment += 1
    assert keys.activate(None) == second
    assert states(keys) == {first: "former", second: "signing"}
    assert [jwk["kid"] for jwk in keys.published()["keys"]] == [first, second]

    clock.moment += LONGEST + LOOK_SECONDS - 1
    with pytest.raises(KeyRefusal, match="may still be in use") as refused:
        keys.retire(None)
    assert refused.value.ready_at == clock.moment + 1
    clock.moment += 1
    assert keys.retire(None) == first
    assert states(keys) == {second: "signing"}
    assert rows(database, "SELECT event, detail, user_id FROM audit_events ORDER BY id") == [
        ("key_new", second, None),
        ("key_activate", second, None),
        ("key_retire", first, None),
    ]


def test_a_key_that_has_leaked_is_replaced_at_once(keys: SigningKeys, database: Database) -> None:
    leaked, fresh = signing(keys), keys.add()
    keys.activate(fresh, at_once=True)
    keys.retire(leaked, at_once=True)
    assert states(keys) == {fresh: "signing"}
    details = [detail for (detail,) in rows(database, "SELECT detail FROM audit_events ORDER BY id")]
    assert details == [fresh, f"{fresh} at once", f"{leaked} at once"]


class Busy:
    """A database that takes nothing after so many transactions."""

    def __init__(self, takes: int = 0) -> None:
        self.takes = takes

    def run(self, *_: object) -> None:
        if not self.takes:
            raise ServiceBusy("locked")
        self.takes -= 1


def test_a_step_waits_for_the_database_unless_a_key_has_leaked(path: Path, clock: Hands) -> None:
    before = KeySet.load(path)
    keys = made(KeySource(path), clock, Busy())
    clock.moment += LONGEST
    for step in (keys.add, lambda: keys.retire(before.signing_kid), lambda: keys.activate(before.signing_kid)):
        with pytest.raises(ServiceBusy):
            step()
    assert KeySet.load(path).keys == before.keys
    with pytest.raises(Incomplete, match="done, but the audit event could not be stored"):
        keys.add(at_once=True)
    assert len(KeySet.load(path).keys) == 2


def test_a_step_that_could_not_be_put_on_record_says_that_it_is_done(path: Path, clock: Hands) -> None:
    with pytest.raises(Incomplete, match="done, but") as told:
        made(KeySource(path), clock, Busy(takes=1)).add()
    assert str(told.value).startswith(KeySet.load(path).keys[1].kid)


def test_a_former_key_may_sign_again_and_one_that_only_waited_may_go_without_waiting(keys: SigningKeys) -> None:
    first, second = signing(keys), keys.add()
    keys.activate(second, at_once=True)
    assert keys.activate(first) == first
    third = keys.add()
    assert keys.retire(third) == third
    assert states(keys) == {first: "signing", second: "former"}


def test_what_cannot_be_meant_is_refused_with_its_reason(keys: SigningKeys, database: Database) -> None:
    first = signing(keys)
    for step, reason in {
        lambda: keys.activate(None): "there is no published key",
        lambda: keys.retire(None): "there is no former key",
        lambda: keys.activate("nothing"): "there is no key nothing…",
        lambda: keys.activate(first): "already signs",
        lambda: keys.retire(first, at_once=True): "is the signing key; activate another key first",
    }.items():
        with pytest.raises(KeyRefusal, match=reason) as refused:
            step()
        assert refused.value.ready_at is None
    both = [keys.add(), keys.add()]
    with pytest.raises(KeyRefusal, match="there are 2 of published key: name one"):
        keys.activate(None, at_once=True)
    assert keys.activate(both[1][:20], at_once=True) == both[1]
    assert rows(database, "SELECT COUNT(*) FROM audit_events") == [(3,)]


def test_keys_of_the_settings_are_changed_in_the_settings(clock: Hands, database: Database) -> None:
    with pytest.raises(KeyRefusal, match="JWT_PRIVATE_KEY"):
        made(KeySource(None, pem()), clock, database).add()


def test_the_longest_token_is_that_of_the_contracts() -> None:
    assert longest_token_seconds() == LONGEST


# --- the file ----------------------------------------------------------------------------------------------------


def test_a_change_is_a_new_file_of_the_same_mode_and_owner(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    before = path.stat()
    change_key_file(path, lambda keys: [*keys, new_key(1)])
    after = path.stat()
    assert (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid) == (0o600, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino
    assert [entry.name for entry in path.parent.iterdir()] == ["signing.json"]


@pytest.mark.parametrize("change", [lambda keys: [], lambda keys: [*keys, *keys], lambda keys: [new_key(0)]])
def test_what_would_not_be_a_key_file_is_never_written(path: Path, change: keyfile.Change) -> None:
    before = path.read_bytes()
    with pytest.raises(BadKeys):
        change_key_file(path, change)
    assert path.read_bytes() == before and [entry.name for entry in path.parent.iterdir()] == ["signing.json"]


def test_a_disk_that_is_full_leaves_the_keys_as_they_were(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keyfile.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        change_key_file(path, lambda keys: [*keys, new_key(1)])
    assert path.read_bytes() == before and [entry.name for entry in path.parent.iterdir()] == ["signing.json"]


def keys_after_eight_operators_at_once(path: Path) -> int:
    start = threading.Barrier(8)

    def add() -> None:
        start.wait()

        def slowly(keys: tuple) -> list:
            time.sleep(0.01)
            return [*keys, new_key(1)]

        change_key_file(path, slowly)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(KeySet.load(path).keys)


def test_of_changes_at_the_same_moment_none_is_lost(path: Path) -> None:
    assert keys_after_eight_operators_at_once(path) == 9


def test_without_the_lock_some_are(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin on which the test above is seen to fail."""
    monkeypatch.setattr(keyfile, "_alone_in", contextlib.nullcontext)
    assert keys_after_eight_operators_at_once(path) < 9


# --- a running service -------------------------------------------------------------------------------------------


def pem(*curves: ec.EllipticCurve) -> str:
    made = [ec.generate_private_key(curve) for curve in curves or (ec.SECP256R1(),)]
    return "".join(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode() for key in made)


def test_a_change_is_seen_after_a_second_and_an_unknown_key_is_looked_for_at_once(path: Path, clock: Hands) -> None:
    ring = KeyRing(KeySource(path), clock)
    kid = change_key_file(path, lambda keys: [*keys, new_key(1)]).keys[1].kid
    clock.elapsed += LOOK_SECONDS - 0.1
    assert kid not in ring.current().public_keys
    clock.elapsed += 0.1
    assert kid in ring.current().public_keys

    other = change_key_file(path, lambda keys: [*keys, new_key(1)]).keys[2].kid
    assert other not in ring.current().public_keys
    assert ring.public_key(other) is not None and ring.public_key("A" * 43) is None


BREAKAGES = {
    "half a file": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "readable by others": lambda path: (path.write_bytes(path.read_bytes()), path.chmod(0o644)),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("breaks", BREAKAGES.values(), ids=BREAKAGES.keys())
def test_keys_that_cannot_be_read_do_not_replace_those_that_are_held(
    path: Path, clock: Hands, caplog: pytest.LogCaptureFixture, breaks: object
) -> None:
    caplog.set_level(logging.INFO)
    ring, good = KeyRing(KeySource(path), clock), path.read_bytes()
    kid = ring.current().signing_kid
    breaks(path)  # type: ignore[operator]
    for _ in range(3):
        clock.elapsed += LOOK_SECONDS
        assert ring.current().signing_kid == kid
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert str(path) in caplog.text and json.loads(good)["keys"][0]["jwk"]["d"] not in caplog.text

    path.unlink(missing_ok=True)
    create_key_file(path)
    clock.elapsed += LOOK_SECONDS
    assert ring.current().signing_kid == KeySet.load(path).signing_kid != kid


def test_a_key_file_of_the_settings_is_followed_too_also_when_a_link_moves(tmp_path: Path, clock: Hands) -> None:
    """As secrets that are mounted into a container change."""
    for name in ("one", "two"):
        (tmp_path / name).write_text(pem(ec.SECP256R1(), ec.SECP256R1()))
    link = tmp_path / "signing.pem"
    link.symlink_to("one")
    ring = KeyRing(KeySource(link, link.read_text()), clock)
    before = ring.current()
    assert [key.state for key in before.keys] == ["signing", "published"]
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(link)
    clock.elapsed += LOOK_SECONDS
    assert not set(ring.current().public_keys) & set(before.public_keys)
    assert ring.current().signing_kid == KeySet.from_pem((tmp_path / "two").read_text()).signing_kid


def test_a_pem_with_one_bad_key_among_good_ones_is_refused() -> None:
    with pytest.raises(BadKeys, match="JWT_PRIVATE_KEY"):
        KeySet.from_pem(pem(ec.SECP256R1(), ec.SECP384R1()))
