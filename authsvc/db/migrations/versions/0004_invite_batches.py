"""Batches of invite codes: which one, and the number in it."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import exact

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("invite_codes", sa.Column("batch", exact(40)))
    op.add_column("invite_codes", sa.Column("batch_number", sa.Integer()))
    op.create_index("uq_invite_codes_batch", "invite_codes", ["batch", "batch_number"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_invite_codes_batch", "invite_codes")
    op.drop_column("invite_codes", "batch_number")
    op.drop_column("invite_codes", "batch")
