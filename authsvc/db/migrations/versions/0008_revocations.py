"""What the revocation feed is read from: when sessions were ended, and up to when a user's tokens are worthless."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "not_before_marks",
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_index("ix_not_before_marks_not_before", "not_before_marks", ["not_before"])
    op.create_index(
        "ix_sessions_revoked_at",
        "sessions",
        ["revoked_at", "contract", "id"],
        # Live sessions are not in it: a login does not pay for it. MySQL has no such index.
        sqlite_where=sa.text("revoked_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_sessions_revoked_at", "sessions")
    op.drop_table("not_before_marks")
