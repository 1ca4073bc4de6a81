"""Rooms of authsvc without the house around them: a migrated database and a clock that a test moves."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import Migrate, upgrade

from authsvc.app import MIGRATIONS, create_app
from authsvc.clock import SystemClock
from authsvc.config import Settings
from authsvc.db import engine, sqlitefile
from authsvc.db.database import Database
from authsvc.db.models import Base, db
from authsvc.sealing import KeyedHash, LastingHash, Sealer
from authsvc.services.accounts.bans import Bans
from authsvc.services.audit import AuditLog
from authsvc.services.changes.journal import ChangeJournal
from authsvc.services.invites.memory import InviteMemory
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.miniprograms.sessionkeys import SessionKeys
from authsvc.signing.keyfile import create_key_file
from authsvc.values.wechat import MiniProgram
from tests.harness.service import ISSUER, Service

SECRET = bytes(range(32))
SESSION_KEYS = SessionKeys(Sealer((SECRET,), "session_key"))
AUDIT = AuditLog(KeyedHash((SECRET,), "audit"), ChangeJournal(86400))
BANS = Bans(LastingHash((SECRET,), "bans"), 365 * 86400)
INVITE_MEMORY = InviteMemory(LastingHash((SECRET,), "counted invites"), 180 * 86400)
SHOP = MiniProgram("wx51a051a000000001", "a-secret-of-no-account", "shop")
CLUB = MiniProgram("wx51a051a000000002", "a-secret-of-no-account", "club")
APPS = Apps((SHOP,))


class Clock(SystemClock):
    """Stands still until a test moves it."""

    def __init__(self, moment: float = 1_800_000_000.0) -> None:
        self.moment = moment

    def now(self) -> float:
        return self.moment


@contextmanager
def migrated_database(url: str) -> Iterator[Database]:
    """The database at ``url`` as the service sets it up, all migrations run."""
    app = Flask("tests")
    driver_url = url.replace("mysql://", "mysql+pymysql://")
    sqlitefile.prepare(driver_url)
    app.config["SQLALCHEMY_DATABASE_URI"] = driver_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine.options(driver_url, 4)
    db.init_app(app)
    Migrate(app, db, directory=MIGRATIONS)
    with app.app_context():
        database = Database(db.engine, MIGRATIONS)
        upgrade(directory=MIGRATIONS)
        made = db.engine
    # Outside the context: flask's commands take whatever context is open for their own.
    yield database
    made.dispose()


@contextmanager
def beside(service: Service, clock: SystemClock | None = None) -> Iterator[Flask]:
    """A running service's house once more in this process: what a command does, without starting an interpreter."""
    app = create_app(Settings.from_env({**service.environment, "LOG_LEVEL": "WARNING"}), clock=clock)
    yield app
    app.extensions["authsvc-database"].close()


@contextmanager
def whole(folder: Path, clock: SystemClock, app: MiniProgram, wechat: str) -> Iterator[FlaskClient]:
    """All of authsvc in this process on a clock that a test moves, with keys and a database of its own in a folder."""
    create_key_file(folder / "keys" / "signing.json")
    settings = Settings.from_env(
        {
            "INSTANCE_PATH": str(folder),
            "WX_APPID": app.appid,
            "WX_SECRET": app.secret,
            "WX_API_BASE": wechat,
            "PUBLIC_BASE_URL": ISSUER,
            "SECRET_KEYS": secrets.token_urlsafe(32),
            "LOG_LEVEL": "WARNING",
        }
    )
    with migrated_database(settings.database_url):
        made = create_app(settings, clock=clock)
        yield made.test_client()
        made.extensions["authsvc-database"].close()


def empty(database: Database) -> None:
    """Remove every row of ours."""
    # The sequence is one row from its migration on, which nothing deletes.
    names = [table.name for table in reversed(Base.metadata.sorted_tables) if table.name != "change_sequence"]

    def work(connection) -> None:
        for name in names:
            connection.exec_driver_sql(f"DELETE FROM {name}")
        connection.exec_driver_sql("UPDATE change_sequence SET last_given = 0, deleted_until = 0")

    database.run(work)


def rows(database: Database, sql: str) -> list[tuple]:
    """Read behind the queries' back."""
    return database.read(lambda connection: [tuple(row) for row in connection.exec_driver_sql(sql)])


def counts(database: Database) -> dict[str, int]:
    """Rows per table of ours."""
    return {
        table.name: rows(database, f"SELECT COUNT(*) FROM {table.name}")[0][0] for table in Base.metadata.sorted_tables
    }
