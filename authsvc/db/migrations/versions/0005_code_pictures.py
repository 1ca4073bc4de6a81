"""Pictures of mini-program codes: whose they are, who is making one, and when each was last asked for."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import TABLE, exact

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "code_pictures",
        sa.Column("stem", exact(32), primary_key=True),
        sa.Column("ending", exact(4)),
        sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("users.id", name="fk_code_pictures_user_id")),
        sa.Column("claimed_until", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_index("ix_code_pictures_user_id", "code_pictures", ["user_id"])
    op.create_index("ix_code_pictures_asked_at", "code_pictures", ["asked_at"])


def downgrade() -> None:
    op.drop_table("code_pictures")
