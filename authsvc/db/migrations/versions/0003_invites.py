"""Invite codes, who came with them, and what a repeated login says of its invite."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import BIG_KEY, TABLE, exact

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("invited_by_id", sa.BigInteger()))
    op.create_index("ix_users_invited_by_id", "users", ["invited_by_id"])
    op.add_column("login_attempts", sa.Column("invite", sa.String(16)))
    op.create_table(
        "invite_codes",
        sa.Column("id", BIG_KEY, primary_key=True),
        sa.Column("code", exact(20), nullable=False),
        sa.Column("owner_id", sa.BigInteger()),
        sa.Column("is_own", sa.SmallInteger()),
        sa.Column("max_uses", sa.Integer()),
        sa.Column("uses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("disabled_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("code", name="uq_invite_codes_code"),
        sa.UniqueConstraint("owner_id", "is_own", name="uq_invite_codes_own"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_invite_codes_owner_id"),
        **TABLE,
    )
    op.create_table(
        "invite_uses",
        sa.Column("id", BIG_KEY, primary_key=True),
        sa.Column("invite_code_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger()),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("user_id", name="uq_invite_uses_user_id"),
        sa.ForeignKeyConstraint(["invite_code_id"], ["invite_codes.id"], name="fk_invite_uses_invite_code_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_invite_uses_user_id"),
        **TABLE,
    )
    op.create_index("ix_invite_uses_invite_code_id", "invite_uses", ["invite_code_id"])


def downgrade() -> None:
    op.drop_table("invite_uses")
    op.drop_table("invite_codes")
    op.drop_column("login_attempts", "invite")
    op.drop_index("ix_users_invited_by_id", "users")
    op.drop_column("users", "invited_by_id")
