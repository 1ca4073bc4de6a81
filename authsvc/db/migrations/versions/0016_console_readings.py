"""What the console reads: WeChat's errors by hour, and indexes for people and uses of invites by day."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import TABLE, exact

revision = "0016"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_users_created_at", "users", ["created_at"])
    op.create_index("ix_invite_uses_used_at", "invite_uses", ["used_at", "invite_code_id"])
    op.create_table(
        "wechat_errors",
        sa.Column("hour", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("appid", exact(32), primary_key=True),
        sa.Column("endpoint", exact(64), primary_key=True),
        sa.Column("error", exact(40), primary_key=True),
        sa.Column("errcode", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        **TABLE,
    )


def downgrade() -> None:
    op.drop_table("wechat_errors")
    op.drop_index("ix_invite_uses_used_at", "invite_uses")
    op.drop_index("ix_users_created_at", "users")
