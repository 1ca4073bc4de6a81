"""Users, their identities in each mini program, sessions, and what guards a login."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import BIG_KEY, TABLE, exact

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", BIG_KEY, primary_key=True),
        sa.Column("nickname", sa.String(64)),
        sa.Column("avatar_url", sa.String(512)),
        sa.Column("gender", sa.SmallInteger()),
        sa.Column("country_code", exact(8)),
        sa.Column("phone", exact(20)),
        sa.Column("claimed_phone", exact(20)),
        sa.Column("status", sa.String(16), nullable=False, server_default="active"),
        sa.Column("token_version", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("last_login_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger()),
        sa.Column("merged_into_id", sa.BigInteger()),
        sa.UniqueConstraint("country_code", "phone", name="uq_users_phone"),
        sa.UniqueConstraint("claimed_phone", name="uq_users_claimed_phone"),
        sqlite_autoincrement=True,
        **TABLE,
    )
    op.create_index("ix_users_closed_at", "users", ["closed_at"])
    op.create_table(
        "identities",
        sa.Column("id", BIG_KEY, primary_key=True),
        sa.Column("appid", exact(32), nullable=False),
        sa.Column("openid", exact(64), nullable=False),
        sa.Column("unionid", exact(64)),
        sa.Column("user_id", BIG_KEY, sa.ForeignKey("users.id", name="fk_identities_user_id"), nullable=False),
        sa.Column("session_key", sa.String(255)),
        sa.Column("previous_session_key", sa.String(255)),
        sa.Column("session_key_replaced_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("appid", "openid", name="uq_identities_appid_openid"),
        sqlite_autoincrement=True,
        **TABLE,
    )
    op.create_index("ix_identities_user_id", "identities", ["user_id"])
    op.create_table(
        "unionids",
        sa.Column("unionid", exact(64), primary_key=True),
        sa.Column("user_id", BIG_KEY, sa.ForeignKey("users.id", name="fk_unionids_user_id"), nullable=False),
        **TABLE,
    )
    op.create_index("ix_unionids_user_id", "unionids", ["user_id"])
    op.create_table(
        "sessions",
        sa.Column("id", exact(32), primary_key=True),
        sa.Column("user_id", BIG_KEY, sa.ForeignKey("users.id", name="fk_sessions_user_id"), nullable=False),
        sa.Column("appid", exact(32), nullable=False),
        sa.Column("identity_id", sa.BigInteger()),
        sa.Column("contract", sa.String(32), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=False),
        sa.Column("rotated_at", sa.BigInteger(), nullable=False),
        sa.Column("idle_seconds", sa.Integer(), nullable=False),
        sa.Column("idle_expires_at", sa.BigInteger(), nullable=False),
        sa.Column("absolute_expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("revoke_reason", sa.String(32)),
        sa.Column("device", sa.String(255), nullable=False, server_default=""),
        **TABLE,
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "login_attempts",
        sa.Column("login_hash", exact(64), primary_key=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("identity_id", sa.BigInteger()),
        sa.Column("session_id", exact(32)),
        **TABLE,
    )
    op.create_index("ix_login_attempts_started_at", "login_attempts", ["started_at"])
    op.create_table(
        "spent_tickets",
        sa.Column("ticket_id", exact(32), primary_key=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_index("ix_spent_tickets_expires_at", "spent_tickets", ["expires_at"])
    op.create_table(
        "audit_events",
        sa.Column("id", BIG_KEY, primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("user_id", sa.BigInteger()),
        sa.Column("detail", sa.String(255), nullable=False, server_default=""),
        sa.Column("request_id", exact(64), nullable=False, server_default=""),
        **TABLE,
    )
    op.create_index("ix_audit_events_user_id", "audit_events", ["user_id"])
    op.create_index("ix_audit_events_at", "audit_events", ["at"])
    op.create_table(
        "decrypt_failures",
        sa.Column("key_hash", exact(64), primary_key=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_index("ix_decrypt_failures_failed_at", "decrypt_failures", ["failed_at"])


def downgrade() -> None:
    guards = ("decrypt_failures", "audit_events", "spent_tickets", "login_attempts")
    for table in (*guards, "sessions", "unionids", "identities", "users"):
        op.drop_table(table)
