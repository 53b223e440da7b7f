"""A revision as it should be on a live system: Alembic's hook that rewrites what autogenerate has found.

What holds a table for long goes into a revision of its own, outside a transaction, where it holds nobody up: indexes are
built concurrently, constraints are added NOT VALID and validated later, NOT NULL goes by way of a CHECK. What can't be
done like that has a word of warning above it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from alembic.operations import MigrateOperation, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Table, text
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.schema import Computed

from focal_data.migration.changes import AddExclusionOp, AddUniqueOp, SetNotNullOp, ValidateConstraintOp
from focal_data.migration.enumerations import ChangeEnumOp
from focal_data.migration.filling import filler
from focal_data.migration.identity import SetIdentityOp
from focal_data.migration.operations import Implied
from focal_data.migration.order import leaves
from focal_data.migration.partitions import by_partition
from focal_data.migration.primary_keys import AddPrimaryKeyOp, RemovePrimaryKeyOp
from focal_data.migration.writing import ChangeTypeOp, Flagged, OnlineOps, ReplaceColumnOp

LOST: Final = (
    "Its values are lost, also on the way down. The release before this one must not use it any more."
)
REWRITES: Final = (
    "Writes every row anew, and nobody can use the table meanwhile."
    " On a large one: a new column, filled in batches."
)
FILLED: Final = "Rows that are there need a value: change this one to what they should have."
EMPTY: Final = "Fails when there are rows, which need a value: give it a default."
BUILDS: Final = (
    "Builds its index while nobody can write to the table."
    " On a large one: build the unique index concurrently first."
)
EXCLUDES: Final = (
    "Builds its index, and nobody can use the table meanwhile: PostgreSQL has no other way for an exclusion."
)
KEYS: Final = (
    "Builds its index, and nobody can use the table meanwhile."
    " On a large one: a unique index built concurrently first, then PRIMARY KEY USING INDEX."
)
LEANING: Final = "Fails until foreign keys are dropped that these migrations don't know:"
SIZED: Final = (
    "Fails while there are rows: one size is not made of another."
    " A new column, filled by whoever makes the values, and this one dropped in a later release."
)
NARROWS: Final = "Fails while a row has a value that is taken away, and writes every row anew."
PARTITIONED: Final = (
    "A partitioned table, whose index is built while nobody can write."
    " On a large one: op.create_index_by_partition, outside a transaction."
)


class _Part(StrEnum):
    VALUES = "values"
    MAIN = ""
    ONLINE = "online"


@dataclass
class _Revision:
    """One file to be: what it does on the way up."""

    part: _Part
    ops: list[MigrateOperation] = field(default_factory=list)


def write_safely(context: MigrationContext, revision: object, directives: list[Any]) -> None:
    """``process_revision_directives``: make of what autogenerate has found one to three revisions, one after the other."""
    script = directives[0]
    if len(directives) > 1 or script.upgrade_ops is None or script.upgrade_ops.is_empty():
        return
    partitioned = _partitioned(context)
    parts = [part for part in _parts(script.upgrade_ops, partitioned) if part.ops]
    main = next((part for part in parts if part.part is _Part.MAIN), parts[0])
    directives[:] = [_script(part, script, main, partitioned) for part in parts]
    for former, directive in pairwise(directives):
        directive.head = former.rev_id
        directive.splice = directive.branch_label = directive.depends_on = None


def _partitioned(context: MigrationContext) -> set[str]:
    given = context.opts.get("target_metadata") or []
    every = given if isinstance(given, Sequence) else [given]
    tables = (table for metadata in every for table in metadata.tables.values())
    return {table.name for table in tables if table.dialect_options["postgresql"]["partition_by"]}


def _script(
    part: _Revision, script: ops.MigrationScript, main: _Revision, partitioned: set[str]
) -> ops.MigrationScript:
    suffix = "" if part is main else f"_{part.part.value}"
    upgrade = ops.UpgradeOps(part.ops)
    downgrade = ops.DowngradeOps()
    upgrade.reverse_into(downgrade)
    if part.part is _Part.ONLINE:
        upgrade.ops = [OnlineOps(upgrade.ops)]
        downgrade.ops = [OnlineOps(downgrade.ops)] if any(_does_something(op) for op in downgrade.ops) else []
    else:
        made = {op.table_name for op in leaves(upgrade) if isinstance(op, ops.CreateTableOp)}
        for way in (upgrade, downgrade):
            way.ops = [_flagged(op, made, partitioned) for op in way.ops]
    message = script.message if part is main else " ".join(filter(None, [script.message, part.part.value]))
    return ops.MigrationScript(
        f"{script.rev_id}{suffix}",
        upgrade,
        downgrade,
        message=message,
        imports=script.imports,
        head=script.head,
        splice=script.splice,
        branch_label=script.branch_label,
        version_path=script.version_path,
        depends_on=script.depends_on,
    )


def _does_something(op: MigrateOperation) -> bool:
    return not isinstance(op, Implied)


def _parts(upgrade: ops.UpgradeOps, partitioned: set[str]) -> tuple[_Revision, _Revision, _Revision]:
    """New values of enumerations, which can be used when they are committed; what holds a table briefly; what takes long."""
    values, main, online = (_Revision(part) for part in _Part)
    found = list(leaves(upgrade))
    about = _Circumstances.of(found, partitioned)
    for op in found:
        if isinstance(op, ChangeEnumOp) and op.only_adds:
            values.ops.append(op)
        elif isinstance(op, ops.CreateIndexOp | ops.DropIndexOp) and about.can_wait(op):
            online.ops.append(by_partition(op) if op.table_name in partitioned else op)
        elif isinstance(op, ops.AlterColumnOp) and op.modify_nullable is False and not about.is_key(op):
            main.ops += _without_not_null(op)
            online.ops.append(SetNotNullOp(op.table_name, op.column_name))
        elif isinstance(
            op, ops.CreateCheckConstraintOp | ops.CreateForeignKeyOp
        ) and about.can_be_proven_later(op):
            op.kw["postgresql_not_valid"] = True
            main.ops.append(op)
            online.ops.append(ValidateConstraintOp(_table_of(op), str(op.constraint_name)))
        elif isinstance(op, ValidateConstraintOp):
            online.ops.append(op)
        else:
            main.ops.append(op)
    online.ops.sort(key=lambda op: isinstance(op, ValidateConstraintOp))
    return values, main, online


@dataclass
class _Circumstances:
    """What else happens in the revision."""

    made: set[str]
    dropped: set[str]
    changed: dict[str, set[str]]
    """The columns that are dropped, replaced or get another type, by their table."""
    partitioned: set[str]
    keyed: set[tuple[str, str]]
    """The columns of new primary keys, and those that are numbered from now on, with their tables."""

    @classmethod
    def of(cls, found: Sequence[MigrateOperation], partitioned: set[str]) -> _Circumstances:
        changed: dict[str, set[str]] = {}
        for op in found:
            for table, column in _changed_columns(op):
                changed.setdefault(table, set()).add(column)
        return cls(
            {op.table_name for op in found if isinstance(op, ops.CreateTableOp)},
            {op.table_name for op in found if isinstance(op, ops.DropTableOp)},
            changed,
            partitioned,
            _keyed(found),
        )

    def stays(self, table: str) -> bool:
        """Whether it is there before, and after."""
        return table not in self.made | self.dropped

    def is_key(self, op: ops.AlterColumnOp) -> bool:
        """Whether it must not be NULL before the primary key is made, and for as long as that is there."""
        return (op.table_name, op.column_name) in self.keyed

    def can_be_proven_later(self, op: ops.CreateCheckConstraintOp | ops.CreateForeignKeyOp) -> bool:
        """Whether it can be added NOT VALID; PostgreSQL 16 refuses that for the foreign keys of a partitioned table."""
        refused = isinstance(op, ops.CreateForeignKeyOp) and op.source_table in self.partitioned
        return self.stays(_table_of(op)) and not refused

    def can_wait(self, op: ops.CreateIndexOp | ops.DropIndexOp) -> bool:
        """Whether an index can be built or dropped after everything else, and that undone before everything else."""
        table = str(op.table_name)
        changed = self.changed.get(table, set())
        goes = isinstance(op, ops.DropIndexOp)
        return self.stays(table) and not (goes and (changed & _columns(op) or (_has_text(op) and changed)))


def _keyed(found: Sequence[MigrateOperation]) -> set[tuple[str, str]]:
    keys = {(op.table, name) for op in found if isinstance(op, AddPrimaryKeyOp) for name in op.columns}
    return keys | {(op.table, op.column) for op in found if isinstance(op, SetIdentityOp)}


def _changed_columns(op: MigrateOperation) -> Iterable[tuple[str, str]]:
    match op:
        case ops.DropColumnOp():
            return [(op.table_name, op.column_name)]
        case ReplaceColumnOp():
            return [(op.table_name, op.drop.column_name)]
        case ops.AlterColumnOp() if op.modify_type is not None:
            return [(op.table_name, op.column_name)]
        case ChangeEnumOp() if not op.only_adds:
            return op.columns
    return ()


def _columns(op: ops.CreateIndexOp | ops.DropIndexOp) -> set[str]:
    index = op.to_index()
    included = index.dialect_options["postgresql"]["include"] or ()
    return {*index.columns.keys(), *map(str, included)}


def _has_text(op: ops.CreateIndexOp | ops.DropIndexOp) -> bool:
    """Whether it has an expression or a condition, in which any column may be."""
    index = op.to_index()
    where = index.dialect_options["postgresql"]["where"]
    return where is not None or not all(isinstance(item, Column) for item in index.expressions)


def _table_of(op: ops.CreateCheckConstraintOp | ops.CreateForeignKeyOp) -> str:
    return op.table_name if isinstance(op, ops.CreateCheckConstraintOp) else op.source_table


def _without_not_null(op: ops.AlterColumnOp) -> Iterator[MigrateOperation]:
    """What else is altered. The way back to NULL is that of ``SetNotNullOp``."""
    op.modify_nullable = None
    op.existing_nullable = True
    if op.has_changes():
        yield op


def _flagged(op: MigrateOperation, made: set[str], partitioned: set[str]) -> MigrateOperation:
    """``op`` with what is to be known before it runs, or as it is."""
    if isinstance(op, ops.AddColumnOp) and op.table_name not in made:
        return _added(op)
    remark = _remark(op, made, partitioned)
    return Flagged(remark, [op]) if remark else op


def _remark(op: MigrateOperation, made: set[str], partitioned: set[str]) -> str | None:
    remark = None
    match op:
        case ops.DropColumnOp() if op._reverse is None or not _computed(op._reverse.column):
            remark = LOST
        case ops.DropTableOp():
            remark = LOST
        case ReplaceColumnOp():
            remark = REWRITES
        case ChangeTypeOp() if _sizes(op.existing_type, op.modify_type):
            remark = SIZED
        case ChangeTypeOp() if op.rewrites:
            remark = REWRITES
        case ChangeEnumOp() if set(op.existing) - set(op.values):
            remark = NARROWS
        case ChangeEnumOp() if not op.only_adds:
            remark = REWRITES
        case RemovePrimaryKeyOp() if op.others:
            remark = f"{LEANING} {', '.join(sorted(op.others))}"
        case AddPrimaryKeyOp():
            remark = KEYS
        case AddExclusionOp():
            remark = EXCLUDES
        case ops.CreateUniqueConstraintOp() | AddUniqueOp():
            remark = BUILDS
        case ops.CreateIndexOp() if op.table_name in partitioned - made:
            remark = PARTITIONED
    return remark


def _sizes(*kinds: object) -> bool:
    """Whether each has a size, and another one: a vector's dimension, the length of bits."""
    sizes = {kind.length if isinstance(kind, BIT) else getattr(kind, "dim", None) for kind in kinds}
    return len(sizes) > 1 and None not in sizes


def _is_numbered(column: Column[Any]) -> bool:
    table: Table | None = column.table
    return table is not None and table.autoincrement_column is column


def _computed(column: Column[Any]) -> bool:
    return isinstance(column.server_default, Computed)


def _added(op: ops.AddColumnOp) -> MigrateOperation:
    column = op.column
    if isinstance(column.server_default, Computed):
        return Flagged(REWRITES, [op])
    if (
        column.nullable
        or column.server_default is not None
        or column.identity is not None
        or _is_numbered(column)
    ):
        return op
    value = filler(column)
    if value is None:
        return Flagged(EMPTY, [op])
    given = Column(
        column.name, column.type, nullable=False, server_default=text(value), comment=column.comment
    )
    forget = ops.AlterColumnOp(
        op.table_name,
        column.name,
        existing_type=column.type,
        existing_nullable=False,
        modify_server_default=None,
    )
    return Flagged(FILLED, [ops.AddColumnOp(op.table_name, given), forget])
