"""People with and without invite codes, over a database, without the house around them."""

from collections.abc import Callable
from typing import Any

from authsvc.db.database import Database
from authsvc.db.queries import identities, users
from authsvc.services.accounts.accounts import AccountRules, Admitted, Arrival
from authsvc.services.invites.invites import Invites
from authsvc.services.invites.rules import InviteRules
from authsvc.values.invites import InvitePolicy, Registration
from authsvc.values.people import PhoneNumber, Profile
from authsvc.values.wechat import MiniProgram
from tests.harness.inprocess import AUDIT, BANS, INVITE_MEMORY, SESSION_KEYS, Clock, counts, rows

SHOP = MiniProgram("wx51a051a000000001", "a-secret-of-no-account", "shop")


class Fair:
    """The rules of accounts and invites as a login applies them; everybody signs in with one mini program."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.registration: Registration = "open"

    @property
    def now(self) -> int:
        return int(self.clock.now())

    def service(self, policy: InvitePolicy | None = None) -> Invites:
        return Invites(self.database, policy or InvitePolicy(), self.clock)

    def person(self) -> int:
        """Somebody without an identity; return the id."""
        return self.database.run(lambda c: users.insert(c, Profile(), self.now).id)

    def code_of(self, person: Admitted) -> str:
        return self.service().own_code(person.user.id).code

    def log_in(
        self,
        name: str,
        code: str | None = None,
        *,
        phone: PhoneNumber | None = None,
        unionid: str | None = None,
        then: Callable[[], object] = lambda: None,
    ) -> Admitted:
        """Sign in, with an invite code or without. ``then`` runs when everything is done but not committed."""
        arrival = Arrival(SHOP, f"o{name:0<27}", unionid, "sealed", Profile(), phone, code)
        rules = AccountRules("link", InviteRules(self.registration, INVITE_MEMORY), BANS, AUDIT, SESSION_KEYS)

        def work(connection: Any) -> Admitted:
            known = identities.find(connection, SHOP.appid, arrival.openid)
            if known is None:
                admitted = rules.admit(connection, arrival, self.now)
            else:
                admitted = rules.recognise(connection, known, arrival, self.now)
            then()
            return admitted

        return self.database.run(work)

    def seed(self, code: str, **columns: int) -> None:
        values = {"created_at": 1, **columns}
        names, texts = ", ".join(values), ", ".join(str(value) for value in values.values())
        self.change(f"INSERT INTO invite_codes (code, {names}) VALUES ('{code}', {texts})")

    def change(self, sql: str) -> None:
        self.database.run(lambda connection: connection.exec_driver_sql(sql))

    def rows(self, sql: str) -> list[tuple]:
        return rows(self.database, sql)

    def everything(self) -> dict[str, list[tuple]]:
        return {name: self.rows(f"SELECT * FROM {name}") for name in counts(self.database)}

    def uses(self) -> list[tuple]:
        """(code, counter, rows) of every code that somebody came with."""
        return self.rows(
            "SELECT c.code, c.uses, COUNT(u.id) FROM invite_codes c LEFT JOIN invite_uses u ON u.invite_code_id = c.id"
            " GROUP BY c.id, c.code, c.uses HAVING c.uses > 0 OR COUNT(u.id) > 0 ORDER BY c.id"
        )

    def inviter_of(self, person: Admitted) -> int | None:
        inviter: int | None = self.rows(f"SELECT invited_by_id FROM users WHERE id = {person.user.id}")[0][0]
        return inviter
