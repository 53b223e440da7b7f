"""What a revision may do besides, whoever's tables they are: enumerations, extended statistics, and what a live system needs.

What runs outside a transaction can be run again after it was cut off in the middle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from alembic.operations import MigrateOperation, Operations

from focal_data.database.tenancy import literal, quoted
from focal_data.migration.operations import FocalOperation, Implied, Subject

_MAX_NAME: Final = 63


@Operations.register_operation("create_enum", "run")
@dataclass
class CreateEnumOp(FocalOperation):
    """A native enumeration, before the columns that have it."""

    name = "create_enum"
    type_name: str
    values: list[str]

    @classmethod
    def run(cls, operations: Operations, type_name: str, values: Sequence[str]) -> None:
        operations.invoke(cls(type_name, list(values)))

    def statements(self, subject: Subject) -> Iterable[str]:
        return [f"CREATE TYPE {quoted(self.type_name)} AS ENUM ({_listed(self.values)})"]

    def inverse(self) -> MigrateOperation:
        return DropEnumOp(self.type_name, self.values)


@Operations.register_operation("drop_enum", "run")
@dataclass
class DropEnumOp(FocalOperation):
    """Away with a native enumeration that no column has any more."""

    name = "drop_enum"
    type_name: str
    values: list[str]

    @classmethod
    def run(cls, operations: Operations, type_name: str, values: Sequence[str]) -> None:
        operations.invoke(cls(type_name, list(values)))

    def statements(self, subject: Subject) -> Iterable[str]:
        return [f"DROP TYPE {quoted(self.type_name)}"]

    def inverse(self) -> MigrateOperation:
        return CreateEnumOp(self.type_name, self.values)


@Operations.register_operation("change_enum", "run")
@dataclass
class ChangeEnumOp(FocalOperation):
    """The values of a native enumeration. Values are added in place; to take one away writes every row anew."""

    name = "change_enum"
    type_name: str
    values: list[str]
    existing: list[str] = field(kw_only=True)

    @classmethod
    def run(
        cls, operations: Operations, type_name: str, values: Sequence[str], *, existing: Sequence[str]
    ) -> None:
        operations.invoke(cls(type_name, list(values), existing=list(existing)))

    @property
    def only_adds(self) -> bool:
        """Whether the values there are stay, in their order."""
        return [value for value in self.values if value in self.existing] == self.existing

    def statements(self, subject: Subject) -> Iterable[str]:
        return self._additions() if self.only_adds else [self._replacement()]

    def _additions(self) -> Iterator[str]:
        """Each before the next of those there are, or at the end: in order, they fall in place."""
        for position, value in enumerate(self.values):
            if value not in self.existing:
                later = [known for known in self.values[position:] if known in self.existing]
                where = f" BEFORE {literal(later[0])}" if later else ""
                yield f"ALTER TYPE {quoted(self.type_name)} ADD VALUE IF NOT EXISTS {literal(value)}{where}"

    def _replacement(self) -> str:
        kind, old = quoted(self.type_name), f"{self.type_name[: _MAX_NAME - 5]}__old"
        return f"""
        DO $$ DECLARE it record; BEGIN
          ALTER TYPE {kind} RENAME TO {quoted(old)};
          CREATE TYPE {kind} AS ENUM ({_listed(self.values)});
          FOR it IN
            SELECT attrelid::regclass AS relation, attname, pg_get_expr(adbin, adrelid) AS value,
                   CASE WHEN t.typelem <> 0 THEN '[]' ELSE '' END AS suffix
              FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_type t ON t.oid = atttypid
              LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
             WHERE relkind IN ('r', 'p') AND NOT attisdropped
               AND {literal(quoted(old))}::regtype IN (t.oid, nullif(t.typelem, 0))
          LOOP
            IF it.value IS NOT NULL THEN
              EXECUTE format('ALTER TABLE %s ALTER %I DROP DEFAULT', it.relation, it.attname);
            END IF;
            EXECUTE format('ALTER TABLE %1$s ALTER %2$I TYPE %3$s%4$s USING %2$I::text%4$s::%3$s%4$s',
                           it.relation, it.attname, {literal(kind)}, it.suffix);
            IF it.value IS NOT NULL THEN
              EXECUTE format('ALTER TABLE %s ALTER %I SET DEFAULT %s', it.relation, it.attname,
                             replace(it.value, {literal(old)}, {literal(self.type_name)}));
            END IF;
          END LOOP;
          DROP TYPE {quoted(old)};
        END $$"""  # noqa: S608  (names are quoted here)

    def inverse(self) -> MigrateOperation:
        return ChangeEnumOp(self.type_name, self.existing, existing=self.values)


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


def _listed(values: Sequence[str]) -> str:
    return ", ".join(map(literal, values))
