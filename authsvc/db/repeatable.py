"""Migration steps that can run again after a migration was killed half-way.

MySQL and MariaDB commit each change of a table separately, so a killed migration leaves its first steps behind, while
the version still says that it has not run. ``install`` makes every step of every migration check first:
``op.create_table``, ``op.add_column`` and the others skip what is done, also inside ``batch_alter_table``.
A step is one statement, so it is either done or not. If something exists under our name but is not what the step would
create, it belongs to another program: NotOurs, and nothing is changed.

``op.execute``, ``op.bulk_insert`` and ``op.alter_column`` run again unchanged, so write them to be idempotent.
Extending Alembic's own operations is documented at
https://alembic.sqlalchemy.org/en/latest/api/operations.html#extending-existing-operations.
"""

from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations, ops, toimpl
from alembic.util import CommandError
from sqlalchemy.engine.reflection import Inspector

Step = Callable[[Any, Any], Any]


class NotOurs(CommandError):
    """Something of another program has the name that a migration would use."""


class NotOneStatement(CommandError):
    """A step would need several statements, and could be killed between them."""


def _look(operations: Any) -> Inspector | None:
    """Return the inspector of the database, or None if statements are only printed (``flask db upgrade --sql``)."""
    return None if operations.migration_context.as_sql else sa.inspect(operations.get_bind())


def _refuse_company(columns: Iterable[sa.Column[Any]]) -> None:
    """Turn an index or a unique key that is declared at a column into a separate statement."""
    for column in columns:
        if column.index or column.unique:
            raise NotOneStatement(f"{column.name}: make its index or unique key a step of its own")


def _create_table(operations: Any, operation: ops.CreateTableOp) -> Any:
    # Only once: a second table made of the same columns has none of their foreign keys.
    table = operation.to_table(operations.migration_context)
    _refuse_company(table.columns)
    there = _look(operations)
    if there is None or not there.has_table(table.name):
        operations.impl.create_table(table)
        return table
    found = {column["name"] for column in there.get_columns(table.name)}
    key = there.get_pk_constraint(table.name)["constrained_columns"]
    # A later migration may have added more.
    if not found.issuperset(table.columns.keys()) or set(key) != set(table.primary_key.columns.keys()):
        raise NotOurs(
            f"the table {table.name} already exists without authsvc's columns, so it belongs to another program."
            " Give authsvc its own schema in DATABASE_URL"
        )
    return table


def _drop_table(operations: Any, operation: ops.DropTableOp) -> None:
    there = _look(operations)
    if there is None or there.has_table(operation.table_name):
        toimpl.drop_table(operations, operation)


def _add_column(operations: Any, operation: ops.AddColumnOp) -> None:
    _refuse_company([operation.column])
    if operation.column.foreign_keys:
        raise NotOneStatement(f"{operation.column.name}: make its foreign key a step of its own")
    there = _look(operations)
    if there is None or operation.column.name not in _columns(there, operation.table_name):
        toimpl.add_column(operations, operation)


def _drop_column(operations: Any, operation: ops.DropColumnOp) -> None:
    there = _look(operations)
    if there is None or operation.column_name in _columns(there, operation.table_name):
        toimpl.drop_column(operations, operation)


def _create_index(operations: Any, operation: ops.CreateIndexOp) -> None:
    there = _look(operations)
    index = operation.to_index(operations.migration_context)
    found = None if there is None else _indexes(there, operation.table_name).get(str(operation.index_name))
    if found is None:
        operations.impl.create_index(index)
    elif found != list(index.columns.keys()):
        raise NotOurs(f"the index {operation.index_name} already exists, over {', '.join(map(str, found))}")


def _drop_index(operations: Any, operation: ops.DropIndexOp) -> None:
    there = _look(operations)
    if there is None or str(operation.index_name) in _indexes(there, str(operation.table_name)):
        toimpl.drop_index(operations, operation)


def _add_constraint(operations: Any, operation: Any) -> None:
    constraint = operation.to_constraint(operations.migration_context)
    there = _look(operations)
    # MySQL calls every primary key PRIMARY.
    name = "PRIMARY" if isinstance(constraint, sa.PrimaryKeyConstraint) else constraint.name
    if there is None or name not in _constraints(there, constraint.table.name):
        operations.impl.add_constraint(constraint)


def _drop_constraint(operations: Any, operation: ops.DropConstraintOp) -> None:
    there = _look(operations)
    if there is None or operation.constraint_name in _constraints(there, operation.table_name):
        toimpl.drop_constraint(operations, operation)


def _rename_table(operations: Any, operation: ops.RenameTableOp) -> None:
    there = _look(operations)
    if there is None or there.has_table(operation.table_name):
        toimpl.rename_table(operations, operation)


def _alter_column(operations: Any, operation: ops.AlterColumnOp) -> None:
    """Skip a renaming that is done. Setting a column's type again is harmless."""
    there = _look(operations)
    if there is None or operation.column_name in _columns(there, operation.table_name):
        toimpl.alter_column(operations, operation)
    elif operation.modify_name not in _columns(there, operation.table_name):
        raise NotOurs(f"{operation.table_name} has no column {operation.column_name}")


def _columns(there: Inspector, table: str) -> set[str]:
    return {column["name"] for column in there.get_columns(table)}


def _indexes(there: Inspector, table: str) -> dict[str, list[str | None]]:
    """Return the columns of each index by its name; nothing for a table that does not exist."""
    found = there.get_indexes(table) if there.has_table(table) else []
    return {str(index["name"]): index["column_names"] for index in found}


def _constraints(there: Inspector, table: str) -> set[Any]:
    has_key = bool(there.get_pk_constraint(table)["constrained_columns"])
    found: list[Any] = [
        *([{"name": "PRIMARY"}] if has_key else []),
        *there.get_foreign_keys(table),
        *there.get_unique_constraints(table),
        *there.get_check_constraints(table),
    ]
    return {constraint["name"] for constraint in found}


_STEPS: dict[type[ops.MigrateOperation], Step] = {
    ops.CreateTableOp: _create_table,
    ops.DropTableOp: _drop_table,
    ops.AddColumnOp: _add_column,
    ops.DropColumnOp: _drop_column,
    ops.CreateIndexOp: _create_index,
    ops.DropIndexOp: _drop_index,
    ops.AddConstraintOp: _add_constraint,
    ops.DropConstraintOp: _drop_constraint,
    ops.RenameTableOp: _rename_table,
    ops.AlterColumnOp: _alter_column,
}


def install() -> None:
    """Replace Alembic's operations in this process by steps that check first."""
    for kind, step in _STEPS.items():
        Operations.implementation_for(kind, replace=True)(step)
