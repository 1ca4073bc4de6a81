"""Webhooks, and the messages on their way to them."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import BIG_KEY, TABLE, exact

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("name", exact(40), primary_key=True),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("kinds", sa.String(255), nullable=False),
        sa.Column("scopes", sa.String(80), nullable=False),
        sa.Column("secret", sa.String(255), nullable=False),
        sa.Column("previous_secret", sa.String(255)),
        sa.Column("rotated_at", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("paused_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", BIG_KEY, primary_key=True),
        sa.Column("webhook", exact(40), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("into_id", sa.BigInteger()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until", sa.BigInteger(), nullable=False),
        sa.Column("dead_at", sa.BigInteger()),
        sa.Column("last_error", sa.String(80), nullable=False),
        sa.UniqueConstraint("webhook", "position", name="uq_webhook_deliveries_webhook_position"),
        **TABLE,
    )
    op.create_index("ix_webhook_deliveries_person", "webhook_deliveries", ["webhook", "user_id", "id"])
    op.create_index("ix_webhook_deliveries_due", "webhook_deliveries", ["webhook", "dead_at", "due_at", "id"])
    op.create_index("ix_webhook_deliveries_dead_at", "webhook_deliveries", ["dead_at"])


def downgrade() -> None:
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
