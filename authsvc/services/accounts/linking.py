"""Links and unlinks the identities of one user."""

from dataclasses import replace

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database, Restart
from authsvc.db.queries import identities, sessions, users
from authsvc.db.queries.identities import Identity
from authsvc.errors import IdentityTaken, LastIdentity, LimitReached, NotFound, OtherMiniProgram
from authsvc.services.accounts.accounts import AccountRules, Arrival, refuse_inactive
from authsvc.services.accounts.bans import Bans
from authsvc.services.accounts.reach import Reach, reach
from authsvc.services.audit import AuditLog
from authsvc.services.invites.memory import InviteMemory
from authsvc.services.knownby import KnownBy
from authsvc.services.miniprograms.logincodes import LoginCodes
from authsvc.values.operator import of_app
from authsvc.values.people import IdentityLink, Profile, User
from authsvc.values.sessions import Caller
from authsvc.values.wechat import MiniProgram, WeChatSession

# In all mini programs together. Each of them gives access to the account.
MOST_IDENTITIES = 50


class Linking:
    """Links and unlinks identities."""

    def __init__(
        self,
        *,
        login_codes: LoginCodes,
        database: Database,
        accounts: AccountRules,
        bans: Bans,
        invite_memory: InviteMemory,
        audit: AuditLog,
        clock: SystemClock,
    ) -> None:
        self._login_codes = login_codes
        self._database = database
        self._accounts = accounts
        self._bans = bans
        self._invite_memory = invite_memory
        self._audit = audit
        self._clock = clock

    def links(self, caller: Caller) -> list[IdentityLink]:
        """Return the identities that the caller's session manages, oldest first."""
        return self._database.read(lambda connection: _managed(connection, caller.user.id, reach(connection, caller)))

    def link(self, caller: Caller, code: str, appid: str) -> list[IdentityLink]:
        """Add the identity behind a login code of that app to the caller; return all identities that the session
        manages.

        In the session's own mini program it may be a second WeChat account, which then opens the account only in that
        mini program. In another one it must have the unionid that the session began with. Adding an existing identity
        changes nothing. Raises UnknownApp, OtherMiniProgram, a WeChatError, IdentityTaken or LimitReached.
        """
        app = self._login_codes.app(appid)
        self._refuse_unreachable(caller, app)
        exchanged = self._login_codes.exchange(app, code)
        arrival = Arrival(
            app,
            exchanged.openid,
            exchanged.unionid,
            exchanged.session_key,
            Profile(),
        )

        def work(connection: Connection) -> list[IdentityLink]:
            self._add(connection, caller, arrival, exchanged)
            return _managed(connection, caller.user.id, reach(connection, caller))

        return self._database.run(work)

    def _refuse_unreachable(self, caller: Caller, app: MiniProgram) -> None:
        """Refuse before the code is used, if no answer of WeChat could help."""
        if app.appid != caller.session.appid:
            reached = self._database.read(reach, caller)
            if reached.unionid is None:
                raise OtherMiniProgram("a session without a unionid that joins the two")

    def _add(self, connection: Connection, caller: Caller, arrival: Arrival, exchanged: WeChatSession) -> None:
        now, user_id = self._clock.seconds(), caller.user.id
        # A user that was merged meanwhile would get an identity that nobody can sign in with.
        refuse_inactive(users.lock(connection, user_id))
        is_same_person = exchanged.unionid is not None and exchanged.unionid == reach(connection, caller).unionid
        if arrival.app.appid != caller.session.appid and not is_same_person:
            raise OtherMiniProgram(f"a WeChat in {arrival.app.appid}, from a session of {caller.session.appid}")
        known = identities.find(connection, arrival.app.appid, arrival.openid)
        if known is None:
            owner = identities.find_unionid_owner(connection, exchanged.unionid) if exchanged.unionid else None
            if owner is not None and owner.id != user_id:
                raise IdentityTaken("unionid of another user")
            if len(identities.links(connection, user_id)) >= MOST_IDENTITIES:
                raise LimitReached(f"user {user_id} has {MOST_IDENTITIES} identities")
            self._accounts.refuse_banned(connection, arrival, now)
            is_added = not is_same_person and owner is None
            self._accounts.add_identity(connection, arrival, user_id, now, is_added=is_added)
            self._audit.record(connection, "link", user_id, now, of_app(arrival.app.appid))
            return
        if known.user.id != user_id:
            raise IdentityTaken(f"identity of user {known.user.id}")
        self._accounts.renew_key(connection, known, exchanged.session_key, now)

    def unlink(self, caller: Caller, link_id: int) -> list[IdentityLink]:
        """Remove one identity that the session manages, and end the sessions that it began; return the remaining ones.

        Raises NotFound for an identity that is not the caller's, OtherMiniProgram for one that the session does not
        manage, and LastIdentity for the last one.
        """
        now = self._clock.seconds()

        def work(connection: Connection) -> list[IdentityLink]:
            user = users.lock(connection, caller.user.id)
            removed = _identity(connection, user, link_id)
            reached = reach(connection, caller)
            if not reached.covers(removed):
                raise OtherMiniProgram(f"an identity in {removed.appid}")
            self._forget(connection, user, removed, "unlinked", now)
            return _managed(connection, user.id, reached)

        return self._database.run(work)

    def forget_identity(self, user_id: int, link_id: int, reason: str) -> None:
        """Remove one identity of this user and end the sessions that it began. Raises NotFound or LastIdentity."""
        now = self._clock.seconds()

        def work(connection: Connection) -> None:
            user = users.lock(connection, user_id)
            self._forget(connection, user, _identity(connection, user, link_id), reason, now)

        self._database.run(work)

    def _forget(self, connection: Connection, user: User, identity: Identity, reason: str, now: int) -> None:
        """Remove an identity.

        The user's row must be locked, or two removals at once would each see the other's identity.
        """
        if len(identities.links(connection, user.id)) == 1:
            raise LastIdentity(f"user {user.id}")
        self._note_given_up(connection, user, identity, now)
        if not identities.delete(connection, identity.id, user.id):
            raise Restart
        sessions.end_of_identity(connection, user.id, identity.id, "unlinked", now)
        self._audit.record(connection, "unlink", user.id, now, of_app(identity.appid, reason))
        self._accounts.take_over(connection, user, now)

    def _note_given_up(self, connection: Connection, user: User, identity: Identity, now: int) -> None:
        """Keep marks, so that unlinking evades neither a later ban nor the memory of a counted invite."""
        given_up = KnownBy.of_user(replace(user, phone=None), [identity])
        self._bans.note(connection, user, given_up, now)
        self._invite_memory.note(connection, user.id, given_up, now)


def _identity(connection: Connection, user: User, link_id: int) -> Identity:
    """Return the user's identity with this id, which may be any number; raises NotFound."""
    for identity in identities.all_of_user(connection, user.id):
        if identity.id == link_id:
            return identity
    raise NotFound("no such identity")


def _managed(connection: Connection, user_id: int, reached: Reach) -> list[IdentityLink]:
    """Return the user's identities that a session with this reach manages, oldest first."""
    managed = {found.id for found in identities.all_of_user(connection, user_id) if reached.covers(found)}
    return [link for link in identities.links(connection, user_id) if link.id in managed]
