"""Primary keys: what autogenerate sees of them, and how they are changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Table

from focal_data.database.tenancy import quoted
from focal_data.migration.changes import AddUniqueOp, RemoveUniqueOp
from focal_data.migration.definitions import PRIMARY, Definitions
from focal_data.migration.foreign_keys import ForeignKeys
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
    found: Definitions, table: Table, affected: set[str], keys: ForeignKeys
) -> Iterator[MigrateOperation]:
    """What it takes to have the key of ``table``; its columns in ``affected`` are made anew, and it with them."""
    (old, was), (new, definition) = _key(found.real, table.name), _key(found.wanted, table.name)
    if was == definition and old not in affected:
        if was and old != new:
            yield RenameConstraintOp(table.name, old, new)
        return
    if was:
        removed = RemovePrimaryKeyOp(table.name, old, was)
        ours, removed.others = keys.leaning(table.name, old)
        yield removed
        yield from keys.set_aside(ours)
    if definition:
        added = AddPrimaryKeyOp(table.name, new, definition)
        added.columns = frozenset(column.name for column in table.primary_key.columns)
        yield added


def _key(place: Mapping[tuple[str, str, str], str], table: str) -> tuple[str, str]:
    """Its name and definition, empty where there is none."""
    found = ((name, text) for (kind, t, name), text in place.items() if (kind, t) == (PRIMARY, table))
    return next(found, ("", ""))
