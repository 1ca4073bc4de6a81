"""The data stored about one user, table by table: read for an export, removed by an erasure.

A test compares this file with the models: every table that refers to users must be listed here, and each of its columns
exported or withheld. A user merged into another has rows of their own; ``users.same_person`` finds them all.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from authsvc.db.pages import BEGINNING, Pages, Place
from authsvc.db.queries import audit_events, invite_codes
from authsvc.db.statements import Statement

# Data that could be misused to get access or to forge something, or that tells the person nothing.
WITHHELD = {
    "users": ("token_version",),
    "identities": ("session_key", "previous_session_key"),
    "unionids": ("unionid", "user_id"),  # in their identities
    "sessions": ("token_version", "counter", "idle_seconds", "number"),
    "not_before_marks": ("user_id", "not_before"),  # the moment of an audit event
    "audit_events": ("subject", "operator"),  # whose act it was concerns the company
    "webhook_deliveries": (  # on their way to other services, for some days
        *("id", "webhook", "position", "kind", "user_id", "into_id", "at", "attempts", "due_at", "claimed_until"),
        *("dead_at", "last_error"),
    ),
    "person_changes": ("id", "position", "kind", "user_id", "into_id", "at"),  # that the other tables changed, and when
    "merges": ("gave_phone", "inviter_id", "into_inviter_id", "new_inviter_id"),  # what an undo needs
    "merge_parts": ("user_id", "kind", "item"),  # ids of rows of the other tables
    "invite_codes": ("is_own",),
    "invite_uses": ("id",),
    "code_pictures": ("claimed_until", "claim", "service"),
    "ban_marks": ("id", "mark", "user_id", "ban", "expires_at"),  # hashes of former identifications
}
# table: (column with the owner of a row, exported columns)
EXPORTED = {
    "users": (
        "id",
        "id, nickname, avatar_url, gender, country_code, phone, claimed_phone, status, created_at, updated_at,"
        " last_login_at, closed_at, merged_into_id, invited_by_id",
    ),
    "identities": ("user_id", "id, user_id, appid, openid, unionid, session_key_replaced_at, created_at, is_added"),
    "sessions": (
        "user_id",
        "id, user_id, appid, identity_id, contract, created_at, last_used_at, rotated_at, idle_expires_at,"
        " absolute_expires_at, revoked_at, revoke_reason, device",
    ),
    "consents": ("user_id", "user_id, version, given_at"),
    "person_roles": ("user_id", "user_id, appid, roles, set_at"),
    "invite_codes": (
        "owner_id",
        "id, owner_id, code, batch, batch_number, max_uses, uses, expires_at, disabled_at, created_at",
    ),
    "invite_uses": ("user_id", "user_id, invite_code_id, used_at"),
    "code_pictures": ("user_id", "stem, ending, user_id, asked_at"),
    "merges": ("user_id", "user_id, into_id, merged_at, country_code, phone, claimed_phone"),
    "audit_events": ("user_id", "id, at, event, user_id, detail, request_id"),
}
# How tables are read page by page: in parts, each in the order of an index that begins with the owner.
_PARTS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "users": (("", ("id",)),),
    "identities": (("", ("id",)),),
    "sessions": ((" AND revoked_at IS NULL", ("id",)), (" AND revoked_at IS NOT NULL", ("revoked_at", "id"))),
    "consents": (("", ("version",)),),
    "person_roles": (("", ("appid",)),),
    "invite_codes": ((" AND is_own IS NOT NULL", ("id",)), (" AND is_own IS NULL", ("id",))),
    "invite_uses": (("", ("user_id",)),),
    "code_pictures": (("", ("stem",)),),
    "merges": (("", ("user_id",)),),
    "audit_events": (("", ("at", "id")),),
}
_READ = {
    table: tuple(
        Pages(f"SELECT {EXPORTED[table][1]} FROM {table} WHERE {EXPORTED[table][0]} = :user_id{condition}", keys)
        for condition, keys in parts
    )
    for table, parts in _PARTS.items()
}
# In the order of the foreign keys. Audit events stay, without devices: they contain only a number and a keyed hash of
# the person. Marks stay for a month; otherwise verifiers would continue to accept tokens of an erased account.
_ERASE = (
    # A picture without an owner that the person requested at the same moment.
    Statement("UPDATE code_pictures SET user_id = NULL WHERE user_id = :user_id"),
    Statement("DELETE FROM consents WHERE user_id = :user_id"),
    Statement("DELETE FROM person_roles WHERE user_id = :user_id"),
    # The addresses of browsers that the person signed in by a scan; otherwise kept for an hour.
    Statement("DELETE FROM scan_sign_ins WHERE session_id IN (SELECT id FROM sessions WHERE user_id = :user_id)"),
    Statement("DELETE FROM sessions WHERE user_id = :user_id"),
    # The marks of a disabled person no longer have a user at this point.
    Statement("DELETE FROM ban_marks WHERE user_id = :user_id"),
    # Of merges that an operator could have undone.
    Statement("DELETE FROM merge_parts WHERE user_id IN (SELECT user_id FROM merges WHERE into_id = :user_id)"),
    Statement("DELETE FROM merge_parts WHERE user_id = :user_id"),
    Statement("DELETE FROM merges WHERE user_id = :user_id OR into_id = :user_id"),
    Statement("DELETE FROM unionids WHERE user_id = :user_id"),
    Statement("DELETE FROM identities WHERE user_id = :user_id"),
    Statement("DELETE FROM users WHERE id = :user_id"),
)


@dataclass(frozen=True, slots=True)
class TablePlace:
    """Where to continue in a user's table."""

    part: int = 0
    place: Place = BEGINNING


def read(
    connection: Connection, table: str, user_id: int, start: TablePlace, at_most: int
) -> tuple[list[dict[str, object]], TablePlace | None]:
    """Return up to ``at_most`` rows of a user from this place on, and where to continue; None at the end.

    A row is column: value; times are seconds UTC.
    """
    parts = _READ[table]
    rows, place = parts[start.part].read(connection, start.place, at_most, user_id=user_id)
    if place is not None:
        after: TablePlace | None = TablePlace(start.part, place)
    else:
        after = TablePlace(start.part + 1) if start.part + 1 < len(parts) else None
    return [row._asdict() for row in rows], after


def erase(connection: Connection, user_id: int, now: int) -> None:
    """Delete every row of a user, and remove the user from rows that stay."""
    invite_codes.forget_user(connection, user_id, now)
    audit_events.forget_devices(connection, user_id)
    for statement in _ERASE:
        statement.run(connection, user_id=user_id)
