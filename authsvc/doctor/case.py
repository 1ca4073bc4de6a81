"""The deployment under examination, and what earlier checks have learned about it."""

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from authsvc import cpus
from authsvc.config import BadSettings, Settings
from authsvc.config.places import instance
from authsvc.config.source import Source, variables
from authsvc.db.database import Database
from authsvc.db.engine import ANSWER_SECONDS, create
from authsvc.db.examination import DatabaseFacts
from authsvc.doctor.fetching import Fetched
from authsvc.errors import WeChatError
from authsvc.signing.keyring import KeySource, key_source
from authsvc.signing.keyset import KeySet
from authsvc.wechat.client import WeChatClient
from authsvc.wechat.transport import Transport

_MIGRATIONS = Path(__file__).parents[1] / "db" / "migrations"


@dataclass
class Case:
    """The settings as far as they can be read, adapters made from them, and notes that one check leaves for another.

    ``problems`` are those of the settings; without any, ``settings`` is there.
    """

    source: Source
    problems: list[str]
    settings_or_none: Settings | None
    # By AppID: the access_token of an app whose secret works, or why there is none.
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    refusals: dict[str, WeChatError] = field(default_factory=dict)
    wechat_answer: Fetched | None = None
    public_answer: Fetched | None = None
    facts: DatabaseFacts | None = None
    keys: KeySet | None = None

    @classmethod
    def here(cls) -> "Case":
        """Return the deployment that the environment and ``.env`` describe; raises nothing for bad settings."""
        try:
            source = Source(variables())
        except BadSettings as problem:
            return cls(Source(os.environ), str(problem).splitlines(), None)
        settings = Settings.read(source)
        return cls(source, list(source.problems), settings)

    @property
    def settings(self) -> Settings:
        """The settings. Only checks that need ``settings.valid`` may ask for them."""
        if self.settings_or_none is None:
            raise BadSettings("\n".join(self.problems))
        return self.settings_or_none

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that must not be printed."""
        known = self.settings_or_none.secrets if self.settings_or_none else ()
        return (*known, *self.tokens.values())

    @cached_property
    def instance_path(self) -> Path:
        """The folder of runtime state, which may not exist."""
        return instance(self.source)

    @cached_property
    def key_source(self) -> KeySource:
        """Where the signing keys are, also while other settings are wrong."""
        pem, pem_file = self.source.text("JWT_PRIVATE_KEY"), self.source.file("JWT_PRIVATE_KEY")
        return key_source(self.instance_path, pem, pem_file)

    @cached_property
    def wechat(self) -> WeChatClient:
        """A client that gets access_tokens from stable_token only: other than ``token``, it retires no live one."""
        settings = self.settings
        transport = Transport(
            settings.wx_api_base, max_in_flight=1, proxy=settings.wx_proxy, ca_file=settings.wx_ca_file
        )
        return WeChatClient(transport, "stable_token")

    @cached_property
    def database(self) -> Database:
        """The database, with the time limits of a request."""
        engine = create(self.settings.database_url, 1, statement_seconds=ANSWER_SECONDS)
        return Database(engine, str(_MIGRATIONS))

    @property
    def workers(self) -> int:
        """How many workers the service has; without WEB_CONCURRENCY, gunicorn starts one per processor."""
        return self.settings.workers if self.source.text("WEB_CONCURRENCY") else cpus.available()

    @property
    def owner(self) -> int | None:
        """The user id that owns the instance folder; None if there is no folder yet."""
        try:
            return self.instance_path.stat().st_uid
        except OSError:
            return None

    def close(self) -> None:
        """Close the connections that were made."""
        if "database" in vars(self):
            self.database.close()
        vars(self).pop("wechat", None)

    @property
    def is_owner(self) -> bool:
        """True if this process runs as the user who owns the instance folder, as the service does."""
        return self.owner in (None, os.geteuid())
