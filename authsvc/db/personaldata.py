"""What is stored about one user, table by table: read for an export, removed by an erasure.

A test holds this page against the models: a table that points at users is named here, and each of its columns is
exported or withheld. A user merged into another has rows of their own; ``users.same_person`` finds them all.
"""

from sqlalchemy import Connection

from authsvc.db import auditevents, invites
from authsvc.db.statements import Statement

# What opens or forges something if it gets into wrong hands, or says nothing to the person.
WITHHELD = {
    "users": ("token_version",),
    "identities": ("session_key", "previous_session_key"),
    "unionids": ("unionid", "user_id"),  # in their identities
    "sessions": ("token_version", "counter", "idle_seconds", "number"),
    "not_before_marks": ("user_id", "not_before"),  # the moment of an audit event
    "audit_events": ("subject",),
    "invite_codes": ("is_own",),
    "invite_uses": ("id",),
    "code_pictures": ("claimed_until",),
    "ban_marks": ("id", "mark", "user_id", "ban", "expires_at"),  # hashes of what they have given up
}
# table: (column that says whose a row is, what is exported)
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
    "invite_codes": (
        "owner_id",
        "id, owner_id, code, batch, batch_number, max_uses, uses, expires_at, disabled_at, created_at",
    ),
    "invite_uses": ("user_id", "user_id, invite_code_id, used_at"),
    "code_pictures": ("user_id", "stem, ending, user_id, asked_at"),
    "audit_events": ("user_id", "id, at, event, user_id, detail, request_id"),
}
_READ = {
    table: Statement(f"SELECT {columns} FROM {table} WHERE {owner} = :user_id ORDER BY 1")
    for table, (owner, columns) in EXPORTED.items()
}
# In the order of the foreign keys. Audit events stay, without devices: they know the person by a number and a keyed
# hash only. Marks stay for a month, or verifiers elsewhere would go on taking tokens of an account that is gone.
_ERASE = (
    # One that the person has asked for in this moment, and that was nobody's before.
    Statement("UPDATE code_pictures SET user_id = NULL WHERE user_id = :user_id"),
    Statement("DELETE FROM consents WHERE user_id = :user_id"),
    # Where a browser asked from that the person signed in by a scan: kept for an hour otherwise.
    Statement("DELETE FROM scan_sign_ins WHERE session_id IN (SELECT id FROM sessions WHERE user_id = :user_id)"),
    Statement("DELETE FROM sessions WHERE user_id = :user_id"),
    # Those of somebody disabled have no user any more by now.
    Statement("DELETE FROM ban_marks WHERE user_id = :user_id"),
    Statement("DELETE FROM unionids WHERE user_id = :user_id"),
    Statement("DELETE FROM identities WHERE user_id = :user_id"),
    Statement("DELETE FROM users WHERE id = :user_id"),
)


def read(connection: Connection, user_id: int) -> dict[str, list[dict[str, object]]]:
    """Return the rows of a user by table, each as column: value; times are seconds UTC."""
    return {
        table: [row._asdict() for row in statement.run(connection, user_id=user_id)]
        for table, statement in _READ.items()
    }


def erase(connection: Connection, user_id: int, now: int) -> None:
    """Remove every row of a user, and the user from rows that stay."""
    invites.forget_user(connection, user_id, now)
    auditevents.forget_devices(connection, user_id)
    for statement in _ERASE:
        statement.run(connection, user_id=user_id)
