"""Who is it? The account rules, in one place.

An identity is (appid, openid). In order: a known identity is its user; another identity with the same unionid lends
its user; otherwise a new user is made. What the client merely claims never identifies anybody.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from authsvc.db import identities, users
from authsvc.db.database import Restart
from authsvc.db.identities import Identity
from authsvc.errors import AccountDisabled
from authsvc.types import MiniProgram, Profile, User, WeChatSession


@dataclass(frozen=True, slots=True)
class Admitted:
    """A user, the identity they came with, and whether the user was made just now."""

    user: User
    identity_id: int
    is_new: bool


def refuse_inactive(user: User) -> None:
    """Raise AccountDisabled unless the user may sign in."""
    if user.status != "active":
        raise AccountDisabled(f"user {user.id} is {user.status}")


def recognise(
    connection: Connection, known: Identity, exchanged: WeChatSession, profile: Profile, now: int
) -> Admitted:
    """Return the user of a known identity, after noting this login and a unionid that appears for the first time."""
    refuse_inactive(known.user)
    if exchanged.unionid and exchanged.unionid != known.unionid:
        identities.set_unionid(connection, known.id, exchanged.unionid)
        identities.claim_unionid(connection, exchanged.unionid, known.user.id)
    users.record_login(connection, known.user.id, profile, now)
    return Admitted(_wearing(known.user, profile), known.id, is_new=False)


def admit(
    connection: Connection,
    app: MiniProgram,
    exchanged: WeChatSession,
    sealed_key: str,
    profile: Profile,
    now: int,
) -> Admitted:
    """Add an identity that nobody has yet, with its user: that of the same unionid, or a new one.

    Raises Restart when another login added it, or took its unionid, a moment earlier.
    """
    owner = _unionid_owner(connection, exchanged.unionid)
    user = owner or users.insert(connection, profile, now)
    identity_id = identities.insert_if_absent(
        connection,
        appid=app.appid,
        openid=exchanged.openid,
        unionid=exchanged.unionid,
        user_id=user.id,
        session_key=sealed_key,
        now=now,
    )
    if identity_id is None:
        raise Restart
    if owner is not None:
        users.record_login(connection, owner.id, profile, now)
    elif exchanged.unionid and not identities.claim_unionid(connection, exchanged.unionid, user.id):
        raise Restart
    return Admitted(_wearing(user, profile), identity_id, is_new=owner is None)


def _wearing(user: User, profile: Profile) -> User:
    return replace(user, profile=profile.over(user.profile))


def _unionid_owner(connection: Connection, unionid: str | None) -> User | None:
    if unionid is None:
        return None
    owner_id = identities.find_unionid_owner(connection, unionid)
    if owner_id is None:
        return None
    owner = users.get(connection, owner_id)
    refuse_inactive(owner)
    return owner
