"""Changes of people, for other services that keep a copy or want to be told."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import BIG_KEY, TABLE

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person_changes",
        sa.Column("id", BIG_KEY, primary_key=True),
        sa.Column("position", sa.BigInteger()),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("into_id", sa.BigInteger()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("position", name="uq_person_changes_position"),
        **TABLE,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_person_changes_at", "person_changes", ["at"])
    op.create_table(
        "change_sequence",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("last_given", sa.BigInteger(), nullable=False),
        sa.Column("deleted_until", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.execute(
        "INSERT INTO change_sequence (id, last_given, deleted_until)"
        " SELECT 1, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM change_sequence)"
    )


def downgrade() -> None:
    op.drop_table("change_sequence")
    op.drop_table("person_changes")
