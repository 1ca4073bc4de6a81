"""How far a session of one mini program reaches, where its person has others too.

A user is one person in several mini programs, and each of these is in its operator's hands: what a mini program's own
page can do without the person noticing (``wx.login`` takes no tap) must not hand over the others. So a session manages
the identities of its own mini program, and those with the unionid that it began with: WeChat says that they are the
same person. What concerns all of them takes a session that reaches all.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from authsvc.db.queries import identities
from authsvc.db.queries.identities import Identity
from authsvc.errors import AddedWeChat, OtherMiniProgram
from authsvc.values.sessions import Caller


@dataclass(frozen=True, slots=True)
class Reach:
    """A session's mini program, and the unionid that it shares with others; None where it shares none."""

    appid: str
    unionid: str | None = field(default=None, repr=False)

    def covers(self, identity: Identity) -> bool:
        """Tell whether the session manages this identity of its user."""
        return identity.appid == self.appid or (self.unionid is not None and identity.unionid == self.unionid)


def reach(connection: Connection, caller: Caller) -> Reach:
    """Return how far the caller's session reaches. One that an added WeChat began stays in its mini program."""
    own = _begun_by(connection, caller)
    return Reach(caller.session.appid, None if own is None or own.is_added else own.unionid)


def refuse_added(connection: Connection, caller: Caller) -> None:
    """Raise AddedWeChat where the caller's session began with a WeChat that was added to its user."""
    own = _begun_by(connection, caller)
    if own is not None and own.is_added:
        raise AddedWeChat(f"identity {own.id} was added to user {caller.user.id}")


def refuse_partial(connection: Connection, caller: Caller) -> None:
    """Raise OtherMiniProgram unless the caller's session reaches all identities of its user; AddedWeChat as above.

    Those that were added do not count: who was let in elsewhere holds nobody back.
    """
    refuse_added(connection, caller)
    reached = reach(connection, caller)
    for identity in identities.all_of_user(connection, caller.user.id):
        if not (identity.is_added or reached.covers(identity)):
            raise OtherMiniProgram(f"user {caller.user.id} is also in {identity.appid}")


def _begun_by(connection: Connection, caller: Caller) -> Identity | None:
    """The identity that the session began with, as long as it is the caller's."""
    identity_id = caller.session.identity_id
    found = None if identity_id is None else identities.find_by_id(connection, identity_id)
    return found if found is not None and found.user.id == caller.user.id else None
