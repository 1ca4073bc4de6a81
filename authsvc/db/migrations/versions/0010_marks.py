"""Marks that outlive accounts: of disabled people, and of whom an invite has counted."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import BIG_KEY, TABLE, exact

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ban_marks",
        sa.Column("id", BIG_KEY, primary_key=True),
        sa.Column("mark", exact(64), nullable=False),
        sa.Column("user_id", sa.BigInteger()),
        sa.Column("ban", exact(32)),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("mark", "user_id", name="uq_ban_marks_mark_user_id"),
        **TABLE,
    )
    op.create_index("ix_ban_marks_user_id", "ban_marks", ["user_id"])
    op.create_index("ix_ban_marks_ban", "ban_marks", ["ban"])
    op.create_index("ix_ban_marks_expires_at", "ban_marks", ["expires_at"])
    op.create_table(
        "invite_marks",
        sa.Column("mark", exact(64), primary_key=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_index("ix_invite_marks_expires_at", "invite_marks", ["expires_at"])


def downgrade() -> None:
    op.drop_table("invite_marks")
    op.drop_table("ban_marks")
