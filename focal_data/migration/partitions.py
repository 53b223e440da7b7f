"""Indexes of partitioned tables, which PostgreSQL doesn't build concurrently: each partition's is, and then attached.

The parent's own is made of nothing (``ON ONLY``), and is valid when all partitions have theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op
from alembic.operations import MigrateOperation, Operations, ops
from sqlalchemy import Column, Index
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex
from sqlalchemy.types import NullType

from focal_data.database.tenancy import literal, quoted
from focal_data.errors import SchemaError
from focal_data.migration.locks import MAX_NAME

_UNATTACHED: Final = """
    SELECT c.oid::regclass::text AS relation, quote_ident(nspname) AS schema, c.relname::text AS name, c.relkind = 'p' AS parts,
           (SELECT i.inhrelid::regclass::text FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid
             WHERE x.indrelid = c.oid AND i.inhparent = to_regclass({index})) AS index
      FROM pg_inherits p JOIN pg_class c ON c.oid = p.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE p.inhparent = {table}::regclass AND c.relkind IN ('r', 'p') AND NOT inhdetachpending
     ORDER BY c.oid"""
_VALID: Final = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass({index})"


@Operations.register_operation("create_index_by_partition", "run")
class CreatePartitionedIndexOp(MigrateOperation):
    """An index of a partitioned table, while everybody goes on reading and writing; the arguments are ``create_index``'s.

    Outside a transaction. Cut off in the middle it is run again, and goes on with the partitions that have none yet.
    """

    def __init__(self, create: ops.CreateIndexOp) -> None:
        self.create = create
        self.table_name = create.table_name

    @classmethod
    def run(cls, operations: Operations, *arguments: Any, **options: Any) -> None:
        operations.invoke(cls(ops.CreateIndexOp(*arguments, **options)))

    def reverse(self) -> MigrateOperation:
        return DropPartitionedIndexOp(ops.DropIndexOp.from_index(self.create.to_index()))

    def to_diff_tuple(self) -> tuple[object, ...]:
        return ("create_index_by_partition", self.create.to_diff_tuple())


@Operations.register_operation("drop_index_by_partition", "run")
class DropPartitionedIndexOp(MigrateOperation):
    """Away with an index of a partitioned table, and with those of its partitions: all at once, and briefly."""

    def __init__(self, drop: ops.DropIndexOp) -> None:
        self.drop = drop
        self.table_name = str(drop.table_name)

    @classmethod
    def run(cls, operations: Operations, index_name: str, *, table_name: str) -> None:
        operations.invoke(cls(ops.DropIndexOp(index_name, table_name)))

    def reverse(self) -> MigrateOperation:
        return CreatePartitionedIndexOp(self.drop.reverse())

    def to_diff_tuple(self) -> tuple[object, ...]:
        return ("drop_index_by_partition", self.drop.to_diff_tuple())


def by_partition(op: ops.CreateIndexOp | ops.DropIndexOp) -> MigrateOperation:
    """The same, written for a partitioned table."""
    return CreatePartitionedIndexOp(op) if isinstance(op, ops.CreateIndexOp) else DropPartitionedIndexOp(op)


@renderers.dispatch_for(CreatePartitionedIndexOp)
def _render_creation(context: AutogenContext, op: CreatePartitionedIndexOp) -> str:
    prefix = context.opts["alembic_module_prefix"]
    (text,) = render_op(context, op.create)
    return text.replace(f"{prefix}create_index(", f"{prefix}create_index_by_partition(", 1)


@renderers.dispatch_for(DropPartitionedIndexOp)
def _render_drop(context: AutogenContext, op: DropPartitionedIndexOp) -> str:
    (text,) = render_op(context, ops.DropIndexOp(op.drop.index_name, op.drop.table_name))
    prefix = context.opts["alembic_module_prefix"]
    return text.replace(f"{prefix}drop_index(", f"{prefix}drop_index_by_partition(", 1)


@Operations.implementation_for(DropPartitionedIndexOp)
def _drop(operations: Operations, op: DropPartitionedIndexOp) -> None:
    operations.execute(f"DROP INDEX IF EXISTS {quoted(str(op.drop.index_name))}")


@Operations.implementation_for(CreatePartitionedIndexOp)
def _create(operations: Operations, op: CreatePartitionedIndexOp) -> None:
    index = _Definition.of(op.create.to_index(operations.migration_context))
    root, table = quoted(index.name), quoted(op.table_name)
    operations.execute(index.on_parent(root, table))
    if operations.migration_context.as_sql:
        operations.execute(_refusal(root, table))
        return
    for statement in _attachments(operations, index, root, table):
        operations.execute(statement)
    if not operations.get_bind().exec_driver_sql(_VALID.format(index=literal(root))).scalar():
        raise SchemaError(
            f"a partition of {op.table_name} has no index {index.name} yet: run the upgrade again"
        )


def _attachments(operations: Operations, index: _Definition, parent: str, table: str) -> Iterator[str]:
    """What is still to be done for the partitions of ``table``, those of partitions first."""
    query = _UNATTACHED.format(index=literal(parent), table=literal(table))
    for row in operations.get_bind().exec_driver_sql(query).mappings().all():
        name = row["index"] or f"{row['schema']}.{quoted(index.name_for(row['name']))}"
        if row["parts"]:
            if row["index"] is None:
                yield index.on_parent(quoted(index.name_for(row["name"])), row["relation"])
            yield from _attachments(operations, index, name, row["relation"])
        elif row["index"] is None:
            yield from index.on_partition(name, quoted(index.name_for(row["name"])), row["relation"])
        if row["index"] is None:
            yield f"ALTER INDEX {parent} ATTACH PARTITION {name}"


@dataclass(frozen=True, slots=True)
class _Definition:
    """An index as it is on every partition: ``definition`` is what follows the table's name."""

    name: str
    unique: bool
    definition: str

    @classmethod
    def of(cls, index: Index) -> _Definition:
        dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # or % is doubled
        assert index.table is not None
        for name in (
            index.dialect_options["postgresql"]["include"] or ()
        ):  # the table is a stand-in, of the keys alone
            if name not in index.table.columns:
                index.table.append_column(Column(name, NullType))
        create = str(CreateIndex(index).compile(dialect=dialect))
        on = f" ON {dialect.identifier_preparer.format_table(index.table)} "
        return cls(str(index.name), bool(index.unique), create.partition(on)[2])

    @property
    def _create(self) -> str:
        return "CREATE UNIQUE INDEX" if self.unique else "CREATE INDEX"

    def name_for(self, partition: str) -> str:
        """That of a partition's, the same each time."""
        plain = f"{self.name}_{partition}"
        if len(plain) <= MAX_NAME:
            return plain
        return f"{self.name[: MAX_NAME - 9]}_{hashlib.sha256(plain.encode()).hexdigest()[:8]}"

    def on_parent(self, name: str, table: str) -> str:
        """Of nothing, and briefly."""
        return _escaped(f"{self._create} IF NOT EXISTS {name} ON ONLY {table} {self.definition}")

    def on_partition(self, qualified: str, name: str, table: str) -> Iterator[str]:
        """One that was cut off is INVALID, and one that was not attached may be of before: built anew."""
        yield "SET lock_timeout = 0"  # who builds concurrently holds nobody up, and waits for every older transaction
        yield f"DROP INDEX CONCURRENTLY IF EXISTS {qualified}"
        yield _escaped(f"{self._create} CONCURRENTLY {name} ON {table} {self.definition}")
        yield "RESET lock_timeout"


def _refusal(root: str, table: str) -> str:
    """In a script, which can't know the partitions."""
    wrong = f"each partition of {table} needs its index, attached to {root}: run this revision with alembic upgrade"
    valid, message = _VALID.format(index=literal(root)), literal(wrong.replace("%", "%%"))
    return f"DO $$ BEGIN IF NOT ({valid}) THEN RAISE {message}; END IF; END $$"


def _escaped(statement: str) -> str:
    """What Alembic would take for a parameter, a colon and a word, is none."""
    return statement.replace(":", "\\:")
