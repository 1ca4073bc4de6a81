"""Pictures of codes: who makes one, which service it was made for, and how an attempt failed that others wait for."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import TABLE, exact

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("code_pictures", sa.Column("claim", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("code_pictures", sa.Column("service", exact(40)))
    op.create_index("ix_code_pictures_service", "code_pictures", ["service"])
    op.create_table(
        "code_failures",
        sa.Column("claim", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("error", sa.String(40), nullable=False),
        sa.Column("errcode", sa.Integer()),
        sa.Column("failed_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_index("ix_code_failures_failed_at", "code_failures", ["failed_at"])


def downgrade() -> None:
    op.drop_table("code_failures")
    op.drop_index("ix_code_pictures_service", "code_pictures")
    op.drop_column("code_pictures", "service")
    op.drop_column("code_pictures", "claim")
