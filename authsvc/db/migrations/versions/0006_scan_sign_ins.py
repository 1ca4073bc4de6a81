"""Browsers that are signed in by a scan."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import TABLE, exact

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scan_sign_ins",
        sa.Column("id", exact(64), primary_key=True),
        sa.Column("browser_hash", exact(64), nullable=False),
        sa.Column("appid", exact(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("device", sa.String(255), nullable=False),
        sa.Column("address", sa.String(45), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("session_id", exact(32), nullable=True),
        sa.Column("handed_over_at", sa.BigInteger(), nullable=True),
        **TABLE,
    )
    op.create_index("ix_scan_sign_ins_expires_at", "scan_sign_ins", ["expires_at"])


def downgrade() -> None:
    op.drop_table("scan_sign_ins")
