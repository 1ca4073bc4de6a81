"""What merges moved, so that they can be undone for a while."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import TABLE, exact

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "merges",
        sa.Column("user_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("into_id", sa.BigInteger(), nullable=False),
        sa.Column("merged_at", sa.BigInteger(), nullable=False),
        sa.Column("country_code", exact(8)),
        sa.Column("phone", exact(20)),
        sa.Column("claimed_phone", exact(20)),
        sa.Column("gave_phone", sa.SmallInteger(), nullable=False),
        sa.Column("inviter_id", sa.BigInteger()),
        sa.Column("into_inviter_id", sa.BigInteger()),
        sa.Column("new_inviter_id", sa.BigInteger()),
        **TABLE,
    )
    op.create_index("ix_merges_into_id", "merges", ["into_id"])
    op.create_index("ix_merges_merged_at", "merges", ["merged_at"])
    op.create_table(
        "merge_parts",
        sa.Column("user_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", exact(16), primary_key=True),
        sa.Column("item", exact(32), primary_key=True),
        **TABLE,
    )


def downgrade() -> None:
    op.drop_table("merge_parts")
    op.drop_table("merges")
