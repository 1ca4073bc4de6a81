"""How far a session of one mini program reaches if its person also uses others.

A user is one person in several mini programs, and each of these is controlled by its operator. What a page can do
without the person noticing (``wx.login`` takes no tap) must not give control over the others. So a session manages the
identities of its own mini program, and those with the unionid that it began with, for which WeChat confirms that they
are the same person. An action on all identities needs a session that reaches all of them.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from authsvc.db.queries import identities
from authsvc.db.queries.identities import Identity
from authsvc.errors import AddedWeChat, OtherMiniProgram
from authsvc.values.sessions import Caller


@dataclass(frozen=True, slots=True)
class Reach:
    """A session's mini program, and the unionid that it shares with others, or None."""

    appid: str
    unionid: str | None = field(default=None, repr=False)

    def covers(self, identity: Identity) -> bool:
        """Tell whether the session manages this identity of its user."""
        return identity.appid == self.appid or (self.unionid is not None and identity.unionid == self.unionid)


def reach(connection: Connection, caller: Caller) -> Reach:
    """Return the reach of the caller's session. A session of an added WeChat account reaches only its mini program."""
    own = _begun_by(connection, caller)
    return Reach(caller.session.appid, None if own is None or own.is_added else own.unionid)


def refuse_added(connection: Connection, caller: Caller) -> None:
    """Raise AddedWeChat if the caller's session began with an added WeChat account."""
    own = _begun_by(connection, caller)
    if own is not None and own.is_added:
        raise AddedWeChat(f"identity {own.id} was added to user {caller.user.id}")


def refuse_partial(connection: Connection, caller: Caller) -> None:
    """Raise OtherMiniProgram unless the caller's session reaches all identities of its user; AddedWeChat as above.

    Added identities do not count, so a second WeChat account elsewhere does not prevent the action.
    """
    refuse_added(connection, caller)
    reached = reach(connection, caller)
    for identity in identities.all_of_user(connection, caller.user.id):
        if not (identity.is_added or reached.covers(identity)):
            raise OtherMiniProgram(f"user {caller.user.id} is also in {identity.appid}")


def _begun_by(connection: Connection, caller: Caller) -> Identity | None:
    """Return the identity that the session began with, if it still belongs to the caller."""
    identity_id = caller.session.identity_id
    found = None if identity_id is None else identities.find_by_id(connection, identity_id)
    return found if found is not None and found.user.id == caller.user.id else None
