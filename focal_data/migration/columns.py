"""Comparators of columns: their types, defaults and NULL, and how a change of them is written so that it runs."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, ops
from alembic.util import PriorityDispatchResult
from sqlalchemy import Column, DefaultClause, Identity, text
from sqlalchemy.schema import Computed

from focal_data.migration.comparison import Comparison, comparisons, escaped
from focal_data.migration.definitions import DEFAULT, TYPE
from focal_data.migration.writing import ChangeTypeOp, DropDefaultOp


def compare_type(  # noqa: PLR0917  (Alembic's signature)
    context: AutogenContext,
    alter: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    column: str,
    old: Column[Any],
    new: Column[Any],
) -> PriorityDispatchResult:
    """Instead of Alembic's: whether PostgreSQL prints another type, a missing dimension included."""
    compared = comparisons.get(context)
    off = context.migration_context._user_compare_type is False
    if off or compared is None or (TYPE, table, column) not in compared.definitions.wanted:
        return PriorityDispatchResult.CONTINUE
    alter.existing_type = old.type
    if compared.definitions.differ(TYPE, table, column):
        alter.modify_type = new.type
    return PriorityDispatchResult.STOP


def compare_default(  # noqa: PLR0917  (Alembic's signature)
    context: AutogenContext,
    alter: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    column: str,
    old: Column[Any],
    new: Column[Any],
) -> PriorityDispatchResult:
    """Instead of Alembic's, which asks whether two defaults have equal values: whether PostgreSQL prints another one."""
    compared = comparisons.get(context)
    if compared is None or (TYPE, table, column) not in compared.definitions.wanted:
        return PriorityDispatchResult.CONTINUE
    # How it is numbered is compared by ``identity``.
    numbered = any(isinstance(c.server_default, Identity) for c in (old, new))
    if not numbered and new.table.autoincrement_column is new:
        return PriorityDispatchResult.CONTINUE
    if not isinstance(old.server_default, Computed):
        numbered = isinstance(old.server_default, Identity)
        alter.existing_server_default = None if numbered else old.server_default
    if isinstance(new.server_default, Computed) or isinstance(old.server_default, Computed):
        return PriorityDispatchResult.STOP
    off = context.migration_context._user_compare_server_default is False
    if not off and compared.definitions.differ(DEFAULT, table, column):
        there = compared.definitions.real.get((DEFAULT, table, column))
        if old.server_default is None and there is not None:  # Alembic leaves out that of a SERIAL
            alter.existing_server_default = DefaultClause(text(escaped(there)))
        alter.modify_server_default = None if isinstance(new.server_default, Identity) else new.server_default
    return PriorityDispatchResult.STOP


def compare_nullable(  # noqa: PLR0917  (Alembic's signature)
    context: AutogenContext,
    alter: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    column: str,
    old: Column[Any],
    new: Column[Any],
) -> PriorityDispatchResult:
    """After Alembic's, which leaves out columns that are numbered: they are NOT NULL before, and whatever they were after."""
    was, is_now = (isinstance(c.server_default, Identity) for c in (old, new))
    nullable = bool(new.nullable) and not is_now
    if was is not is_now and old.nullable is not nullable:
        alter.modify_nullable = nullable
    return PriorityDispatchResult.CONTINUE


def with_cast(op: MigrateOperation, compared: Comparison) -> list[MigrateOperation]:
    """A change of type, with what PostgreSQL needs to be told of it: it casts neither values nor defaults by itself."""
    if not isinstance(op, ops.AlterColumnOp) or op.modify_type is None:
        return [op]
    there, back = compared.definitions.types[op.table_name, op.column_name]
    changed = ChangeTypeOp(op.table_name, op.column_name)
    changed.__dict__.update(op.__dict__)
    changed.kw = {**op.kw, "modify_change": there, "existing_change": back}
    old = op.existing_server_default or None
    new = old if op.modify_server_default is False else op.modify_server_default
    if not (there.using or back.using) or (old is None and new is None):
        return [changed]
    changed.modify_server_default, changed.existing_server_default = False, None
    return [
        *([_default(op, op.existing_type, old, None)] if old is not None else []),
        changed,
        *([_default(op, op.modify_type, None, new)] if new is not None else []),
    ]


def with_default(op: MigrateOperation, recast: set[tuple[str, str]]) -> list[MigrateOperation]:
    """Another default of an enumeration whose values change: neither is one of the other's."""
    if (
        not isinstance(op, ops.AlterColumnOp)
        or op.modify_server_default is False
        or not op.existing_server_default
        or (op.table_name, op.column_name) not in recast
    ):
        return [op]
    gone = DropDefaultOp(op.table_name, op.column_name)
    gone.__dict__.update(_default(op, op.existing_type, op.existing_server_default, None).__dict__)
    op.existing_server_default = None
    if op.modify_server_default is None:
        op.modify_server_default = False
    return [gone, op] if op.has_changes() else [gone]


def _default(op: ops.AlterColumnOp, kind: Any, before: Any, after: Any) -> ops.AlterColumnOp:
    return ops.AlterColumnOp(
        op.table_name,
        op.column_name,
        existing_type=kind,
        existing_server_default=before,
        modify_server_default=after,
    )
