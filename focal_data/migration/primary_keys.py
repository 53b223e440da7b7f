"""Primary keys: what autogenerate sees of them, and how they are changed, with the foreign keys that lean on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from alembic.operations import MigrateOperation, Operations, ops
from sqlalchemy import ForeignKeyConstraint, Table
from sqlalchemy.sql.elements import conv

from focal_data.database.tenancy import quoted
from focal_data.migration.changes import AddUniqueOp, RemoveUniqueOp
from focal_data.migration.definitions import LEANING, PRIMARY, Definitions
from focal_data.migration.operations import FocalOperation, Subject


@Operations.register_operation("add_primary_key", "run")
@dataclass
class AddPrimaryKeyOp(AddUniqueOp):
    """A primary key, as PostgreSQL defines it: ``PRIMARY KEY (…)``."""

    name = "add_primary_key"
    columns = frozenset[str]()
    """Those it is made of, where autogenerate has found it."""

    def inverse(self) -> MigrateOperation:
        return RemovePrimaryKeyOp(self.table, self.constraint, self.definition)


@Operations.register_operation("remove_primary_key", "run")
@dataclass
class RemovePrimaryKeyOp(RemoveUniqueOp):
    """Away with it; ``definition`` brings it back."""

    name = "remove_primary_key"
    others = frozenset[str]()
    """The foreign keys that lean on it and are not ours to drop."""

    def inverse(self) -> MigrateOperation:
        return AddPrimaryKeyOp(self.table, self.constraint, self.definition)


@Operations.register_operation("rename_constraint", "run")
@dataclass
class RenameConstraintOp(FocalOperation):
    """Another name for a constraint, and for its index."""

    name = "rename_constraint"
    table: str
    constraint: str
    new: str

    @classmethod
    def run(cls, operations: Operations, table: str, constraint: str, new: str) -> None:
        operations.invoke(cls(table, constraint, new))

    def statements(self, subject: Subject) -> Iterable[str]:
        return [
            f"ALTER TABLE {quoted(self.table)} RENAME CONSTRAINT {quoted(self.constraint)} TO {quoted(self.new)}"
        ]

    def inverse(self) -> MigrateOperation:
        return RenameConstraintOp(self.table, self.new, self.constraint)


def primary_key_changes(
    found: Definitions, table: Table, affected: set[str], reflected: Mapping[str, Table]
) -> Iterator[MigrateOperation]:
    """What it takes to have the key of ``table``; its columns in ``affected`` are made anew, and it with them."""
    (old, was), (new, definition) = _key(found.real, table.name), _key(found.wanted, table.name)
    if was == definition and old not in affected:
        if was and old != new:
            yield RenameConstraintOp(table.name, old, new)
        return
    if was:
        removed = RemovePrimaryKeyOp(table.name, old, was)
        ours, removed.others = _leaning(found, table.name, reflected)
        yield removed
        for key in ours:
            yield ops.DropConstraintOp(
                conv(str(key.name)), key.parent.name, type_="foreignkey", _reverse=_made_again(key)
            )
            if definition and key.parent.name in found.existing:
                yield _made_again(key)
    if definition:
        added = AddPrimaryKeyOp(table.name, new, definition)
        added.columns = frozenset(column.name for column in table.primary_key.columns)
        yield added


def _key(place: Mapping[tuple[str, str, str], str], table: str) -> tuple[str, str]:
    """Its name and definition, empty where there is none."""
    found = ((name, text) for (kind, t, name), text in place.items() if (kind, t) == (PRIMARY, table))
    return next(found, ("", ""))


def _leaning(
    found: Definitions, table: str, reflected: Mapping[str, Table]
) -> tuple[list[ForeignKeyConstraint], frozenset[str]]:
    """The foreign keys that need its index: those of our tables, and the names of the others."""
    names = {name for kind, t, name in found.real if (kind, t) == (LEANING, table)}
    keys = {
        f"{key.parent.name}.{key.name}": key for t in reflected.values() for key in t.foreign_key_constraints
    }
    return [keys[name] for name in sorted(names & keys.keys())], frozenset(names - keys.keys())


def _made_again(key: ForeignKeyConstraint) -> ops.CreateForeignKeyOp:
    """As it is; what it refers to is a name only, where its table is dropped."""
    (referred, *_), columns = zip(*(_place(element.target_fullname) for element in key.elements), strict=True)
    given = {name: getattr(key, name) for name in _OPTIONS if getattr(key, name) is not None}
    return ops.CreateForeignKeyOp(
        conv(str(key.name)), key.parent.name, referred, list(key.column_keys), list(columns), **given
    )


_OPTIONS: Final = ("onupdate", "ondelete", "initially", "deferrable", "match")


def _place(column: str) -> tuple[str, str]:
    table, _, name = column.rpartition(".")
    return table, name


def dropped_once(operations: Sequence[MigrateOperation]) -> list[MigrateOperation]:
    """Without a foreign key that goes a second time: Alembic drops it anyway, or drops its table."""
    kept: dict[object, MigrateOperation] = {}
    drops = [op for op in operations if isinstance(op, ops.DropTableOp)]
    for number, op in enumerate(operations):
        key: object = number
        if isinstance(op, ops.DropConstraintOp) and op.constraint_type == "foreignkey":
            key = ("-", op.table_name, op.constraint_name)
            for drop in drops:
                _take_out(op, drop)
        elif isinstance(op, ops.CreateForeignKeyOp):
            key = ("+", op.source_table, op.constraint_name)
        kept.setdefault(key, op)
    return list(kept.values())


def _take_out(op: ops.DropConstraintOp, drop: ops.DropTableOp) -> None:
    """What goes before its table must not come back with it."""
    if drop.table_name == op.table_name and drop._reverse is not None:
        drop._reverse.columns = [
            item
            for item in drop._reverse.columns
            if not isinstance(item, ForeignKeyConstraint) or item.name != op.constraint_name
        ]
