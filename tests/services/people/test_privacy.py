"""What people get of their data, and what is left of it when they are gone: nothing, in no file, in no spelling."""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from authsvc.db.personaldata import EXPORTED
from tests.harness import pictures
from tests.harness.leaks import Canaries, spellings
from tests.harness.service import ISSUER, Service
from tests.harness.signedin import native, tapped
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow

EXPORT = "/api/v1/me/export"
CONSENTS = "/api/v1/me/consents"


@dataclass
class Known:
    """Somebody of whom everything is stored that can be, in values that stand nowhere else."""

    service: Service
    simulator: Simulator
    name: str
    invite: str | None = None

    def __post_init__(self) -> None:
        self.nickname, self.shown = f"nick-{secrets.token_hex(12)}", f"https://example.com/{secrets.token_hex(16)}.png"
        self.sealed_keys: set[str] = set()
        self.session_keys: set[str] = set()
        self.devices = [f"device-{secrets.token_hex(12)}" for _ in range(2)]
        for device in self.devices:  # a new session_key, the one before kept; a new device, which an audit event names
            self.sign_in(device, rotate=True)
        self.does("PUT", "/api/v1/me", json={"nickname": self.nickname, "avatar_url": self.shown, "gender": 1})
        self.phone = str(self.simulator.call("GET", f"/control/users/{self.name}")["phone"])
        data = tapped(self.simulator, self.name)
        self.does("POST", "/api/v1/me/phone", json=data)
        noise = Image.frombytes("RGB", (40, 40), secrets.token_bytes(4800))
        upload = {"file": ("x.png", pictures.encoded(noise, "PNG"), "image/png")}
        address = self.does("POST", "/api/v1/me/avatar", files=upload)["avatar_url"]
        self.avatar = address.removeprefix(f"{ISSUER}/avatars/")
        self.does("GET", "/api/v1/me/invite/qrcode")
        self.does("POST", CONSENTS, json={"version": "2026-11"})

    def sign_in(self, device: str, **options: Any) -> None:
        body = {"invite_code": self.invite} if self.invite else {}
        code = self.simulator.code(self.name, **options)
        self.person = native(
            self.service, self.simulator, self.name, code=code, json=body, headers={"User-Agent": device}
        )
        self.session_keys.add(self.simulator.account(self.name)["session_key"])
        sealed = "SELECT session_key, previous_session_key FROM identities WHERE user_id = "
        self.sealed_keys |= {
            key.rstrip("=") for row in self.service.rows(sealed + self.person.user_id) for key in row if key
        }

    @property
    def id(self) -> int:
        return int(self.person.user_id)

    def does(self, method: str, path: str, **options: Any) -> Any:
        return self.person.does(method, path, **options)

    def values(self) -> dict[str, set[str]]:
        """What must be gone, by kind."""
        account = self.simulator.account(self.name)
        return {
            "phone": {self.phone},
            "openid": {account["openid"]},
            "session_key": self.session_keys,
            "sealed session_key": self.sealed_keys,
            "nickname": {self.nickname},
            "picture address": {self.shown.removeprefix("https://example.com/"), self.avatar},
            "session": {sid for (sid,) in self.service.rows(f"SELECT id FROM sessions WHERE user_id = {self.id}")},
        }

    def picture(self) -> bytes:
        return (self.service.folder / "instance" / "avatars" / self.avatar).read_bytes()


def marked(people: list[Known]) -> Canaries:
    canaries = Canaries()
    for person in people:
        for kind, values in person.values().items():
            for value in values:
                canaries.never(kind, value)
    return canaries


def places(service: Service) -> list[Path]:
    """Everything that the service and its commands have written: database, log, pictures, output. Of MariaDB, its rows.

    Not the answers, which tests keep for a scan of their own.
    """
    if service.schema:
        tables = [name for (name,) in service.rows("SHOW TABLES")]
        rows = [str(row) for table in tables for row in service.rows(f"SELECT * FROM `{table}`")]
        (service.folder / "rows.txt").write_text("\n".join(rows))
    return [path for path in service.folder.rglob("*") if path.is_file() and path != service.answers]


def devices_in_the_database(people: list[Known]) -> set[str]:
    """Which devices of theirs stand in the database; the access log, where one is kept, names them too."""
    canaries = Canaries()
    for device in (device for person in people for device in person.devices):
        canaries.never(device, device)
    files = [path for path in places(people[0].service) if path.name != people[0].service.log.name]
    return kinds(canaries.hits([], files))


def kinds(hits: list[str]) -> set[str]:
    return {hit.partition(" in ")[0] for hit in hits}


def in_some_form(content: bytes, files: list[Path]) -> list[Path]:
    """Where a piece from the middle of a picture stands, as it is, in hex or in base64."""
    piece = content[len(content) // 2 :][:48]
    forms = [piece, *(base64.b64encode(piece[shift:])[:-4] for shift in range(3)), piece.hex().encode()]
    return [path for path in files if any(form in path.read_bytes() for form in forms)]


STORED = {"phone", "openid", "sealed session_key", "nickname", "picture address", "session"}


@pytest.mark.parametrize("database", ["sqlite", "mysql"])
def test_of_somebody_who_is_erased_no_byte_is_left(
    database: str, simulator: Simulator, start_briefly: Callable[..., Service], figures: Callable[[str], None]
) -> None:
    service = start_briefly(f"erasure-{database}", database=database)
    stays, closes, merged, erased = (
        Known(service, simulator, f"erasure-{database}-{name}") for name in ("stays", "closes", "merged", "erased")
    )
    gone = [closes, merged, erased]
    marks = {value for person in gone for values in person.values().values() for value in values}
    canaries, shown = marked(gone), [(person.picture(), person.name) for person in gone]
    # The scan finds what is stored, while it is.
    before = canaries.hits([], places(service))
    assert kinds(before) == STORED
    assert all(in_some_form(content, places(service)) for content, _ in shown)
    assert devices_in_the_database(gone) == {device for person in gone for device in person.devices}

    service.flask("authsvc", "users", "merge", str(merged.id), "--into", str(erased.id), "--reason", "x", "--yes")
    service.flask("authsvc", "users", "erase", str(erased.id), "--yes")
    assert closes.does("POST", "/api/v1/me/close")["erased_after"]
    service.environment["ACCOUNT_COOLING_OFF_DAYS"] = "0"
    service.flask("authsvc", "purge")

    files = places(service)
    after = canaries.hits([], files)
    where = "files of SQLite, pictures and logs" if database == "sqlite" else "rows of MariaDB, pictures and logs"
    figures(
        f"erasure of 3 users: {len(marks)} values in {sum(map(len, map(spellings, marks)))} spellings, found"
        f" {len(before)} times before, {len(after)} times after in {len(files)} {where}"
    )
    assert after == []
    assert devices_in_the_database(gone) == set()
    assert [name for content, name in shown if in_some_form(content, files)] == []
    assert service.count("users") == 1
    assert len(list((service.folder / "instance" / "qrcodes").glob("*.jpg"))) == service.count("code_pictures") == 1
    assert stays.does("GET", "/api/v1/me")["phone"] == f"+86{stays.phone}"
    assert stays.picture()
    # What was found nowhere is found where it is planted.
    (service.folder / "instance" / "planted.bin").write_bytes(b"." * 1001 + erased.phone.encode().hex().encode() + b".")
    assert canaries.hits([], places(service)) == ["phone in instance/planted.bin"]


def test_the_check_finds_what_an_erasure_of_rows_alone_leaves(
    simulator: Simulator, start_apart: Callable[[str], Service], figures: Callable[[str], None]
) -> None:
    twin = start_apart("tests.twins.erases_rows_only:app")
    person = Known(twin, simulator, "erasure-twin")
    canaries = marked([person])
    twin.flask("authsvc", "users", "erase", str(person.id), "--yes")
    assert twin.count("users") == 0
    left = kinds(canaries.hits([], places(twin)))
    figures(f"left by an erasure of rows alone (the broken twin): {sorted(left)}")
    assert {"phone", "openid", "nickname"} <= left


@pytest.mark.parametrize("database", ["sqlite", "mysql"])
def test_an_export_is_complete_and_holds_no_secret(
    database: str, simulator: Simulator, request: pytest.FixtureRequest
) -> None:
    service: Service = request.getfixturevalue(f"{database}_service")
    inviter = native(service, simulator, f"export-{database}-inviter")
    invite = inviter.call("GET", "/api/v1/me/invite").json()["data"]["invite_code"]
    person = Known(service, simulator, f"export-{database}", invite)
    found = person.does("GET", EXPORT)
    assert set(found) == set(EXPORTED)
    for table, (owner, columns) in EXPORTED.items():
        names = columns.split(", ")
        stored = service.rows(f"SELECT {columns} FROM {table} WHERE {owner} = {person.id} ORDER BY 1")
        assert stored, f"nothing in {table}: nothing is shown"
        assert found[table] == [dict(zip(names, row, strict=True)) for row in stored]
    text = json.dumps(found)
    assert all(key not in text for key in (*person.sealed_keys, *person.session_keys))
    assert [user["phone"] for user in found["users"]] == [person.phone]
    assert {event["event"] for event in found["audit_events"]} == {"register", "new_device", "phone_bound"}
    assert json.loads(service.flask("authsvc", "users", "export", str(person.id), shows_secret=True)) | {
        "audit_events": []
    } == found | {"audit_events": []}
    assert service.count("audit_events", f"event = 'export' AND user_id = {person.id}") == 1


def test_consent_is_kept_with_the_moment_it_was_first_given(simulator: Simulator, each_service: Service) -> None:
    name = f"consent-{each_service.schema is not None}"
    agrees = native(each_service, simulator, name, json={"consentVersion": "2026-11"})

    def consents() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = agrees.does("GET", CONSENTS)
        return found

    first = consents()
    assert [entry["version"] for entry in first] == ["2026-11"]
    each_service.rows("UPDATE consents SET given_at = given_at - 1000")
    again = native(each_service, simulator, name, json={"consentVersion": "2026-11"})
    answer = again.call("POST", CONSENTS, json={"version": "2026-12"})
    assert answer.json()["data"] == consents()
    assert [(entry["version"], entry["given_at"] < first[0]["given_at"]) for entry in consents()] == [
        ("2026-11", True),
        ("2026-12", False),
    ]
    native(each_service, simulator, name)
    assert len(consents()) == 2
    for bad in ("", "v 1", "v" * 41, "版本", 5, None):
        refused = again.call("POST", CONSENTS, json={"version": bad})
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request"), bad
        assert each_service.login(simulator.code(name), json={"consentVersion": bad}).status_code == 400
