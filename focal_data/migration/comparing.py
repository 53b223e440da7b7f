"""Comparators for what Alembic does not see, or sees by its writing: all of them ask PostgreSQL (``definitions``).

``prepare`` reads both ways before the tables are compared, ``compare`` adds what is missing when they have been, and puts
all operations into an order that works in both directions.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, Final

from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, ops
from alembic.util import PriorityDispatchResult
from sqlalchemy import CheckConstraint, Column, Index, Table, text
from sqlalchemy.exc import SAWarning
from sqlalchemy.schema import Computed
from sqlalchemy.sql.elements import conv

from focal_data.migration.changes import (
    AddExclusionOp,
    AddUniqueOp,
    CreateStatisticsOp,
    DropStatisticsOp,
    RemoveExclusionOp,
    RemoveUniqueOp,
    ValidateConstraintOp,
)
from focal_data.migration.columns import with_cast, with_default
from focal_data.migration.comparison import Comparison, comparisons, escaped
from focal_data.migration.definitions import (
    CHECK,
    EXCLUSION,
    EXPRESSION,
    INDEX,
    STATISTICS,
    UNIQUE,
    UNPROVEN,
    Definitions,
    as_written,
    enumerations,
    index_name,
    native_enum,
    read_definitions,
    read_existing,
    statistics,
)
from focal_data.migration.enumerations import ChangeEnumOp, CreateEnumOp, DropEnumOp
from focal_data.migration.foreign_keys import dropped_once, made_later, name_as_postgresql
from focal_data.migration.identity import identity_changes
from focal_data.migration.operations import Implied
from focal_data.migration.order import in_order, leaves
from focal_data.migration.primary_keys import primary_key_changes
from focal_data.migration.writing import ReplaceColumnOp
from focal_data.tables.shape import name_of

_NOT_VALID: Final = " NOT VALID"


def prepare(context: AutogenContext, upgrade: ops.UpgradeOps, schemas: object) -> PriorityDispatchResult:
    """Read the tables both ways, before Alembic compares them."""
    # SQLAlchemy 2.1 reads a CHECK that is NOT VALID, and warns that it does not know its own word for that
    warnings.filterwarnings("ignore", "Can't validate argument 'dialect_options'", SAWarning)
    # Alembic can't compare such an index, and needn't
    warnings.filterwarnings("ignore", r"(?s)Expression #\d+ .* detected to include an operator clause")
    tables = [
        table
        for table in context.sorted_tables
        if table.schema is None and context.run_object_filters(table, table.name, "table", False, None)
    ]
    assert context.connection is not None
    definitions = read_definitions(context.connection, tables)
    comparisons[context] = Comparison(definitions, {table.name: table for table in tables})
    return PriorityDispatchResult.CONTINUE


def remember(
    context: AutogenContext,
    modify: ops.ModifyTableOps,
    schema: str | None,
    table: str,
    old: Table | None,
    new: Table | None,
) -> PriorityDispatchResult:
    """Keep what Alembic has read of a table."""
    if old is not None and context in comparisons and schema is None:
        comparisons[context].reflected[table] = old
    return PriorityDispatchResult.CONTINUE


def compare(context: AutogenContext, upgrade: ops.UpgradeOps, schemas: object) -> PriorityDispatchResult:
    """Add what Alembic has missed."""
    compared = comparisons[context]
    kept = [op for op in leaves(upgrade) if not _decided_here(op, compared)]
    upgrade.ops = [told for op in kept for told in with_cast(op, compared)]
    for name in compared.reflected.keys() & compared.tables.keys():
        upgrade.ops += _changes(name, compared, context)
    for op in upgrade.ops:
        name_as_postgresql(op, compared.reflected)
    upgrade.ops += [key for op in kept if isinstance(op, ops.CreateTableOp) for key in made_later(op)]
    upgrade.ops += compared.keys.in_circles([op for op in kept if isinstance(op, ops.DropTableOp)])
    upgrade.ops = dropped_once(upgrade.ops)
    for name, table in compared.tables.items():
        if name not in compared.reflected:
            upgrade.ops += [
                CreateStatisticsOp(key, name, value).with_table() for key, value in statistics(table).items()
            ]
    enumerations = list(_enumerations(compared))
    recast = {
        place
        for op in enumerations
        if isinstance(op, ChangeEnumOp) and not op.only_adds
        for place in op.columns
    }
    upgrade.ops = [told for op in upgrade.ops for told in with_default(op, recast)]
    upgrade.ops += _unproven(upgrade, compared) + enumerations
    _complete_drops(context, upgrade, compared)
    for op in upgrade.ops:
        if isinstance(op, ops.DropIndexOp | ops.DropConstraintOp):
            _reword(op, compared.definitions)
    in_order(upgrade)
    return PriorityDispatchResult.CONTINUE


def _changes(name: str, compared: Comparison, context: AutogenContext) -> Iterator[MigrateOperation]:
    found, old, new = compared.definitions, compared.reflected[name], compared.tables[name]
    remade, affected = found.remade(name), found.affected(name)
    yield from _indexes(found, old, new, affected, context)
    yield from _checks(found, new, affected, context)
    yield from _uniques(name, affected, compared)
    yield from _exclusions(found, name, affected)
    yield from primary_key_changes(found, new, affected, compared.keys)
    yield from compared.keys.set_aside(
        key for key in old.foreign_key_constraints if str(key.name) in affected
    )
    yield from identity_changes(found, name, remade)
    for column in sorted(remade):
        yield from _made_anew(name, old.columns[column], new.columns[column])
    yield from _statistics(found, name, affected)


def _made_anew(table: str, old: Column[Any], new: Column[Any]) -> Iterator[MigrateOperation]:
    drop = ops.DropColumnOp.from_column_and_tablename(None, table, old)
    add = ops.AddColumnOp.from_column_and_tablename(None, table, new)
    if isinstance(old.server_default, Computed) and isinstance(new.server_default, Computed):
        yield from (drop, add)
    else:
        yield ReplaceColumnOp(drop, add)


def _decided_here(op: MigrateOperation, compared: Comparison) -> bool:
    """Indexes and CHECKs of tables that stay are compared here; a column that is made anew is not altered."""
    if isinstance(op, ops.AlterColumnOp):
        return op.column_name in compared.definitions.remade(op.table_name)
    if isinstance(op, ops.CreateIndexOp | ops.DropIndexOp | ops.CreateCheckConstraintOp):
        return op.table_name in compared.reflected.keys() & compared.tables.keys()
    if isinstance(op, ops.DropConstraintOp | ops.CreateUniqueConstraintOp):
        stays = op.table_name in compared.reflected.keys() & compared.tables.keys()
        check = isinstance(op, ops.DropConstraintOp) and op.constraint_type == "check"
        return stays and (
            check or _is_made_here(compared.definitions, op.table_name, str(op.constraint_name))
        )
    return False


def _is_made_here(found: Definitions, table: str, name: str) -> bool:
    """Whether a unique constraint is one that Alembic can't make, or becomes another one, or has columns that are made anew.

    It does not see what is included, whether it can be deferred, nor the order of columns.
    """
    old, new = (place.get((UNIQUE, table, name), "") for place in (found.real, found.wanted))
    includes = " INCLUDE (" in old + new
    return includes or (old != new != "" != old) or (old != "" and name in found.affected(table))


def _indexes(
    found: Definitions, old: Table, new: Table, affected: set[str], context: AutogenContext
) -> Iterator[MigrateOperation]:
    assert context.connection is not None
    before = {str(index.name): index for index in old.indexes}
    after = {index_name(index, context.connection): index for index in new.indexes}
    for name in sorted(found.of(INDEX, old.name)):
        if name not in affected and not found.differ(INDEX, old.name, name):
            continue
        if name in before and _included(context, before[name], "index", reflected=True):
            yield ops.DropIndexOp.from_index(before[name])
        if name in after and _included(context, after[name], "index", reflected=False):
            yield ops.CreateIndexOp.from_index(after[name])


def _included(context: AutogenContext, item: Index, kind: Any, *, reflected: bool) -> bool:
    return context.run_object_filters(item, item.name, kind, reflected, None)


def _checks(
    found: Definitions, table: Table, affected: set[str], context: AutogenContext
) -> Iterator[MigrateOperation]:
    for name in sorted(found.of(CHECK, table.name)):
        key = (CHECK, table.name, name)
        old, new = found.real.get(key), found.wanted.get(key)
        if name not in affected and old == new:
            continue
        if new is not None and old == new + _NOT_VALID:
            yield ValidateConstraintOp(table.name, name)
            continue
        if old is not None:
            yield _drop_check(table.name, name, found.real[EXPRESSION, table.name, name])
        if new is not None:
            yield ops.CreateCheckConstraintOp(conv(name), table.name, _condition(table, name, found, context))


def _drop_check(table: str, name: str, expression: str) -> ops.DropConstraintOp:
    undo = ops.CreateCheckConstraintOp(conv(name), table, expression)
    return ops.DropConstraintOp(conv(name), table, type_="check", _reverse=undo)


def _condition(table: Table, name: str, found: Definitions, context: AutogenContext) -> str:
    """As the metadata has it, in its own words; or else as PostgreSQL prints it."""
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint) and name_of(constraint) == name:
            return context.migration_context.impl.render_ddl_sql_expr(constraint.sqltext)
    return found.wanted[EXPRESSION, table.name, name]


def _uniques(table: str, affected: set[str], compared: Comparison) -> Iterator[MigrateOperation]:
    found = compared.definitions
    for name in sorted(found.of(UNIQUE, table)):
        old, new = (place.get((UNIQUE, table, name)) for place in (found.real, found.wanted))
        if _is_made_here(found, table, name) and (old != new or name in affected):
            if old is not None:
                yield RemoveUniqueOp(table, name, old)
                ours, _ = compared.keys.leaning(table, name)
                yield from compared.keys.set_aside(ours)
            if new is not None:
                yield AddUniqueOp(table, name, new)


def _exclusions(found: Definitions, table: str, affected: set[str]) -> Iterator[MigrateOperation]:
    for name in sorted(found.of(EXCLUSION, table)):
        old, new = (place.get((EXCLUSION, table, name)) for place in (found.real, found.wanted))
        if old != new or name in affected:
            if old is not None:
                yield RemoveExclusionOp(table, name, old)
            if new is not None:
                yield AddExclusionOp(table, name, new)


def _statistics(found: Definitions, table: str, affected: set[str]) -> Iterator[MigrateOperation]:
    for name in sorted(found.of(STATISTICS, table)):
        if name not in affected and not found.differ(STATISTICS, table, name):
            continue
        if old := found.real.get((STATISTICS, table, name)):
            yield DropStatisticsOp(name, table, old)
        if new := found.wanted.get((STATISTICS, table, name)):
            yield CreateStatisticsOp(name, table, new)


def _unproven(upgrade: ops.UpgradeOps, compared: Comparison) -> list[MigrateOperation]:
    """Foreign keys that stay, and that a migration that was not run to its end has left NOT VALID."""
    going = {op.constraint_name for op in upgrade.ops if isinstance(op, ops.DropConstraintOp)}
    left = [(table, name) for kind, table, name in sorted(compared.definitions.real) if kind == UNPROVEN]
    return [ValidateConstraintOp(table, name) for table, name in left if name not in going]


def _enumerations(compared: Comparison) -> Iterator[MigrateOperation]:
    wanted, there = enumerations(compared.tables.values()), compared.definitions.enumerations
    for name, values in wanted.items():
        if name not in there:
            yield CreateEnumOp(name, values)
        elif there[name].values != values:
            change = ChangeEnumOp(name, values, existing=there[name].values)
            change.columns = _columns_of(name, compared)
            yield change
    for name in sorted(_left_over(compared) - wanted.keys()):
        yield DropEnumOp(name, there[name].values)


def _columns_of(enumeration: str, compared: Comparison) -> frozenset[tuple[str, str]]:
    columns = (column for table in compared.reflected.values() for column in table.columns)
    kinds = ((column, native_enum(column.type)) for column in columns)
    return frozenset((c.table.name, c.name) for c, kind in kinds if kind and kind.name == enumeration)


def _left_over(compared: Comparison) -> set[str]:
    """Enumerations that only tables of ours have had."""
    known = compared.definitions.enumerations
    used = enumerations(compared.reflected.values())
    return {name for name in used if name in known and known[name].users <= compared.reflected.keys()}


def _complete_drops(context: AutogenContext, upgrade: ops.UpgradeOps, compared: Comparison) -> None:
    """Let a table that is dropped come back with its CHECKs as they were, and with its statistics."""
    drops = [op for op in upgrade.ops if isinstance(op, ops.DropTableOp)]
    if not drops:
        return
    assert context.connection is not None
    there = read_existing(context.connection, [drop.table_name for drop in drops])
    for drop in drops:
        for item in drop._reverse.columns if drop._reverse is not None else []:
            if isinstance(item, CheckConstraint):
                key = (EXPRESSION, drop.table_name, str(item.name))
                item.sqltext = text(escaped(as_written(there.get(key, str(item.sqltext)))))
    for (kind, table, name), definition in there.items():
        if kind == STATISTICS:
            upgrade.ops.append(Implied(CreateStatisticsOp(name, table, definition)))
        elif kind == EXCLUSION:
            upgrade.ops.append(Implied(AddExclusionOp(table, name, definition)))


def _reword(op: ops.DropIndexOp | ops.DropConstraintOp, found: Definitions) -> None:
    """Let what comes back be written so that PostgreSQL prints it as before."""
    undo = op._reverse
    if isinstance(op, ops.DropIndexOp):
        for kw in (op.kw, undo.kw if isinstance(undo, ops.CreateIndexOp) else {}):
            if not kw.get("postgresql_include", True):
                del kw["postgresql_include"]
            if (where := kw.get("postgresql_where")) is not None:
                kw["postgresql_where"] = text(escaped(as_written(str(where))))
    elif isinstance(undo, ops.CreateCheckConstraintOp):
        undo.condition = as_written(str(undo.condition))
