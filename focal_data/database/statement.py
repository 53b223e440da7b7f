"""A statement compiled once: SQLAlchemy's expression on one side, the text and arguments that asyncpg takes on the other.

Compiling per call costs more than the query (+130 to +180 µs against 34 µs of a point read, docs/decisions/0006), so a
repository builds its statements once, with ``bindparam``, and hands them to the driver without SQLAlchemy in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from sqlalchemy import Delete, Dialect, ForeignKeyConstraint, Index, Table
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.schema import ColumnCollectionConstraint
from sqlalchemy.sql import Executable, visitors
from sqlalchemy.sql.compiler import SQLCompiler

Encoder = Callable[[Any], Any]


def json_text(value: object) -> str:
    """``value`` as JSON text, which is what the driver takes for JSON and JSONB."""
    return orjson.dumps(value).decode()


DIALECT: Final[Dialect] = asyncpg_dialect(  # type: ignore[no-untyped-call]
    json_serializer=json_text, json_deserializer=orjson.loads
)


class Statement:
    """SQL with ``$n`` for asyncpg, and how named values become its arguments."""

    __slots__ = ("_defaults", "_parameters", "deletes", "sql", "tables")

    def __init__(self, clause: Executable) -> None:
        compiled = clause.compile(dialect=DIALECT)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        self.sql: str = compiled.string
        self.deletes = isinstance(clause, Delete)
        self.tables = tuple(node for node in visitors.iterate(clause) if isinstance(node, Table))  # type: ignore[arg-type]
        names = tuple(compiled.positiontup or ())
        self._parameters = tuple((name, _encoder(compiled, name)) for name in names)
        self._defaults = {name: compiled.params[name] for name in names if not compiled.binds[name].required}

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The driver's arguments in order; a name that is not given takes the value it was built with."""
        if self._defaults:
            values = {**self._defaults, **values}
        return [
            encode(values[name]) if encode is not None else values[name] for name, encode in self._parameters
        ]

    def parameter(self, position: int) -> str:
        """The name of parameter ``$position``."""
        return self._parameters[position - 1][0]

    def columns_of(self, constraint: str) -> tuple[str, ...]:
        """The columns of a named constraint or unique index of the tables in this statement, without the tenant."""
        for table in self.tables:
            for known in (*table.constraints, *table.indexes):
                if isinstance(known, ColumnCollectionConstraint | Index) and known.name == constraint:
                    return tuple(column.name for column in known.columns if column.name != "tenant_id")
        return ()

    def referred_table(self, constraint: str) -> str | None:
        """The table that a foreign key of the tables in this statement points to."""
        for table in self.tables:
            for known in table.constraints:
                if known.name == constraint and isinstance(known, ForeignKeyConstraint):
                    return known.elements[0].target_fullname.split(".")[0]
        return None


def _encoder(compiled: SQLCompiler, name: str) -> Encoder | None:
    return compiled.binds[name].type.dialect_impl(DIALECT).bind_processor(DIALECT)
