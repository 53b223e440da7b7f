"""A statement compiled once: SQLAlchemy's expression on one side, the text and arguments that asyncpg takes on the other.

Compiling per call costs more than the query (+130 to +180 µs against 34 µs of a point read, docs/decisions/0006), so a
repository builds its statements once, with ``bindparam``, and hands them to the driver without SQLAlchemy in between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Delete, Dialect, Index, SelectBase, Table, UpdateBase
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.schema import ColumnCollectionConstraint
from sqlalchemy.sql import Executable, visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeDecorator, TypeEngine

from focal_data.errors import InvalidDataError

Encoder = Callable[[Any], Any]
_UNFIT: Final = (LookupError, TypeError, ValueError, AttributeError)


_LARGE_FLOAT: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|(-?[\d.]+e\+?1[6-9])(?!\d)')
"""A number from 1e16 to 1e20, or a string, so that what looks like such a number inside of one is passed over."""


def json_text(value: object) -> str:
    """``value`` as JSON text, which is what the driver takes for JSON and JSONB.

    JSONB would keep 1e16 as an integer, and one beyond 64 bits could not be read again: written out with ``.0`` it is a float.
    """
    text = orjson.dumps(value).decode()
    return _LARGE_FLOAT.sub(_written_out, text) if "e1" in text or "e+1" in text else text


def _written_out(found: re.Match[str]) -> str:
    return f"{float(found[1]):.1f}" if found[1] else found[0]


DIALECT: Final[Dialect] = asyncpg_dialect(  # type: ignore[no-untyped-call]
    json_serializer=json_text, json_deserializer=orjson.loads
)


class Statement:
    """SQL with ``$n`` for asyncpg, and how named values become its arguments."""

    __slots__ = ("_defaults", "_parameters", "deletes", "reads", "sql", "tables")

    def __init__(self, clause: Executable) -> None:
        compiled = clause.compile(dialect=DIALECT)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        self.sql: str = compiled.string
        self.deletes = isinstance(clause, Delete)
        nodes = tuple(visitors.iterate(clause))  # type: ignore[arg-type]
        self.tables = tuple(node for node in nodes if isinstance(node, Table))
        self.reads = isinstance(clause, SelectBase) and not any(
            isinstance(node, UpdateBase) for node in nodes
        )
        names = tuple(compiled.positiontup or ())
        self._parameters = tuple((name, _encoder(compiled, name)) for name in names)
        self._defaults = {name: compiled.params[name] for name in names if not compiled.binds[name].required}

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The driver's arguments in order; a name that is not given takes the value it was built with.

        Raises ``InvalidDataError`` with the name of one that its column's type can't take.
        """
        if self._defaults:
            values = {**self._defaults, **values}
        try:
            return [
                encode(values[name]) if encode is not None else values[name]
                for name, encode in self._parameters
            ]
        except _UNFIT:
            refused = self._refused(values)
        raise refused

    def _refused(self, values: Mapping[str, Any]) -> InvalidDataError:
        for name, encode in self._parameters:
            value = values[name]
            try:
                _ = encode is not None and encode(value)
            except _UNFIT:
                return InvalidDataError(name, _REASONS.get(encode, "is not what the column takes"))
        raise AssertionError("every value was taken the second time")

    @property
    def names(self) -> list[str]:
        """Its parameters, in the order of ``arguments``."""
        return [name for name, _ in self._parameters]

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

    def referred_entity(self, constraint: str) -> str | None:
        """What a foreign key of the tables in this statement points to, by the name that errors speak of it."""
        for table in self.tables:
            for known in table.foreign_key_constraints:
                if known.name == constraint:
                    parent = known.referred_table
                    return str(parent.info.get("entity", parent.name))
        return None


def _encoder(compiled: SQLCompiler, name: str) -> Encoder | None:
    kind = compiled.binds[name].type
    encode = kind.dialect_impl(DIALECT).bind_processor(DIALECT)
    if isinstance(kind, ARRAY):
        return _each(encode, _checker(kind.item_type))
    return encode or _checker(kind)


def _checker(kind: TypeEngine[Any]) -> Encoder | None:
    """The driver takes text for an id and bytes for text, and leaves a NUL to the server, which ends the transaction."""
    plain = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
    try:
        return _CHECKERS.get(plain.python_type)
    except NotImplementedError:  # nobody knows what it is
        return None


def _uuid(value: object) -> object:
    if value is None or isinstance(value, UUID):
        return value
    raise TypeError


def _text(value: object) -> object:
    if value is None or (isinstance(value, str) and "\0" not in value):
        return value
    raise TypeError


def _each(encode: Encoder | None, check: Encoder | None) -> Encoder | None:
    if check is None:
        return encode

    def encoded(value: Any) -> Any:
        if isinstance(value, str | bytes):
            raise TypeError
        items = None if value is None else [check(item) for item in value]
        return encode(items) if encode is not None else items

    return encoded


_CHECKERS: Final[dict[type, Encoder]] = {UUID: _uuid, str: _text}
_REASONS: Final[dict[Encoder | None, str]] = {
    _uuid: "must be a uuid.UUID",
    _text: "must be text without NUL",
}
