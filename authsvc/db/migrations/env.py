"""How migrations run: on the app's own engine, over our own tables only."""

from typing import Any

from alembic import context
from flask import current_app

from authsvc.db.models import VERSION_TABLE, Base

_OURS = set(Base.metadata.tables)


def _is_ours(_object: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Autogenerate would propose to drop every table it does not know: others may live in this schema."""
    return kind != "table" or name in _OURS


def _run() -> None:
    engine = current_app.extensions["migrate"].db.engine
    with engine.begin() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            version_table=VERSION_TABLE,
            include_object=_is_ours,
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()


def _print() -> None:
    """``flask db upgrade --sql``: the statements, for those who run them by hand."""
    url = current_app.extensions["migrate"].db.engine.url
    context.configure(url=url, target_metadata=Base.metadata, version_table=VERSION_TABLE, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _print()
else:
    _run()
