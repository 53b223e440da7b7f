"""Questions about the shape of a table that SQLAlchemy does not answer by itself; the lint asks them."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    Constraint,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import Computed, DefaultClause
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.types import TypeDecorator, TypeEngine

KEYS: Final = (PrimaryKeyConstraint, UniqueConstraint)

_KINDS: Final[dict[type[Constraint], str]] = {
    PrimaryKeyConstraint: "primary key",
    UniqueConstraint: "unique constraint",
    ForeignKeyConstraint: "foreign key",
    CheckConstraint: "check",
}
_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]
_DIALECT.max_identifier_length = 10_000  # a name that is too long is to be seen, not cut


def constraints(table: Table, *kinds: type[Constraint]) -> list[Any]:
    """The constraints of these kinds, ordered by kind and name."""
    found = [constraint for constraint in table.constraints if isinstance(constraint, kinds)]
    return sorted(found, key=lambda constraint: (type(constraint).__name__, name_of(constraint) or ""))


def foreign_keys(table: Table) -> list[ForeignKeyConstraint]:
    """The foreign keys, ordered by name."""
    return constraints(table, ForeignKeyConstraint)


def indexes(table: Table) -> list[Index]:
    """The indexes, those of keys excepted, ordered by name."""
    return sorted(table.indexes, key=lambda index: name_of(index) or "")


def ordered(index: Index) -> bool:
    """Whether it is a B-tree: the other methods have no first column, or none that could be the tenant."""
    return option(index, "using") in ("", "btree")


def everything_named(table: Table) -> list[Constraint | Index]:
    """All that has a name beside the table: its constraints and indexes."""
    found = constraints(table, *_KINDS)
    return [item for item in found if isinstance(item, CheckConstraint) or item.columns] + indexes(table)


def relation_names(table: Table) -> list[str]:
    """The names that are relations' in PostgreSQL, of which a schema holds one each: the table's and its indexes'."""
    items = [*constraints(table, *KEYS), *indexes(table)]
    return [table.name, *(name for item in items if (name := name_of(item)))]


def searchable(table: Table, column: str) -> Iterator[list[str]]:
    """The columns of every index by which all rows with a given value of ``column`` are found."""
    yield from (constraint.columns.keys() for constraint in constraints(table, *KEYS))
    for index in indexes(table):
        where = option(index, "where").removeprefix(f"{table.name}.")
        if ordered(index) and where in ("", f"{column} IS NOT NULL"):
            yield columns_of(index)


def columns_of(index: Index) -> list[str]:
    """The names of what it indexes, in order; an expression stands for itself."""
    plain = (e.element if isinstance(e, UnaryExpression) else e for e in index.expressions)
    return [e.name if isinstance(e, Column) else str(e) for e in plain]


def option(index: Index, name: str) -> str:
    """Its PostgreSQL option ``name`` (``using``, ``where``, ``include``) as text, empty where it has none."""
    value = index.dialect_options["postgresql"][name]
    absent = value is None or value is False or (isinstance(value, list | tuple) and not value)
    return "" if absent else str(value)


def name_of(item: Constraint | Index) -> str | None:
    """Its name by the naming convention, uncut; ``None`` where it has none."""
    if item.name is None:
        return None
    preparer = _DIALECT.identifier_preparer
    name = preparer.format_index(item) if isinstance(item, Index) else preparer.format_constraint(item)
    return name.strip('"') if name else None


def called(item: Constraint | Index) -> str:
    """Its kind and its name, or what it is about where it has no name."""
    kind = "index" if isinstance(item, Index) else _KINDS[type(item)]
    return f"{kind} {name_of(item) or f'of {_subject(item)}'}"


def stored(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type beneath decorators and arrays."""
    while isinstance(kind, TypeDecorator | ARRAY):
        kind = kind.impl_instance if isinstance(kind, TypeDecorator) else kind.item_type
    return kind


def sql_type(column: Column[Any]) -> str:
    """Its type as PostgreSQL is told it."""
    return str(column.type.compile(_DIALECT))


def target_of(fullname: str, metadata: MetaData) -> Column[Any] | None:
    """The column ``table.column``, or ``None`` where ``metadata`` does not have it."""
    table, _, column = fullname.rpartition(".")
    return metadata.tables[table].columns.get(column) if table in metadata.tables else None


def server_default(column: Column[Any]) -> str:
    """The SQL of its default on the server, empty where it has none."""
    default = column.server_default
    return (
        str(default.arg) if isinstance(default, DefaultClause) and not isinstance(default, Computed) else ""
    )


def _subject(item: Any) -> str:
    return str(item.sqltext) if isinstance(item, CheckConstraint) else ", ".join(item.columns.keys())
