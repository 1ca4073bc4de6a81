"""The roles that other services have given to people."""

import sqlalchemy as sa
from alembic import op

from authsvc.db.columns import TABLE, exact

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person_roles",
        sa.Column(
            "user_id",
            sa.BigInteger(),
            sa.ForeignKey("users.id", name="fk_person_roles_user_id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("appid", exact(32), primary_key=True),
        sa.Column("roles", exact(600), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )


def downgrade() -> None:
    op.drop_table("person_roles")
