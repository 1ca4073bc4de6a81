"""Receipts of pushes that were acted on."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLE: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def _exact(length: int) -> sa.types.TypeEngine[str]:
    exact = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(exact, "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "push_receipts",
        sa.Column("receipt", _exact(64), primary_key=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        **_TABLE,
    )
    op.create_index("ix_push_receipts_received_at", "push_receipts", ["received_at"])


def downgrade() -> None:
    op.drop_table("push_receipts")
