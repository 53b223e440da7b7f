"""The column types that tables are made of: half-precision vectors, UTC times, string enumerations, typed JSONB."""

import struct
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final

import numpy as np
import orjson
from asyncpg import BitString
from numpy.typing import ArrayLike
from pgvector import HalfVector as HalfVec
from pgvector.sqlalchemy import HALFVEC
from pydantic import JsonValue, TypeAdapter
from sqlalchemy import (
    CheckConstraint,
    DateTime,
    Dialect,
    Enum,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy import Text as TextType
from sqlalchemy.dialects.postgresql import ARRAY, BIT, JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

from focal_data.domain.embedding import MAX_DIMENSIONS, Embedding
from focal_data.domain.signs import sign_codes

_HALFVEC_HEADER: Final = struct.Struct(">HH")  # dimensions, and two bytes that are zero
_HALFVEC: Final = np.dtype([("header", "V4"), ("components", ">f2", MAX_DIMENSIONS)])

JsonDict = dict[str, JsonValue]
"""A JSON object, as tables hold it."""


class HalfVector(HALFVEC):
    """``halfvec(1536)``, sent and received in binary by the connection's codec, without a detour through text."""

    cache_ok = True

    def __init__(self, dim: int = MAX_DIMENSIONS) -> None:
        super().__init__(dim)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], bytes | None]:
        width = self.dim or MAX_DIMENSIONS
        return lambda value: None if value is None else pack_half(value, width)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        return lambda value: None if value is None else HalfVec.from_binary(value)


def pack_half(value: Embedding | ArrayLike | bytes, width: int = MAX_DIMENSIONS) -> bytes:
    """``value`` in pgvector's binary form for ``halfvec(width)``, padded with zeros; bytes are taken to be that already."""
    if isinstance(value, bytes):
        return value
    vector = value.vector if isinstance(value, Embedding) else np.asarray(value, dtype="<f4")
    half = np.zeros(width, dtype=">f2")
    half[: len(vector)] = vector
    return _HALFVEC_HEADER.pack(width, 0) + half.tobytes()


def unpack_half(data: bytes, dimensions: int, model: str) -> Embedding:
    """The embedding in pgvector's binary form ``data``, cut to its own length."""
    half = np.frombuffer(data, dtype=">f2", count=dimensions, offset=_HALFVEC_HEADER.size)
    return Embedding.from_bytes(half.astype("<f4").tobytes(), model=model)


class SignCode(TypeDecorator[bytes]):
    """``bit(1536)``: the sign code of a vector (``domain/signs.py``), in 192 bytes."""

    impl = BIT
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(MAX_DIMENSIONS)

    def bind_processor(self, dialect: Dialect) -> Callable[[bytes | None], BitString | None]:
        return lambda value: None if value is None else BitString.frombytes(value, MAX_DIMENSIONS)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], bytes | None]:
        return lambda value: None if value is None else value.bytes

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return BIT(MAX_DIMENSIONS)


def codes_of(vectors: Sequence[bytes]) -> list[bytes]:
    """The sign codes of ``vectors`` as ``pack_half`` gives them, 1536 wide; many at once take a third of the time each."""
    if not vectors:
        return []
    components = np.frombuffer(b"".join(vectors), dtype=_HALFVEC)["components"]
    return [code.tobytes() for code in sign_codes(components)]


class TypedJSON(TypeDecorator[Any]):
    """JSONB that holds one Python type, validated by pydantic when it is read through the ORM."""

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def __init__(self, python_type: Any) -> None:
        super().__init__()
        self.adapter = TypeAdapter(python_type)
        self._key = repr(python_type)

    @property
    def _static_cache_key(self) -> Any:
        return (type(self), self._key)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self._plain(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self.adapter.validate_python(value)

    def dump(self, value: Any) -> str | None:
        """``value`` as JSON text: what the driver is given for a JSONB parameter."""
        return None if value is None else orjson.dumps(self._plain(value)).decode()

    def _plain(self, value: Any) -> Any:
        """As JSON holds it. Raises a ``ValueError`` for another type, where pydantic would warn and quote the value."""
        return self.adapter.dump_python(value, mode="json", warnings="error")

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(JSONB(none_as_null=True))


def texts() -> ARRAY[Any]:
    """``TEXT[]``."""
    return ARRAY(TextType())


def uuids() -> ARRAY[Any]:
    """``UUID[]``."""
    return ARRAY(Uuid())


def utc() -> DateTime:
    """``TIMESTAMPTZ``."""
    return DateTime(timezone=True)


def string_enum(enumeration: type[StrEnum], name: str) -> Enum:
    """Text of at most 32 characters, limited to the enumeration's values by a CHECK named ``ck_<table>_<name>``."""
    return Enum(
        enumeration,
        native_enum=False,
        length=32,
        create_constraint=True,
        name=name,
        values_callable=lambda members: [member.value for member in members],
    )


def refers_to(
    table: str, column: str, *, ondelete: str = "RESTRICT", key: str = "id"
) -> ForeignKeyConstraint:
    """A foreign key from ``(tenant_id, column)`` to ``(tenant_id, key)`` of ``table``; CASCADE for parts of a whole."""
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{table}.tenant_id", f"{table}.{key}"], ondelete=ondelete
    )


def unique(*columns: str, name: str | None = None) -> UniqueConstraint:
    """A unique constraint over the tenant and ``columns``."""
    return UniqueConstraint("tenant_id", *columns, name=name)


def unique_among(where: str, *columns: str, name: str) -> Index:
    """A unique index over the tenant and ``columns`` of those rows for which ``where`` holds; ``name`` begins with ``uq_``."""
    return Index(name, "tenant_id", *columns, unique=True, postgresql_where=text(where))


def index(*columns: str) -> Index:
    """An index over the tenant and ``columns``."""
    return Index(None, "tenant_id", *columns)


def index_present(*columns: str) -> Index:
    """An index over the tenant and ``columns``, of the rows that have a value in the first of them."""
    return Index(None, "tenant_id", *columns, postgresql_where=text(f"{columns[0]} IS NOT NULL"))


def index_codes(*columns: str, include: Sequence[str] = ()) -> Index:
    """An index from which the sign codes are read that belong to the tenant, a model and ``columns``.

    What a search filters by should be in ``include``: then it reads of the table only the rows that are nearest by their codes.
    An entry of a B-tree has room for 2,704 bytes in all.
    """
    return Index(
        None,
        "tenant_id",
        "embedding_model",
        *columns,
        postgresql_include=["id", "embedding_code", *include],
        postgresql_where=text("embedding_model IS NOT NULL"),
    )


def check(expression: str, name: str) -> CheckConstraint:
    """A CHECK named ``ck_<table>_<name>``."""
    return CheckConstraint(expression, name=name)


def given(*columns: str) -> list[CheckConstraint]:
    """CHECKs that each of these text columns, where it has a value, is not empty."""
    return [check(f"{column} <> ''", f"{column}_given") for column in columns]


def at_least(minimum: int, *columns: str) -> list[CheckConstraint]:
    """CHECKs that each of these numbers, where it has a value, is not below ``minimum``."""
    return [check(f"{column} >= {minimum}", f"{column}_range") for column in columns]


def valid_period() -> CheckConstraint:
    """A valid period ends after it begins, or not at all."""
    return check("valid_to > valid_from", "valid_period")


def whole_embedding() -> CheckConstraint:
    """An embedding is stored with its sign code, its model and its own length, or not at all: a search misses none."""
    return check(
        "num_nonnulls(embedding, embedding_code, embedding_model, embedding_dimensions) IN (0, 4)"
        f" AND embedding_model <> '' AND embedding_dimensions BETWEEN 1 AND {MAX_DIMENSIONS}",
        "whole_embedding",
    )
