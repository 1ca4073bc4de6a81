"""Browsers that are signed in by a scan."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLE: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def _exact(length: int) -> sa.types.TypeEngine[str]:
    exact = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(exact, "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "scan_sign_ins",
        sa.Column("id", _exact(64), primary_key=True),
        sa.Column("browser_hash", _exact(64), nullable=False),
        sa.Column("appid", _exact(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("device", sa.String(255), nullable=False),
        sa.Column("address", sa.String(45), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("session_id", _exact(32), nullable=True),
        sa.Column("handed_over_at", sa.BigInteger(), nullable=True),
        **_TABLE,
    )
    op.create_index("ix_scan_sign_ins_expires_at", "scan_sign_ins", ["expires_at"])


def downgrade() -> None:
    op.drop_table("scan_sign_ins")
