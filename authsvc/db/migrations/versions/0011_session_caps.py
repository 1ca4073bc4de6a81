"""What a login counts: sessions of a user by their end, numbered, and events of a user by their time."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("number", sa.Integer(), nullable=False, server_default="0"))
    # The new indexes first: MySQL keeps one for the foreign key.
    op.create_index("ix_sessions_user_id_revoked_at", "sessions", ["user_id", "revoked_at", "id"])
    op.drop_index("ix_sessions_user_id", "sessions")
    op.create_index("ix_audit_events_user_id_at", "audit_events", ["user_id", "at"])
    op.drop_index("ix_audit_events_user_id", "audit_events")


def downgrade() -> None:
    op.create_index("ix_audit_events_user_id", "audit_events", ["user_id"])
    op.drop_index("ix_audit_events_user_id_at", "audit_events")
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.drop_index("ix_sessions_user_id_revoked_at", "sessions")
    op.drop_column("sessions", "number")
