"""Consents, whom an audit event is about, and a way from a user to those who turned out to be the same."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import TABLE, exact

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_events", sa.Column("subject", exact(64), server_default="", nullable=False))
    op.create_index("ix_users_merged_into_id", "users", ["merged_into_id"])
    op.create_table(
        "consents",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("version", exact(40), nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "version"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_consents_user_id"),
        **TABLE,
    )


def downgrade() -> None:
    op.drop_table("consents")
    op.drop_index("ix_users_merged_into_id", "users")
    op.drop_column("audit_events", "subject")
