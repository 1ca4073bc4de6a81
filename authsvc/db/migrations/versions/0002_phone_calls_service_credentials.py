"""What phone numbers cost, which phone codes are spent, and the credentials of other services."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import TABLE, exact

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "phone_calls",
        sa.Column("subject", exact(80), primary_key=True),
        sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        **TABLE,
    )
    op.create_index("ix_phone_calls_day", "phone_calls", ["day"])
    op.create_table(
        "spent_phone_codes",
        sa.Column("code_hash", exact(64), primary_key=True),
        sa.Column("spent_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_index("ix_spent_phone_codes_spent_at", "spent_phone_codes", ["spent_at"])
    op.create_table(
        "service_credentials",
        sa.Column("name", exact(40), primary_key=True),
        sa.Column("secret_hash", exact(64), nullable=False),
        sa.Column("scopes", sa.String(255), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )


def downgrade() -> None:
    for table in ("service_credentials", "spent_phone_codes", "phone_calls"):
        op.drop_table(table)
