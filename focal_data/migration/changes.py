"""What a revision may do besides, whoever's tables they are: statistics, constraints, and what a live system needs.

What runs outside a transaction can be run again after it was cut off in the middle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alembic.operations import MigrateOperation, Operations

from focal_data.database.tenancy import quoted
from focal_data.migration.operations import FocalOperation, Implied, Subject


@Operations.register_operation("create_statistics", "run")
@dataclass
class CreateStatisticsOp(FocalOperation):
    """Extended statistics of ``table``: ``definition`` is what stands between their name and ``FROM``."""

    name = "create_statistics"
    statistics_name: str
    table: str
    definition: str

    @classmethod
    def run(cls, operations: Operations, statistics_name: str, table: str, definition: str) -> None:
        operations.invoke(cls(statistics_name, table, definition))

    def statements(self, subject: Subject) -> Iterable[str]:
        name, table = quoted(self.statistics_name), quoted(self.table)
        return [f"CREATE STATISTICS {name} {self.definition} FROM {table}"]

    def inverse(self) -> MigrateOperation:
        return DropStatisticsOp(self.statistics_name, self.table, self.definition)


@Operations.register_operation("drop_statistics", "run")
@dataclass
class DropStatisticsOp(FocalOperation):
    """Away with extended statistics; ``definition`` brings them back."""

    name = "drop_statistics"
    statistics_name: str
    table: str
    definition: str

    @classmethod
    def run(cls, operations: Operations, statistics_name: str, table: str, definition: str) -> None:
        operations.invoke(cls(statistics_name, table, definition))

    def statements(self, subject: Subject) -> Iterable[str]:
        return [f"DROP STATISTICS {quoted(self.statistics_name)}"]

    def inverse(self) -> MigrateOperation:
        return CreateStatisticsOp(self.statistics_name, self.table, self.definition)


@Operations.register_operation("add_unique", "run")
@dataclass
class AddUniqueOp(FocalOperation):
    """A unique constraint that includes columns, as PostgreSQL defines it; Alembic's own can't have them."""

    name = "add_unique"
    table: str
    constraint: str
    definition: str

    @classmethod
    def run(cls, operations: Operations, table: str, constraint: str, definition: str) -> None:
        operations.invoke(cls(table, constraint, definition))

    def statements(self, subject: Subject) -> Iterable[str]:
        return [
            f"ALTER TABLE {quoted(self.table)} ADD CONSTRAINT {quoted(self.constraint)} {self.definition}"
        ]

    def inverse(self) -> MigrateOperation:
        return RemoveUniqueOp(self.table, self.constraint, self.definition)


@Operations.register_operation("remove_unique", "run")
@dataclass
class RemoveUniqueOp(FocalOperation):
    """Away with it; ``definition`` brings it back."""

    name = "remove_unique"
    table: str
    constraint: str
    definition: str

    @classmethod
    def run(cls, operations: Operations, table: str, constraint: str, definition: str) -> None:
        operations.invoke(cls(table, constraint, definition))

    def statements(self, subject: Subject) -> Iterable[str]:
        return [f"ALTER TABLE {quoted(self.table)} DROP CONSTRAINT {quoted(self.constraint)}"]

    def inverse(self) -> MigrateOperation:
        return AddUniqueOp(self.table, self.constraint, self.definition)


@Operations.register_operation("add_exclusion", "run")
@dataclass
class AddExclusionOp(AddUniqueOp):
    """An exclusion constraint, as PostgreSQL defines it: ``EXCLUDE USING gist (…)``."""

    name = "add_exclusion"

    def inverse(self) -> MigrateOperation:
        return RemoveExclusionOp(self.table, self.constraint, self.definition)


@Operations.register_operation("remove_exclusion", "run")
@dataclass
class RemoveExclusionOp(RemoveUniqueOp):
    """Away with it; ``definition`` brings it back."""

    name = "remove_exclusion"

    def inverse(self) -> MigrateOperation:
        return AddExclusionOp(self.table, self.constraint, self.definition)


@Operations.register_operation("validate_constraint", "run")
@dataclass
class ValidateConstraintOp(FocalOperation):
    """Look at the rows there are, while everybody goes on reading and writing."""

    name = "validate_constraint"
    table: str
    constraint: str

    @classmethod
    def run(cls, operations: Operations, table: str, constraint: str) -> None:
        operations.invoke(cls(table, constraint))

    def statements(self, subject: Subject) -> Iterable[str]:
        return [f"ALTER TABLE {quoted(self.table)} VALIDATE CONSTRAINT {quoted(self.constraint)}"]

    def inverse(self) -> MigrateOperation:
        return Implied(self)


@Operations.register_operation("set_not_null", "run")
@dataclass
class SetNotNullOp(FocalOperation):
    """NOT NULL without holding the table while its rows are looked at: by way of a CHECK that is validated first.

    Outside a transaction, or the first lock is kept to the end.
    """

    name = "set_not_null"
    table: str
    column: str

    @classmethod
    def run(cls, operations: Operations, table: str, column: str) -> None:
        operations.invoke(cls(table, column))

    def statements(self, subject: Subject) -> Iterable[str]:
        alter, column = f"ALTER TABLE {quoted(self.table)}", quoted(self.column)
        check = quoted(f"ck_{self.column[:40]}_not_null_for_now")
        yield f"{alter} DROP CONSTRAINT IF EXISTS {check}"
        yield f"{alter} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID"
        yield f"{alter} VALIDATE CONSTRAINT {check}"
        yield f"{alter} ALTER COLUMN {column} SET NOT NULL"
        yield f"{alter} DROP CONSTRAINT {check}"

    def inverse(self) -> MigrateOperation:
        return DropNotNullOp(self.table, self.column)


@Operations.register_operation("drop_not_null", "run")
@dataclass
class DropNotNullOp(FocalOperation):
    """Allow NULL again."""

    name = "drop_not_null"
    table: str
    column: str

    @classmethod
    def run(cls, operations: Operations, table: str, column: str) -> None:
        operations.invoke(cls(table, column))

    def statements(self, subject: Subject) -> Iterable[str]:
        return [f"ALTER TABLE {quoted(self.table)} ALTER COLUMN {quoted(self.column)} DROP NOT NULL"]

    def inverse(self) -> MigrateOperation:
        return SetNotNullOp(self.table, self.column)
