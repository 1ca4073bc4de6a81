"""The house without its door: accounts, invites and sessions over a migrated database, without processes and HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from authsvc.db.database import Database
from authsvc.db.queries import identities, sessions, users
from authsvc.services.accounts.accounts import AccountRules, Admitted, Arrival
from authsvc.services.invites.invites import Invites
from authsvc.services.invites.rules import InviteRules
from authsvc.services.sessions.newsessions import open_session
from authsvc.services.sessions.tokens import NATIVE
from authsvc.values.invites import InvitePolicy, Registration
from authsvc.values.people import PhoneNumber, PhonePolicy, Profile, User
from authsvc.values.sessions import Session, TokenPolicy
from authsvc.values.wechat import MiniProgram
from tests.harness.inprocess import AUDIT, BANS, CLUB, INVITE_MEMORY, SESSION_KEYS, SHOP, Clock, counts, rows

__all__ = ["CLUB", "POLICY", "SHOP", "House"]

POLICY = TokenPolicy(NATIVE, lifetime=900, idle=30 * 86400)


@dataclass
class House:
    """The rules as a login applies them, and what is in the tables afterwards."""

    database: Database
    clock: Clock
    policy: PhonePolicy = "link"
    registration: Registration = "open"

    @property
    def now(self) -> int:
        return int(self.clock.now())

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``mysql``."""
        return self.database._engine.dialect.name

    def log_in(
        self,
        openid: str,
        phone: PhoneNumber | None = None,
        *,
        app: MiniProgram = SHOP,
        unionid: str | None = None,
        profile: Profile | None = None,
        code: str | None = None,
        then: Callable[[], object] = lambda: None,
    ) -> Admitted:
        """Sign in, with an invite code or without. ``then`` runs when everything is done but not committed."""
        arrival = Arrival(app, openid, unionid, "sealed", profile or Profile(), phone, code)
        rules = AccountRules(self.policy, InviteRules(self.registration, INVITE_MEMORY), BANS, AUDIT, SESSION_KEYS)

        def work(connection: Any) -> Admitted:
            known = identities.find(connection, app.appid, openid)
            if known is None:
                admitted = rules.admit(connection, arrival, self.now)
            else:
                admitted = rules.recognise(connection, known, arrival, self.now)
            then()
            return admitted

        return self.database.run(work)

    def refuses(self, error: type[Exception], attempt: Callable[[], object]) -> None:
        """The attempt is refused, and not a byte is different afterwards."""
        before = self.everything()
        self.clock.moment += 100
        with pytest.raises(error):
            attempt()
        assert self.everything() == before

    # --- users and their sessions ---

    def user(self) -> User:
        """Somebody new, without an identity."""
        return self.database.run(lambda connection: users.insert(connection, Profile(), self.now))

    def read(self, user: User) -> User:
        """The same user as they are now."""
        return self.database.read(lambda connection: users.get(connection, user.id))

    def phone_of(self, user: User) -> str | None:
        phone = self.read(user).phone
        return phone.national if phone else None

    def claim(self, user: User, phone: PhoneNumber) -> None:
        """Type a number in."""
        self.database.run(lambda connection: users.claim_phone(connection, user.id, phone))

    def open(self, user: User, identity_id: int | None = None) -> Session:
        """A session of the user as they were read."""
        return self.database.run(
            lambda connection: open_session(connection, user, SHOP, POLICY, "", self.now, identity_id=identity_id)
        )

    def lives(self, session: Session) -> bool:
        return self.database.read(lambda connection: sessions.find_live(connection, session.id, self.now)) is not None

    # --- invites ---

    def invites(self, policy: InvitePolicy | None = None) -> Invites:
        return Invites(self.database, policy or InvitePolicy(), self.clock)

    def code_of(self, person: Admitted) -> str:
        return self.invites().own_code(person.user.id).code

    def seed(self, code: str, **columns: int) -> None:
        """A code that nobody has handed out."""
        values = {"created_at": 1, **columns}
        names, texts = ", ".join(values), ", ".join(str(value) for value in values.values())
        self.change(f"INSERT INTO invite_codes (code, {names}) VALUES ('{code}', {texts})")

    def uses(self) -> list[tuple]:
        """(code, counter, rows) of every code that somebody came with."""
        return self.rows(
            "SELECT c.code, c.uses, COUNT(u.id) FROM invite_codes c LEFT JOIN invite_uses u ON u.invite_code_id = c.id"
            " GROUP BY c.id, c.code, c.uses HAVING c.uses > 0 OR COUNT(u.id) > 0 ORDER BY c.id"
        )

    def inviter_of(self, person: Admitted) -> int | None:
        inviter: int | None = self.rows(f"SELECT invited_by_id FROM users WHERE id = {person.user.id}")[0][0]
        return inviter

    # --- behind the queries' back ---

    def rows(self, sql: str) -> list[tuple]:
        return rows(self.database, sql)

    def change(self, sql: str) -> None:
        self.database.run(lambda connection: connection.exec_driver_sql(sql))

    def everything(self) -> dict[str, list[tuple]]:
        return {name: self.rows(f"SELECT * FROM {name}") for name in counts(self.database)}

    def events(self, event: str) -> list[tuple]:
        """(user, detail) of every audit event of this kind."""
        return self.rows(f"SELECT user_id, detail FROM audit_events WHERE event = '{event}' ORDER BY id")
