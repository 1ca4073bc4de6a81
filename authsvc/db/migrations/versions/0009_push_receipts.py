"""Receipts of pushes that were acted on."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import TABLE, exact

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "push_receipts",
        sa.Column("receipt", exact(64), primary_key=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_index("ix_push_receipts_received_at", "push_receipts", ["received_at"])


def downgrade() -> None:
    op.drop_table("push_receipts")
