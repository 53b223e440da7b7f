"""Indexes of partitioned tables, which PostgreSQL doesn't build concurrently: each partition's is, and then attached.

The parent's own is made of nothing (``ON ONLY``), and is valid when all partitions have theirs. A partition that is a foreign
table never has one, so where there are such the parent's is made last, of those that the others then have.
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
from sqlalchemy import Column, Connection, Index, RowMapping
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex
from sqlalchemy.types import NullType

from focal_data.database.tenancy import literal, quoted
from focal_data.errors import SchemaError
from focal_data.migration.locks import MAX_NAME
from focal_data.migration.operations import escaped

_PARTITIONS: Final = """
    SELECT c.oid::regclass::text AS relation, quote_ident(nspname) AS schema, c.relname::text AS name, c.relkind::text AS kind,
           (SELECT i.inhrelid::regclass::text FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid
             WHERE x.indrelid = c.oid AND i.inhparent = to_regclass({index})) AS index
      FROM pg_inherits p JOIN pg_class c ON c.oid = p.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE p.inhparent = {table}::regclass AND c.relkind IN ('r', 'p', 'f') AND NOT inhdetachpending
     ORDER BY c.oid"""
_FOREIGN: Final = """
    SELECT string_agg(relid::text, ', ' ORDER BY relid::text)
      FROM pg_partition_tree({table}::regclass) JOIN pg_class c ON c.oid = relid WHERE relkind = 'f'"""
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
    if operations.migration_context.as_sql:
        operations.execute(index.on_parent(root, table))
        operations.execute(_refusal(root, table))
        return
    connection = operations.get_bind()
    foreign = connection.exec_driver_sql(_FOREIGN.format(table=literal(table))).scalar()
    if index.unique and foreign:
        raise SchemaError(
            f"index {index.name} can't be unique: {op.table_name} has partitions that are foreign tables ({foreign}),"
            " and PostgreSQL makes no unique index over these"
        )
    if foreign and _is_valid(connection, root) is False:
        operations.execute(f"DROP INDEX {root}")  # what was made of nothing never becomes valid beside them
    for statement in _statements(connection, index, _Place(table, root, root)):
        operations.execute(statement)
    if not _is_valid(connection, root):
        raise SchemaError(
            f"a partition of {op.table_name} has no index {index.name} yet: run the upgrade again"
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """A table and the name of its index, all as SQL; it is made by its ``bare`` name, and lies where its table does."""

    table: str
    bare: str
    index: str

    @classmethod
    def of(cls, row: RowMapping, index: _Definition) -> _Place:
        bare = quoted(index.name_for(row["name"]))
        return cls(row["relation"], bare, row["index"] or f"{row['schema']}.{bare}")


def _is_valid(connection: Connection, index: str) -> bool | None:
    """``None`` where there is none of that name."""
    valid: bool | None = connection.exec_driver_sql(_VALID.format(index=literal(index))).scalar()
    return valid


def _statements(connection: Connection, index: _Definition, place: _Place) -> Iterator[str]:
    """What is still to be done for a partitioned table to have its index, its partitions' partitions first."""
    valid = _is_valid(connection, place.index)
    if valid:
        return
    query = _PARTITIONS.format(index=literal(place.index), table=literal(place.table))
    rows = connection.exec_driver_sql(query).mappings().all()
    ours = [row for row in rows if row["kind"] != "f"]
    attached = len(ours) == len(rows)
    if attached and valid is None:
        yield index.on_parent(place.bare, place.table)
    for row in ours:
        inner = _Place.of(row, index)
        if row["kind"] == "p":
            yield from _statements(connection, index, inner)
        elif row["index"] is None:
            yield from index.on_partition(inner)
        if attached and row["index"] is None:
            yield f"ALTER INDEX {place.index} ATTACH PARTITION {inner.index}"
    if not attached:
        yield index.on_all(place.bare, place.table)


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
        return escaped(f"{self._create} IF NOT EXISTS {name} ON ONLY {table} {self.definition}")

    def on_all(self, name: str, table: str) -> str:
        """Of those of its partitions, which are like it and there by now: briefly, too, and leaving out foreign tables."""
        return escaped(f"{self._create} IF NOT EXISTS {name} ON {table} {self.definition}")

    def on_partition(self, place: _Place) -> Iterator[str]:
        """One that was cut off is INVALID, and one that was not attached may be of before: built anew."""
        yield "SET lock_timeout = 0"  # who builds concurrently holds nobody up, and waits for every older transaction
        yield f"DROP INDEX CONCURRENTLY IF EXISTS {place.index}"
        yield escaped(f"{self._create} CONCURRENTLY {place.bare} ON {place.table} {self.definition}")
        yield "RESET lock_timeout"


def _refusal(root: str, table: str) -> str:
    """In a script, which can't know the partitions."""
    wrong = f"each partition of {table} needs its index, attached to {root}: run this revision with alembic upgrade"
    valid, message = _VALID.format(index=literal(root)), literal(wrong.replace("%", "%%"))
    return f"DO $$ BEGIN IF NOT ({valid}) THEN RAISE {message}; END IF; END $$"
