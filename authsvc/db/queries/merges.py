"""Queries on merges that can still be undone, and what undoes their parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from authsvc.db.statements import ListStatement, Statement
from authsvc.values.people import PhoneNumber

Parts = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Merge:
    """What was before a merge. ``parts`` are ids of rows by kind; ``gave_phone``: the winner took over the number."""

    user_id: int
    into_id: int
    merged_at: int
    phone: PhoneNumber | None = field(repr=False)
    claimed_phone: str | None = field(repr=False)
    gave_phone: bool
    inviter_id: int | None
    into_inviter_id: int | None
    new_inviter_id: int | None
    parts: Parts = field(default_factory=dict, repr=False)


# What a merge will move: the rows of :user_id, and the identities that :into already has.
_COLLECT = {
    "identity": Statement("SELECT id AS item FROM identities WHERE user_id = :user_id"),
    "kept": Statement("SELECT id AS item FROM identities WHERE user_id = :into"),
    # By the identity, because a unionid does not belong into this table.
    "unionid": Statement(
        "SELECT i.id AS item FROM identities i JOIN unionids o ON o.unionid = i.unionid"
        " WHERE i.user_id = :user_id AND o.user_id = :user_id"
    ),
    "code": Statement("SELECT id AS item FROM invite_codes WHERE owner_id = :user_id AND is_own IS NULL"),
    "own_code": Statement("SELECT id AS item FROM invite_codes WHERE owner_id = :user_id AND is_own = 1"),
    "use": Statement("SELECT id AS item FROM invite_uses WHERE user_id = :user_id"),
    "picture": Statement("SELECT stem AS item FROM code_pictures WHERE user_id = :user_id"),
    # By the mini program, and only those that move: the winner keeps their own.
    "role": Statement(
        "SELECT appid AS item FROM person_roles WHERE user_id = :user_id"
        " AND appid NOT IN (SELECT appid FROM person_roles WHERE user_id = :into)"
    ),
    "mark": Statement("SELECT id AS item FROM ban_marks WHERE user_id = :user_id"),
    "former": Statement("SELECT id AS item FROM users WHERE merged_into_id = :user_id"),
}
_GUESTS = Statement(
    "UPDATE users SET invited_by_id = :user_id WHERE invited_by_id = :into AND id IN"
    " (SELECT user_id FROM invite_uses WHERE invite_code_id = :item AND user_id IS NOT NULL)"
)
_CODE = "UPDATE invite_codes SET owner_id = :user_id, is_own = {is_own} WHERE id = :item AND owner_id = :into"
_MARK = "ban_marks SET user_id = :user_id WHERE id = :item AND user_id = :into"
# What moves one part back. Guests come after the code by which they came.
_RETURN: Mapping[str, tuple[Statement, ...]] = {
    "identity": (Statement("UPDATE identities SET user_id = :user_id WHERE id = :item AND user_id = :into"),),
    "unionid": (
        Statement(
            "UPDATE unionids SET user_id = :user_id WHERE user_id = :into"
            " AND unionid = (SELECT unionid FROM identities WHERE id = :item)"
        ),
    ),
    "code": (Statement(_CODE.format(is_own="NULL")), _GUESTS),
    "own_code": (Statement(_CODE.format(is_own="1")), _GUESTS),
    "use": (
        Statement(
            "UPDATE invite_uses SET user_id = :user_id WHERE id = :item AND (user_id IS NULL OR user_id = :into)"
        ),
    ),
    "picture": (Statement("UPDATE code_pictures SET user_id = :user_id WHERE stem = :item AND user_id = :into"),),
    "role": (Statement("UPDATE person_roles SET user_id = :user_id WHERE appid = :item AND user_id = :into"),),
    "mark": (Statement(f"UPDATE OR IGNORE {_MARK}", mysql=f"UPDATE IGNORE {_MARK}"),),
    "former": (Statement("UPDATE users SET merged_into_id = :user_id WHERE id = :item AND merged_into_id = :into"),),
}
# Unionids that became known after the merge follow the identities that have them.
_UNIONIDS_FOLLOW = Statement(
    "UPDATE unionids SET user_id = :user_id WHERE user_id = :into"
    " AND unionid IN (SELECT unionid FROM identities WHERE user_id = :user_id AND unionid IS NOT NULL)"
    " AND unionid NOT IN (SELECT unionid FROM identities WHERE user_id = :into AND unionid IS NOT NULL)"
)
_INSERT = Statement(
    "INSERT INTO merges (user_id, into_id, merged_at, country_code, phone, claimed_phone, gave_phone, inviter_id,"
    " into_inviter_id, new_inviter_id) VALUES (:user_id, :into_id, :merged_at, :country_code, :phone, :claimed_phone,"
    " :gave_phone, :inviter_id, :into_inviter_id, :new_inviter_id)"
)
_INSERT_PART = Statement("INSERT INTO merge_parts (user_id, kind, item) VALUES (:user_id, :kind, :item)")
_FIND = Statement(
    "SELECT user_id, into_id, merged_at, country_code, phone, claimed_phone, gave_phone, inviter_id, into_inviter_id,"
    " new_inviter_id FROM merges WHERE user_id = :user_id"
)
_PARTS = Statement("SELECT kind, item FROM merge_parts WHERE user_id = :user_id")
_REVIVE = Statement(
    "UPDATE users SET status = 'active', merged_into_id = NULL, invited_by_id = :inviter_id,"
    " claimed_phone = :claimed_phone, updated_at = :now"
    " WHERE id = :user_id AND merged_into_id = :into AND status = 'closed'"
)
_HAS_NEW_ROLES = Statement("SELECT 1 FROM person_roles WHERE user_id = :into AND set_at >= :merged_at LIMIT 1")
_EXISTS = Statement("SELECT 1 FROM users WHERE id = :id")
_DELETE_PARTS = Statement("DELETE FROM merge_parts WHERE user_id = :user_id")
_DELETE = Statement("DELETE FROM merges WHERE user_id = :user_id")
_FORGET_PHONE = Statement(
    "UPDATE merges SET country_code = NULL, phone = NULL, claimed_phone = NULL"
    " WHERE user_id = :user_id OR into_id = :user_id"
)
_OLD = Statement("SELECT user_id FROM merges WHERE merged_at < :before ORDER BY merged_at LIMIT 100")
_DELETE_PARTS_OF = ListStatement("DELETE FROM merge_parts WHERE user_id IN ({listed})")
_DELETE_OF = ListStatement("DELETE FROM merges WHERE user_id IN ({listed})")


def collect(connection: Connection, user_id: int, into: int) -> Parts:
    """Return what a merge of these two would move, by kind. The caller has locked both."""
    found = {kind: select.run(connection, user_id=user_id, into=into) for kind, select in _COLLECT.items()}
    return {kind: tuple(str(row.item) for row in rows) for kind, rows in found.items()}


def insert(connection: Connection, merge: Merge) -> None:
    """Keep a merge with its parts."""
    _INSERT.run(
        connection,
        user_id=merge.user_id,
        into_id=merge.into_id,
        merged_at=merge.merged_at,
        country_code=merge.phone and merge.phone.country_code,
        phone=merge.phone and merge.phone.national,
        claimed_phone=merge.claimed_phone,
        gave_phone=int(merge.gave_phone),
        inviter_id=merge.inviter_id,
        into_inviter_id=merge.into_inviter_id,
        new_inviter_id=merge.new_inviter_id,
    )
    for kind, items in merge.parts.items():
        for item in items:
            _INSERT_PART.run(connection, user_id=merge.user_id, kind=kind, item=item)


def find(connection: Connection, user_id: int) -> Merge | None:
    """Return the merge of this user, if one is kept."""
    row = _FIND.run(connection, user_id=user_id).first()
    if row is None:
        return None
    phone = PhoneNumber(row.country_code, row.phone) if row.phone is not None else None
    parts: dict[str, tuple[str, ...]] = {}
    for part in _PARTS.run(connection, user_id=user_id):
        parts[part.kind] = (*parts.get(part.kind, ()), part.item)
    return Merge(
        row.user_id,
        row.into_id,
        row.merged_at,
        phone,
        row.claimed_phone,
        bool(row.gave_phone),
        row.inviter_id,
        row.into_inviter_id,
        row.new_inviter_id,
        parts,
    )


def take_apart(connection: Connection, merge: Merge) -> None:
    """Move every part back that the winner still has."""
    for kind, statements in _RETURN.items():
        for item in merge.parts.get(kind, ()):
            value = item if kind in ("picture", "role") else int(item)
            for statement in statements:
                statement.run(connection, user_id=merge.user_id, into=merge.into_id, item=value)
    _UNIONIDS_FOLLOW.run(connection, user_id=merge.user_id, into=merge.into_id)


def revive(
    connection: Connection, merge: Merge, *, claimed_phone: str | None, inviter_id: int | None, now: int
) -> bool:
    """Make the merged user active again, without a verified number; False if they are no longer merged there."""
    values = {"user_id": merge.user_id, "into": merge.into_id, "claimed_phone": claimed_phone}
    return _REVIVE.run(connection, inviter_id=inviter_id, now=now, **values).rowcount == 1


def has_new_roles(connection: Connection, merge: Merge) -> bool:
    """True if a service has given roles to the winner since."""
    return _HAS_NEW_ROLES.run(connection, into=merge.into_id, merged_at=merge.merged_at).first() is not None


def is_user(connection: Connection, user_id: int) -> bool:
    """True if there is such a user, active or not."""
    return _EXISTS.run(connection, id=user_id).first() is not None


def delete(connection: Connection, user_id: int) -> None:
    """Delete the merge of this user."""
    _DELETE_PARTS.run(connection, user_id=user_id)
    _DELETE.run(connection, user_id=user_id)


def forget_phone(connection: Connection, user_id: int) -> None:
    """Delete the numbers in the merges of this user, on either side."""
    _FORGET_PHONE.run(connection, user_id=user_id)


def delete_old(connection: Connection, before: int) -> int:
    """Delete some merges from before that time; return how many, 0 if none is left."""
    old = [row.user_id for row in _OLD.run(connection, before=before)]
    if old:
        _DELETE_PARTS_OF.run(connection, old)
        _DELETE_OF.run(connection, old)
    return len(old)
