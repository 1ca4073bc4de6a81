"""Users, their identities in each mini program, sessions, and what guards a login."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLE: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
_key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _exact(length: int) -> sa.types.TypeEngine[str]:
    exact = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(exact, "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", _key, primary_key=True),
        sa.Column("nickname", sa.String(64)),
        sa.Column("avatar_url", sa.String(512)),
        sa.Column("gender", sa.SmallInteger()),
        sa.Column("status", sa.String(16), nullable=False, server_default="active"),
        sa.Column("token_version", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("last_login_at", sa.BigInteger(), nullable=False),
        **_TABLE,
    )
    op.create_table(
        "identities",
        sa.Column("id", _key, primary_key=True),
        sa.Column("appid", _exact(32), nullable=False),
        sa.Column("openid", _exact(64), nullable=False),
        sa.Column("unionid", _exact(64)),
        sa.Column("user_id", _key, sa.ForeignKey("users.id", name="fk_identities_user_id"), nullable=False),
        sa.Column("session_key", sa.String(255), nullable=False),
        sa.Column("previous_session_key", sa.String(255)),
        sa.Column("session_key_replaced_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("appid", "openid", name="uq_identities_appid_openid"),
        **_TABLE,
    )
    op.create_index("ix_identities_user_id", "identities", ["user_id"])
    op.create_table(
        "unionids",
        sa.Column("unionid", _exact(64), primary_key=True),
        sa.Column("user_id", _key, sa.ForeignKey("users.id", name="fk_unionids_user_id"), nullable=False),
        **_TABLE,
    )
    op.create_index("ix_unionids_user_id", "unionids", ["user_id"])
    op.create_table(
        "sessions",
        sa.Column("id", _exact(32), primary_key=True),
        sa.Column("user_id", _key, sa.ForeignKey("users.id", name="fk_sessions_user_id"), nullable=False),
        sa.Column("appid", _exact(32), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("token_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("rotated_at", sa.BigInteger(), nullable=False),
        sa.Column("idle_expires_at", sa.BigInteger(), nullable=False),
        sa.Column("absolute_expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("revoke_reason", sa.String(32)),
        sa.Column("device", sa.String(255), nullable=False, server_default=""),
        **_TABLE,
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "login_attempts",
        sa.Column("login_hash", _exact(64), primary_key=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("identity_id", sa.BigInteger()),
        sa.Column("session_id", _exact(32)),
        **_TABLE,
    )
    op.create_index("ix_login_attempts_started_at", "login_attempts", ["started_at"])
    op.create_table(
        "decrypt_failures",
        sa.Column("key_hash", _exact(64), primary_key=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.BigInteger(), nullable=False),
        **_TABLE,
    )
    op.create_index("ix_decrypt_failures_failed_at", "decrypt_failures", ["failed_at"])


def downgrade() -> None:
    for table in ("decrypt_failures", "login_attempts", "sessions", "unionids", "identities", "users"):
        op.drop_table(table)
