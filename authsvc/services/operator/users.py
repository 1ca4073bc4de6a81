"""The operator's views of users, and actions on them."""

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import sessions, users
from authsvc.services import numbers
from authsvc.services.accounts.bans import Bans
from authsvc.services.audit import AuditLog
from authsvc.services.knownby import KnownBy
from authsvc.services.miniprograms.apps import Apps
from authsvc.values.operator import AuditEvent, Refused, UserRefused, UserSummary
from authsvc.values.people import PhoneNumber
from authsvc.values.sessions import Session

_BY = "by the operator"


class Users:
    """Finds, disables and signs out users. Every change has an audit event."""

    def __init__(self, database: Database, apps: Apps, bans: Bans, audit: AuditLog, clock: SystemClock) -> None:
        self._database = database
        self._apps = apps
        self._bans = bans
        self._audit = audit
        self._clock = clock

    def get(self, user_id: int) -> UserSummary:
        """Return one user; raises Refused if there is none."""
        found = self._database.read(users.summary, user_id)
        if found is None:
            raise UserRefused("no_such_user", f"there is no user {user_id}")
        return found

    def with_phone(self, number: str) -> list[UserSummary]:
        """Return the users with this number: with + and country code, or a mainland one.

        Raises Refused if it is not one.
        """
        phone = _phone(number)
        return self._database.read(users.with_phone, phone)

    def with_openid(self, openid: str) -> list[UserSummary]:
        """Return the users with this openid."""
        return self._database.read(users.with_openid, openid)

    def named(self, prefix: str) -> list[UserSummary]:
        """Return up to 100 users whose nickname has this beginning."""
        return self._database.read(users.named, prefix)

    def disable(self, user_id: int, by: str = "") -> None:
        """Disable a user immediately, and end every session. A closed account can then not be reopened.

        ``by``, here and elsewhere, is the operator who does it; empty for the command line.

        A user who is erased while disabled cannot come back for as long as bans are kept. Raises Refused for a user who
        is already disabled, or was merged into another.
        """
        now = self._clock.seconds()
        self.get(user_id)

        def work(connection: Connection) -> None:
            if not users.disable(connection, user_id, now):
                raise _why_not(users.summary(connection, user_id))
            self._bans.begin(connection, user_id, now)
            sessions.end_all(connection, user_id, "disabled", now)
            self._audit.record(connection, "disable", user_id, now, _BY, operator=by)

        self._database.run(work)

    def enable(self, user_id: int, by: str = "") -> None:
        """Enable a disabled user; an account that was closed before is closed again.

        Raises Refused for any other user.
        """
        now = self._clock.seconds()

        def work(connection: Connection) -> None:
            if not users.enable(connection, user_id, now):
                raise UserRefused("not_disabled", f"user {user_id} is not disabled")
            self._audit.record(connection, "enable", user_id, now, _BY, operator=by)

        self._database.run(work)

    def lift_ban_of_openid(self, openid: str) -> int:
        """Lift the ban of a person who was erased while disabled; return how many marks were deleted.

        Raises Refused.
        """
        known_by = KnownBy(tuple((appid, openid) for appid in self._apps.ids()))
        return self._lift(known_by, self.with_openid(openid), openid)

    def lift_ban_of_phone(self, number: str) -> int:
        """Do the same by a former number, written as for ``with_phone``. Raises Refused."""
        phone = _phone(number)
        owners = [user for user in self.with_phone(number) if user.phone == phone.e164]
        return self._lift(KnownBy(phones=(phone,)), owners)

    def _lift(self, known_by: KnownBy, owners: list[UserSummary], openid: str | None = None) -> int:
        """Raise Refused if there are no marks, or if a user still has it, who must be enabled by id."""
        now = self._clock.seconds()
        for owner in owners:
            if owner.status == "disabled":
                raise Refused(f"it belongs to user {owner.id}, who is disabled; run: users enable {owner.id}")

        def work(connection: Connection) -> int:
            lifted = self._bans.lift(connection, known_by)
            if not lifted:
                raise Refused("no ban is kept for that")
            self._audit.record(connection, "enable", None, now, f"{_BY}, after an erasure", openid=openid)
            return lifted

        return self._database.run(work)

    def sessions(self, user_id: int) -> list[Session]:
        """Return the user's live sessions, most recently used first; raises Refused if there is no such user."""
        now = self._clock.seconds()
        self.get(user_id)
        return self._database.read(sessions.live_of_user, user_id, now)

    def log_out(self, user_id: int, by: str = "") -> int:
        """End every session of the user; return how many. Raises Refused if there is no such user."""
        now = self._clock.seconds()
        self.get(user_id)

        def work(connection: Connection) -> int:
            users.end_everything(connection, user_id, now)
            ended = sessions.end_all(connection, user_id, "logout", now)
            if ended or by:
                self._audit.record(connection, "logout_global", user_id, now, _BY, operator=by)
            return ended

        return self._database.run(work)

    def end_session(self, user_id: int, session_id: str, by: str = "") -> bool:
        """End one session of the user; False if it is not theirs or has ended.

        Raises Refused if there is no such user.
        """
        now = self._clock.seconds()
        self.get(user_id)

        def work(connection: Connection) -> bool:
            if not sessions.end(connection, session_id, user_id, "logout", now):
                return False
            self._audit.record(connection, "session_ended", user_id, now, _BY, operator=by)
            return True

        return self._database.run(work)

    def events(
        self,
        *,
        user_id: int | None,
        openid: str | None,
        event: str | None,
        operator: str | None = None,
        since: int,
        limit: int,
    ) -> list[AuditEvent]:
        """Return the newest matching audit events, oldest first; ``None`` matches any, ``since`` is seconds UTC."""
        return self._database.read(
            self._audit.find,
            user_id=user_id,
            openid=openid,
            event=event,
            operator=operator,
            since=since,
            limit=limit,
        )


def _phone(number: str) -> PhoneNumber:
    phone = numbers.typed(number)
    if phone is None:
        raise Refused("this is not a phone number; write it with +86")
    return phone


def _why_not(user: UserSummary | None) -> UserRefused:
    """Return why this user cannot be disabled."""
    if user is None:
        return UserRefused("no_such_user", "there is no such user any more")
    if user.merged_into_id is not None:
        merged = f"user {user.id} was merged into user {user.merged_into_id}; disable that one"
        return UserRefused("merged_away", merged)
    return UserRefused("already_disabled", f"user {user.id} is already disabled")
