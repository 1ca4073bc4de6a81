"""How often a ticket was refused; a number that people merely typed in may be claimed by several of them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_SEQUENCE = "SELECT seq FROM sqlite_sequence WHERE name = 'users'"


def upgrade() -> None:
    # What is there was used up.
    op.add_column("spent_tickets", sa.Column("uses", sa.SmallInteger(), server_default="3", nullable=False))
    _change_users(is_unique=False)


def downgrade() -> None:
    op.execute(
        "UPDATE users SET claimed_phone = NULL WHERE id NOT IN"
        " (SELECT first FROM (SELECT MIN(id) AS first FROM users GROUP BY claimed_phone) AS kept)"
    )
    _change_users(is_unique=True)
    op.drop_column("spent_tickets", "uses")


def _change_users(*, is_unique: bool) -> None:
    """SQLite makes the table anew for this: ids that were given stay given, also those of erased users."""
    is_sqlite = op.get_context().dialect.name == "sqlite"
    last = op.get_bind().scalar(sa.text(_SEQUENCE)) if is_sqlite else None
    with op.batch_alter_table("users", table_kwargs={"sqlite_autoincrement": True}) as users:
        if is_unique:
            users.drop_index("ix_users_claimed_phone")
            users.create_unique_constraint("uq_users_claimed_phone", ["claimed_phone"])
        else:
            users.drop_constraint("uq_users_claimed_phone", type_="unique")
            users.create_index("ix_users_claimed_phone", ["claimed_phone"])
    if last is not None:
        op.execute("DELETE FROM sqlite_sequence WHERE name = 'users'")
        op.execute(f"INSERT INTO sqlite_sequence (name, seq) VALUES ('users', {int(last)})")
