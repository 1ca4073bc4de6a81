"""Claims by rule: what tokens say of a person because an operator has configured it for the mini program."""

from authsvc.clock import DAY, SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import person_roles
from authsvc.values.claims import ClaimRule, ClaimValue, Standing
from authsvc.values.people import User
from authsvc.values.wechat import MiniProgram

_STORED = ("invite_campaign", "roles")


class RuledClaims:
    """Works out the claims of a token. Reads from the database only if a rule needs it."""

    def __init__(self, database: Database, clock: SystemClock) -> None:
        self._database = database
        self._clock = clock

    def of(self, user: User, app: MiniProgram, *, is_new: bool) -> dict[str, ClaimValue]:
        """Return the claims of ``user`` in ``app`` as they are now; a campaign only if there is one.

        ``is_new``: this login has registered them. Raises as ``Database.read`` does.
        """
        if not app.claims:
            return {}
        standing = Standing()
        if any(rule.source in _STORED for rule in app.claims):
            standing = self._database.read(person_roles.standing, user.id, app.appid)
        values = {rule.name: self._value(rule, user, standing, is_new=is_new) for rule in app.claims}
        return {name: value for name, value in values.items() if value is not None}

    def _value(self, rule: ClaimRule, user: User, standing: Standing, *, is_new: bool) -> ClaimValue | None:
        if rule.source == "new_user":
            return is_new or user.created_at > self._clock.seconds() - rule.days * DAY
        if rule.source == "has_phone":
            return user.phone is not None
        return standing.campaign if rule.source == "invite_campaign" else list(standing.roles)
