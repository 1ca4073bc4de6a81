"""The people of support and marketing: operators with their sessions, and whose act an audit event was."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import TABLE, exact

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "operators",
        sa.Column("name", exact(40), primary_key=True),
        sa.Column("role", exact(16), nullable=False),
        sa.Column("secret_hash", exact(64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("rotated_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        **TABLE,
    )
    op.create_table(
        "operator_sessions",
        sa.Column("id", exact(64), primary_key=True),
        sa.Column(
            "operator",
            exact(40),
            sa.ForeignKey("operators.name", name="fk_operator_sessions_operator"),
            nullable=False,
        ),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_index("ix_operator_sessions_operator", "operator_sessions", ["operator"])
    op.create_index("ix_operator_sessions_begun_at", "operator_sessions", ["begun_at"])
    op.add_column("audit_events", sa.Column("operator", exact(40), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("audit_events", "operator")
    op.drop_table("operator_sessions")
    op.drop_table("operators")
