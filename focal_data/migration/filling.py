"""What rows that are there get in a new column that must not be NULL."""

from __future__ import annotations

from typing import Any, Final

from pgvector.sqlalchemy import HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Time,
    Uuid,
)
from sqlalchemy.dialects.postgresql import BIT, CIDR, HSTORE, INET, INTERVAL, JSONB, TSVECTOR
from sqlalchemy.dialects.postgresql.ranges import AbstractMultiRange, AbstractRange
from sqlalchemy.types import ARRAY, JSON, Float, TypeEngine

from focal_data.database.tenancy import literal
from focal_data.tables.shape import stored


def filler(column: Column[Any]) -> str | None:
    """What rows get that are there: what new ones get by default, or else the type's own nothing."""
    if column.default is not None and getattr(column.default, "is_scalar", False):
        value = column.default.arg  # type: ignore[attr-defined]
        if isinstance(value, bool | int | float | str):
            return str(value).lower() if isinstance(value, bool) else literal(str(value))
    return _nothing(column.type)


_NOTHINGS: Final[tuple[tuple[type[TypeEngine[Any]], str], ...]] = (
    (Boolean, "false"),
    (Integer, "0"),
    (Numeric, "0"),
    (Float, "0"),
    (Uuid, "'00000000-0000-0000-0000-000000000000'"),
    (DateTime, "'epoch'"),
    (Date, "'epoch'"),
    (Time, "'00:00'"),
    (LargeBinary, "''"),
    (ARRAY, "'{}'"),
    (JSONB, "'{}'"),
    (JSON, "'{}'"),
    (INTERVAL, "'0'"),
    (TSVECTOR, "''"),
    (HSTORE, "''"),
    (INET, "'0.0.0.0/0'"),
    (CIDR, "'0.0.0.0/0'"),
    (AbstractMultiRange, "'{}'"),
    (AbstractRange, "'empty'"),
)


def _nothing(kind: TypeEngine[Any]) -> str | None:
    if isinstance(kind, ARRAY):
        return "'{}'"
    if isinstance(kind, Interval):  # beneath it is a time, for databases without intervals
        return "'0'"
    plain = stored(kind)
    if isinstance(plain, Enum):
        return literal(plain.enums[0])
    if isinstance(plain, HALFVEC | VECTOR) and plain.dim:
        return f"array_fill(0, ARRAY[{plain.dim}])::{plain.get_col_spec()}"
    if isinstance(plain, SPARSEVEC) and plain.dim:
        return f"'{{}}/{plain.dim}'"
    if isinstance(plain, BIT):
        return f"B'{'' if plain.varying else '0' * (plain.length or 1)}'"
    if isinstance(plain, String):
        return "''"
    return next((text for known, text in _NOTHINGS if isinstance(plain, known)), None)
